"""Deterministic codes."""

from torch import Tensor
from torch.distributions import Distribution

from lab.posteriors.base import Head, Point, Sizes, mlp
from lab.schedules import END


class PointHead(Head):
    """A deterministic code: the linear map of the features."""

    family = "point"

    def build(self, sizes: Sizes) -> None:
        self.network = mlp(
            sizes.features, sizes.head_widths, sizes.latent, sizes.activation, sizes.head_bias
        )

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        return Point(self.network(h))

"""Deterministic codes."""

from torch import Tensor
from torch.distributions import Distribution

from lab.posteriors.base import Head, Point, Sizes
from lab.schedules import END


class PointHead(Head):
    """A deterministic code: the linear map of the features."""

    family = "point"

    def build(self, sizes: Sizes) -> None:
        self.network = sizes.head(sizes.latent)

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        return Point(self.network(h))

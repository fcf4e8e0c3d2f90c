"""What all posteriors share: sizes, priors, the head's contract, and the model without a code.

A head has an empty constructor of options and gets its layers from `build(sizes)`, once the sizes
are known. Shapes: features h [..., B, H], latent z [..., B, D].
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from lab.schedules import END

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Sizes:
    """What a head, a term or a critic must know of the networks around it.

    `outputs` is the number of symbols that the decoder chooses from. With `one_hot` the features
    are rows of the identity. Without `both_critics` a dual KL trains the critic of its loss alone.
    """

    features: int
    latent: int
    outputs: int = 0
    head_widths: tuple[int, ...] = ()
    critic_widths: tuple[int, ...] = (512, 512, 512)
    activation: type[nn.Module] = nn.LeakyReLU
    head_bias: bool = True
    one_hot: bool = False
    both_critics: bool = True

    def head(self, outputs: int) -> nn.Module:
        """The layers from features [..., B, H] to a head's `outputs`."""
        layers = mlp(self.features, self.head_widths, outputs, self.activation, self.head_bias)
        return Lookup(*layers) if self.one_hot else layers


def mlp(
    inputs: int,
    widths: tuple[int, ...],
    outputs: int,
    activation: type[nn.Module],
    bias: bool = True,
) -> nn.Sequential:
    """Linear layers of the given widths with an activation between them and a linear output."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), activation()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs, bias=bias))


class Lookup(nn.Sequential):
    """Layers for one-hot features [..., B, K]: each of the K rows goes through them once and is
    then looked up, however often it occurs in the batch.
    """

    def forward(self, one_hot: Tensor) -> Tensor:
        rows = torch.eye(one_hot.shape[-1], device=one_hot.device, dtype=one_hot.dtype)
        return one_hot @ super().forward(rows)


class StandardNormal:
    """N(0, I), the prior of every code in Euclidean space."""

    def sample(self, shape: tuple[int, ...], **options: Any) -> Tensor:
        """Draws of the given shape [..., D]; `options` are torch.randn's (device, generator)."""
        return torch.randn(shape, **options)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) [..., D] -> [...]."""
        return -0.5 * (z.square() + LOG_2PI).sum(-1)


class Head(nn.Module):
    """Turns features into q(z|x).

    `abilities` are what terms may ask of the posterior: "kl" (closed form), "kl per dimension",
    "density" (of all pairs of draws and posteriors), "marginals". `family` is how runs store it.
    """

    abilities: ClassVar[frozenset[str]] = frozenset()
    family: ClassVar[str] = "none"
    prior: ClassVar[Any] = StandardNormal()

    def build(self, sizes: Sizes) -> None:
        """Create the layers. Raises ValueError for sizes that it cannot serve."""
        raise TypeError(f"{type(self).__name__} does not say how to build its layers")

    def width(self, latent: int) -> int:
        """Latent dimensions that the decoder will see."""
        return latent

    def check(self, batch_size: int) -> None:
        """Raise ValueError, naming the rule, if batches of this size cannot be trained on."""

    def prepare(self, lengths: Tensor) -> None:
        """Take what depends on the training set: the number of symbols of each of its items."""

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        """q(z|x) from features [..., B, H] after `time` epochs of training."""
        raise TypeError(f"{type(self).__name__} does not say what its posterior is")


class Point(Distribution):
    """All mass on `mean`: a deterministic code."""

    arg_constraints: ClassVar = {}
    has_rsample = True

    def __init__(self, mean: Tensor) -> None:
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)
        self._mean = mean

    @property
    def mean(self) -> Tensor:
        return self._mean

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        return self._mean.expand(*sample_shape, *self._mean.shape)


class NoLatent(Head):
    """No code at all: the decoder is a plain language model."""

    def build(self, sizes: Sizes) -> None:
        """Nothing to create."""

    def width(self, latent: int) -> int:
        return 0

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        return Point(h[..., :0])

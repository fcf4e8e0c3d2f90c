"""Posteriors q(z|x) and the heads that turn encoder features into them.

A head has an empty constructor of options and gets its layers from `build(sizes)`, once the sizes
are known. Shapes: features h [..., B, H], latent z [..., B, D].
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

LOG_2PI = math.log(2 * math.pi)
# The usual 1e-5 lets the encoder shrink its output below it and escape the bound.
BN_EPSILON = 1e-10


@dataclass(frozen=True)
class Sizes:
    """What a head or a critic must know of the networks around it."""

    features: int
    latent: int
    head_widths: tuple[int, ...] = ()
    critic_widths: tuple[int, ...] = (512, 512, 512)
    activation: type[nn.Module] = nn.LeakyReLU
    head_bias: bool = True


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


class DiagonalGaussian(Independent):
    """N(mean, diag exp(log_variance)), with both parameters at hand."""

    def __init__(self, mean: Tensor, log_variance: Tensor) -> None:
        scale = (0.5 * log_variance).exp()
        super().__init__(Normal(mean, scale, validate_args=False), 1, validate_args=False)
        self.log_variance = log_variance

    def kl_per_dimension(self) -> Tensor:
        """KL(q(z_i|x) ‖ N(0, 1)) [..., B, D] in nats, closed form."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - self.log_variance - 1)


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


class PushForward(Distribution):
    """z = G(h, ε) with ε ~ N(0, I): an implicit posterior, known by its samples (iVAE eq. 6)."""

    arg_constraints: ClassVar = {}
    has_rsample = True

    def __init__(self, network: nn.Module, h: Tensor, noise: int, latent: int) -> None:
        super().__init__(h.shape[:-1], torch.Size([latent]), validate_args=False)
        self.network, self.h, self.noise = network, h, noise

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        h = self.h.expand(*sample_shape, *self.h.shape)
        noise = torch.randn(*h.shape[:-1], self.noise, device=h.device, dtype=h.dtype)
        return self.network(torch.cat([h, noise], -1))


class LinearPushForward(PushForward):
    """One linear layer on [h; ε]: exactly N(A h + b, B Bᵀ), one covariance for all x (D1)."""

    def density(self) -> MultivariateNormal:
        """The exact Gaussian, in float64 because B Bᵀ is often nearly singular."""
        layer = self.network[-1]
        weight, noise = layer.weight.double().split([self.h.shape[-1], self.noise], dim=1)
        mean = nn.functional.linear(self.h.double(), weight, layer.bias.double())
        covariance = noise @ noise.T + 1e-10 * torch.eye(len(noise), device=noise.device)
        return MultivariateNormal(mean, covariance.expand(*mean.shape[:-1], -1, -1))


class Head(nn.Module):
    """Turns features into q(z|x). `abilities` are what terms may ask of the posterior."""

    abilities: ClassVar[frozenset[str]] = frozenset()
    family: ClassVar[str] = "none"

    def build(self, sizes: Sizes) -> None:
        """Create the layers."""
        raise TypeError(f"{type(self).__name__} does not say how to build its layers")

    def width(self, latent: int) -> int:
        """Latent dimensions that the decoder will see."""
        return latent


class NoLatent(Head):
    """No code at all: the decoder is a plain language model."""

    def build(self, sizes: Sizes) -> None:
        """Nothing to create."""

    def width(self, latent: int) -> int:
        return 0

    def forward(self, h: Tensor) -> Distribution:
        return Point(h[..., :0])


class GaussianHead(Head):
    """q(z|x) = N(μ, diag σ²), both linear in the features (Kingma and Welling 2014)."""

    abilities = frozenset({"kl", "density"})
    family = "gaussian"

    def build(self, sizes: Sizes) -> None:
        self.network = mlp(
            sizes.features, sizes.head_widths, 2 * sizes.latent, sizes.activation, sizes.head_bias
        )

    def parameters_of(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.network(h).chunk(2, -1)
        return mean, log_variance

    def forward(self, h: Tensor) -> Distribution:
        return DiagonalGaussian(*self.parameters_of(h))


class BatchNormHead(GaussianHead):
    """Gaussian whose means pass batch normalisation with frozen scale γ (BN-VAE, Zhu et al. 2020).

    In training mode the batch KL is at least D γ² / 2. A batch of one uses the running statistics.
    """

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def build(self, sizes: Sizes) -> None:
        super().build(sizes)
        self.normalise = nn.BatchNorm1d(sizes.latent, eps=BN_EPSILON, affine=False)
        self.shift = nn.Parameter(torch.zeros(sizes.latent))

    def forward(self, h: Tensor) -> Distribution:
        mean, log_variance = self.parameters_of(h)
        self.normalise.train(self.training and len(mean) > 1)
        return DiagonalGaussian(self.gamma * self.normalise(mean) + self.shift, log_variance)


class PointHead(Head):
    """A deterministic code: the linear map of the features."""

    family = "point"

    def build(self, sizes: Sizes) -> None:
        self.network = mlp(
            sizes.features, sizes.head_widths, sizes.latent, sizes.activation, sizes.head_bias
        )

    def forward(self, h: Tensor) -> Distribution:
        return Point(self.network(h))


class ImplicitHead(Head):
    """z = G(h, ε), G an MLP with one hidden layer unless the networks ask for others (iVAE eq. 6).

    With `linear`, G is the published code's single layer, an exact Gaussian (D1).
    """

    family = "samples"

    def __init__(self, linear: bool = False) -> None:
        super().__init__()
        self.linear = linear

    def build(self, sizes: Sizes) -> None:
        self.latent = sizes.latent
        inputs = sizes.features + sizes.latent
        widths = () if self.linear else sizes.head_widths or (inputs,)
        self.network = mlp(inputs, widths, sizes.latent, sizes.activation)

    def forward(self, h: Tensor) -> Distribution:
        kind = LinearPushForward if self.linear else PushForward
        return kind(self.network, h, self.latent, self.latent)


def pairwise_log_prob(mean: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
    """log N(z_m; mean_n, exp log_variance_n) for all pairs: z [..., M, D] -> [..., M, N], two
    matrix products.
    """
    precision = (-log_variance).exp()
    constant = -0.5 * (mean.square() * precision + log_variance + LOG_2PI).sum(-1)
    product = z @ (mean * precision).mT - 0.5 * z.square() @ precision.mT
    return product + constant.unsqueeze(-2)


def standard_log_prob(z: Tensor) -> Tensor:
    """log N(z_i; 0, 1) per coordinate, same shape as z."""
    return -0.5 * (z.square() + LOG_2PI)

"""Posteriors known by their samples (iVAE, clVAE)."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal

from lab.posteriors.base import Head, Sizes, mlp
from lab.schedules import END


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

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        kind = LinearPushForward if self.linear else PushForward
        return kind(self.network, h, self.latent, self.latent)

"""Von Mises-Fisher posteriors on the unit sphere, with a uniform prior."""

from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Beta, Distribution
from torch.nn.functional import normalize

from lab.metrics.sphere import vmf_kl, vmf_log_normaliser, wood_proposal
from lab.posteriors.base import Head, Sizes
from lab.schedules import END


class UniformSphere:
    """The uniform distribution on the unit sphere of R^D, the prior of directions."""

    def sample(self, shape: tuple[int, ...], **options: Any) -> Tensor:
        """Draws of the given shape [..., D]; `options` are torch.randn's (device, generator)."""
        return normalize(torch.randn(shape, **options), dim=-1)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) [..., D] -> [...], the same everywhere."""
        return z.new_full(z.shape[:-1], _log_normaliser(0.0, z.shape[-1]))


class VonMisesFisher(Distribution):
    """C_D(κ) exp(κ μ·z) on the unit sphere, with directions μ [..., B, D] of unit length and one
    fixed κ.

    `mean` is the direction μ, which lies on the sphere as the expectation does not.
    """

    arg_constraints: ClassVar = {}
    has_rsample = True

    def __init__(self, mean: Tensor, concentration: float) -> None:
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)
        self._mean, self.concentration = mean, concentration

    @property
    def mean(self) -> Tensor:
        return self._mean

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """z = w μ + √(1 - w²) v: w by rejection (Wood 1994), v uniform among μ's unit tangents."""
        shape = (*sample_shape, *self._mean.shape)
        gap = self._gaps(shape[:-1]).unsqueeze(-1)
        fixed = self._mean.detach()
        noise = torch.randn(shape, dtype=fixed.dtype, device=fixed.device)
        tangent = normalize(noise - (noise * fixed).sum(-1, keepdim=True) * fixed, dim=-1)
        # Zero but for its gradient: v turns with μ as in the smallest rotation. The gradient of the
        # line above would have infinite variance in three dimensions.
        tangent = tangent - (tangent * self._mean).sum(-1, keepdim=True) * fixed
        tangent = normalize(tangent, dim=-1)
        return (1 - gap) * self._mean + (gap * (2 - gap)).sqrt() * tangent

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(z|x) [..., B, D] -> [..., B]."""
        cosine = (value * self._mean).sum(-1)
        return self.concentration * cosine + self._log_normaliser

    def kl(self) -> Tensor:
        """KL(q(z|x) ‖ uniform) [..., B] in nats, closed form: a constant."""
        value = _kl(self.concentration, self._mean.shape[-1])
        return self._mean.new_full(self._mean.shape[:-1], value)

    def grouped(self, rows: slice, size: int) -> "VonMisesFisher":
        """The posteriors of some rows in groups of `size`: [..., B, D] -> [..., G, size, D]."""
        groups = self._mean[..., rows, :].unflatten(-2, (-1, size))
        return VonMisesFisher(groups, self.concentration)

    def pairwise_log_prob(self, z: Tensor) -> Tensor:
        """log q(z_m|x_n) for all pairs: draws [..., M, D] -> [..., M, N], one matrix product."""
        return self.concentration * (z @ self._mean.mT) + self._log_normaliser

    @property
    def _log_normaliser(self) -> float:
        return _log_normaliser(self.concentration, self._mean.shape[-1])

    def _gaps(self, shape: tuple[int, ...]) -> Tensor:
        """Draws of 1 - w; rows that are rejected draw again."""
        gaps = self._mean.new_empty(shape).flatten()
        waiting = torch.arange(len(gaps), device=gaps.device)
        size = self._mean.shape[-1]
        half = gaps.new_tensor((size - 1) / 2)
        while len(waiting):
            beta = Beta(half, half, validate_args=False).sample(waiting.shape)
            gaps[waiting], accept = wood_proposal(beta, self.concentration, size, torch.log)
            waiting = waiting[accept + torch.empty_like(accept).exponential_() < 0]
        return gaps.view(shape)


class VonMisesFisherHead(Head):
    """q(z|x) = vMF(μ, κ), μ the normalised linear map of the features, κ fixed (Xu and Durrett
    2018; DG-VAE section 3).

    The KL to the uniform prior is the same for every x, so that it cannot fall.
    """

    abilities = frozenset({"kl", "density"})
    family = "vmf"
    prior = UniformSphere()

    def __init__(self, concentration: float) -> None:
        super().__init__()
        self.concentration = concentration

    def build(self, sizes: Sizes) -> None:
        if sizes.latent < 2:
            raise ValueError(
                "a von Mises-Fisher posterior needs 2 or more latent dimensions; raise --latent"
            )
        self.network = sizes.head(sizes.latent)

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        return VonMisesFisher(normalize(self.network(h), dim=-1), self.concentration)


@cache
def _log_normaliser(concentration: float, dimensions: int) -> float:
    return float(vmf_log_normaliser(concentration, dimensions))


@cache
def _kl(concentration: float, dimensions: int) -> float:
    return float(vmf_kl(concentration, dimensions))

"""Deterministic codes of fixed mean and variance, with noise that dies out (CEAE)."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from lab.posteriors.base import Head, Point, Sizes
from lab.posteriors.gaussian import BN_EPSILON, AveragingBatchNorm, DiagonalGaussian
from lab.schedules import END


class NormalisedHead(Head):
    """z = μ + c_t ε with normalised μ and c_t = c_0 / t in epoch t up to `noise_epochs`, then z = μ
    (CEAE sections 3 and A.1, spec 1.20).

    `norm` "batch" gives every dimension mean 0 and variance 1 over the minibatch, "layer" every
    code mean 0 and norm √D (appendix F); neither has an affine part. Every `every`-th minibatch is
    normalised by the running statistics instead (A.4; 0: none, and none with "layer"). `noise` is
    c_0; None derives it from the training set in `prepare`. The paper gives that rule without its
    values, and no number of noisy epochs (D36).
    """

    family = "point"

    def __init__(
        self, norm: Literal["batch", "layer"], noise: float | None, noise_epochs: int, every: int
    ) -> None:
        super().__init__()
        self.norm, self.noise, self.every = norm, noise, every
        self.noise_epochs = 0 if noise == 0 else noise_epochs
        self.register_buffer("log_noise", torch.tensor(noise or 1.0).log())

    def build(self, sizes: Sizes) -> None:
        """Create the layers. Raises ValueError if layer normalisation leaves only two codes."""
        if self.norm == "layer" and sizes.latent < 3:
            raise ValueError("norm='layer' needs 3 or more dimensions: fewer leave only two codes")
        self.latent = sizes.latent
        self.network = sizes.head(sizes.latent)
        self.normalise = (
            GlobalBatchNorm(sizes.latent, self.every)
            if self.norm == "batch"
            else nn.LayerNorm(sizes.latent, eps=BN_EPSILON, elementwise_affine=False)
        )

    def check(self, batch_size: int) -> None:
        if self.norm == "batch" and batch_size < 2:
            raise ValueError("batch normalisation needs a batch of 2 or more")

    def prepare(self, lengths: Tensor) -> None:
        """Choose c_0, unless it is given, for training items of these lengths [N] in symbols."""
        if self.noise is None:
            self.log_noise.fill_(log_capacity_noise(lengths, self.latent))

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        mean = self.normalise(self.network(h))
        if time >= self.noise_epochs:
            return Point(mean)
        log_scale = self.log_noise - math.log(math.floor(time) + 1)
        return DiagonalGaussian(mean, (2 * log_scale).to(mean).expand_as(mean))


def log_capacity_noise(lengths: Tensor, latent: int) -> float:
    """ln c_0 of (1 + 1/c_0²)^{D/2} = 5 S, S = Σ n(n - 1)/2 over lengths n [N] (CEAE A.4).

    With it D noisy codes of unit variance carry the log of five times the number S of subsentences.
    A sentence of one word, which eq. S leaves out, counts as one.
    """
    n = lengths.double()
    subsentences = (n * (n - 1) / 2).clamp(min=1).sum()
    nats = 2 / latent * math.log(5 * float(subsentences))
    return -0.5 * (nats + math.log(-math.expm1(-nats)))


class GlobalBatchNorm(AveragingBatchNorm):
    """Batch normalisation whose every `every`-th training minibatch is normalised by the running
    statistics (CEAE A.4; 0: never).

    Such a minibatch enters the statistics first, like any other; they are constants to its
    gradient, which reaches x through the linear map.
    """

    def __init__(self, latent: int, every: int) -> None:
        super().__init__(latent)
        self.every = every

    def forward(self, x: Tensor) -> Tensor:
        normalised = super().forward(x)
        counted = self.training and len(x) > 1
        if counted and self.every and int(self.num_batches_tracked) % self.every == 0:
            return self.by_running_statistics(x)
        return normalised

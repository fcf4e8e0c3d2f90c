"""Gaussian posteriors with a diagonal covariance."""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import batch_norm

from lab.posteriors.base import LOG_2PI, Head, Sizes
from lab.schedules import END

# The usual 1e-5 lets the encoder shrink its output below it and escape the bound.
BN_EPSILON = 1e-10
RECENT = 0.1  # share of the newest minibatch in the running statistics, PyTorch's default


class DiagonalGaussian(Independent):
    """N(mean, diag exp(log_variance)), with both parameters at hand."""

    def __init__(self, mean: Tensor, log_variance: Tensor) -> None:
        scale = (0.5 * log_variance).exp()
        super().__init__(Normal(mean, scale, validate_args=False), 1, validate_args=False)
        self.log_variance = log_variance

    def kl(self) -> Tensor:
        """KL(q(z|x) ‖ N(0, I)) [..., B] in nats, closed form."""
        return self.kl_per_dimension().sum(-1)

    def kl_per_dimension(self) -> Tensor:
        """KL(q(z_i|x) ‖ N(0, 1)) [..., B, D] in nats, closed form."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - self.log_variance - 1)

    def grouped(self, rows: slice, size: int) -> "DiagonalGaussian":
        """The posteriors of some rows in groups of `size`: [..., B, D] -> [..., G, size, D]."""
        return DiagonalGaussian(
            *(x[..., rows, :].unflatten(-2, (-1, size)) for x in (self.mean, self.log_variance))
        )

    def pairwise_log_prob(self, z: Tensor) -> Tensor:
        """log q(z_m|x_n) for all pairs: draws [..., M, D] -> [..., M, N], two matrix products."""
        precision = (-self.log_variance).exp()
        mean = self.mean
        constant = -0.5 * (mean.square() * precision + self.log_variance + LOG_2PI).sum(-1)
        product = z @ (mean * precision).mT - 0.5 * z.square() @ precision.mT
        return product + constant.unsqueeze(-2)


class GaussianHead(Head):
    """q(z|x) = N(μ, diag σ²), both linear in the features (Kingma and Welling 2014)."""

    abilities = frozenset({"kl", "kl per dimension", "density", "marginals"})
    family = "gaussian"

    def build(self, sizes: Sizes) -> None:
        self.network = sizes.head(2 * sizes.latent)

    def parameters_of(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.network(h).chunk(2, -1)
        return mean, log_variance

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        return DiagonalGaussian(*self.parameters_of(h))


class AveragingBatchNorm(nn.BatchNorm1d):
    """Batch normalisation [B, D] without affine part that knows its outputs' size from the start.

    Its running statistics are the plain average of the first ten minibatches and then an
    exponential one: an average that starts at variance 1 would take hundreds of steps to see how
    small an untrained encoder's outputs are, and until then evaluate the means near 0. A minibatch
    of one row is normalised by them and leaves them, and the count, as they are.
    """

    def __init__(self, latent: int) -> None:
        super().__init__(latent, eps=BN_EPSILON, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or len(x) < 2:
            return self.by_running_statistics(x)
        self.momentum = max(RECENT, 1 / (int(self.num_batches_tracked) + 1))
        return super().forward(x)

    def by_running_statistics(self, x: Tensor) -> Tensor:
        # Copies, because the next minibatch changes the statistics in place.
        return batch_norm(x, self.running_mean.clone(), self.running_var.clone(), eps=self.eps)


class BatchNormHead(GaussianHead):
    """Gaussian whose means pass batch normalisation with frozen scale γ (BN-VAE, Zhu et al. 2020).

    In training mode the batch KL is at least D γ² / 2. A batch of one uses the running statistics.
    """

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def build(self, sizes: Sizes) -> None:
        super().build(sizes)
        self.normalise = AveragingBatchNorm(sizes.latent)
        self.shift = nn.Parameter(torch.zeros(sizes.latent))

    def check(self, batch_size: int) -> None:
        if batch_size < 2:
            raise ValueError("batch normalisation needs a batch of 2 or more")

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        mean, log_variance = self.parameters_of(h)
        return DiagonalGaussian(self.gamma * self.normalise(mean) + self.shift, log_variance)


class CommittedRateHead(GaussianHead):
    """Gaussian whose KL is at least δ nats in every dimension whatever the encoder says (δ-VAE,
    Razavi et al. 2019).

    The variance stays between the roots of ln v - v + 2δ + 1 = 0 and the mean is at least
    √(2δ + 1 + ln v - v), with an independent N(0, 1) prior (spec 1.9).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.bounds = tuple(math.sqrt(v) for v in variance_bounds(rate))

    def forward(self, h: Tensor, time: float = END) -> Distribution:
        raw_mean, raw_scale = self.parameters_of(h)
        low, high = self.bounds
        scale = low + (high - low) * raw_scale.sigmoid()
        log_variance = 2 * scale.log()
        least = 2 * self.rate + 1 + log_variance - scale.square()
        # Without the offset the root has no finite slope where the bound is tight.
        return DiagonalGaussian((least.clamp(min=0) + raw_mean.relu() + 1e-6).sqrt(), log_variance)


def variance_bounds(rate: float) -> tuple[float, float]:
    """The two roots of ln v - v + 2 rate + 1 = 0, one on each side of 1."""
    from scipy.optimize import brentq

    def excess(v: float) -> float:
        return math.log(v) - v + 2 * rate + 1

    # Below: ln v > -(2 rate + 1) makes it negative; above: v = 4 rate + 4 does.
    return brentq(excess, math.exp(-2 * rate - 2), 1.0), brentq(excess, 1.0, 4 * rate + 4)

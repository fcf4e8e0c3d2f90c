"""Discrepancies between the aggregated posterior and the prior, by samples (InfoVAE, WAE, AAE)."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lab.model import State, Term
from lab.posteriors import Sizes, mlp
from lab.schedules import Schedule


class MMD(Term):
    """Squared maximum mean discrepancy between posterior and prior draws (InfoVAE, WAE-MMD).

    The unbiased estimate, so it may fall below 0; the mean of `samples` of them, each with one
    fresh draw per row, because two draws from one posterior are no independent draws from the
    aggregated one (the published code pools them). A batch of one has no estimate and counts 0.
    """

    name = "MMD"
    least_rows = 2

    def __init__(self, weight: Schedule, kernel: Literal["imq", "rbf"], samples: int = 1) -> None:
        super().__init__(weight)
        self.kernel, self.samples = KERNELS[kernel], samples

    def forward(self, state: State) -> Tensor:
        z = state.q.rsample((self.samples,))
        if z.shape[-2] < 2:
            return z.new_zeros(z.shape[1:-2])
        prior = state.prior.sample(z.shape, device=z.device, dtype=z.dtype)
        return squared_mmd(z, prior, self.kernel).mean(0)


def squared_mmd(a: Tensor, b: Tensor, kernel: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Unbiased MMD² of two samples [..., N, D] -> [...] (Gretton et al. 2012, eq. 4)."""
    rows, dimensions = a.shape[-2:]
    within = sum(
        kernel(_squared_distances(x, x), dimensions).sum((-2, -1)) - rows for x in (a, b)
    ) / (rows * (rows - 1))
    between = kernel(_squared_distances(a, b), dimensions).mean((-2, -1))
    return within - 2 * between


def inverse_multiquadric(squared_distance: Tensor, dimensions: int) -> Tensor:
    """C / (C + d²) with C = 2 D, the expected squared distance of two prior draws (spec 1.12)."""
    scale = 2 * dimensions
    return scale / (scale + squared_distance)


def gaussian_kernel(squared_distance: Tensor, dimensions: int) -> Tensor:
    """exp(-d² / 2 D)."""
    return (-squared_distance / (2 * dimensions)).exp()


KERNELS = {"imq": inverse_multiquadric, "rbf": gaussian_kernel}


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    squares = a.square().sum(-1, keepdim=True) + b.square().sum(-1).unsqueeze(-2)
    distances = (squares - 2 * a @ b.mT).clamp(min=0)
    if a is b:  # rounding must not move a point away from itself
        distances = distances * (1 - torch.eye(a.shape[-2], device=a.device, dtype=a.dtype))
    return distances


class Adversary(Term):
    """A critic tells prior draws from posterior ones; the model wants its codes taken for the
    prior's (AAE, Makhzani et al. 2016; spec 1.12).
    """

    name = "adversary"
    least_rows = 2
    critic_steps = 1

    def build(self, sizes: Sizes) -> None:
        self.critic = mlp(sizes.latent, sizes.critic_widths, 1, sizes.activation)

    def opponent(self, h: Tensor, z: Tensor) -> Tensor:
        return -self.critic(z).squeeze(-1)

    def forward(self, state: State) -> Tensor:
        """-log D(z) of the posterior draws, nats."""
        return softplus(-self.critic(state.z).squeeze(-1)).mean(-1)

    def dual(self, state: State) -> Tensor:
        """The critic's cross-entropy: 2 log 2 where it cannot tell them apart."""
        prior, posterior = (self.critic(z).squeeze(-1) for z in (state.prior_sample(), state.z))
        return softplus(-prior).mean(-1) + softplus(posterior).mean(-1)

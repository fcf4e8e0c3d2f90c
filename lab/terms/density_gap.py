"""Density gap between the aggregated posterior of a batch and the prior (DG-VAE)."""

import math
from typing import Any

import torch
from torch import Tensor

from lab.model import State, Term
from lab.posteriors import DiagonalGaussian, StandardNormal
from lab.schedules import Schedule


class DensityGap(Term):
    """KL(q_b(z) ‖ p(z)) of the posterior aggregated over subsets b of the batch, by stratified
    samples.

    `marginal` sums the gaps of the single dimensions (DG-VAE eq. 11), otherwise the joint density
    counts (eq. 9). `aggregation` is |b|, the whole batch when None; where the last batch of one
    length leaves a remainder, it forms a smaller subset, weighted by its rows (D6). |b| = 1 is the
    Monte-Carlo KL of a plain VAE.
    """

    name = "density gap"

    def __init__(
        self, weight: Schedule, marginal: bool, aggregation: int | None, samples: int
    ) -> None:
        super().__init__(weight)
        self.marginal, self.aggregation, self.samples = marginal, aggregation, samples
        self.needs = frozenset({"marginals" if marginal else "density"})

    def check(self, batch_size: int) -> None:
        if batch_size < 2 and self.aggregation != 1:
            raise ValueError("an aggregated posterior needs a batch of 2 or more")
        if self.aggregation and batch_size % self.aggregation:
            raise ValueError(
                f"aggregation={self.aggregation} does not divide the batch of {batch_size}; give a "
                "divisor of it, or None for the whole batch"
            )

    def forward(self, state: State) -> Tensor:
        z = state.q.rsample((self.samples,)).movedim(0, -2)  # [..., B, M, D]
        rows = state.q.mean.shape[-2]
        size = min(self.aggregation or rows, rows)
        whole = rows - rows % size
        total = 0.0
        for part, count in ((slice(0, whole), size), (slice(whole, rows), rows - whole)):
            if count:
                q = state.q.grouped(part, count)
                draws = z[..., part, :, :].unflatten(-3, (-1, count)).flatten(-3, -2)
                gap = marginal_gap(q, draws) if self.marginal else joint_gap(q, draws, state.prior)
                total = total + gap.sum(-1) * count / rows
        return total


def joint_gap(q: Any, z: Tensor, prior: Any = StandardNormal()) -> Tensor:  # noqa: B008 (stateless)
    """Mean over draws z [..., M, D] of log q(z) - log p(z), q the mixture over [..., N, D] ->
    [...].
    """
    log_q = torch.logsumexp(q.pairwise_log_prob(z), -1) - math.log(q.mean.shape[-2])
    return (log_q - prior.log_prob(z)).mean(-1)


def marginal_gap(q: DiagonalGaussian, z: Tensor) -> Tensor:
    """The same summed over the one-dimensional marginals."""
    mean, scale = q.mean, (-0.5 * q.log_variance).exp()
    standard = z.unsqueeze(-2) * scale.unsqueeze(-3) - (mean * scale).unsqueeze(-3)
    log_prob = -0.5 * standard.square() + scale.log().unsqueeze(-3)
    log_ratio = torch.logsumexp(log_prob, -2) - math.log(mean.shape[-2]) + 0.5 * z.square()
    return log_ratio.sum(-1).mean(-1)

"""Density gap between the aggregated posterior of a batch and the prior (DG-VAE)."""

import math

import torch
from torch import Tensor

from lab.model import State, Term
from lab.posteriors import DiagonalGaussian, pairwise_log_prob, standard_log_prob
from lab.schedules import Schedule


class DensityGap(Term):
    """KL(q_b(z) ‖ p(z)) of the posterior aggregated over subsets b of the batch, by stratified
    samples.

    `marginal` sums the gaps of the single dimensions (DG-VAE eq. 11), otherwise the joint density
    counts (eq. 9). `aggregation` is |b|, the whole batch when None; a remainder forms a smaller
    subset, weighted by its rows (D6). |b| = 1 is the Monte-Carlo KL of a plain VAE.
    """

    name = "density gap"
    needs = frozenset({"density"})

    def __init__(
        self, weight: Schedule, marginal: bool, aggregation: int | None, samples: int
    ) -> None:
        super().__init__(weight)
        self.marginal, self.aggregation, self.samples = marginal, aggregation, samples

    def forward(self, state: State) -> Tensor:
        q: DiagonalGaussian = state.q
        z = q.rsample((self.samples,)).movedim(0, -2)  # [..., B, M, D]
        gap = marginal_gap if self.marginal else joint_gap
        rows = q.mean.shape[-2]
        size = min(self.aggregation or rows, rows)
        whole = rows - rows % size
        total = 0.0
        for part, count in ((slice(0, whole), size), (slice(whole, rows), rows - whole)):
            if count:
                mean, log_variance = (
                    x[..., part, :].unflatten(-2, (-1, count)) for x in (q.mean, q.log_variance)
                )
                draws = z[..., part, :, :].unflatten(-3, (-1, count)).flatten(-3, -2)
                total = total + gap(mean, log_variance, draws).sum(-1) * count / rows
        return total


def joint_gap(mean: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
    """Mean over draws z [..., M, D] of log q(z) - log p(z), q the mixture over [..., N, D] ->
    [...].
    """
    log_q = torch.logsumexp(pairwise_log_prob(mean, log_variance, z), -1) - math.log(mean.shape[-2])
    return (log_q - standard_log_prob(z).sum(-1)).mean(-1)


def marginal_gap(mean: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
    """The same summed over the one-dimensional marginals."""
    scale = (-0.5 * log_variance).exp()
    standard = z.unsqueeze(-2) * scale.unsqueeze(-3) - (mean * scale).unsqueeze(-3)
    log_prob = -0.5 * standard.square() + scale.log().unsqueeze(-3)
    log_ratio = torch.logsumexp(log_prob, -2) - math.log(mean.shape[-2]) + 0.5 * z.square()
    return log_ratio.sum(-1).mean(-1)

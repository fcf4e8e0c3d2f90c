"""KL(q(z) || N(0, I)) of an aggregated posterior known by its draws alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import at_least, finite
from lab.metrics.density import standard_normal_log_prob


def prior_kl_histogram(draws: ArrayLike, bins: int = 20, limit: float = 4.0) -> float:
    """KL(q || N(0, I)) in nats of two-dimensional draws [N, 2], both binned on one square grid.

    `bins` cells an axis from -limit to limit, the outermost reaching to infinity, so that far draws
    count too. The plug-in value less (occupied cells - 1) / 2N (Miller and Madow 1955). Structure
    finer than a cell is not seen, so that the rest of the bias is downwards: at the defaults and N
    = 2,000, bias and spread (one standard deviation) are +0.02 ± 0.01 at N(0, I), -0.02 ± 0.01 at σ
    = 0.5, -0.26 ± 0.03 of 2.51 at 0.2, -2.66 of 4.99 at 0.05, and -0.19 ± 0.06 of 1.61 at σ = 2,
    which leaves the grid. Repeated draws are no special case: the value stays finite where the KL
    is not. ValueError for other shapes, values that are not finite, bins < 2 and limit <= 0.
    """
    from scipy.special import xlogy

    draws = finite(draws, "draws", "ND")
    if draws.shape[1] != 2:
        raise ValueError(f"draws must have two dimensions, not {draws.shape[1]}")
    at_least(bins, 2, "bins")
    if not (np.isfinite(limit) and limit > 0):
        raise ValueError(f"limit must be a positive number, not {limit}")
    inner = np.linspace(-limit, limit, bins + 1)[1:-1]
    column, row = (np.searchsorted(inner, axis) for axis in draws.T)
    counts = np.bincount(row * bins + column, minlength=bins * bins)
    share, log_axis = counts / len(draws), _log_cell_masses(inner)
    log_prior = (log_axis[:, None] + log_axis).ravel()
    excess = (np.count_nonzero(counts) - 1) / (2 * len(draws))
    return float((xlogy(share, share) - share * log_prior).sum() - excess)


def prior_kl_neighbours(draws: ArrayLike, k: int = 4) -> float:
    """KL(q || N(0, I)) in nats of draws [N, D], by the distances to their k-th neighbours.

    It is minus the entropy, less E log p. The entropy is D mean ln R + ln V_D + ψ(N) - ψ(k), R the
    distance to the k-th nearest other draw and V_D the unit ball's volume (Kozachenko and Leonenko
    1987); -E log p is the mean of |z|² / 2 and a constant. In two dimensions, k = 4, N = 2,000 bias
    and spread (one standard deviation) are +0.01 ± 0.01 at N(0, I), +0.02 ± 0.03 from σ = 0.05 to
    0.5, and +0.05 ± 0.03 at a ring of 16 blobs of σ = 0.1. A smaller k has less bias, more spread.
    No measure for many dimensions: at N(0, I) it gives 0.0 in 8 and -2.9 in 32 (N = 3,000).

    More than k equal draws are an atom, whose KL is infinite, and give math.inf; fewer repetitions
    only raise the value. ValueError for unfit shapes, values that are not finite, k < 1, N <= k.
    """
    from scipy.spatial import cKDTree
    from scipy.special import digamma, gammaln

    draws = finite(draws, "draws", "ND")
    at_least(k, 1, "k")
    at_least(len(draws), k + 1, "the number of draws")
    count, dimensions = draws.shape
    distance = cKDTree(draws).query(draws, k=[k + 1])[0]  # the nearest of all is the draw itself
    if not distance.all():
        return math.inf
    log_ball = dimensions / 2 * np.log(np.pi) - gammaln(dimensions / 2 + 1)
    spread = dimensions * np.log(distance).mean()
    entropy = spread + log_ball + digamma(count) - digamma(k)
    return float(-entropy - standard_normal_log_prob(draws).sum(axis=1).mean())


def _log_cell_masses(inner: np.ndarray) -> np.ndarray:
    """Log of the mass of N(0, 1) between neighbouring edges, the outermost ones at infinity."""
    from scipy.special import log_ndtr

    low, high = np.append(-np.inf, inner), np.append(inner, np.inf)
    # The lower tail keeps its digits where the upper one would round to 1.
    low, high = np.where(low + high > 0, (-high, -low), (low, high))
    top = log_ndtr(high)
    return top + np.log1p(-np.exp(log_ndtr(low) - top))

"""KL(q(z) || N(0, I)) of an aggregated posterior known by its draws alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import at_least, finite
from lab.metrics.density import standard_normal_log_prob


def prior_kl_histogram(draws: ArrayLike, bins: int = 16, limit: float = 4.0) -> float:
    """TODO"""
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
    """TODO"""
    from scipy.spatial import cKDTree
    from scipy.special import digamma, gammaln

    draws = finite(draws, "draws", "ND")
    at_least(k, 1, "k")
    at_least(len(draws), k + 1, "the number of draws")
    count, dimensions = draws.shape
    distance = cKDTree(draws).query(draws, k=[k + 1])[0]  # the nearest of all is the draw itself
    if not distance.all():
        return np.inf
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

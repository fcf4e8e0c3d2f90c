"""Linear pictures of a latent space: principal axes, exact densities on them, turns between runs.

Axes are orthonormal and go through the prior's centre, so that N(0, I) stays N(0, I) on them and a
uniform direction keeps its outline, the unit circle.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from lab import metrics, views
from lab.errors import UserError
from lab.runs import Latents
from lab.runs.figures import take

BLOCK = 65_536  # items whose variances are held at once
# |correlation| up to which so many nodes keep an item's density within 3e-3 (L1), most far below.
NODES = (
    (0.05, 3), (0.1, 4), (0.2, 5), (0.3, 7), (0.5, 13), (0.7, 25), (0.9, 65), (0.95, 129),
)  # fmt: skip
LARGEST_CORRELATION = NODES[-1][0]
LIGHTEST = 1e-7  # share of an item below which a node is left out


@dataclass(frozen=True)
class Axes:
    """Orthonormal columns `matrix` [D, K] and the `share` [K] of the means' variance along each."""

    matrix: np.ndarray
    share: np.ndarray


def principal_axes(mean: np.ndarray) -> Axes:
    """All principal axes of posterior means [N, D], the widest first, as `Axes` with K = D.

    Of each axis the largest loading is positive. Points are projected as they are, not centred.
    UserError with fewer than two dimensions or where a value is not finite.
    """
    if mean.shape[1] < 2:
        raise UserError("Codes of one dimension have no plane to be projected onto.")
    if not np.isfinite(mean).all():
        raise UserError("The means hold NaN or infinite values; this dump is damaged.")
    variance, vectors = np.linalg.eigh(_covariance(mean))
    variance, vectors = np.maximum(variance[::-1], 0), vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.where(vectors[largest, np.arange(len(variance))] < 0, -1, 1)
    return Axes(vectors, variance / max(variance.sum(), np.finfo(float).tiny))


def turn(moving: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, float]:
    """The rotation or mirroring [K, K] that brings points `moving` [M, K] nearest to `fixed`.

    Orthogonal Procrustes about the points' centres, and its disparity: 0 where the shapes are equal
    up to their size, 1 where nothing is shared (also without points, or when all lie in one).
    """
    moving, fixed = (np.asarray(p, float) - np.mean(p, axis=0) for p in (moving, fixed))
    left, strength, right = np.linalg.svd(moving.T @ fixed)
    size = np.square(moving).sum() * np.square(fixed).sum()
    shared = strength.sum() ** 2 / size if size > 0 else 0.0
    return left @ right, float(np.clip(1 - shared, 0, 1))


def density(
    latents: Latents, matrix: np.ndarray, limit: float = 5.0, points: int = 160
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aggregated posterior on two orthonormal axes [D, 2]: x [P], y [P], density [y, x].

    Each Gaussian posterior is a Gaussian there, with mean A^T m and the full covariance A^T V A;
    correlations above 0.95 count as 0.95. They are summed exactly up to 20,000 items, binned
    beyond. Of other families draws, samples or codes are projected and smoothed as `views.density`
    does.
    """
    if latents.family != "gaussian":
        samples = _samples(latents) @ matrix
        return metrics.aggregated_posterior_from_samples(samples, (0, 1), limit, points)
    method = "exact" if len(latents) <= views.EXACT_UP_TO else "binned"
    axis = np.linspace(-limit, limit, points)
    total = np.zeros((points, points))
    items = latents.mean @ matrix, *_spread(latents, matrix)
    for mean, log_variance, weight in _uncorrelated(*items):
        part = metrics.aggregated_posterior(mean, log_variance, (0, 1), limit, points, method)[2]
        total += weight * part
    return axis, axis.copy(), total


def _covariance(mean: np.ndarray) -> np.ndarray:
    centre = mean.mean(axis=0, dtype=np.float64)
    total = np.zeros((len(centre), len(centre)))
    for rows in _blocks(len(mean)):
        centred = mean[rows] - centre
        total += centred.T @ centred
    return total / len(mean)


def _spread(latents: Latents, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations [N, 2] and correlation [N] of each posterior on two axes."""
    terms = np.column_stack([matrix[:, 0] ** 2, matrix[:, 1] ** 2, matrix[:, 0] * matrix[:, 1]])
    found = np.empty((len(latents), 3))
    for rows in _blocks(len(latents)):
        found[rows] = np.exp(latents.log_variance[rows]) @ terms
    sigma = np.sqrt(found[:, :2])
    correlation = found[:, 2] / np.maximum(sigma.prod(axis=1), np.finfo(float).tiny)
    return sigma, np.clip(correlation, -LARGEST_CORRELATION, LARGEST_CORRELATION)


def _uncorrelated(
    mean: np.ndarray, sigma: np.ndarray, correlation: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Correlated Gaussians as axis-parallel ones: mean [M, 2], log variance [M, 2] and a weight.

    N(m, S) with correlation r is N(0, (1 - |r|) diag S) smeared along the line that carries the
    rest, sqrt|r| sigma with the sign of r; Gauss-Hermite quadrature takes it as a few nodes.
    """
    strength = np.abs(correlation)
    line = np.sqrt(strength)[:, None] * sigma
    line[:, 1] *= np.sign(correlation)
    log_variance = 2 * np.log(sigma) + np.log1p(-strength)[:, None]
    group = np.searchsorted([largest for largest, _ in NODES], strength)
    for k in np.unique(group):
        rows = group == k
        nodes, weights = hermegauss(NODES[k][1])
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            if weight > LIGHTEST:
                share = weight * rows.mean()
                yield mean[rows] + node * line[rows], log_variance[rows], share


def _samples(latents: Latents) -> np.ndarray:
    """Draws [N, S, D]: those stored, the code itself, or about `views.DRAWS` of directions."""
    if latents.family != "vmf":
        return latents.mean[:, None] if latents.samples is None else latents.samples
    rows = np.arange(len(latents))
    if len(rows) > views.DRAWS:
        rows = np.random.default_rng(0).choice(rows, views.DRAWS, replace=False)
    return views.draws(take(latents, rows), views.DRAWS // len(rows))


def _blocks(count: int) -> Iterator[slice]:
    return (slice(first, first + BLOCK) for first in range(0, count, BLOCK))

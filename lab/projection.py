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
    variance, vectors = np.linalg.eigh(_covariance(mean))
    variance, vectors = np.maximum(variance[::-1], 0), _positive(vectors[:, ::-1])
    return Axes(vectors, variance / max(variance.sum(), np.finfo(float).tiny))


def axes_between(mean: np.ndarray, ends: np.ndarray) -> Axes:
    """The unit vector from code to code of `ends` [2, D], and the widest axis of the rest: K = 2.

    The second is the principal axis of the means [N, D] without their part along the first; its
    largest loading is positive. UserError as `principal_axes`, and if the two codes are one.
    """
    covariance = _covariance(mean)
    way = np.asarray(ends[1], float) - ends[0]
    length = np.linalg.norm(way)
    if not np.finfo(np.float32).tiny < length < np.inf:
        raise UserError("A and B have the same code here; no axis leads from one to the other.")
    first = way / length
    rest = np.linalg.svd(first[None])[2][1:].T
    second = rest @ np.linalg.eigh(rest.T @ covariance @ rest)[1][:, -1]
    matrix = np.column_stack([first, _positive(second[:, None])])
    variance = np.maximum(np.sum(matrix * (covariance @ matrix), axis=0), 0)
    return Axes(matrix, variance / max(np.trace(covariance), np.finfo(float).tiny))


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
    beyond. Other families as `views.density` has them: directions exactly, samples and codes
    projected and smoothed.
    """
    if latents.family != "gaussian":
        return views.density(latents, matrix, limit, points)
    method = "exact" if len(latents) <= views.EXACT_UP_TO else "binned"
    axis = np.linspace(-limit, limit, points)
    total = np.zeros((points, points))
    items = latents.mean @ matrix, *_spread(latents, matrix)
    for mean, log_variance, weight in _uncorrelated(*items):
        part = metrics.aggregated_posterior(mean, log_variance, (0, 1), limit, points, method)[2]
        total += weight * part
    return axis, axis.copy(), total


def _positive(vectors: np.ndarray) -> np.ndarray:
    """Columns [D, K] with the sign that makes their largest loading positive."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return vectors * np.where(largest < 0, -1, 1)


def _covariance(mean: np.ndarray) -> np.ndarray:
    if mean.shape[1] < 2:
        raise UserError("Codes of one dimension have no plane to be projected onto.")
    if not np.isfinite(mean).all():
        raise UserError("The means hold NaN or infinite values; this dump is damaged.")
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


def _blocks(count: int) -> Iterator[slice]:
    return (slice(first, first + BLOCK) for first in range(0, count, BLOCK))

"""Two-dimensional maps of directions: of a uniform one, and exact ones of their posteriors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.sphere import directions, vmf_log_normaliser

PLACES = 20_000  # in the disc; where the grid has fewer its cells are divided
SUBCELLS = 8  # lines of a cell that a uniform density with a sharp rim is averaged over
LOWEST = -700.0  # log density that stands for less, so that all of the disc is above 0
PAIRS = 2**26  # of a place and an item; of more items a seeded random part is summed
NODES = 2**16  # of a table of log moments; read at the nearest one
BLOCK = 2**17  # pairs held at once, so that they stay in the cache


def uniform_direction_map(x: np.ndarray, y: np.ndarray, dimensions: int) -> np.ndarray:
    """Density [y, x] of two coordinates of a uniform direction of R^D, averaged over grid cells.

    (D - 2) / 2π (1 - r²)^(D/2 - 2) within the unit disc. ValueError if D < 3.
    """
    if dimensions < 3:
        raise ValueError("two coordinates of a circle have no density")
    parts = _parts(x, y)
    return _cells(np.exp(_log_uniform(_divided(x, parts), _divided(y, parts), dimensions)), parts)


def directions_map(
    mean: ArrayLike, concentration: ArrayLike, axes: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Density [y, x] of 1/N sum_n vMF(μ_n, κ_n) on two orthonormal axes [D, 2], D at least 3.

    At w, whose directions lie on a sphere of R^(D-2) of radius s = sqrt(1 - |w|²), it is the
    uniform density times 1/N sum_n exp(κ m·w) M_{D-2}(κ s sqrt(1 - |m|²)) / M_D(κ), with m = A^T μ
    and M_d(t) = E exp(t u_1) of a uniform direction u of R^d. A uniform mixture stays uniform.

    Averaged over about 20,000 places of the disc, or all cells if they are more; κ counts as at
    most sqrt((D - 1) / 2) over the places' distance, beyond which a posterior on the rim lies
    between them: on the whole disc 80 if D = 3, more within a part. Of more than 2^26 / places
    items, 3,000, a seeded random part is summed. ValueError if D < 3 and as `vmf_sample`.
    """
    mean, concentration = directions(mean, concentration)
    dimensions, parts = mean.shape[1], _parts(x, y)
    fine_x, fine_y = _divided(x, parts), _divided(y, parts)
    if dimensions < 3:
        raise ValueError("two coordinates of a circle have no density")
    log_p = _log_uniform(fine_x, fine_y, dimensions)
    inside, density = np.isfinite(log_p), np.zeros(log_p.shape)
    if inside.any():
        places = np.stack(np.meshgrid(fine_x, fine_y), axis=-1)[inside]
        places /= np.maximum(np.hypot(*places.T), 1)[:, None]  # cells across the rim are read on it
        rows = _some(len(mean), PAIRS // len(places))
        # On the rim the radius of a draw deviates by sqrt((D - 1) / 2) / κ.
        kappa = np.minimum(concentration[rows], np.sqrt((dimensions - 1) / 2) / np.ptp(fine_x[:2]))
        density[inside] = _mixture(mean[rows] @ axes, kappa, dimensions, places, log_p[inside])
    return _cells(density, parts)


def _parts(x: np.ndarray, y: np.ndarray) -> int:
    """Into how many parts each side of a cell is divided."""
    seen = np.count_nonzero(np.hypot(x, y[:, None]) < 1)
    return max(1, round(np.sqrt(PLACES / max(seen, x.size))))


def _divided(axis: np.ndarray, parts: int) -> np.ndarray:
    """The middles of so many equal parts of each cell of a regular axis."""
    offsets = (np.arange(parts) + 0.5) / parts - 0.5
    return np.add.outer(axis, offsets * (axis[1] - axis[0])).ravel()


def _cells(fine: np.ndarray, parts: int) -> np.ndarray:
    rows, columns = (size // parts for size in fine.shape)
    return fine.reshape(rows, parts, columns, parts).mean(axis=(1, 3))


def _log_uniform(x: np.ndarray, y: np.ndarray, dimensions: int) -> np.ndarray:
    """Log density [y, x] of two coordinates of a uniform direction, -inf beside the disc."""
    with np.errstate(divide="ignore"):
        if dimensions < 5:
            return np.log(_rimmed(x, y, dimensions))
        inside = np.log(np.maximum(1 - np.square(x) - np.square(y)[:, None], 0))
    log_density = np.log((dimensions - 2) / (2 * np.pi)) + (dimensions / 2 - 2) * inside
    return np.where(np.isfinite(inside), np.maximum(log_density, LOWEST), -np.inf)


def _rimmed(x: np.ndarray, y: np.ndarray, dimensions: int) -> np.ndarray:
    """Its average over cells [y, x], by lines: in R^3 and R^4 it does not fade at the rim."""
    from scipy.special import betainc, gammaln

    step, half = x[1] - x[0], dimensions / 2
    left = np.maximum(1 - np.square(_divided(y, SUBCELLS)), 0)  # squared length that y leaves
    scale = np.exp(gammaln(half) - gammaln(half - 0.5)) / np.sqrt(np.pi)
    of_y = np.where(left > 0, scale * left ** (half - 1.5), 0)
    edges = np.append(x - step / 2, x[-1] + step / 2)
    reach = np.clip(edges / np.sqrt(np.maximum(left, 1e-12))[:, None], -1, 1)
    # P(x below an edge | y) but for its middle: x² is a Beta variable.
    below = np.sign(reach) * betainc(0.5, half - 1, np.square(reach)) / 2
    rows = of_y[:, None] * np.diff(below, axis=1) / step
    return rows.reshape(len(y), SUBCELLS, len(x)).mean(axis=1)


def _some(count: int, most: int) -> np.ndarray:
    if count <= most:
        return np.arange(count)
    return np.random.default_rng(0).choice(count, max(most, 1), replace=False)


def _mixture(
    m: np.ndarray, kappa: np.ndarray, dimensions: int, places: np.ndarray, log_p: np.ndarray
) -> np.ndarray:
    """Density at places [M, 2] with log uniform density [M], of items m [N, 2] and κ [N] -> [M]."""
    # The table is over v = sqrt(t), in which log M is smooth at 0 and beyond.
    top = np.sqrt(max(float(kappa.max()), 1e-9))
    table = _log_moment(np.linspace(0, top, NODES) ** 2, dimensions - 2).astype(np.float32)
    of_items = (np.sqrt(kappa) * _other(m) ** 0.25 * ((NODES - 1) / top)).astype(np.float32)
    of_places = (_other(places) ** 0.25).astype(np.float32)
    natural, places = (kappa[:, None] * m).astype(np.float32), places.astype(np.float32)
    constant = _log_moment(kappa, dimensions).astype(np.float32)
    log_p = log_p.astype(np.float32)[:, None]
    found, size = np.empty(len(places)), max(1, BLOCK // len(m))
    for first in range(0, len(places), size):
        block = slice(first, first + size)
        node = (np.multiply.outer(of_places[block], of_items) + 0.5).astype(np.int32)
        power = places[block] @ natural.T
        power += table.take(node, mode="clip")
        power += log_p[block] - constant
        found[block] = np.exp(power, out=power).mean(axis=1, dtype=np.float64)
    return found


def _other(points: np.ndarray) -> np.ndarray:
    """1 - |w|² of points [M, 2]: the squared length left for the other dimensions."""
    return np.maximum(1 - np.square(points).sum(axis=1), 0)


def _log_moment(t: np.ndarray, dimensions: int) -> np.ndarray:
    """Log E exp(t u_1) of a uniform direction u of R^d, also of R^1: 1 or -1."""
    if dimensions == 1:
        return np.logaddexp(t, -t) - np.log(2)
    return vmf_log_normaliser(0.0, dimensions) - vmf_log_normaliser(t, dimensions)

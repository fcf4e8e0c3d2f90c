"""Which posteriors lie near each other, and how the neighbours of each change between two dumps.

Neighbours are compared, not coordinates: a latent space may turn from one run to the next.
"""

from dataclasses import dataclass
from math import comb

import numpy as np

from lab.errors import UserError
from lab.metrics import vmf_mean_resultant
from lab.metrics.arrays import LARGEST_LOG_VARIANCE
from lab.runs import Latents
from lab.runs.figures import as_gaussians

KINDS = ("kl", "wasserstein", "euclidean")
UNITS = {"kl": "nats", "wasserstein": "", "euclidean": ""}
BLOCK = 8_192  # items whose arrays stay in the processor's cache
TIE = 9  # decimals, in units of the median: distances that agree so far differ by rounding alone
AT_MOST = 2_000  # items whose neighbours are compared; costs the square of them


@dataclass(frozen=True)
class Changes:
    """How the k nearest of each of n items differ between two dumps.

    `overlap` [n] is the Jaccard index of the two lists, `away` [n] the mean rank, from 1, that the
    neighbours before have afterwards; (k + 1) / 2 where they stayed.
    """

    overlap: np.ndarray
    away: np.ndarray

    def ranked(self) -> np.ndarray:
        """Items [n] from the one that changed most: least overlap, then neighbours furthest off."""
        return np.lexsort((-self.away, self.overlap))


@dataclass(frozen=True)
class Neighbourhood:
    """The `near` nearest of one item, then those that were among as many nearest before.

    Each of the `rows` [M] has its distance now and its rank, from 1, now and before; `overlap` is
    the Jaccard index of the two lists of nearest.
    """

    rows: np.ndarray
    distance: np.ndarray
    rank: np.ndarray
    before: np.ndarray
    near: int
    overlap: float


def described(latents: Latents) -> Latents:
    """The latents with distances in closed form: samples as the Gaussians with their moments.

    One draw per item is a point. Raises UserError for arrays that do not fit or are not finite.
    """
    if latents.family == "samples" and latents.samples is None:
        raise UserError("the dump holds no samples; write it again")
    _check(latents)
    return as_gaussians(latents)


def refusal(latents: Latents, kind: str) -> str:
    """Why this family has no such distance, in one sentence; "" if it has one."""
    if kind == "kl" and _is_point(latents):
        return (
            "Codes without a spread have no KL between them (it is infinite); choose the "
            "Wasserstein or the Euclidean distance."
        )
    if kind == "wasserstein" and latents.family == "vmf":
        return (
            "The Wasserstein distance of von Mises-Fisher posteriors has no closed form; choose "
            "KL or the Euclidean distance."
        )
    return ""


def distances(latents: Latents, row: int, kind: str) -> np.ndarray:
    """Distances [N] of every posterior to that of one item, latents as `described` gives them.

    "kl" is the symmetrised (KL(p || q) + KL(q || p)) / 2 in nats, "wasserstein" the 2-Wasserstein
    distance, "euclidean" that of the means, the chord on a sphere. Raises UserError with `refusal`.
    """
    _refuse(latents, kind)
    starts = range(0, len(latents), BLOCK)
    return np.concatenate([_to_one(latents, row, kind, slice(s, s + BLOCK)) for s in starts])


def nearest(distance: np.ndarray, row: int, k: int) -> np.ndarray:
    """Rows of the k smallest of distances [N], nearest first, without `row`; ties by row."""
    order = _rows_by(distance)
    return order[order != row][:k]


def compare(now: np.ndarray, before: np.ndarray, row: int, k: int) -> Neighbourhood:
    """One item's neighbours by its distances [N] to the same N items now and before."""
    here, there = nearest(now, row, k), nearest(before, row, k)
    rows = np.concatenate([here, there[~np.isin(there, here)]])
    ranks = (_ranks(distance, row)[rows] for distance in (now, before))
    return Neighbourhood(rows, now[rows], *ranks, len(here), float(overlap(here, there)))


def neighbour_order(latents: Latents, kind: str) -> np.ndarray:
    """For each item all others from the nearest to the furthest [N, N - 1]; ties by row.

    Latents as `described` gives them. Costs N² memory and N² log N time: half a second at 2,000
    items. Raises UserError as `distances`.
    """
    _refuse(latents, kind)
    order = _rows_by(_all_pairs(latents, kind)).astype(np.min_scalar_type(len(latents)))
    others = order != np.arange(len(order))[:, None]
    return order[others].reshape(len(order), -1)


def overlap(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Jaccard index [...] of lists of neighbours [..., k] without repetitions."""
    k = left.shape[-1]
    shared = (left[..., :, None] == right[..., None, :]).sum((-2, -1))
    return shared / (2 * k - shared)


def overlap_by_chance(k: int, others: int) -> float:
    """Expected Jaccard index of two lists of k drawn at random from `others` items."""
    ways = comb(others, k)
    fewest = max(0, 2 * k - others)
    return sum(
        comb(k, i) * comb(others - k, k - i) / ways * i / (2 * k - i) for i in range(fewest, k + 1)
    )


def changes(before: np.ndarray, after: np.ndarray, k: int) -> Changes:
    """How the k nearest of the same n items differ between two orders [n, n - 1]."""
    nearest_before = before[:, :k]
    rank = np.zeros((len(after), len(after)), np.int32)
    np.put_along_axis(rank, after, np.arange(1, len(after), dtype=np.int32)[None], axis=1)
    away = np.take_along_axis(rank, nearest_before, axis=1).mean(1)
    return Changes(overlap(nearest_before, after[:, :k]), away)


def some(count: int) -> np.ndarray:
    """Rows whose neighbours are compared, ascending: all, or a seeded random AT_MOST of them."""
    if count <= AT_MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, AT_MOST, replace=False))


def _is_point(latents: Latents) -> bool:
    return latents.log_variance is None and latents.family != "vmf"


def _refuse(latents: Latents, kind: str) -> None:
    if words := refusal(latents, kind):
        raise UserError(words)


def _check(latents: Latents) -> None:
    needed = {
        "gaussian": (latents.mean, latents.log_variance),
        "vmf": (latents.mean, latents.concentration),
        "samples": (latents.samples,),
    }.get(latents.family, (latents.mean,))
    if any(array is None or len(array) != len(latents) for array in needed):
        raise UserError("the dump's arrays do not fit together; write it again")
    if not all(np.isfinite(array).all() for array in needed):
        raise UserError("the posteriors are not finite; did the run diverge?")
    if latents.family == "gaussian":
        _check_variance(latents)


def _check_variance(latents: Latents) -> None:
    if latents.log_variance.shape != latents.mean.shape:
        raise UserError("the dump's arrays do not fit together; write it again")
    if np.abs(latents.log_variance).max(initial=0) > LARGEST_LOG_VARIANCE:
        raise UserError("the posteriors' variances are 0 or infinite; did the run diverge?")


def _to_one(latents: Latents, row: int, kind: str, part: slice) -> np.ndarray:
    away = latents.mean[part].astype(np.float64) - latents.mean[row]
    squared = np.square(away)
    if kind == "kl":
        return _kl_to_one(latents, row, squared, part)
    if kind == "wasserstein" and latents.log_variance is not None:
        sigma = np.exp(latents.log_variance[part].astype(np.float64) / 2)
        squared += np.square(sigma - np.exp(_row(latents.log_variance, row) / 2))
    return np.sqrt(squared.sum(1))


def _kl_to_one(latents: Latents, row: int, squared: np.ndarray, part: slice) -> np.ndarray:
    if latents.family == "vmf":
        cosine = 1 - squared.sum(1) / 2
        return _vmf_kl(latents, np.arange(len(latents))[part], row, cosine)
    precision = np.exp(-latents.log_variance[part].astype(np.float64))
    own = np.exp(-_row(latents.log_variance, row))
    ratio = precision / own
    return (squared * (precision + own) + np.square(1 - ratio) / ratio).sum(1) / 4


def _vmf_kl(
    latents: Latents, left: np.ndarray | int, right: np.ndarray | int, cosine: np.ndarray
) -> np.ndarray:
    """The log normalisers cancel: E_p[κp μp·z - κq μq·z] and the same the other way round."""
    kappa = latents.concentration.astype(np.float64)
    length = vmf_mean_resultant(kappa, latents.dimensions)
    there = length[left] * (kappa[left] - kappa[right] * cosine)
    back = length[right] * (kappa[right] - kappa[left] * cosine)
    return np.maximum((there + back) / 2, 0)


def _all_pairs(latents: Latents, kind: str) -> np.ndarray:
    """What orders all pairs [N, N]: the KL, of the others the squared distance."""
    mean = latents.mean.astype(np.float64)
    if kind == "kl" and latents.family == "vmf":
        rows = np.arange(len(latents))
        return _vmf_kl(latents, rows[:, None], rows[None], np.clip(mean @ mean.T, -1, 1))
    mean -= mean.mean(0)
    if kind == "kl":
        return _kl_of_pairs(mean, latents.log_variance.astype(np.float64))
    if kind == "wasserstein" and latents.log_variance is not None:
        sigma = np.exp(latents.log_variance.astype(np.float64) / 2)
        mean = np.concatenate([mean, sigma - sigma.mean(0)], axis=1)
    length = np.square(mean).sum(1)
    return np.maximum(length[:, None] + length - 2 * mean @ mean.T, 0)


def _kl_of_pairs(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """A quarter of Σ (σp² + d²) / σq² + (σq² + d²) / σp² - 2, by products of matrices."""
    precision = np.exp(-log_variance)
    moment, scaled = np.exp(log_variance) + np.square(mean), mean * precision
    half = moment @ precision.T - 2 * mean @ scaled.T + (mean * scaled).sum(1) - mean.shape[1]
    return np.maximum((half + half.T) / 4, 0)


def _ranks(distance: np.ndarray, row: int) -> np.ndarray:
    """Rank [N] of each item among those near one item, from 1; its own is 0."""
    order = nearest(distance, row, len(distance))
    rank = np.zeros(len(distance), int)
    rank[order] = np.arange(1, len(order) + 1)
    return rank


def _rows_by(distance: np.ndarray) -> np.ndarray:
    """Rows of each line [..., N] from the smallest value; ties by row.

    A distance, in steps of its unit, and its row make one whole number: sorting those is twice as
    quick as a stable argsort.
    """
    # The median, as one outlier would make a mean that is larger than all the others.
    middle = float(np.median(distance)) or float(distance.mean())
    rows, scale = distance.shape[-1], max(middle, np.finfo(float).tiny)
    highest = 2**62 / rows / 10**TIE
    steps = np.rint(np.minimum(distance / scale, highest) * 10**TIE).astype(np.int64)
    return np.sort(steps * rows + np.arange(rows), axis=-1) % rows


def _row(array: np.ndarray, row: int) -> np.ndarray:
    """One row in double precision."""
    return array[row].astype(np.float64)

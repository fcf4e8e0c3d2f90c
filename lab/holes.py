"""Holes of an aggregated posterior in all D dimensions: found, ranked, and any place described."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lab import views
from lab.errors import UserError
from lab.metrics import (
    KneserNey,
    log_aggregated_posterior,
    moments,
    posterior_distance,
    to_sphere,
    vmf_log_normaliser,
)
from lab.metrics.arrays import Estimate, estimate
from lab.metrics.density import log_sum_exp, standard_normal_log_prob
from lab.metrics.holes import TENTH
from lab.metrics.kneser_ney import MARKS
from lab.runs import Latents

FILLS = ("nearest", "zeros", "prior")
TINY = 1e-6  # length up to which what is across two axes is rounding
LEVEL = TENTH  # nats: q below a tenth of p is a hole
DRAWS, FEWEST_DRAWS = 2_000, 200
PAIRS = 100_000_000  # of a draw and a posterior: a second or two in 32 dimensions
LISTED = 20
HELD_OUT = 10_000  # items of which one half is scored by the other
BLOCK = 4_096  # items whose arrays are held in float64 at once
ORDER, FITTED = 5, 20_000  # of the n-gram model: its order, and the sentences it is fitted on


@dataclass(frozen=True)
class Holes:
    """Prior draws z [M, D] with log q and log p [M] in nats, and the rows of listed holes [K].

    Of the holes: `distance` [K] to the nearest posterior, and `as_deep` [K], the share of fresh
    draws of the aggregate whose gap is as low. `prior` and `fresh` are the shares of prior draws
    and of fresh draws that lie in a hole of the mixture over `known` items, half of them held out.
    """

    z: np.ndarray
    log_q: np.ndarray
    log_p: np.ndarray
    listed: np.ndarray
    distance: np.ndarray
    as_deep: np.ndarray
    prior: Estimate
    fresh: Estimate
    known: int

    @property
    def gap(self) -> np.ndarray:
        """Log q - log p [M], nats."""
        return self.log_q - self.log_p

    @property
    def mass(self) -> float:
        """Share of the draws in a hole of the mixture over all items."""
        return float((self.gap < -LEVEL).mean())


@dataclass(frozen=True)
class Place:
    """A code z [D]: log q, log p in nats (None without a density), its nearest items.

    `rows` [K] are those items, nearest first; `distance` [K] as `distances`, `euclidean` [K] to
    their centres.
    """

    z: np.ndarray
    log_q: float | None
    log_p: float | None
    rows: np.ndarray
    distance: np.ndarray
    euclidean: np.ndarray


def summarised(latents: Latents) -> Latents:
    """Posteriors with a density: samples become Gaussians by their moments, others stay.

    One sample an item has no width: such posteriors become deterministic codes ("point").
    """
    if latents.samples is None:
        return latents
    if latents.samples.shape[1] < 2:
        return Latents("point", latents.mean)
    return Latents("gaussian", *moments(latents.samples))


def prior_draws(latents: Latents, count: int, seed: int = 0) -> np.ndarray:
    """Draws [count, D] of N(0, I), or of the uniform directions; the same for every run of one D.

    Fewer draws are the first of more.
    """
    z = np.random.default_rng([seed, latents.dimensions]).standard_normal(
        (count, latents.dimensions)
    )
    return to_sphere(z) if latents.family == "vmf" else z


def log_prior(latents: Latents, z: np.ndarray) -> np.ndarray:
    """Log p(z) [M] in nats: of N(0, I), or of the uniform density on the sphere."""
    if latents.family == "vmf":
        return np.full(len(z), float(vmf_log_normaliser(0.0, latents.dimensions)))
    return standard_normal_log_prob(z).sum(axis=1)


def log_posterior(latents: Latents, z: np.ndarray) -> np.ndarray:
    """Log q(z) = log 1/N sum_n q(z | x_n) [M] in nats, of Gaussians or directions at z [M, D].

    UserError for deterministic codes, which have no density, and values that are not finite.
    """
    if latents.family == "point":
        raise UserError("Deterministic codes have no density, so there is no log q and no gap.")
    log_sum = _log_sum_of_directions if latents.family == "vmf" else _log_sum_of_gaussians
    try:
        parts = [log_sum(part, z) for part in _blocks(latents)]
    except ValueError as error:
        raise UserError(f"These latents cannot be read as densities: {error}") from error
    return np.logaddexp.reduce(parts) - math.log(len(latents))


def _blocks(latents: Latents) -> Iterator[Latents]:
    return (take(latents, slice(first, first + BLOCK)) for first in range(0, len(latents), BLOCK))


def take(latents: Latents, rows: np.ndarray | slice) -> Latents:
    """The posteriors of some items."""
    arrays = (latents.mean, latents.log_variance, latents.samples, latents.concentration)
    return Latents(latents.family, *(None if a is None else a[rows] for a in arrays))


def _log_sum_of_gaussians(part: Latents, z: np.ndarray) -> np.ndarray:
    return log_aggregated_posterior(part.mean, part.log_variance, z) + math.log(len(part))


def _log_sum_of_directions(part: Latents, z: np.ndarray) -> np.ndarray:
    natural = part.concentration[:, None] * to_sphere(part.mean.astype(float))
    constant = vmf_log_normaliser(part.concentration.astype(float), part.dimensions)
    return log_sum_exp(z @ natural.T + constant)


def distances(latents: Latents, z: np.ndarray) -> np.ndarray:
    """How far a code z [D] is from every posterior [N].

    Of Gaussians |(z - mean) / sigma|, of directions the angle in degrees, else as the crow flies.
    """
    if latents.family == "vmf":
        cosine = to_sphere(latents.mean.astype(float)) @ z
        return np.degrees(np.arccos(cosine.clip(-1, 1)))
    squares = [_squares(part, z) for part in _blocks(latents)]
    return np.sqrt(np.concatenate(squares))


def _squares(part: Latents, z: np.ndarray) -> np.ndarray:
    square = np.square(z - part.mean)
    if part.log_variance is not None:
        square *= np.exp(-part.log_variance.astype(float))
    return square.sum(axis=1)


def _nearest(latents: Latents, z: np.ndarray) -> np.ndarray:
    """The least of the `distances` of each code [M, D]."""
    if latents.family == "vmf" or not len(z):
        return np.array([distances(latents, code).min() for code in z])
    parts = [posterior_distance(p.mean, p.log_variance, z) for p in _blocks(latents)]
    return np.min(parts, axis=0)


def find(latents: Latents, listed: int = LISTED, seed: int = 0) -> Holes:
    """Prior draws ranked by log q - log p, the most negative first, and their reference.

    2,000 draws, fewer of more than 50,000 items. Listed are those below -log 10, without draws
    nearer to a listed one than half the usual distance between two draws. UserError as
    `log_posterior`, and for fewer than four items.
    """
    if len(latents) < 4:
        raise UserError(f"Holes need four items or more, not {len(latents)}.")
    z = prior_draws(latents, max(FEWEST_DRAWS, min(DRAWS, PAIRS // len(latents))), seed)
    log_q, log_p = log_posterior(latents, z), log_prior(latents, z)
    rows = _thinned(z, log_q - log_p, listed)
    known, prior, fresh = _held_out(latents, seed)
    below = log_posterior(known, z[rows]) - log_p[rows] if len(rows) else np.empty(0)
    return Holes(
        z, log_q, log_p, rows,
        distance=_nearest(latents, z[rows]),
        as_deep=np.array([(fresh <= gap).mean() for gap in below]),
        prior=estimate((prior < -LEVEL).astype(float)),
        fresh=estimate((fresh < -LEVEL).astype(float)),
        known=len(known),
    )  # fmt: skip


def _thinned(z: np.ndarray, gap: np.ndarray, listed: int) -> np.ndarray:
    """Rows of the deepest holes, no two of them close to each other."""
    apart = math.sqrt(np.square(z).sum(axis=1).mean() / 2)
    rows: list[int] = []
    for row in np.argsort(gap, kind="stable"):
        if len(rows) == listed or gap[row] >= -LEVEL:
            break
        if not rows or np.linalg.norm(z[rows] - z[row], axis=1).min() >= apart:
            rows.append(int(row))
    return np.array(rows, dtype=int)


def _held_out(latents: Latents, seed: int) -> tuple[Latents, np.ndarray, np.ndarray]:
    """Half of the items, and gaps under their mixture: of prior draws, of draws of the others.

    As `lab.metrics.held_out_holes`, of any family and of at most 10,000 items.
    """
    order = np.random.default_rng(seed).permutation(len(latents))[:HELD_OUT]
    half = len(order) // 2
    known, others = (take(latents, order[k * half : (k + 1) * half]) for k in (0, 1))
    draws = prior_draws(latents, half, seed + 1), views.draws(others, 1, seed)[:, 0]
    prior, fresh = (log_posterior(known, z) - log_prior(known, z) for z in draws)
    return known, prior, fresh


def fill(
    latents: Latents, axes: np.ndarray, at: tuple[float, float], how: str, seed: int = 0
) -> tuple[np.ndarray, int | None]:
    """A code z [D] at the coordinates `at` of two orthonormal axes [D, 2], and the item that filled
    the rest.

    What is across the axes is that of the code nearest on them, zero, or that of a prior draw; on a
    sphere it is scaled to its surface. UserError for places outside of the sphere's outline.
    """
    row, rest = None, np.zeros(latents.dimensions)
    if how == "nearest":
        plane = latents.mean @ axes.astype(latents.mean.dtype)
        row = int(np.square(plane - np.array(at)).sum(axis=1).argmin())
        rest = latents.mean[row].astype(float)
    elif how == "prior":
        rest = prior_draws(latents, 1, seed)[0]
    on, rest = axes @ np.array(at, float), _across(rest, axes)
    return (_on_sphere(on, rest, axes) if latents.family == "vmf" else on + rest), row


def _across(z: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return z - axes @ (axes.T @ z)


def _on_sphere(on: np.ndarray, rest: np.ndarray, axes: np.ndarray) -> np.ndarray:
    if len(on) == 2:
        return to_sphere(on)
    left = 1 - np.square(on).sum()
    if left < 0:
        raise UserError("No code lies there: it is outside of the sphere's outline.")
    # Zeros do not reach the sphere: every coordinate takes the same part instead, or, where that
    # part lies on the axes, the one that lies on them least.
    farthest = np.eye(len(on))[np.square(axes).sum(axis=1).argmin()]
    ways = (rest, _across(np.ones(len(on)), axes), _across(farthest, axes))
    rest = next(way for way in ways if np.linalg.norm(way) > TINY)
    return on + rest * math.sqrt(left) / np.linalg.norm(rest)


def describe(latents: Latents, z: np.ndarray, count: int = 5) -> Place:
    """Densities of one code z [D] and its nearest items, by `distances`."""
    dense = latents.family != "point"
    away = distances(latents, z)
    count = min(count, len(away))
    rows = np.argpartition(away, count - 1)[:count]
    rows = rows[np.argsort(away[rows], kind="stable")]
    return Place(
        z,
        float(log_posterior(latents, z[None])[0]) if dense else None,
        float(log_prior(latents, z[None])[0]) if dense else None,
        rows,
        away[rows],
        np.linalg.norm(latents.mean[rows] - z, axis=1),
    )


def inside_and_outside(holes: Holes, count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the prior draws of lowest and of highest gap, `count` each and none in both."""
    order = np.argsort(holes.gap, kind="stable")
    count = min(count, len(order) // 2)
    return order[:count], order[-count:]


def language_model(texts: Sequence[str], seed: int = 0) -> KneserNey:
    """A modified Kneser-Ney 5-gram model of at most 20,000 of the texts.

    The order is lower where no sentence is that long. UserError for texts without any word.
    """
    rows = np.random.default_rng(seed).permutation(len(texts))[:FITTED]
    sentences = [_words(texts[row]) for row in rows.tolist()]
    longest = max((len(s) for s in sentences), default=0)
    if not longest:
        raise UserError("The dumped items have no words to fit a language model on.")
    return KneserNey.fit(sentences, min(ORDER, longest + len(MARKS)))


def fluency(model: KneserNey, texts: Sequence[str]) -> Estimate:
    """Mean over texts of the log probability per word in nats, the end of the text counted."""
    return estimate(np.array([row.mean() for row in model.log_prob(map(_words, texts))]))


def _words(text: str) -> list[str]:
    return [word for word in text.split() if word not in MARKS]

"""Holes of a latent space: where the prior draws and the aggregated posterior hardly ever lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import Estimate, at_least, estimate, finite, points, posteriors
from lab.metrics.density import LOG_2PI, density_gap, pairwise_log_prob
from lab.metrics.information import STREAM

TENTH = math.log(10)  # nats: the aggregate is a hole where it falls below a tenth of the prior
TIE = 9  # decimals: gaps that agree so far differ by rounding alone
PAIRS = 2**22  # pairs of a draw and a posterior in one block: 32 MiB
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class NearestPosterior:
    """Mean distance of prior draws to their nearest posterior, and its quantiles by probability."""

    distance: Estimate
    quantiles: dict[float, float]


@dataclass(frozen=True)
class HeldOutHoles:
    """Shares of prior draws and of fresh aggregate draws in a hole, and the AUC between the two."""

    prior: Estimate
    aggregate: Estimate
    auc: Estimate


def hole_mass(
    mean: ArrayLike,
    log_variance: ArrayLike,
    draws: int = 10_000,
    level: float = TENTH,
    seed: int = 0,
) -> Estimate:
    """Prior mass P[log q(z) - log p(z) < -level], z ~ p = N(0, I), q the mixture of all N items.

    mean, log_variance [N, D], level in nats (the gap is DG-VAE's, Zhang et al. 2022, equation 4).
    Unbiased for the N items taken as the population; `n` is the number of draws, and 0 of n only
    says below 3 / n (95 %). Of a wider population it errs high, by far where D is large and
    posteriors are tight: for exact posteriors of a linear Gaussian model, whose q is the prior, it
    gives 0.00 at σ = 0.5 in two dimensions, 0.03 in 8 and 1.00 in 32 (N = 2,000; 0.99 at 10,000).
    `held_out_holes` gives the share to expect. Posteriors known by draws go through `moments`, and
    what those lose (correlations, modes) is seen as covered. Costs draws N pairs.
    ValueError if shapes differ, a value is not finite, draws < 1 or level < 0.
    """
    mean, log_variance = posteriors(mean, log_variance)
    at_least(draws, 1, "draws")
    at_least(level, 0, "level")
    z = _generator(seed).standard_normal((draws, mean.shape[1]))
    return estimate((density_gap(mean, log_variance, z) < -level).astype(float))


def two_sample_auc(
    mean: ArrayLike, log_variance: ArrayLike, n: int = 10_000, seed: int = 0
) -> Estimate:
    """Area under the ROC curve of the best test that tells q(z) from the prior: 0.5 equal, 1 apart.

    mean, log_variance [N, D]; q is the mixture of all N items. The score is log q - log p, which no
    other score can beat (Neyman and Pearson 1933), at `n` draws of each; unbiased for the N items
    taken as the population, standard error by DeLong et al. (1988), 0 where no two draws overlap.
    Of a wider population it errs high: 0.51, 0.70 and 1.00 instead of 0.5 where `hole_mass` gives
    0.00, 0.03 and 1.00; `held_out_holes` and `classifier_auc` err low. Costs 2 n N pairs.
    ValueError if shapes differ, a value is not finite or n < 2.
    """
    mean, log_variance = posteriors(mean, log_variance)
    at_least(n, 2, "n")
    generator = _generator(seed)
    prior = generator.standard_normal((n, mean.shape[1]))
    item = generator.integers(len(mean), size=n)
    noise = generator.standard_normal(prior.shape)
    aggregate = mean[item] + noise * np.exp(0.5 * log_variance[item])
    gaps = (density_gap(mean, log_variance, z).round(TIE) for z in (aggregate, prior))
    return _area_under_curve(*gaps)


def held_out_holes(
    mean: ArrayLike, log_variance: ArrayLike, level: float = TENTH, seed: int = 0
) -> HeldOutHoles:
    """`hole_mass` and AUC beside what a full latent space would give: q is half of the items.

    mean, log_variance [N, D], halves by chance. `prior` is the hole mass of the one half's mixture,
    `aggregate` the share that a draw from each posterior of the other half has in the same holes,
    `auc` that of the gap between those draws and as many from the prior; `n` is N / 2. Where the
    population's q is the prior, both shares agree and the AUC is 0.5, in the mean and at any N and
    D; holes are the excess of `prior` over `aggregate`. The score is not the population's best, so
    the AUC errs low. Costs N² / 2 pairs. ValueError as `hole_mass` and for N < 4.
    """
    mean, log_variance = posteriors(mean, log_variance)
    at_least(len(mean), 4, "the number of items")
    at_least(level, 0, "level")
    generator, half = _generator(seed), len(mean) // 2
    order = generator.permutation(len(mean))
    known, fresh = order[:half], order[half : 2 * half]
    prior, noise = generator.standard_normal((2, half, mean.shape[1]))
    aggregate = mean[fresh] + noise * np.exp(0.5 * log_variance[fresh])
    found = [
        density_gap(mean[known], log_variance[known], z).round(TIE) for z in (prior, aggregate)
    ]
    shares = (estimate((gap < -level).astype(float)) for gap in found)
    return HeldOutHoles(*shares, auc=_area_under_curve(*found[::-1]))


def classifier_auc(draws: ArrayLike, seed: int = 0) -> Estimate:
    """Held-out area under the ROC curve of a classifier that tells draws [N, D] from the prior.

    One draw of q(z|x) for each of N items: for any posterior, also an implicit one or points, and
    for the population that the items come from (Lopez-Paz and Oquab 2017). Gradient boosting on z
    and |z|², trained on one half (the order shuffled) against as many prior draws, scored on the
    other half; `n` is the size of that half. Its mean is 0.5 where q is the prior and otherwise
    below the best score, as the classifier is not the best: at N = 8,000 0.71 of 0.72 for N(0,
    0.9² I) in 32 dimensions and 0.60 of 0.66 for a shift by 0.1 in each. Several draws of one
    item would let the halves know each other and err high. About a second for 10,000 x 32.
    ValueError if empty or not finite, or for fewer than 100 draws.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    draws = finite(draws, "draws", "ND")
    at_least(len(draws), 100, "the number of draws")
    generator = _generator(seed)
    half = len(draws) // 2
    aggregate = _with_square(generator.permutation(draws)[: 2 * half])
    prior = _with_square(generator.standard_normal((2 * half, draws.shape[1])))
    classifier = HistGradientBoostingClassifier(early_stopping=True, random_state=seed)
    classifier.fit(np.concatenate([aggregate[:half], prior[:half]]), np.repeat([1, 0], half))
    scores = (classifier.decision_function(z[half:]) for z in (aggregate, prior))
    return _area_under_curve(*scores)


def posterior_distance(mean: ArrayLike, log_variance: ArrayLike, z: ArrayLike) -> np.ndarray:
    """min_n |(z_m - mean_n) / sigma_n|, the Mahalanobis distance to the nearest posterior -> [M].

    mean, log_variance [N, D], z [M, D]. A draw lies at about sqrt(D) from its own posterior. Costs
    M N pairs. ValueError if shapes differ or a value is not finite.
    """
    mean, log_variance = posteriors(mean, log_variance)
    z = points(z, mean.shape[1])
    peak = -0.5 * (log_variance.sum(axis=1) + mean.shape[1] * LOG_2PI)
    rows = max(1, PAIRS // len(mean))
    blocks = (z[first : first + rows] for first in range(0, len(z), rows))
    below = [(peak - pairwise_log_prob(mean, log_variance, block)).min(axis=1) for block in blocks]
    return np.sqrt(2 * np.maximum(np.concatenate(below), 0))


def nearest_posterior(
    mean: ArrayLike, log_variance: ArrayLike, draws: int = 1000, seed: int = 0
) -> NearestPosterior:
    """`posterior_distance` of `draws` prior draws: mean, and the 5, 25, 50, 75 and 95 % quantiles.

    mean, log_variance [N, D]. Unbiased for the N items given, and falling as N grows, so that only
    sets of one size compare. ValueError as `posterior_distance` and for draws < 1.
    """
    mean, log_variance = posteriors(mean, log_variance)
    at_least(draws, 1, "draws")
    z = _generator(seed).standard_normal((draws, mean.shape[1]))
    distance = posterior_distance(mean, log_variance, z)
    quantiles = np.quantile(distance, QUANTILES).tolist()
    return NearestPosterior(estimate(distance), dict(zip(QUANTILES, quantiles, strict=True)))


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, STREAM])


def _with_square(z: np.ndarray) -> np.ndarray:
    return np.column_stack([z, np.square(z).sum(axis=1)])


def _area_under_curve(higher: np.ndarray, lower: np.ndarray) -> Estimate:
    """P[higher > lower] + P[equal] / 2 of two sets of one size, with DeLong's standard error."""
    if not np.isfinite([higher, lower]).all():
        return Estimate(math.nan, math.nan, len(higher))
    won, lost = _above(higher, lower), _above(lower, higher)
    variance = (won.var(ddof=1) + lost.var(ddof=1)) / len(won)
    return Estimate(float(won.mean()), math.sqrt(variance), len(won))


def _above(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each value the share of the others that it is above, ties counted half."""
    ordered = np.sort(others)
    counts = [np.searchsorted(ordered, values, side) for side in ("left", "right")]
    return np.mean(counts, axis=0) / len(others)

"""Von Mises-Fisher posteriors on the unit sphere: KL to the uniform prior, draws, information."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import Estimate, at_least, estimate, finite
from lab.metrics.density import log_sum_exp
from lab.metrics.information import STREAM

LARGEST_CONCENTRATION = 1e6
ROUNDING = 1e-3  # by how much the length of a direction may differ from 1
# hyp0f1 is at most e^(κ² / 2D): up to κ² = 600 D it stays finite, beyond that ive is not 0.
SERIES = 600
PAIRS = 2**19  # pairs of a draw and a posterior in one block: 4 MiB, so that it stays in the cache


def vmf_log_normaliser(concentration: ArrayLike, dimensions: int) -> np.ndarray:
    """Log C_D(κ) of the density C_D(κ) exp(κ μ·z) on the unit sphere of R^D, same shape as κ.

    κ = 0 is the uniform density. ValueError if D < 2 or κ leaves [0, 1e6].
    """
    from scipy.special import gammaln

    area = np.log(2) + dimensions / 2 * np.log(np.pi) - gammaln(dimensions / 2)
    return -area - _cosine(concentration, dimensions)[0]


def vmf_mean_resultant(concentration: ArrayLike, dimensions: int) -> np.ndarray:
    """E[μ·z] = I_{D/2}(κ) / I_{D/2-1}(κ), same shape as κ; ValueError as `vmf_log_normaliser`."""
    return _cosine(concentration, dimensions)[1]


def vmf_kl(concentration: ArrayLike, dimensions: int) -> np.ndarray:
    """KL(vMF(μ, κ) || uniform) = κ E[μ·z] + log C_D(κ) - log C_D(0) in nats, same shape as κ.

    ValueError as `vmf_log_normaliser`.
    """
    log_moment, resultant = _cosine(concentration, dimensions)
    return np.multiply(concentration, resultant) - log_moment


def vmf_sample(
    mean: ArrayLike, concentration: ArrayLike, samples: int = 1, seed: int = 0
) -> np.ndarray:
    """Draws [N, S, D] of posteriors with directions mean [N, D] and concentration [N] or one for
    all.

    ValueError for unfit shapes or values, directions that are not of unit length and samples < 1.
    """
    mean, concentration = directions(mean, concentration)
    at_least(samples, 1, "samples")
    generator = np.random.default_rng([seed, STREAM])
    gap = _gaps(np.repeat(concentration, samples), mean.shape[1], generator)
    gap, centre = gap.reshape(-1, samples, 1), mean[:, None]
    tangent = generator.standard_normal((len(mean), samples, mean.shape[1]))
    tangent -= (tangent * centre).sum(axis=-1, keepdims=True) * centre
    tangent *= np.sqrt(gap * (2 - gap)) / np.linalg.norm(tangent, axis=-1, keepdims=True)
    return (1 - gap) * centre + tangent


def vmf_mutual_information(
    mean: ArrayLike, concentration: ArrayLike, samples: int = 1, seed: int = 0
) -> Estimate:
    """I(x; z) = E[log q(z|x) - log q(z)] in nats, q(z) the mixture of all N items given.

    Estimated as `mutual_information` does for Gaussians, with the same ceiling log N. ValueError as
    `vmf_sample`.
    """
    mean, concentration = directions(mean, concentration)
    natural = concentration[:, None] * mean
    constant = vmf_log_normaliser(concentration, mean.shape[1])
    per_item = [
        (z * natural).sum(axis=1) + constant - _log_mixture(natural, constant, z)
        for z in vmf_sample(mean, concentration, samples, seed).swapaxes(0, 1)
    ]
    return estimate(np.mean(per_item, axis=0))


def directions(mean: ArrayLike, concentration: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Directions [N, D] at unit length in float64 and concentrations [N], checked.

    ValueError for unfit shapes or values, D < 2 and lengths that differ from 1 by over 1e-3.
    """
    mean = finite(mean, "mean", "ND")
    at_least(mean.shape[1], 2, "the number of dimensions")
    length = np.linalg.norm(mean, axis=1)
    wrong = np.abs(length - 1) > ROUNDING
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"mean must have unit length, not {length[row]:g} as in item {row}")
    concentration = _concentration(concentration)
    if concentration.shape not in ((), (len(mean),)):
        raise ValueError(f"concentration must have shape [N], not {list(concentration.shape)}")
    return mean / length[:, None], np.broadcast_to(concentration, len(mean))


def to_sphere(z: np.ndarray) -> np.ndarray:
    """Codes [..., D] moved to the nearest point of the unit sphere; 0, which has none, stays."""
    length = np.linalg.norm(z, axis=-1, keepdims=True)
    return z / np.where(length > 0, length, 1)


def wood_proposal(
    beta: Any, concentration: Any, dimensions: int, log: Callable[[Any], Any]
) -> tuple[Any, Any]:
    """A proposal for 1 - μ·z and the log of the probability with which to accept it (Wood 1994).

    `beta` is a draw of Beta((D - 1) / 2, (D - 1) / 2). Arithmetic and `log` are all it uses, so
    arrays and tensors both serve; in terms of 1 - μ·z nothing cancels where κ is large.
    """
    tail = dimensions - 1
    b = tail / (2 * concentration + (4 * concentration**2 + tail**2) ** 0.5)
    mode = 2 * b / (1 + b)
    gap = 2 * b * beta / ((1 - beta) + b * beta)
    ratio = (mode + (1 - mode) * gap) / (mode * (2 - mode))
    return gap, concentration * (mode - gap) + tail * log(ratio)


def _gaps(concentration: np.ndarray, dimensions: int, generator: np.random.Generator) -> np.ndarray:
    """Draws of 1 - μ·z, one for each concentration [M]."""
    gaps, waiting = np.empty(len(concentration)), np.arange(len(concentration))
    shape = (dimensions - 1) / 2
    while len(waiting):
        beta = generator.beta(shape, shape, len(waiting))
        gaps[waiting], accept = wood_proposal(beta, concentration[waiting], dimensions, np.log)
        waiting = waiting[accept + generator.standard_exponential(len(waiting)) < 0]
    return gaps


def _cosine(concentration: ArrayLike, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Log E exp(κ w), w = μ·z of uniform z, and its derivative by κ, the mean of w under vMF(κ)."""
    from scipy.special import gammaln, hyp0f1, ive

    at_least(dimensions, 2, "the number of dimensions")
    concentration, order = _concentration(concentration), dimensions / 2 - 1
    border = np.sqrt(SERIES * dimensions)
    few, low = concentration <= border, np.minimum(concentration, border)
    series, high = hyp0f1(order + 1, low**2 / 4), np.maximum(concentration, border)
    log_bessel = high + np.log(ive(order, high))
    log_moment = log_bessel + gammaln(order + 1) - order * np.log(high / 2)
    small = low / dimensions * hyp0f1(order + 2, low**2 / 4) / series
    large = ive(order + 1, high) / ive(order, high)
    return np.where(few, np.log(series), log_moment)[()], np.where(few, small, large)[()]


def _concentration(values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if not ((values >= 0) & (values <= LARGEST_CONCENTRATION)).all():
        raise ValueError(f"concentration must lie between 0 and {LARGEST_CONCENTRATION:g}")
    return values


def _log_mixture(natural: np.ndarray, constant: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Log 1/N sum_n exp(natural_n·z_m + constant_n) -> [M], nats, block by block."""
    rows = max(1, PAIRS // len(natural))
    blocks = [z[first : first + rows] @ natural.T for first in range(0, len(z), rows)]
    return np.concatenate([log_sum_exp(b + constant) for b in blocks]) - np.log(len(natural))

"""Per-dimension statistics of the posteriors: KL to the prior, active units, moments of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import at_least, finite, posteriors

SMALLEST_VARIANCE = 1e-12


def gaussian_kl(mean: ArrayLike, log_variance: ArrayLike) -> np.ndarray:
    """KL(q(z_i | x_n) || N(0, 1)) in nats -> [N, D], from mean and log_variance [N, D].

    Closed form (Kingma & Welling 2014, appendix B).
    ValueError if shapes differ or a value is not finite.
    """
    mean, log_variance = posteriors(mean, log_variance)
    return 0.5 * (mean * mean + np.expm1(log_variance) - log_variance)


def variance_of_means(mean: ArrayLike) -> np.ndarray:
    """Unbiased variance over items of the posterior means [N, D] -> [D]; ValueError if N < 2."""
    mean = finite(mean, "mean", "ND")
    at_least(len(mean), 2, "the number of items")
    return mean.var(axis=0, ddof=1)


def active_units(mean: ArrayLike, threshold: float = 0.01) -> int:
    """Number of dimensions whose means [N] vary by at least `threshold` (Burda et al. 2016).

    The variance is `variance_of_means`; ValueError if N < 2 or a value is not finite.
    """
    return int(np.count_nonzero(variance_of_means(mean) >= threshold))


def moments(samples: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean and log of the unbiased variance over samples [N, S, D] -> two arrays [N, D].

    They describe the diagonal Gaussian with each item's moments; whatever else the posterior holds
    (correlations, several modes) is lost. Variances are floored at 1e-12. ValueError if S < 2.
    """
    samples = finite(samples, "samples", "NSD")
    at_least(samples.shape[1], 2, "the number of samples per item")
    variance = samples.var(axis=1, ddof=1)
    return samples.mean(axis=1), np.log(np.maximum(variance, SMALLEST_VARIANCE))

"""Active and consistent units as curves over their thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import finite

CONSISTENT = (0.01, 0.03, 0.05, 0.1)  # nats; DG-VAE's code counts at each and reports 0.03


def active_unit_curve(variance: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """Number of dimensions with a variance of means of at least each threshold -> ints [T].

    variance [D] as from `variance_of_means`, thresholds [T] in any order; exact, and at 0.01 what
    `active_units` counts (Burda et al. 2016). ValueError if empty, not finite or below 0.
    """
    variance, thresholds = _sorted(variance, "variance"), finite(thresholds, "thresholds", "T")
    return len(variance) - np.searchsorted(variance, thresholds, side="left")


def consistent_unit_curve(kl: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """Number of dimensions with a KL(N(0, 1) || q(z_i)) below each threshold -> ints [T].

    kl [D] in nats as from `marginal_kl` or `marginal_kl_from_samples`, thresholds [T] in nats in
    any order; exact, and at 0.03 what `consistent_units` counts (Zhang et al. 2022, DG-VAE).
    ValueError if empty, not finite or below 0.
    """
    return np.searchsorted(_sorted(kl, "kl"), finite(thresholds, "thresholds", "T"), side="left")


def _sorted(values: ArrayLike, name: str) -> np.ndarray:
    values = np.sort(finite(values, name, "D"))
    if values[0] < 0:
        raise ValueError(f"{name} must not be negative, as {values[0]:g} is")
    return values

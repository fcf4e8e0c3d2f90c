"""What every metric takes and gives: checked float64 arrays in, an estimate with its error out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

LARGEST_LOG_VARIANCE = 300.0  # e^300 squared times a distance squared still fits in float64


@dataclass(frozen=True)
class Estimate:
    """The mean of `n` per-item values and the standard error of that mean (NaN for one item)."""

    value: float
    stderr: float
    n: int

    def __float__(self) -> float:
        return self.value


def estimate(values: np.ndarray) -> Estimate:
    """Mean and standard error of per-item values [N]."""
    n = len(values)
    stderr = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Estimate(float(values.mean()), stderr, n)


def finite(array: ArrayLike, name: str, axes: str) -> np.ndarray:
    """`array` as float64 with one axis per letter of `axes`; ValueError if empty or not finite."""
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != len(axes):
        raise ValueError(f"{name} must have shape [{', '.join(axes)}], not {list(array.shape)}")
    if array.size == 0:
        raise ValueError(f"{name} is empty: its shape is {list(array.shape)}")
    if not np.isfinite(array).all():
        bad = np.count_nonzero(~np.isfinite(array))
        raise ValueError(f"{name} holds {bad} NaN or infinite values")
    return array


def same_shape(mean: ArrayLike, log_variance: ArrayLike) -> None:
    """ValueError unless both have one shape."""
    if np.shape(mean) != np.shape(log_variance):
        shapes = list(np.shape(mean)), list(np.shape(log_variance))
        raise ValueError("mean has shape {} but log_variance {}".format(*shapes))


def posteriors(mean: ArrayLike, log_variance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The parameters [N, D] of diagonal Gaussians, checked; ValueError if they do not fit."""
    mean, log_variance = finite(mean, "mean", "ND"), finite(log_variance, "log_variance", "ND")
    same_shape(mean, log_variance)
    if np.abs(log_variance).max() > LARGEST_LOG_VARIANCE:
        raise ValueError(f"log_variance must lie within ±{LARGEST_LOG_VARIANCE:g}")
    return mean, log_variance


def points(z: ArrayLike, dimensions: int) -> np.ndarray:
    """Latent points [M, D], checked; ValueError if D is not `dimensions`."""
    z = finite(z, "z", "MD")
    if z.shape[1] != dimensions:
        raise ValueError(f"z has {z.shape[1]} dimensions but the posteriors have {dimensions}")
    return z


def at_least(value: float, least: float, name: str) -> None:
    """ValueError unless value >= least."""
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, not {value}")

"""Densities in a plane of posteriors known by draws only: their kernel, and what they can tell."""

import math

import numpy as np

from lab import metrics
from lab.runs import Latents
from lab.runs.figures import take

Axes = tuple[int, int] | np.ndarray  # two dimensions, or orthonormal columns [D, 2]

DRAWS = 50_000  # of directions on a circle
DOT = 0.05  # least bandwidth of codes, so that equal ones are seen
SURE = 100  # draws under the kernel with which the standard error of log q is 0.1 nats
APART = 4.0  # standard errors between q and p from which fewer draws are enough


def is_smoothed(latents: Latents) -> bool:
    """Whether a plane shows kernel densities: Gaussians and directions beyond a circle have
    exact ones.
    """
    exact = latents.family == "vmf" and latents.dimensions > 2
    return not exact and latents.family != "gaussian"


def on_axes(array: np.ndarray, axes: Axes) -> np.ndarray:
    """Coordinates [..., 2] of [..., D]."""
    return array @ axes if isinstance(axes, np.ndarray) else array[..., list(axes)]


def drawn(latents: Latents, axes: Axes) -> np.ndarray:
    """Draws [N, S, 2]: those stored, the code itself, or about DRAWS of directions."""
    if latents.family == "vmf":
        rows = np.arange(len(latents))
        if len(rows) > DRAWS:
            rows = np.random.default_rng(0).choice(rows, DRAWS, replace=False)
        part = take(latents, rows)
        return on_axes(metrics.vmf_sample(part.mean, part.concentration, DRAWS // len(rows)), axes)
    return on_axes(latents.mean[:, None] if latents.samples is None else latents.samples, axes)


def bandwidth(latents: Latents, axes: Axes) -> np.ndarray | None:
    """Bandwidth [2] of the kernel that draws are smoothed by; None where the density is exact.

    `metrics.kernel_bandwidth`; for samples at least half of what M draws of the prior have, since
    under a narrower kernel hardly any place could be told from chance.
    """
    if not is_smoothed(latents):
        return None
    points = drawn(latents, axes).reshape(-1, 2)
    least = len(points) ** (-1 / 6) / 2 if latents.family == "samples" else DOT
    return metrics.kernel_bandwidth(points, least)


def words(latents: Latents, axes: Axes) -> str:
    """How the density of a plane was smoothed, in a few words; "" where it is exact."""
    width = bandwidth(latents, axes)
    if width is None:
        return ""
    sizes = dict.fromkeys(f"{h:.2g}" for h in width)
    what = "kernel density of codes" if latents.family == "point" else "draws smoothed"
    return f"{what}, bandwidth {' × '.join(sizes)}"


def smoothed_prior(x: np.ndarray, y: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Density [y, x] of N(0, I) under a Gaussian kernel of bandwidth [2]: N(0, I + diag h²)."""
    variance = 1 + np.square(width)
    square = np.square(x) / variance[0] + (np.square(y) / variance[1])[:, None]
    return np.exp(-square / 2) / (2 * math.pi * math.sqrt(variance.prod()))


def telling(p: np.ndarray, q: np.ndarray, width: np.ndarray, count: int) -> np.ndarray:
    """Where `count` draws tell log q/p: many expected under p or q, or more apart than by chance.

    A kernel estimate q of M draws varies by q / (4π h_x h_y M), as a count of 4π h_x h_y M q does.
    """
    seen, expected = (4 * math.pi * width.prod() * count * d for d in (q, p))
    apart = np.abs(seen - expected) >= APART * np.sqrt(seen + expected)
    return (np.maximum(seen, expected) >= SURE) | apart

"""Paths through a latent space: the straight line and the arc between two codes."""

import numpy as np

from lab.metrics import to_sphere

KINDS = ("straight", "spherical")
SMALLEST_SINE = 1e-12  # below it the codes are parallel, or opposite, to rounding


def codes(
    a: np.ndarray, b: np.ndarray, weights: np.ndarray, kind: str = KINDS[0], sphere: bool = False
) -> np.ndarray:
    """Codes [L, D] at weights λ [L] between a and b [D], whose ends they are at 0 and 1.

    Directions (`sphere`) stay on the sphere: a straight path's codes are moved to it.
    """
    z = spherical(a, b, weights) if kind == "spherical" else straight(a, b, weights)
    return to_sphere(z) if sphere else z


def straight(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(1 - λ) a + λ b [L, D] (DG-VAE section 4.4)."""
    return np.outer(1 - weights, a) + np.outer(weights, b)


def spherical(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Slerp [L, D]: the direction turns by equal angles, the length goes from |a| to |b| evenly.

    Of directions it is the great circle (Shoemake 1985; of latent codes, White 2016). Parallel
    codes, opposite ones, which no one arc joins, and the origin give the straight path.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if not min(lengths):
        return straight(a, b, weights)
    u, v = a / lengths[0], b / lengths[1]
    # Unlike the arc cosine, exact for small angles too.
    angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if np.sin(angle) < SMALLEST_SINE:
        return straight(a, b, weights)
    shares = np.sin(np.stack([1 - weights, weights]) * angle) / np.sin(angle)
    length = (1 - weights) * lengths[0] + weights * lengths[1]
    return np.outer(shares[0] * length / lengths[0], a) + np.outer(
        shares[1] * length / lengths[1], b
    )

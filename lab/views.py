"""What the explorer and the figures both show of a run, as arrays and words; no drawing."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from lab.errors import UserError
from lab.metrics import (
    aggregated_posterior,
    aggregated_posterior_from_samples,
    directions_map,
    uniform_direction_map,
    variance_of_means,
    vmf_sample,
)
from lab.runs import Latents, Run
from lab.runs.figures import AT_MOST
from lab.smoothing import Axes, bandwidth, drawn, is_smoothed, on_axes, smoothed_prior, telling

EXACT_UP_TO = 20_000  # items; beyond it the binned density is within 1 % and 20 times quicker
GAP_LIMIT = 3.0  # nats at which the colours of a gap map end: q a twentieth of p, or twenty times
NEGLIGIBLE = 1e-3  # density in two dimensions; N(0, I) falls below it at 3.2 standard deviations
SMALLEST = 1e-12  # density that stands for none

# Quantity -> title, unit, and metric keys with their estimators, the most trusted one first.
QUANTITIES = {
    "kl": ("KL", "nats", {"kl": "", "kl_moment": "moment-matched", "kl_dual": "dual"}),
    "mi": ("MI", "nats", {"mi": "", "mi_moment": "moment-matched", "mi_dual": "dual"}),
    "negative_elbo": ("Negative ELBO", "nats", {"negative_elbo": "", "negative_elbo_dual": "dual"}),
    "nll": ("NLL", "nats", {"nll": ""}),
    "ppl": ("Perplexity", "per token", {"ppl": ""}),
    "reconstruction": ("Reconstruction", "nats", {"reconstruction": ""}),
    "au": ("Active units", "dimensions", {"au": ""}),
    "cu": ("Consistent units", "dimensions", {"cu": "", "cu_samples": "samples"}),
    "aggregated_kl": (
        "KL(aggregated ‖ prior)",
        "nats",
        {"aggregated_kl": "", "aggregated_kl_moment": "moment-matched"},
    ),
    "hole_mass": (
        "Prior mass in holes",
        "share beyond chance",
        {"hole_mass": "", "hole_mass_moment": "moment-matched"},
    ),
}


@dataclass(frozen=True)
class Series:
    """One estimator's values of a quantity over the epochs of a run.

    `estimator` is "" for the standard one.
    """

    estimator: str
    epochs: np.ndarray
    values: np.ndarray
    stderr: np.ndarray | None


def density(
    latents: Latents,
    dims: Axes = (0, 1),
    limit: float = 5.0,
    points: int = 256,
    method: str = "auto",
    centre: tuple[float, float] = (0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aggregated posterior of any family on a square grid: x [P], y [P], density [y, x] (DG-VAE eq.
    2).

    The square reaches `limit` to each side of its `centre`. `dims` are two dimensions, or of other
    families than Gaussians orthonormal axes [D, 2].

    Gaussians and directions are summed in closed form; samples, deterministic codes and draws on a
    circle are smoothed by a Gaussian kernel of `bandwidth`.
    """
    if latents.family == "gaussian":
        pair = list(dims)
        if method == "auto":
            method = "exact" if len(latents) <= EXACT_UP_TO else "binned"
        mean = latents.mean[:, pair] - np.array(centre, latents.mean.dtype)
        found = aggregated_posterior(
            mean, latents.log_variance[:, pair], (0, 1), limit, points, method
        )
        return found[0] + centre[0], found[1] + centre[1], found[2]
    if not is_smoothed(latents):
        axis = np.linspace(-limit, limit, points)
        x, y = axis + centre[0], axis + centre[1]
        matrix = on_axes(np.eye(latents.dimensions), dims)
        return x, y, directions_map(latents.mean, latents.concentration, matrix, x, y)
    samples = drawn(latents, dims) - np.array(centre, latents.mean.dtype)
    width = bandwidth(latents, dims)
    found = aggregated_posterior_from_samples(samples, (0, 1), limit, points, width)
    return found[0] + centre[0], found[1] + centre[1], found[2]


def gap(
    latents: Latents, x: np.ndarray, y: np.ndarray, q: np.ndarray, dims: Axes = (0, 1)
) -> np.ndarray:
    """Log q(z) - log p(z) [y, x] in nats on the square grid of a `density` q on `dims`.

    Of samples p is smoothed as q is. NaN where both are below 1e-3, off the sphere, and where so
    few samples cannot tell q from p. UserError on a circle, whose prior has no density in the
    plane, and for deterministic codes, which have none either.
    """
    if latents.family == "point":
        raise UserError("Deterministic codes have no density, so there is no gap.")
    width = None if latents.family == "vmf" else bandwidth(latents, dims)
    p = prior_density(latents, x, y) if width is None else smoothed_prior(x, y, width)
    shown = (np.maximum(p, q) >= NEGLIGIBLE) & (p > 0)
    if width is not None:
        shown &= telling(p, q, width, latents.samples[..., 0].size)
    ratio = np.log(np.maximum(q, SMALLEST)) - np.log(np.maximum(p, SMALLEST))
    return np.where(shown, ratio, np.nan)


def prior_density(latents: Latents, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Density [y, x] of two dimensions of the prior: N(0, I), or uniform on the sphere.

    UserError on a circle.
    """
    if latents.family != "vmf":
        return smoothed_prior(x, y, np.zeros(2))
    if latents.dimensions < 3:
        raise UserError("On a circle the prior has no density in the plane, so there is no gap.")
    return uniform_direction_map(x, y, latents.dimensions)


def draws(latents: Latents, per_item: int, seed: int = 0) -> np.ndarray:
    """Draws [N, S, D] of q(z|x) of any family, S at most `per_item`.

    Of stored samples the first ones; a deterministic code is its own only draw.
    """
    if latents.samples is not None:
        return latents.samples[:, :per_item]
    if latents.concentration is not None:
        return vmf_sample(latents.mean, latents.concentration, per_item, seed)
    if latents.log_variance is None:
        return latents.mean[:, None]
    shape = (len(latents), per_item, latents.dimensions)
    noise = np.random.default_rng(seed).standard_normal(shape)
    return latents.mean[:, None] + noise * np.exp(latents.log_variance[:, None] / 2)


def on_sphere(run: Run) -> bool:
    """Whether the codes of a run are directions (von Mises-Fisher), their prior a uniform one."""
    return run.info.get("latent", {}).get("family") == "vmf"


def density_scale(run: Run) -> float:
    """How many times the density of two dimensions of N(0, I) that of the run's prior is: 1, or on
    the sphere, whose mass lies in the unit disc, D - 2.

    The marginal of a uniform direction peaks at (D - 2) / 2π from D = 4 on, N(0, I) at 1 / 2π. In
    fewer than six dimensions it crowds at the rim; its scale there is that of six.
    """
    return max(run.info["latent"]["dimensions"], 6) - 2.0 if on_sphere(run) else 1.0


def method_names(runs: Sequence[Run]) -> list[str]:
    """The papers' names, or the specs where several of a corpus share one."""
    specs = defaultdict(set)
    for run in runs:
        specs[run.corpus, run.label].add(run.spec)
    return [r.spec if len(specs[r.corpus, r.label]) > 1 else r.label for r in runs]


def activity_order(latents: Latents) -> np.ndarray:
    """Dimensions [D] from the most to the least active, by the variance of the posterior means."""
    return np.argsort(-variance_of_means(latents.mean), kind="stable")


def recorded_order(table: pl.DataFrame, epoch: int) -> np.ndarray:
    """`activity_order` as the table of dimensions recorded it. UserError if it holds none."""
    if "variance_of_mean" not in table.columns:
        raise UserError("the table of dimensions is of another kind")
    rows = table.filter(pl.col("epoch") == epoch).sort("dimension")
    if not len(rows):
        raise UserError(f"the table of dimensions holds nothing of epoch {epoch}")
    return np.argsort(-rows["variance_of_mean"].to_numpy(), kind="stable")


def series(run: Run, quantity: str) -> list[Series]:
    """The curves of one quantity on the dumped split, one per estimator recorded, the standard one
    first.
    """
    records = [r for r in run.metrics() if r["split"] != "train" and not r.get("final")]
    found = []
    for key, estimator in QUANTITIES[quantity][2].items():
        rows = [r for r in records if r.get(key) is not None]
        if rows:
            errors = [r.get(f"{key}_stderr") for r in rows]
            found.append(
                Series(
                    estimator,
                    np.array([r["epoch"] for r in rows]),
                    np.array([r[key] for r in rows], float),
                    None if None in errors else np.array(errors, float),
                )
            )
    return found


def latest(run: Run, quantity: str) -> tuple[float, str] | None:
    """The newest value of a quantity and the name of its estimator; None if the run has none."""
    curves = series(run, quantity)
    return (float(curves[0].values[-1]), curves[0].estimator) if curves else None


def information_ceiling(run: Run) -> float:
    """Log N, the most nats that the N items of a dump can show."""
    return math.log(min(run.info.get("items", AT_MOST), AT_MOST))

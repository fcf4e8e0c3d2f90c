"""The figures of one dump of latents, by family.

Estimates that are no closed form carry their own names.
"""

import dataclasses
import math

import numpy as np

from lab import metrics
from lab.runs.reader import Latents

CONSISTENT_BELOW = 0.03  # nats of marginal KL (DG-VAE appendix C)
# Items; information costs the square of them, so larger dumps count a random subset.
AT_MOST = 10_000
HOLES_OF = 4_000  # items; the standard error of the excess is then at most 0.016


def latent_figures(latents: Latents) -> dict[str, float]:
    """Active units; KL, MI, their difference and consistent units where posteriors have a spread.

    Nats, means over items. Keys: au; of Gaussians kl, mi, mi_stderr, aggregated_kl,
    total_correlation, cu; of samples kl_moment, mi_moment, aggregated_kl_moment (of the
    moment-matched Gaussians) and cu_samples (kernel density); of von Mises-Fisher posteriors kl,
    mi, mi_stderr, aggregated_kl. Of Gaussians hole_mass is the share of prior draws that lie in a
    hole beyond what so few items leave by themselves (`metrics.held_out_holes`: prior less
    aggregate), with its error; of samples hole_mass_moment. Directions have neither cu nor total
    correlation: the coordinates of a
    uniform direction depend on each other, so that no product of marginals is their prior. More
    than 10,000 items are represented by a seeded random 10,000 of them.
    """
    latents = at_most(latents)
    matched = as_gaussians(latents)
    # A coordinate of a uniform direction has variance 1 / D, not 1.
    unit = np.sqrt(latents.dimensions) if latents.family == "vmf" else 1.0
    figures: dict[str, float] = {"au": metrics.active_units(unit * matched.mean)}
    if latents.family == "gaussian":
        return figures | _of_gaussians(latents)
    if latents.family == "samples" and latents.samples.shape[1] > 1:
        return figures | _of_samples(latents, matched)
    if latents.family == "vmf":
        return figures | _of_directions(latents)
    return figures


def at_most(latents: Latents, count: int = AT_MOST) -> Latents:
    """The latents, or a seeded random `count` of them."""
    if len(latents) <= count:
        return latents
    return take(latents, np.random.default_rng(0).choice(len(latents), count, replace=False))


def as_gaussians(latents: Latents) -> Latents:
    """Samples as the diagonal Gaussians with their moments; other families as they are.

    The mean of S draws varies by σ²/S even if the posteriors are all equal. The means are drawn
    together until their variance over the items is free of that noise, so that a collapsed
    dimension has none.
    """
    if latents.family != "samples" or latents.samples.shape[1] < 2:
        return latents
    mean, log_variance = metrics.moments(latents.samples)
    observed = metrics.variance_of_means(mean)
    noise = np.exp(log_variance).mean(0) / latents.samples.shape[1]
    kept = np.sqrt(np.clip(observed - noise, 0, None) / np.maximum(observed, np.finfo(float).tiny))
    centre = mean.mean(0)
    return Latents("gaussian", centre + kept * (mean - centre), log_variance)


def take(latents: Latents, rows: np.ndarray) -> Latents:
    """The latents of some items."""
    arrays = {k: v[rows] for k, v in vars(latents).items() if isinstance(v, np.ndarray)}
    return dataclasses.replace(latents, **arrays)


def _of_gaussians(latents: Latents) -> dict[str, float]:
    mean, log_variance = latents.mean, latents.log_variance
    parts = metrics.elbo_decomposition(mean, log_variance)
    # KL in closed form, MI by one draw per item; the rest by difference, so that all parts add up.
    kl = float(metrics.gaussian_kl(mean, log_variance).sum(1).mean())
    aggregated = kl - parts.mutual_information
    return {
        "kl": kl,
        "mi": parts.mutual_information,
        "mi_stderr": parts.stderr["mutual_information"],
        "aggregated_kl": aggregated,
        # The KL is a closed form: its error is that of MI.
        "aggregated_kl_stderr": parts.stderr["mutual_information"],
        "total_correlation": aggregated - float(parts.dimension_kl.sum()),
        "cu": metrics.consistent_units(mean, log_variance, CONSISTENT_BELOW),
    } | _holes(latents, "hole_mass")


def _holes(latents: Latents, name: str) -> dict[str, float]:
    some = at_most(latents, HOLES_OF)
    if len(some) < 4:
        return {}
    held = metrics.held_out_holes(some.mean, some.log_variance)
    error = math.hypot(held.prior.stderr, held.aggregate.stderr)
    return {name: held.prior.value - held.aggregate.value, f"{name}_stderr": error}


def _of_samples(latents: Latents, matched: Latents) -> dict[str, float]:
    parts = metrics.elbo_decomposition(matched.mean, matched.log_variance)
    marginal = metrics.marginal_kl_from_samples(latents.samples)
    return {
        "kl_moment": parts.kl,
        "mi_moment": parts.mutual_information,
        "aggregated_kl_moment": parts.aggregated_kl,
        "cu_samples": int((marginal < CONSISTENT_BELOW).sum()),
    } | _holes(matched, "hole_mass_moment")


def _of_directions(latents: Latents) -> dict[str, float]:
    kl = float(metrics.vmf_kl(latents.concentration, latents.dimensions).mean())
    information = metrics.vmf_mutual_information(latents.mean, latents.concentration)
    return {
        "kl": kl,
        "mi": information.value,
        "mi_stderr": information.stderr,
        "aggregated_kl": kl - information.value,
    }

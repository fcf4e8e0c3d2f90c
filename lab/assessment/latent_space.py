"""What the codes of the test set are like: information, units in use, holes."""

import numpy as np

from lab import metrics
from lab.assessment.records import Figure, Found, Missing, figure_of
from lab.assessment.subject import Subject
from lab.metrics.thresholds import CONSISTENT
from lab.runs.figures import as_gaussians

MINIBATCH = 32  # of the older estimate of MI
ACTIVE = (0.001, 0.003, 0.01, 0.03, 0.1)


def minibatch_information(a: Subject) -> Found:
    """The older estimate of MI, within batches of sentences of like length (spec 3.3)."""
    if a.latents is None or a.latents.family != "gaussian":
        yield Missing("mi", "of Gaussian posteriors only", "batch")
        return
    order = np.argsort(a.corpus.splits["test"].lengths, kind="stable")
    mean, log_variance = a.latents.mean[order], a.latents.log_variance[order]
    found = metrics.minibatch_mutual_information(mean, log_variance, MINIBATCH)
    yield figure_of("mi", "batch", found, {"batch": MINIBATCH})


def marginals(a: Subject) -> Found:
    """Sum of KL(q(z_i) || p(z_i)): what MI and total correlation leave of the KL."""
    if a.latents is None or a.latents.family != "gaussian":
        return
    record = a.passed[1]
    value = record["aggregated_kl"] - record["total_correlation"]
    per_dimension = metrics.gaussian_kl(a.measured.mean, a.measured.log_variance).mean(0)
    detail = {"kl_per_dimension": per_dimension.round(5).tolist()}
    yield Figure("marginal_kl", "whole", value, len(a.measured), detail=detail)


def units(a: Subject) -> Found:
    """Active and consistent units, each with its curve over thresholds."""
    if a.latents is None:
        return
    record, count, matched = a.passed[1], len(a.measured), as_gaussians(a.measured)
    unit = a.latents.dimensions if a.latents.family == "vmf" else 1.0
    active = metrics.active_unit_curve(unit * metrics.variance_of_means(matched.mean), ACTIVE)
    by = "samples" if a.latents.family == "samples" else "exact"
    yield Figure("au", by, record["au"], count, detail=_curve(ACTIVE, active))
    if a.latents.family == "gaussian":
        kl = metrics.marginal_kl(matched.mean, matched.log_variance)
        curve = _curve(CONSISTENT, metrics.consistent_unit_curve(kl, CONSISTENT))
        yield Figure("cu", "exact", record["cu"], count, detail=curve)
    elif a.latents.family == "samples":
        kl = metrics.marginal_kl_from_samples(a.measured.samples)
        curve = _curve(CONSISTENT, metrics.consistent_unit_curve(kl, CONSISTENT))
        yield Figure("cu", "samples", record["cu_samples"], count, detail=curve)
    else:
        yield Missing("cu", "counted of Gaussian and implicit posteriors only")


def _curve(thresholds: tuple[float, ...], counts: np.ndarray) -> dict[str, list[float]]:
    return {"thresholds": list(thresholds), "curve": counts.tolist()}


def holes(a: Subject) -> Found:
    """Where the prior draws and the aggregated posterior does not lie."""
    if a.latents is None or a.latents.family == "vmf" or not a.generator.from_prior:
        whys = ("hole_mass", "two_sample_auc", "nearest_posterior")
        yield from (Missing(name, "measured against N(0, I) as the prior only") for name in whys)
        return
    codes = a.measured.mean if a.measured.samples is None else a.measured.samples[:, 0]
    if a.latents.family == "gaussian":
        mean, log_variance = a.measured.mean, a.measured.log_variance
        held = metrics.held_out_holes(mean, log_variance)
        near = metrics.nearest_posterior(mean, log_variance)
        share = {"aggregate": held.aggregate.value}
        yield figure_of("hole_mass", "held_out", held.prior, share)
        yield figure_of("hole_mass", "mixture", metrics.hole_mass(mean, log_variance))
        yield figure_of("two_sample_auc", "held_out", held.auc)
        yield figure_of("two_sample_auc", "mixture", metrics.two_sample_auc(mean, log_variance))
        quantiles = {str(p): q for p, q in near.quantiles.items()}
        yield figure_of("nearest_posterior", "mahalanobis", near.distance, quantiles)
        noise = np.random.default_rng(0).standard_normal(mean.shape)
        codes = mean + noise * np.exp(0.5 * log_variance)
    else:
        yield Missing("hole_mass", "the aggregated posterior is no sum of diagonal Gaussians")
    try:
        yield figure_of("two_sample_auc", "classifier", metrics.classifier_auc(codes))
    except ValueError as error:
        yield Missing("two_sample_auc", str(error), "classifier")

"""Estimates of log p(x) on lstm2d, where it is known."""

import math
from collections.abc import Iterator

import numpy as np

from lab import metrics
from lab.calibration.known import HERMITE, Known
from lab.calibration.measured import Shot
from lab.evaluation import evaluating, log_weights
from lab.mixture_likelihood import mixture_log_likelihoods

CASE = "lstm2d"
QUADRATURE = 1e-3  # nats by which two of them may differ


def likelihood(known: Known, seed: int) -> Iterator[Shot]:
    """The importance-weighted NLL, which is the negative ELBO at one sample, and what the ELBO
    lacks of the truth.
    """
    for name, model in known.models.items():
        with evaluating(model, seed):
            weights = log_weights(model, known.batch, max(known.budget.samples))
        for size in known.budget.samples:
            found = metrics.importance_weighted_nll(weights[:size]).value
            estimator = f"importance-weighted, {name} q"
            yield Shot(CASE, "nll", estimator, "samples", size, found, known.nll, "above")
        yield from _gap(known, name, weights)


def mixture_likelihood(known: Known, seed: int) -> Iterator[Shot]:
    """DG-VAE's priorLL, which is log p(x), and postLL, each with its published twin (D4)."""
    model = known.models["fitted"]
    truths = (-known.nll, known.under_posterior["fitted"][1])
    for size in known.budget.mixed:
        for estimator, claim in (("corrected", "below"), ("published", "none")):
            with evaluating(model, seed):
                both = mixture_log_likelihoods(model, known.batch, size, estimator == "published")
            for name, values, truth in zip(("prior_ll", "post_ll"), both, truths, strict=True):
                found = float(values.mean())
                yield Shot(CASE, name, estimator, "samples", size, found, truth, claim)


def _gap(known: Known, name: str, weights: np.ndarray) -> Iterator[Shot]:
    """(-ELBO) - NLL, which is KL(q(z|x) ‖ p(z|x)), from log weights [S, N] and by quadrature."""
    truth, nll = known.posterior_kl[name], known.nll
    exact = known.under_posterior[name][0] - nll
    estimator = f"−ELBO − NLL by quadrature, {name} q"
    yield Shot(
        CASE, "posterior_kl", estimator, "nodes", HERMITE**2, exact, truth, "unbiased",
        tolerance=QUADRATURE,
    )  # fmt: skip
    for size in known.budget.samples:
        found = -float(weights[:size].mean()) - nll
        error = math.sqrt(weights.var(0, ddof=1).mean() / size / weights.shape[1])
        estimator = f"−ELBO − NLL by draws, {name} q"
        yield Shot(
            CASE, "posterior_kl", estimator, "samples", size, found, truth, "unbiased", error
        )

"""Estimates of the information between sentence and latent on lstm2d, from Gaussian posteriors."""

from collections.abc import Iterator

import numpy as np
from scipy.special import xlogy

from lab import metrics
from lab.calibration.known import FINE, Known
from lab.calibration.measured import Shot
from lab.corpora.latent_grid import Grid
from lab.metrics.density import standard_normal_log_prob

ITEMS = "lstm2d, its N items"
NAMES = {"mutual_information": "mi"}


def information(known: Known, seed: int) -> Iterator[Shot]:
    """By the number of items and by the batch size; items are drawn anew for each seed."""
    order = np.random.default_rng(seed).permutation(known.budget.items)
    mean, log_variance = (x[order] for x in known.encoders["fitted"])
    for size in known.budget.sizes:
        yield from _whole(known, order[:size], mean[:size], log_variance[:size], seed)
    for batch in (b for b in known.budget.batches if b <= known.budget.items):
        found = metrics.minibatch_mutual_information(mean, log_variance, batch, seed)
        yield _population(known, "batch", "batch size", batch, found.value, found.stderr)


def _whole(
    known: Known, chosen: np.ndarray, mean: np.ndarray, log_variance: np.ndarray, seed: int
) -> Iterator[Shot]:
    count = len(chosen)
    found = metrics.mutual_information(mean, log_variance, seed=seed)
    yield _population(known, "whole", "items", count, found.value, found.stderr)
    exact = mixture_information(known.weights[chosen])
    yield _population(known, "of exact p(z|x), by quadrature", "items", count, exact, None)
    parts = metrics.elbo_decomposition(mean, log_variance, seed=seed)
    truth = decomposition(mean, log_variance)
    for name, error in parts.stderr.items():
        yield Shot(
            ITEMS, NAMES.get(name, name), "whole", "items", count,
            getattr(parts, name), truth[name], "unbiased", error,
        )  # fmt: skip


def _population(
    known: Known, estimator: str, axis: str, size: int, value: float, error: float | None
) -> Shot:
    """A value against I(x; z) of the generator, of which N items fall short."""
    return Shot("lstm2d", "mi", estimator, axis, size, value, known.information, "below", error)


def mixture_information(weights: np.ndarray) -> float:
    """Mean KL in nats of N distributions over G nodes, rows of weights [N, G], to their mixture."""
    mixture = weights.mean(0)
    return float(xlogy(weights, weights).sum(1).mean() - xlogy(mixture, mixture).sum())


def decomposition(mean: np.ndarray, log_variance: np.ndarray) -> dict[str, float]:
    """The parts of the mean KL of 2-D Gaussians to N(0, I), as `metrics.elbo_decomposition` has
    them, by quadrature.
    """
    grid = Grid.of(FINE)
    nodes = grid.nodes.numpy()
    weights = gaussian_weights(mean, log_variance)
    mixture = weights.mean(0)
    information = mixture_information(weights)
    log_prior = standard_normal_log_prob(nodes).sum(1) + grid.log_area
    aggregated = float((xlogy(mixture, mixture) - mixture * log_prior).sum())
    plane = mixture.reshape(FINE, FINE)
    separate = sum(float(xlogy(m, m).sum()) for m in (plane.sum(0), plane.sum(1)))
    correlation = float(xlogy(mixture, mixture).sum()) - separate
    return {
        "mutual_information": information,
        "total_correlation": correlation,
        "aggregated_kl": aggregated,
        "kl": information + aggregated,
    }


def gaussian_weights(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """Mass of each Gaussian [N, 2] at the nodes of the grid [N, G]."""
    grid = Grid.of(FINE)
    log_density = metrics.pairwise_log_prob(mean, log_variance, grid.nodes.numpy()).T
    return np.exp(log_density + grid.log_area)

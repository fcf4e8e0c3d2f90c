"""What the eye sees of a toy's latent plane, as numbers."""

import math

import numpy as np

from lab import metrics
from lab.runs import Latents
from lab.views import draws

DRAWS = 2_000  # of the aggregated posterior, at least one for every item
SILHOUETTE_POINTS = 500  # its cost is their square


def measures(
    latents: Latents, categories: np.ndarray, predicted: np.ndarray, seed: int = 0
) -> dict[str, float]:
    """How far the categories [N] part in about 2,000 draws of q(z|x), and how well the draws match
    the prior.

    Keys silhouette, centroid_accuracy, intra_distance, inter_distance; category_accuracy, the share
    of `predicted`, the decoder's categories [N], that are right; prior_kl_histogram and
    prior_kl_neighbours (nats). Left out are the histogram unless D is 2, the neighbours' figure
    where it is infinite (deterministic codes of few categories), both on the sphere, whose prior is
    another. 400 items of two dimensions take 5 to 10 ms. ValueError for fewer than two categories.
    """
    z = draws(latents, max(1, DRAWS // len(latents)), seed)
    points, labels = z.reshape(-1, latents.dimensions), np.repeat(categories, z.shape[1])
    few = np.random.default_rng(seed).permutation(len(points))[:SILHOUETTE_POINTS]
    within, between = metrics.class_distances(points, labels)
    figures = {
        "silhouette": metrics.silhouette(points[few], labels[few]),
        "centroid_accuracy": metrics.centroid_accuracy(points, labels),
        "category_accuracy": float(np.mean(predicted == categories)),
        "intra_distance": within,
        "inter_distance": between,
    }
    return figures if latents.family == "vmf" else figures | _prior_match(points)


def _prior_match(points: np.ndarray) -> dict[str, float]:
    figures = {"prior_kl_neighbours": metrics.prior_kl_neighbours(points)}
    if points.shape[1] == 2:
        figures["prior_kl_histogram"] = metrics.prior_kl_histogram(points)
    return {name: value for name, value in figures.items() if math.isfinite(value)}

"""Functions of arrays that judge a latent space and a likelihood; nats throughout, no torch."""

from lab.metrics.arrays import Estimate
from lab.metrics.clusters import centroid_accuracy, class_distances, silhouette
from lab.metrics.density import density_gap, log_aggregated_posterior, pairwise_log_prob
from lab.metrics.information import (
    Decomposition,
    elbo_decomposition,
    minibatch_mutual_information,
    mutual_information,
)
from lab.metrics.interpolation import RougeL, interpolation_rouge, rouge_l
from lab.metrics.latent import active_units, gaussian_kl, moments, variance_of_means
from lab.metrics.likelihood import importance_weighted_nll, perplexity
from lab.metrics.maps import aggregated_posterior, aggregated_posterior_from_samples
from lab.metrics.marginals import consistent_units, marginal_kl, marginal_kl_from_samples
from lab.metrics.prior_match import prior_kl_histogram, prior_kl_neighbours
from lab.metrics.sphere import (
    to_sphere,
    vmf_kl,
    vmf_log_normaliser,
    vmf_mean_resultant,
    vmf_mutual_information,
    vmf_sample,
)

__all__ = [
    "Decomposition",
    "Estimate",
    "RougeL",
    "active_units",
    "aggregated_posterior",
    "aggregated_posterior_from_samples",
    "centroid_accuracy",
    "class_distances",
    "consistent_units",
    "density_gap",
    "elbo_decomposition",
    "gaussian_kl",
    "importance_weighted_nll",
    "interpolation_rouge",
    "log_aggregated_posterior",
    "marginal_kl",
    "marginal_kl_from_samples",
    "minibatch_mutual_information",
    "moments",
    "mutual_information",
    "pairwise_log_prob",
    "perplexity",
    "prior_kl_histogram",
    "prior_kl_neighbours",
    "rouge_l",
    "silhouette",
    "to_sphere",
    "variance_of_means",
    "vmf_kl",
    "vmf_log_normaliser",
    "vmf_mean_resultant",
    "vmf_mutual_information",
    "vmf_sample",
]

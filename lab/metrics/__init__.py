"""Functions of arrays that judge a latent space and a likelihood; nats throughout, no torch."""

from lab.metrics.arrays import Estimate
from lab.metrics.clusters import centroid_accuracy, class_distances, silhouette
from lab.metrics.density import density_gap, log_aggregated_posterior, pairwise_log_prob
from lab.metrics.generation import (
    BothWays,
    Distinct,
    distinct_n,
    forward_reverse_perplexity,
    self_bleu,
)
from lab.metrics.holes import (
    HeldOutHoles,
    NearestPosterior,
    classifier_auc,
    held_out_holes,
    hole_mass,
    nearest_posterior,
    posterior_distance,
    two_sample_auc,
)
from lab.metrics.information import (
    Decomposition,
    elbo_decomposition,
    minibatch_mutual_information,
    mutual_information,
)
from lab.metrics.interpolation import RougeL, interpolation_rouge, rouge_l
from lab.metrics.kneser_ney import KneserNey, Perplexity, corpus_perplexity
from lab.metrics.latent import active_units, gaussian_kl, moments, variance_of_means
from lab.metrics.likelihood import importance_weighted_nll, perplexity
from lab.metrics.maps import (
    aggregated_posterior,
    aggregated_posterior_from_samples,
    kernel_bandwidth,
)
from lab.metrics.marginals import consistent_units, marginal_kl, marginal_kl_from_samples
from lab.metrics.prior_match import prior_kl_histogram, prior_kl_neighbours
from lab.metrics.representation import (
    LABELS,
    SHORT_YELP_COUNTS,
    Correlation,
    FewLabelAccuracy,
    few_label_accuracy,
    neighbours,
    neighbours_of_rows,
    similarity_correlation,
)
from lab.metrics.sphere import (
    to_sphere,
    vmf_kl,
    vmf_log_normaliser,
    vmf_mean_resultant,
    vmf_mutual_information,
    vmf_sample,
)
from lab.metrics.sphere_maps import directions_map, uniform_direction_map
from lab.metrics.statistics import Best, Summary, best, summarise, welch
from lab.metrics.thresholds import active_unit_curve, consistent_unit_curve

__all__ = [
    "LABELS",
    "SHORT_YELP_COUNTS",
    "Best",
    "BothWays",
    "Correlation",
    "Decomposition",
    "Distinct",
    "Estimate",
    "FewLabelAccuracy",
    "HeldOutHoles",
    "KneserNey",
    "NearestPosterior",
    "Perplexity",
    "RougeL",
    "Summary",
    "active_unit_curve",
    "active_units",
    "aggregated_posterior",
    "aggregated_posterior_from_samples",
    "best",
    "centroid_accuracy",
    "class_distances",
    "classifier_auc",
    "consistent_unit_curve",
    "consistent_units",
    "corpus_perplexity",
    "density_gap",
    "directions_map",
    "distinct_n",
    "elbo_decomposition",
    "few_label_accuracy",
    "forward_reverse_perplexity",
    "gaussian_kl",
    "held_out_holes",
    "hole_mass",
    "importance_weighted_nll",
    "interpolation_rouge",
    "kernel_bandwidth",
    "log_aggregated_posterior",
    "marginal_kl",
    "marginal_kl_from_samples",
    "minibatch_mutual_information",
    "moments",
    "mutual_information",
    "nearest_posterior",
    "neighbours",
    "neighbours_of_rows",
    "pairwise_log_prob",
    "perplexity",
    "posterior_distance",
    "prior_kl_histogram",
    "prior_kl_neighbours",
    "rouge_l",
    "self_bleu",
    "silhouette",
    "similarity_correlation",
    "summarise",
    "to_sphere",
    "two_sample_auc",
    "uniform_direction_map",
    "variance_of_means",
    "vmf_kl",
    "vmf_log_normaliser",
    "vmf_mean_resultant",
    "vmf_mutual_information",
    "vmf_sample",
    "welch",
]

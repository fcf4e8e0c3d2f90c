"""Bad input is refused with one clear line; torch tensors are taken, torch is never imported."""

import subprocess
import sys

import numpy as np
import pytest

from lab import metrics

OF_POSTERIORS = [
    metrics.gaussian_kl,
    metrics.marginal_kl,
    metrics.consistent_units,
    metrics.mutual_information,
    metrics.minibatch_mutual_information,
    metrics.elbo_decomposition,
    metrics.aggregated_posterior,
    lambda mean, log_variance: metrics.density_gap(mean, log_variance, np.zeros((1, 2))),
    lambda mean, log_variance: metrics.pairwise_log_prob(mean, log_variance, np.zeros((1, 2))),
]
GOOD = np.zeros((4, 2))


def holding(value):
    array = np.zeros((4, 2))
    array[1, 1] = value
    return array


@pytest.mark.parametrize("metric", OF_POSTERIORS)
@pytest.mark.parametrize(
    ("mean", "log_variance", "message"),
    [
        (GOOD, np.zeros((3, 2)), "shape"),
        (GOOD, np.zeros((4, 3)), "shape"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "empty"),
        (holding(np.nan), GOOD, "mean holds 1 NaN"),
        (GOOD, holding(np.inf), "log_variance holds 1 NaN or infinite"),
        (GOOD, holding(-1e4), "log_variance"),
        (np.zeros((4, 2, 2)), np.zeros((4, 2, 2)), "shape"),
    ],
)
def test_unfit_posteriors_are_refused_in_one_line(metric, mean, log_variance, message):
    with pytest.raises(ValueError, match=message) as caught:
        metric(mean, log_variance)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.density_gap(GOOD, GOOD, np.zeros((1, 3))), "z has 3 dimensions"),
        (lambda: metrics.density_gap(GOOD, GOOD, np.zeros(2)), r"z must have shape \[M, D\]"),
        (lambda: metrics.mutual_information(GOOD, GOOD, samples=0), "samples"),
        (lambda: metrics.minibatch_mutual_information(GOOD, GOOD, batch=0), "batch"),
        (lambda: metrics.active_units(GOOD[:1]), "at least 2"),
        (lambda: metrics.moments(np.zeros((3, 1, 2))), "at least 2"),
        (lambda: metrics.marginal_kl_from_samples(GOOD), r"\[N, S, D\]"),
        (lambda: metrics.importance_weighted_nll(np.zeros((0, 3))), "empty"),
        (lambda: metrics.importance_weighted_nll(holding(np.nan)), "NaN"),
        (lambda: metrics.aggregated_posterior(GOOD, GOOD, dims=(0, 2)), "dims"),
        (lambda: metrics.aggregated_posterior(GOOD, GOOD, dims=(0, 1, 1)), "dims"),
        (lambda: metrics.aggregated_posterior(GOOD, GOOD, limit=0), "limit"),
        (lambda: metrics.aggregated_posterior(GOOD, GOOD, points=1), "points"),
        (lambda: metrics.aggregated_posterior(GOOD, GOOD, method="fast"), "method"),
        (lambda: metrics.aggregated_posterior_from_samples(np.full((3, 2, 2), np.nan)), "NaN"),
    ],
)
def test_unfit_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_float32_torch_tensors_give_the_float64_answer():
    torch = pytest.importorskip("torch")
    mean, log_variance = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    expected = metrics.elbo_decomposition(mean.astype(float), log_variance.astype(float)).kl
    found = metrics.elbo_decomposition(torch.from_numpy(mean), torch.from_numpy(log_variance)).kl
    assert found == expected


def test_importing_the_metrics_imports_neither_torch_nor_scipy():
    program = "import sys, lab.metrics; print({'torch', 'scipy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"

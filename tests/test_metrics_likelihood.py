"""Importance-weighted likelihood against a linear-Gaussian model whose evidence is known."""

import math

import numpy as np
import pytest

from lab import metrics


@pytest.fixture(scope="module")
def linear_gaussian():
    """The model x = W z + noise in 4-D, z in 2-D: exact NLL [N], a sampler of log weights."""
    rng = np.random.default_rng(0)
    loading, noise_variance, n = rng.normal(size=(4, 2)), 0.3, 300
    x = rng.normal(size=(n, 2)) @ loading.T + rng.normal(size=(n, 4)) * noise_variance**0.5
    evidence = loading @ loading.T + noise_variance * np.eye(4)
    square = np.einsum("ni,ij,nj->n", x, np.linalg.inv(evidence), x)
    nll = 0.5 * (square + np.linalg.slogdet(evidence)[1] + 4 * np.log(2 * np.pi))

    precision = np.eye(2) + loading.T @ loading / noise_variance
    mean = x @ loading @ np.linalg.inv(precision) / noise_variance
    sigma = np.diag(precision) ** -0.5  # mean-field: the best diagonal fit, too narrow

    def log_weights(samples):
        noise = rng.normal(size=(samples, n, 2))
        z = mean + sigma * noise
        residual = x - z @ loading.T
        likelihood = residual**2 / noise_variance + np.log(2 * np.pi * noise_variance)
        return -0.5 * (
            likelihood.sum(axis=-1)
            + (z**2).sum(axis=-1)
            - (noise**2 + 2 * np.log(sigma)).sum(axis=-1)
        )

    return nll, log_weights


def test_many_samples_recover_the_evidence(linear_gaussian):
    nll, log_weights = linear_gaussian
    found = metrics.importance_weighted_nll(log_weights(3000))
    assert found.value == pytest.approx(nll.mean(), abs=0.01)
    assert found.n == len(nll)
    assert found.stderr == pytest.approx(nll.std(ddof=1) / np.sqrt(len(nll)), rel=0.05)


def test_bound_tightens_with_samples_and_the_elbo_lies_above(linear_gaussian):
    nll, log_weights = linear_gaussian
    draws = log_weights(2000)
    elbo = -draws.mean()
    five = np.mean(
        [metrics.importance_weighted_nll(chunk).value for chunk in draws.reshape(400, 5, -1)]
    )
    assert elbo > five + 0.05
    assert five > nll.mean() + 0.01


def test_constant_weights_give_themselves():
    found = metrics.importance_weighted_nll(np.full((7, 3), -123.4))
    assert found == metrics.Estimate(pytest.approx(123.4), pytest.approx(0, abs=1e-12), 3)
    assert float(found) == found.value


def test_tiny_weights_do_not_underflow_and_the_input_is_left_alone():
    log_weights = np.array([[-5000.0, -4000.0], [-5001.0, -9000.0]])
    kept = log_weights.copy()
    found = metrics.importance_weighted_nll(log_weights)
    expected = [5000 - math.log1p(math.exp(-1)) + math.log(2), 4000 + math.log(2)]
    assert found.value == pytest.approx(np.mean(expected))
    np.testing.assert_array_equal(log_weights, kept)


def test_one_item_has_no_standard_error():
    assert math.isnan(metrics.importance_weighted_nll([[1.0], [2.0]]).stderr)


def test_perplexity_of_a_uniform_model_is_its_vocabulary_and_overflow_is_infinite():
    assert metrics.perplexity(30 * math.log(50), 30) == pytest.approx(50)
    assert metrics.perplexity(1e6, 1) == math.inf
    with pytest.raises(ValueError, match="tokens"):
        metrics.perplexity(1.0, 0)

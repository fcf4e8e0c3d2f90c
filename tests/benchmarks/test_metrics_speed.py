"""The fast metrics agree with the broadcasting they are timed against."""

import numpy as np
import pytest
from metrics_speed import broadcast_density, broadcast_map, broadcast_marginal_kl, posteriors

from lab import metrics

pytestmark = pytest.mark.benchmark


def test_maps_agree():
    mean, log_variance = posteriors(300)
    expected = broadcast_map(mean, log_variance, points=50)
    exact = metrics.aggregated_posterior(mean, log_variance, points=50)[2]
    binned = metrics.aggregated_posterior(mean, log_variance, points=50, method="binned")[2]
    np.testing.assert_allclose(exact, expected, rtol=1e-5, atol=1e-9)
    assert np.abs(binned - expected).sum() < 0.01 * expected.sum()


def test_densities_agree():
    mean, log_variance = posteriors(200)
    expected = broadcast_density(mean, log_variance, mean)
    found = metrics.log_aggregated_posterior(mean, log_variance, mean)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_marginal_kls_agree():
    mean, log_variance = posteriors(2000, dimensions=3)
    expected = broadcast_marginal_kl(mean, log_variance)
    found = metrics.marginal_kl(mean, log_variance)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)

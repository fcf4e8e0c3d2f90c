"""Marginal KL by quadrature: closed forms, the stated accuracy and robustness to underflow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import metrics
from lab.metrics.marginals import marginal_log_density

GRID = np.linspace(-8, 8, 1001)


def plain_log_density(mean, log_variance, z):
    square = (z[:, None] - mean) ** 2 / np.exp(log_variance)
    pairs = -0.5 * (square + log_variance + np.log(2 * np.pi))
    return np.logaddexp.reduce(pairs, axis=1) - np.log(len(mean))


def plain_marginal_kl(mean, log_variance):
    log_p = -0.5 * (GRID**2 + np.log(2 * np.pi))
    gap = log_p - plain_log_density(mean, log_variance, GRID)
    return np.trapezoid(np.exp(log_p) * gap, GRID)


def mixtures():
    rng = np.random.default_rng(0)
    n = 1500
    spread = rng.normal(size=n)
    return {
        "matched": (spread * 0.87, 2 * np.log(0.5) + 0.4 * rng.normal(size=n)),
        "tight": (spread, 2 * np.log(0.05) + rng.normal(size=n)),
        "sigmas over two decades": (spread, 2 * rng.uniform(-4, 0.5, size=n)),
        "collapsed": (0.01 * spread, 0.02 * rng.normal(size=n)),
        "holes": (rng.choice([-2.0, 0, 2], size=n) + 0.1 * spread, np.full(n, 2 * np.log(0.1))),
        "few tight": (spread[:20], np.full(20, -6.0)),
        "off the prior": (spread + 20, np.full(n, -9.0)),
    }


@pytest.mark.parametrize("name", mixtures())
def test_grouping_keeps_the_stated_accuracy(name):
    mean, log_variance = mixtures()[name]
    expected = plain_marginal_kl(mean, log_variance)
    (found,) = metrics.marginal_kl(mean[:, None], log_variance[:, None])
    assert found == pytest.approx(expected, abs=1e-4 + 2e-3 * expected)


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_marginal_kl_of_one_gaussian_is_analytic(mean, log_variance):
    (found,) = metrics.marginal_kl([[mean]], [[log_variance]])
    expected = 0.5 * (log_variance + (1 + mean**2) / np.exp(log_variance) - 1)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_mixture_that_has_left_the_prior_gives_a_large_finite_number():
    found = metrics.marginal_kl(np.full((100, 2), [1e3, 5.0]), np.full((100, 2), [-20.0, -10.0]))
    assert np.isfinite(found).all()
    assert (found > 1e4).all()


def test_grouped_log_density_is_exact_for_items_alone_in_their_group():
    mean = np.array([-3.0, 0.0, 1.0, 4.0])
    log_variance = np.array([-1.0, -3.0, 0.0, -2.0])
    expected = plain_log_density(mean, log_variance, GRID)
    found = marginal_log_density(mean, log_variance, GRID)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_grouped_log_density_keeps_its_mass_and_moments():
    mean, log_variance = mixtures()["tight"]
    density = np.exp(marginal_log_density(mean, log_variance, GRID))
    assert np.trapezoid(density, GRID) == pytest.approx(1, abs=1e-6)
    assert np.trapezoid(density * GRID, GRID) == pytest.approx(mean.mean(), abs=1e-6)
    second = (mean**2 + np.exp(log_variance)).mean()
    assert np.trapezoid(density * GRID**2, GRID) == pytest.approx(second, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_marginal_kl_ignores_order_and_repetition(seed, items):
    rng = np.random.default_rng(seed)
    mean, log_variance = rng.normal(size=(items, 2)), rng.normal(-1, 1, size=(items, 2))
    order = rng.permutation(np.repeat(np.arange(items), 2))
    reference = metrics.marginal_kl(mean, log_variance)
    shuffled = metrics.marginal_kl(mean[order], log_variance[order])
    np.testing.assert_allclose(shuffled, reference, rtol=1e-9, atol=1e-12)


def test_consistent_units_count_dimensions_below_the_threshold():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4000, 3))
    mean = noise * np.sqrt(0.75) * [1.0, 0.0, 2.0]
    log_variance = np.broadcast_to(np.log([0.25, 1.0, 0.25]), mean.shape)
    assert metrics.consistent_units(mean, log_variance) == 2
    assert metrics.consistent_units(mean, log_variance, threshold=1e3) == 3
    assert metrics.consistent_units(mean, log_variance, threshold=0) == 0


def test_estimate_from_samples_approaches_the_quadrature():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(4000, 2)) * [0.93, 1.5]
    log_variance = np.full_like(mean, -2.0)
    samples = mean[:, None] + rng.normal(size=(4000, 5, 2)) * np.exp(-1.0)
    found = metrics.marginal_kl_from_samples(samples)
    np.testing.assert_allclose(found, metrics.marginal_kl(mean, log_variance), rtol=0.1, atol=0.01)
    assert np.isfinite(metrics.marginal_kl_from_samples(np.ones((2, 1, 1)))).all()

"""Densities, the density gap and per-dimension statistics against closed forms and plain sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import metrics
from lab.metrics.density import log_mixture

seeds = st.integers(0, 2**32 - 1)


def draw(seed, items, dimensions):
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(items, dimensions)) * rng.uniform(0.1, 3)
    return mean, rng.normal(-1, 0.7, size=(items, dimensions))


def plain_log_prob(mean, log_variance, z):
    square = (z[:, None] - mean) ** 2 / np.exp(log_variance)
    return -0.5 * (square + log_variance + np.log(2 * np.pi)).sum(axis=-1)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(1, 40), st.integers(1, 8))
def test_pairwise_log_prob_equals_the_plain_sum(seed, items, dimensions):
    mean, log_variance = draw(seed, items, dimensions)
    z = np.random.default_rng([seed, 7]).normal(size=(9, dimensions)) * 3
    expected = plain_log_prob(mean, log_variance, z)
    np.testing.assert_allclose(
        metrics.pairwise_log_prob(mean, log_variance, z), expected, rtol=1e-9
    )


def test_aggregated_density_equals_the_naive_sum_over_several_blocks():
    mean, log_variance = draw(0, 5000, 6)
    z = draw(1, 300, 6)[0]
    pairs = plain_log_prob(mean, log_variance, z)
    expected = np.logaddexp.reduce(pairs, axis=1) - np.log(5000)
    actual = metrics.log_aggregated_posterior(mean, log_variance, z)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)


def test_density_far_from_every_posterior_is_finite_and_right():
    actual = metrics.log_aggregated_posterior(np.zeros((3, 2)), np.full((3, 2), -8.0), [[50, 0]])
    assert actual == pytest.approx(-0.5 * 2500 * np.exp(8) + 8 - np.log(2 * np.pi), rel=1e-12)


@pytest.mark.parametrize("log_variance", [-25.0, -60.0])
def test_nearly_deterministic_posteriors_keep_their_precision(log_variance):
    mean = draw(2, 50, 3)[0]
    spread = np.full_like(mean, log_variance)
    z = mean + np.exp(log_variance / 2)
    own = np.diag(metrics.pairwise_log_prob(mean, spread, z))
    noise = (z - mean) / np.exp(log_variance / 2)
    expected = -0.5 * (noise**2 + log_variance + np.log(2 * np.pi)).sum(axis=1)
    np.testing.assert_allclose(own, expected, rtol=1e-9)


def test_density_gap_of_one_gaussian_is_the_log_ratio():
    mean, log_variance = np.array([[0.5, -1.0, 2.0]]), np.array([[-1.0, 0.3, -2.0]])
    z = draw(3, 20, 3)[0]
    log_prior = -0.5 * (z**2 + np.log(2 * np.pi)).sum(axis=1)
    expected = plain_log_prob(mean, log_variance, z)[:, 0] - log_prior
    np.testing.assert_allclose(metrics.density_gap(mean, log_variance, z), expected, atol=1e-12)


def test_density_gap_is_zero_everywhere_when_all_posteriors_equal_the_prior():
    gap = metrics.density_gap(np.zeros((30, 4)), np.zeros((30, 4)), draw(4, 50, 4)[0])
    np.testing.assert_allclose(gap, 0, atol=1e-12)


def test_density_gap_is_negative_in_a_hole_and_positive_on_the_data():
    mean = np.array([[-2.0], [2.0]])
    hole, data = metrics.density_gap(mean, np.full((2, 1), -4.0), [[0.0], [2.0]])
    assert hole < -10
    assert data > 1


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 30), st.integers(1, 5))
def test_density_ignores_the_order_and_the_repetition_of_items(seed, items, dimensions):
    mean, log_variance = draw(seed, items, dimensions)
    z = draw([seed, 1], 7, dimensions)[0]
    reference = metrics.log_aggregated_posterior(mean, log_variance, z)
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(items), 3))
    shuffled = metrics.log_aggregated_posterior(mean[order], log_variance[order], z)
    np.testing.assert_allclose(shuffled, reference, rtol=1e-9, atol=1e-9)


def test_weights_of_a_mixture_act_as_repetitions():
    mean, log_variance = draw(5, 2, 2)
    z = draw(6, 10, 2)[0]
    weighted = log_mixture(mean, log_variance, np.log([0.75, 0.25]), z)
    repeated = metrics.log_aggregated_posterior(mean[[0, 0, 0, 1]], log_variance[[0, 0, 0, 1]], z)
    np.testing.assert_allclose(weighted, repeated, atol=1e-12)


def test_gaussian_kl_matches_monte_carlo_and_vanishes_at_the_prior():
    mean, log_variance = np.array([[0.7]]), np.array([[-0.9]])
    z = mean + np.exp(log_variance / 2) * np.random.default_rng(0).normal(size=(200_000, 1))
    ratio = plain_log_prob(mean, log_variance, z)[:, 0] + 0.5 * (z[:, 0] ** 2 + np.log(2 * np.pi))
    kl = metrics.gaussian_kl(mean, log_variance)
    assert kl[0, 0] == pytest.approx(ratio.mean(), abs=5 * ratio.std() / np.sqrt(len(ratio)))
    assert metrics.gaussian_kl(np.zeros((2, 2)), np.zeros((2, 2))).tolist() == [[0, 0], [0, 0]]


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 30), st.integers(1, 6), st.floats(0, 2))
def test_unit_counts_lie_between_none_and_all(seed, items, dimensions, threshold):
    mean, log_variance = draw(seed, items, dimensions)
    assert 0 <= metrics.active_units(mean, threshold) <= dimensions
    assert 0 <= metrics.consistent_units(mean, log_variance, threshold) <= dimensions


def test_active_units_count_the_dimensions_that_move():
    mean = np.zeros((100, 3))
    mean[:50, 0], mean[:50, 1] = 1.0, 0.1
    np.testing.assert_allclose(metrics.variance_of_means(mean), [25 / 99, 0.25 / 99, 0])
    assert metrics.active_units(mean) == 1
    assert metrics.active_units(mean, threshold=0.002) == 2


def test_moments_recover_a_diagonal_gaussian_and_survive_identical_samples():
    mean, log_variance = draw(7, 5, 2)
    noise = np.random.default_rng(1).normal(size=(5, 20_000, 2))
    samples = mean[:, None] + noise * np.exp(log_variance / 2)[:, None]
    found_mean, found_log_variance = metrics.moments(samples)
    np.testing.assert_allclose(found_mean, mean, atol=0.05)
    np.testing.assert_allclose(found_log_variance, log_variance, atol=0.06)
    assert np.isfinite(metrics.moments(np.ones((3, 4, 2)))[1]).all()

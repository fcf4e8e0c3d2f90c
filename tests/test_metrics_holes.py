"""Hole mass, two-sample AUC and nearest distance against closed forms, quadrature, plain sums."""

import math

import numpy as np
import pytest
from scipy import special, stats

from lab.metrics.holes import (
    QUANTILES,
    classifier_auc,
    held_out_holes,
    hole_mass,
    nearest_posterior,
    posterior_distance,
    two_sample_auc,
)

RADIUS, WIDTH = 2.0, 0.3  # of the ring


def one(mean, sigma, dimensions):
    shape = (1, dimensions)
    return np.full(shape, float(mean)), np.full(shape, 2 * math.log(sigma))


def consistent_model(items, dimensions, sigma, seed=0):
    """Exact posteriors of a linear Gaussian model: their mixture over all x is the prior."""
    mean = math.sqrt(1 - sigma**2) * np.random.default_rng(seed).normal(size=(items, dimensions))
    return mean, np.full_like(mean, 2 * math.log(sigma))


def ring(items=400):
    angle = 2 * np.pi * np.arange(items) / items
    mean = RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return mean, np.full_like(mean, 2 * math.log(WIDTH))


def ring_by_radius():
    """Log density of the ring over that of the prior, and the mass of both, by radius."""
    r, step = np.linspace(1e-3, 9, 20_000, retstep=True)
    bessel = np.log(special.i0e(r * RADIUS / WIDTH**2))
    gap = bessel - (r - RADIUS) ** 2 / (2 * WIDTH**2) - 2 * math.log(WIDTH) + r**2 / 2
    prior = r * np.exp(-(r**2) / 2) * step
    return gap, prior, prior * np.exp(gap)


def auc_of_masses(gap, prior, aggregate):
    """P[score of an aggregate draw > score of a prior draw] of two discrete distributions."""
    order = np.argsort(gap)
    below = np.cumsum(prior[order]) - prior[order] / 2
    return float(aggregate[order] @ below)


def assert_within_error(found, expected):
    assert abs(found.value - expected) < 4 * found.stderr


@pytest.mark.parametrize("dimensions", [1, 5])
@pytest.mark.parametrize("level", [0, 1, math.log(10)])
def test_hole_mass_of_a_shifted_gaussian_is_the_normal_integral(dimensions, level):
    length = 1.5
    found = hole_mass(*one(length / math.sqrt(dimensions), 1, dimensions), 20_000, level)
    assert_within_error(found, stats.norm.cdf(length / 2 - level / length))
    assert found.n == 20_000


@pytest.mark.parametrize("dimensions", [1, 8])
def test_hole_mass_of_a_narrower_gaussian_is_the_chi_square_integral(dimensions):
    sigma, level = 0.6, 1.0
    border = 2 * (level - dimensions * math.log(sigma)) / (1 / sigma**2 - 1)
    found = hole_mass(*one(0, sigma, dimensions), 20_000, level)
    assert_within_error(found, stats.chi2.sf(border, dimensions))


def test_hole_mass_of_a_ring_is_that_by_radius():
    gap, prior, _ = ring_by_radius()
    for level in (0.5, math.log(10), 6):
        assert_within_error(hole_mass(*ring(), 20_000, level), prior[gap < -level].sum())


def test_the_prior_itself_has_no_hole_and_cannot_be_told_apart():
    for dimensions in (1, 32):
        mean = np.zeros((20, dimensions))
        assert hole_mass(mean, mean, 500).value == 0
        assert hole_mass(mean, mean, 500, level=1e-9).value == 0
        found = two_sample_auc(mean, mean, 500)
        assert (found.value, found.stderr, found.n) == (0.5, 0, 500)


@pytest.mark.parametrize("dimensions", [1, 6])
@pytest.mark.parametrize("length", [0.3, 1.0, 3.0])
def test_auc_of_a_shifted_gaussian_is_the_normal_integral(dimensions, length):
    found = two_sample_auc(*one(length / math.sqrt(dimensions), 1, dimensions))
    assert_within_error(found, stats.norm.cdf(length / math.sqrt(2)))


@pytest.mark.parametrize("dimensions", [1, 6])
@pytest.mark.parametrize("sigma", [0.3, 0.9, 2.0])
def test_auc_of_another_width_is_the_integral_of_the_f_distribution(dimensions, sigma):
    found = two_sample_auc(*one(0, sigma, dimensions))
    ratio = max(sigma, 1 / sigma) ** 2
    assert_within_error(found, stats.f.cdf(ratio, dimensions, dimensions))


def test_auc_of_a_mixture_is_that_by_quadrature():
    z, step = np.linspace(-9, 9, 40_001, retstep=True)
    prior = stats.norm.pdf(z)
    density = (stats.norm.pdf(z, -1.5, 0.4) + stats.norm.pdf(z, 1.0, 0.2)) / 2
    gap = np.log(np.maximum(density, 1e-300) / prior)
    expected = auc_of_masses(gap, prior * step, density * step)
    log_variance = np.log([[0.4**2], [0.2**2]])
    assert_within_error(two_sample_auc([[-1.5], [1.0]], log_variance), expected)


def test_auc_of_a_ring_is_that_by_radius():
    assert_within_error(two_sample_auc(*ring()), auc_of_masses(*ring_by_radius()))


def test_a_model_whose_aggregate_is_the_prior_in_expectation_has_hardly_a_hole():
    posteriors = consistent_model(4000, 2, 0.5)
    assert hole_mass(*posteriors).value < 0.01
    assert two_sample_auc(*posteriors).value == pytest.approx(0.5, abs=0.02)


def test_few_tight_posteriors_in_many_dimensions_are_told_apart_though_their_population_is_not():
    posteriors = consistent_model(1000, 32, 0.5)
    assert two_sample_auc(*posteriors, n=1000).value > 0.99
    mean, log_variance = consistent_model(4000, 32, 0.5)
    noise = np.random.default_rng(1).normal(size=mean.shape)
    found = classifier_auc(mean + noise * np.exp(log_variance / 2))
    assert_within_error(found, 0.5)
    assert found.n == 2000


@pytest.mark.parametrize(("dimensions", "sigma"), [(2, 0.1), (16, 0.5), (32, 0.5)])
def test_held_out_draws_and_prior_draws_fare_alike_where_the_population_is_the_prior(
    dimensions, sigma
):
    found = held_out_holes(*consistent_model(4000, dimensions, sigma))
    assert_within_error(found.auc, 0.5)
    error = math.hypot(found.prior.stderr, found.aggregate.stderr)
    assert abs(found.prior.value - found.aggregate.value) < 4 * error
    assert found.prior.n == found.aggregate.n == found.auc.n == 2000


def test_held_out_figures_of_a_ring_are_those_by_radius():
    found = held_out_holes(*ring(8000))
    gap, prior, aggregate = ring_by_radius()
    assert_within_error(found.prior, prior[gap < -math.log(10)].sum())
    assert_within_error(found.aggregate, aggregate[gap < -math.log(10)].sum())
    assert_within_error(found.auc, auc_of_masses(gap, prior, aggregate))


def test_error_of_the_auc_is_its_spread_over_seeds():
    posteriors = one(1, 1, 1)
    found = [two_sample_auc(*posteriors, n=200, seed=seed) for seed in range(150)]
    spread = np.std([f.value for f in found], ddof=1)
    assert np.mean([f.stderr for f in found]) == pytest.approx(spread, rel=0.25)


def test_hole_figures_ignore_order_and_repetition_of_items_and_follow_the_seed():
    mean, log_variance = consistent_model(50, 3, 0.2)
    order = np.random.default_rng(2).permutation(np.repeat(np.arange(50), 2))
    assert hole_mass(mean, log_variance) == hole_mass(mean[order], log_variance[order])
    near = nearest_posterior(mean, log_variance).distance.value
    repeated = nearest_posterior(mean[order], log_variance[order]).distance.value
    assert near == pytest.approx(repeated, rel=1e-9)
    first, second, other = (two_sample_auc(mean, log_variance, 500, s) for s in (1, 1, 2))
    assert first == second != other


def test_hole_figures_ignore_rotation():
    mean, log_variance = consistent_model(50, 3, 0.2)
    rotated = mean @ stats.ortho_group.rvs(3, random_state=0)
    for figure in (hole_mass, two_sample_auc):
        plain, turned = figure(mean, log_variance), figure(rotated, log_variance)
        assert abs(plain.value - turned.value) < 4 * math.hypot(plain.stderr, turned.stderr)


@pytest.mark.parametrize(
    ("posteriors", "least"),
    [
        (one(0, 0.8, 8), 0.6),
        (one(0.3, 1, 8), 0.6),
        (ring(), 0.75),
        ((np.array([[-1.5], [0], [1.5]]), np.full((3, 1), 2 * math.log(0.25))), 0.65),
    ],
)
def test_classifier_sees_a_difference_and_does_not_beat_the_best_score(posteriors, least):
    mean, log_variance = posteriors
    rng = np.random.default_rng(0)
    item = rng.integers(len(mean), size=4000)
    noise = rng.normal(size=(4000, mean.shape[1]))
    found = classifier_auc(mean[item] + noise * np.exp(log_variance[item] / 2))
    assert least < found.value < two_sample_auc(*posteriors).value + 3 * found.stderr


def test_distance_to_the_nearest_posterior_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    mean, log_variance, z = *rng.normal(size=(2, 30, 4)), rng.normal(size=(7, 4))
    pairs = np.sqrt(((z[:, None] - mean) ** 2 / np.exp(log_variance)).sum(axis=-1))
    found = posterior_distance(mean, log_variance, z)
    np.testing.assert_allclose(found, pairs.min(axis=1), rtol=1e-9)
    assert posterior_distance(mean, log_variance, mean).tolist() == pytest.approx(
        [0] * 30, abs=1e-6
    )


def test_distance_of_prior_draws_to_the_prior_is_chi():
    found = nearest_posterior(*one(0, 1, 5), draws=4000)
    assert_within_error(found.distance, stats.chi.mean(5))
    assert list(found.quantiles) == list(QUANTILES)
    for probability, value in found.quantiles.items():
        assert stats.chi.cdf(value, 5) == pytest.approx(probability, abs=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z: hole_mass(z, z, draws=0), "draws must be at least 1"),
        (lambda z: hole_mass(z, z, level=-1), "level must be at least 0"),
        (lambda z: hole_mass(z, z[:, :1]), "shape"),
        (lambda z: two_sample_auc(z, z, n=1), "n must be at least 2"),
        (lambda z: two_sample_auc(z * np.nan, z), "mean holds 8 NaN"),
        (lambda z: held_out_holes(z[:3], z[:3]), "number of items must be at least 4, not 3"),
        (lambda z: held_out_holes(z, z, level=-1), "level must be at least 0"),
        (lambda z: classifier_auc(z), "number of draws must be at least 100, not 4"),
        (lambda z: nearest_posterior(z, z, draws=0), "draws must be at least 1"),
        (lambda z: posterior_distance(z, z, z[:, :1]), "z has 1 dimensions"),
    ],
)
def test_unfit_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((4, 2)))

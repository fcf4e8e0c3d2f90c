"""KL to the prior from draws, against closed forms and quadrature."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from lab.metrics import prior_kl_histogram, prior_kl_neighbours

COUNT = 2000
TWO = np.array([[-1.5, 0], [1.5, 0]])
ANGLES = np.arange(16) * np.pi / 8
RING = 1.5 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)
GAUSSIANS = [((0, 0), 1), ((1, -0.5), 1), ((0, 0), 0.5), ((0.5, 0.5), 0.2), ((0, 0), 2)]


def mixture(means, sigma, seed=0, count=COUNT):
    rng = np.random.default_rng(seed)
    means = np.atleast_2d(means)
    return means[rng.integers(len(means), size=count)] + sigma * rng.normal(
        size=(count, means.shape[1])
    )


def gaussian_kl(mean, sigma):
    """KL(N(m, s² I) || N(0, I)) in closed form."""
    dimensions = len(mean)
    square = dimensions * sigma**2 + np.square(mean).sum()
    return 0.5 * (square - dimensions - 2 * dimensions * np.log(sigma))


def quadrature(means, sigma):
    """KL(mixture || N(0, I)) on a fine grid."""
    x = np.linspace(-7, 7, 701)
    at = np.stack(np.meshgrid(x, x), -1)
    q = sum(np.exp(-np.square(at - m).sum(-1) / (2 * sigma**2)) for m in means)
    q /= len(means) * 2 * np.pi * sigma**2
    log_p = -np.square(at).sum(-1) / 2 - np.log(2 * np.pi)
    return (q * (np.log(np.maximum(q, 1e-300)) - log_p)).sum() * (x[1] - x[0]) ** 2


@pytest.mark.parametrize(("mean", "sigma"), GAUSSIANS)
def test_neighbours_find_the_kl_of_a_gaussian(mean, sigma):
    found = [prior_kl_neighbours(mixture(mean, sigma, seed)) for seed in range(8)]
    assert np.mean(found) == pytest.approx(gaussian_kl(mean, sigma), abs=0.08)
    assert np.std(found) < 0.1


@pytest.mark.parametrize(("means", "sigma"), [(TWO, 0.1), (TWO, 0.5), (RING, 0.1), (RING, 0.3)])
def test_neighbours_find_the_kl_of_a_mixture(means, sigma):
    found = [prior_kl_neighbours(mixture(means, sigma, seed)) for seed in range(8)]
    assert np.mean(found) == pytest.approx(quadrature(means, sigma), abs=0.08)


@pytest.mark.parametrize("dimensions", [1, 3, 5])
def test_neighbours_serve_any_dimension(dimensions):
    mean = np.full(dimensions, 0.5)
    found = prior_kl_neighbours(mixture(mean, 0.7, count=4000))
    assert found == pytest.approx(gaussian_kl(mean, 0.7), abs=0.15)


def test_the_histogram_is_the_kl_of_the_binned_gaussian():
    edges = np.array([-np.inf, -2, -1, 0, 1, 2, np.inf])
    q, p = (np.diff(ndtr((edges - m) / s)) for m, s in ((0.5, 0.6), (0, 1)))
    binned = 2 * (q * np.log(q / p)).sum()
    draws = mixture((0.5, 0.5), 0.6, count=200_000)
    assert prior_kl_histogram(draws, bins=6, limit=3) == pytest.approx(binned, abs=0.01)


@pytest.mark.parametrize(("mean", "sigma"), GAUSSIANS[:3])
def test_the_default_grid_keeps_its_stated_bias_at_gaussians(mean, sigma):
    found = [prior_kl_histogram(mixture(mean, sigma, seed)) for seed in range(8)]
    assert np.mean(found) == pytest.approx(gaussian_kl(mean, sigma), abs=0.05)


@pytest.mark.parametrize(("means", "sigma"), [(TWO, 0.5), (RING, 0.3)])
def test_the_default_grid_sees_a_mixture_but_for_detail_within_a_cell(means, sigma):
    found = [prior_kl_histogram(mixture(means, sigma, seed)) for seed in range(8)]
    assert -0.1 < np.mean(found) - quadrature(means, sigma) < 0.03


def test_draws_beyond_the_grid_count_in_its_outermost_cells():
    near, far = np.full((50, 2), [3.9, 0.1]), np.full((50, 2), [1e6, 0.1])
    assert prior_kl_histogram(near) == prior_kl_histogram(far) > 5


def test_a_wide_grid_has_finite_cells_where_the_normal_underflows():
    assert prior_kl_histogram([[50.0, 0], [-50, 0]], bins=120, limit=60) > 1000


def test_atoms_have_an_infinite_kl_and_a_finite_binned_one():
    codes = np.repeat(TWO, 100, axis=0)
    assert prior_kl_neighbours(codes, k=4) == math.inf
    assert math.isfinite(prior_kl_histogram(codes))
    assert prior_kl_neighbours(np.zeros((10, 2))) == math.inf


def test_a_few_repeated_draws_raise_the_kl_and_leave_it_finite():
    draws = mixture((0, 0), 1)
    repeated = np.concatenate([draws[:1000], draws[:1000]])
    assert prior_kl_neighbours(draws) < prior_kl_neighbours(repeated) < 1


def test_neither_depends_on_the_order_of_the_draws():
    draws = mixture(RING, 0.2)
    for measure in (prior_kl_histogram, prior_kl_neighbours):
        assert measure(draws[::-1]) == pytest.approx(measure(draws), rel=1e-12)


def test_unfit_draws_and_options_are_refused():
    with pytest.raises(ValueError, match="two dimensions, not 3"):
        prior_kl_histogram(np.zeros((9, 3)))
    with pytest.raises(ValueError, match="bins must be at least 2"):
        prior_kl_histogram(np.zeros((9, 2)), bins=1)
    with pytest.raises(ValueError, match="limit must be a positive number"):
        prior_kl_histogram(np.zeros((9, 2)), limit=-1)
    with pytest.raises(ValueError, match="number of draws must be at least 5, not 4"):
        prior_kl_neighbours(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="draws holds 1 NaN or infinite"):
        prior_kl_neighbours([[math.inf, 0], [1, 1]], k=1)

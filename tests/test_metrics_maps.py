"""Maps of the aggregated posterior: exact against the plain sum, binned within its bound."""

import numpy as np
import pytest

from lab import metrics


def items(n, spread, sigma=0.3, seed=0, dimensions=2):
    """Means from N(0, 1); sigmas of the given size times or divided by up to `spread`."""
    rng = np.random.default_rng(seed)
    factor = rng.uniform(-np.log(spread), np.log(spread), size=(n, dimensions))
    return rng.normal(size=(n, dimensions)), 2 * (np.log(sigma) + factor)


def difference(a, b):
    """The L1 distance of two maps."""
    return np.abs(a[2] - b[2]).sum() * (a[0][1] - a[0][0]) ** 2


def mass(picture):
    return picture[2].sum() * (picture[0][1] - picture[0][0]) ** 2


def test_exact_map_equals_the_plain_sum_with_rows_for_y():
    mean, log_variance = items(40, 2, dimensions=4)
    x, y, density = metrics.aggregated_posterior(
        mean, log_variance, dims=(3, 1), limit=3, points=31
    )
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    pick = [3, 1]
    expected = np.exp(metrics.log_aggregated_posterior(mean[:, pick], log_variance[:, pick], at))
    assert x[0] == y[0] == -3
    assert x[-1] == y[-1] == 3
    np.testing.assert_allclose(density, expected.reshape(31, 31), rtol=1e-10, atol=1e-12)


def test_one_standard_normal_peaks_at_one_over_two_pi():
    _, _, density = metrics.aggregated_posterior(np.zeros((1, 2)), np.zeros((1, 2)), points=101)
    assert density.max() == density[50, 50] == pytest.approx(1 / (2 * np.pi))


def test_exact_map_is_the_same_in_one_block_and_in_several():
    mean, log_variance = items(5000, 2)
    whole = metrics.aggregated_posterior(mean, log_variance, points=40)
    halves = [
        metrics.aggregated_posterior(mean[rows], log_variance[rows], points=40)[2]
        for rows in (slice(2500), slice(2500, None))
    ]
    np.testing.assert_allclose(whole[2], np.mean(halves, axis=0), rtol=1e-10)


@pytest.mark.parametrize(
    ("n", "spread", "sigma", "bound"),
    [(1000, 2, 0.3, 0.01), (10_000, 2, 0.1, 0.01), (1000, 10, 0.1, 0.07), (1000, 1.02, 1, 0.01)],
)
def test_binned_map_keeps_its_stated_error(n, spread, sigma, bound):
    mean, log_variance = items(n, spread, sigma)
    exact = metrics.aggregated_posterior(mean, log_variance, points=200)
    binned = metrics.aggregated_posterior(mean, log_variance, points=200, method="binned")
    assert difference(exact, binned) < bound


def test_binned_map_of_a_collapsed_model_does_not_depend_on_where_cells_fall():
    mean = np.full((1000, 2), 0.0123)
    exact = metrics.aggregated_posterior(mean, np.zeros_like(mean))
    binned = metrics.aggregated_posterior(mean, np.zeros_like(mean), method="binned")
    assert difference(exact, binned) < 1e-3


@pytest.mark.parametrize("method", ["exact", "binned"])
@pytest.mark.parametrize("sigma", [1e-6, 0.01, 0.03, 0.05, 0.5])
def test_mass_is_kept_however_narrow_the_posteriors(method, sigma):
    mean, log_variance = items(300, 1.01, sigma)
    picture = metrics.aggregated_posterior(mean, log_variance, limit=6, points=121, method=method)
    assert mass(picture) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("method", ["exact", "binned"])
def test_narrow_item_shows_in_its_own_place(method):
    mean = np.array([[1.02, -2.01]])
    x, y, density = metrics.aggregated_posterior(
        mean, np.full((1, 2), -20.0), points=101, method=method
    )
    row, column = np.unravel_index(density.argmax(), density.shape)
    assert x[column] == pytest.approx(1.0)
    assert y[row] == pytest.approx(-2.0)


@pytest.mark.parametrize("method", ["exact", "binned"])
def test_items_beyond_the_picture_are_left_out_and_their_tails_kept(method):
    mean = np.array([[0.0, 0.0], [5.5, 0.0], [400.0, 0.0], [0.0, -1e9]])
    log_variance = np.full((4, 2), -0.5)
    picture = metrics.aggregated_posterior(mean, log_variance, points=101, method=method)
    visible = metrics.aggregated_posterior(mean[:2], log_variance[:2], points=101)
    assert np.abs(picture[2] - visible[2] / 2).max() < 2e-2 * visible[2].max()


@pytest.mark.parametrize("method", ["exact", "binned"])
def test_map_ignores_order_and_repetition(method):
    mean, log_variance = items(500, 2)
    reference = metrics.aggregated_posterior(mean, log_variance, points=60, method=method)
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(500), 2))
    shuffled = metrics.aggregated_posterior(
        mean[order], log_variance[order], points=60, method=method
    )
    np.testing.assert_allclose(shuffled[2], reference[2], rtol=1e-8, atol=1e-12)


def test_map_from_samples_resembles_the_map_of_their_posteriors():
    mean, log_variance = items(3000, 1.01, sigma=0.5)
    noise = np.random.default_rng(2).normal(size=(3000, 8, 2))
    samples = mean[:, None] + noise * np.exp(log_variance / 2)[:, None]
    exact = metrics.aggregated_posterior(mean, log_variance, points=80)
    found = metrics.aggregated_posterior_from_samples(samples, points=80)
    assert difference(exact, found) < 0.06
    assert mass(found) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("count", [300, 5000, 60_000])
def test_the_bandwidth_of_draws_of_the_prior_is_scotts(count):
    draws = np.random.default_rng(0).normal(size=(count, 2))
    assert metrics.kernel_bandwidth(draws) == pytest.approx(count ** (-1 / 6), rel=0.1)


def test_the_bandwidth_follows_lines_and_clusters():
    rng = np.random.default_rng(1)
    along = rng.uniform(-5, 5, 1000)
    line = np.stack([along, along], axis=1) + 0.01 * rng.normal(size=(1000, 2))
    clusters = rng.choice([-3, 3], size=(1000, 2)) + 0.1 * rng.normal(size=(1000, 2))
    for points in (line, clusters):
        scott = points.std(axis=0) * 1000 ** (-1 / 6)
        assert (metrics.kernel_bandwidth(points) < scott / 4).all()


def test_the_bandwidth_moves_and_grows_with_its_points():
    points = np.random.default_rng(2).normal(size=(500, 2)) * [1, 0.2]
    width = metrics.kernel_bandwidth(points)
    assert metrics.kernel_bandwidth(3 * points + 7) == pytest.approx(3 * width)
    assert metrics.kernel_bandwidth(np.ones((9, 2)), 0.05).tolist() == [0.05, 0.05]
    assert metrics.kernel_bandwidth(np.ones((1, 2))).tolist() == [0, 0]


def test_a_kernel_adds_its_variance_to_that_of_the_samples():
    width = np.array([0.5, 0.2])
    *_, density = metrics.aggregated_posterior_from_samples(
        np.zeros((1, 1, 2)), limit=3, points=61, bandwidth=width
    )
    _, _, one = metrics.aggregated_posterior(
        np.zeros((1, 2)), 2 * np.log(width)[None], limit=3, points=61
    )
    assert np.abs(density - one).max() < 0.02 * one.max()

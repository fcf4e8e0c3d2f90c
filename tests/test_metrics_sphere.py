"""Von Mises-Fisher densities, draws and information against integrals, SciPy and known answers."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from lab import metrics

SMALL_TO_LARGE = [1e-6, 1e-3, 0.5, 13.0, 200.0, 1e4]


def directions(items, dimensions, seed=0):
    return metrics.to_sphere(np.random.default_rng(seed).normal(size=(items, dimensions)))


def log_weight(angle, concentration, dimensions):
    """Log of exp(κ (cos a - 1)) sin(a)^(D - 2), the angle's density without its constant."""
    sine = np.log(np.maximum(np.sin(angle), 1e-300))
    return -2 * concentration * np.sin(angle / 2) ** 2 + (dimensions - 2) * sine


def integral(concentration, dimensions, of=lambda cosine: 1.0):
    """Log ∫ exp(κ (w - 1)) (1 - w²)^((D - 3) / 2) dw and the mean of a function of w."""
    grid = np.linspace(0, np.pi, 2001)
    weights = log_weight(grid, concentration, dimensions)
    seen = grid[weights > weights.max() - 60]
    low, high = max(seen[0] - 0.01, 0), min(seen[-1] + 0.01, np.pi)

    def over(f):
        def weighted(angle):
            weight = np.exp(log_weight(angle, concentration, dimensions) - weights.max())
            return f(np.cos(angle)) * weight

        pieces = pairwise(np.linspace(low, high, 9))
        return sum(integrate.quad(weighted, *p, epsabs=1e-14, epsrel=1e-12)[0] for p in pieces)

    total = over(lambda cosine: 1.0)
    return np.log(total) + weights.max(), over(of) / total


def cosine_cdf(concentration, dimensions):
    angle = np.linspace(0, np.pi, 200_001)
    weight = np.exp(log_weight(angle, concentration, dimensions))
    below = integrate.cumulative_trapezoid(weight, angle, initial=0)
    return lambda cosine: 1 - np.interp(np.arccos(cosine), angle, below / below[-1])


@pytest.mark.parametrize("dimensions", [2, 3, 8, 32, 64])
@pytest.mark.parametrize("concentration", SMALL_TO_LARGE)
def test_kl_and_mean_cosine_are_the_integrals_over_the_cosine(dimensions, concentration):
    log_total, cosine = integral(concentration, dimensions, of=lambda w: w)
    _, gap = integral(concentration, dimensions, of=lambda w: w - 1)
    log_sphere, _ = integral(0, dimensions)
    expected = concentration * gap + log_sphere - log_total
    found = metrics.vmf_kl(concentration, dimensions)
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-11)
    resultant = metrics.vmf_mean_resultant(concentration, dimensions)
    assert resultant == pytest.approx(cosine, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize(
    ("concentration", "kl", "cosine"),
    [
        (13, 2.1726, 0.357),
        (25, 5.7554, 0.552),
        (50, 12.2534, 0.735),
        (100, 20.7585, 0.856),
        (200, 30.3733, 0.925),
    ],
)
def test_the_published_concentrations_have_the_published_kl(concentration, kl, cosine):
    assert metrics.vmf_kl(concentration, 32) == pytest.approx(kl, abs=1e-4)
    assert metrics.vmf_mean_resultant(concentration, 32) == pytest.approx(cosine, abs=1e-3)


@pytest.mark.parametrize("dimensions", [2, 3, 8, 32])
@pytest.mark.parametrize("concentration", [0.5, 13.0, 200.0])
def test_log_normaliser_is_scipys(dimensions, concentration):
    (mean,) = directions(1, dimensions)
    at_mode = stats.vonmises_fisher(mean, concentration).logpdf(mean)
    log_normaliser = metrics.vmf_log_normaliser(concentration, dimensions)
    assert log_normaliser == pytest.approx(float(at_mode) - concentration, abs=1e-9)


@pytest.mark.parametrize("dimensions", [2, 3, 64, 512])
def test_log_normaliser_is_finite_and_falls_smoothly_from_tiny_to_huge_concentrations(dimensions):
    concentrations = np.geomspace(1e-6, 1e5, 4000)
    found = metrics.vmf_log_normaliser(concentrations, dimensions)
    resultant = metrics.vmf_mean_resultant(concentrations, dimensions)
    assert np.isfinite(found).all()
    assert ((resultant > 0) & (resultant < 1)).all()
    # Its derivative by κ is minus the mean cosine, also where the formula changes.
    slope = np.diff(found) / np.diff(concentrations)
    middle = (resultant[1:] + resultant[:-1]) / 2
    np.testing.assert_allclose(-slope[2000:], middle[2000:], rtol=1e-4)


def test_no_concentration_is_the_uniform_density_and_has_no_kl():
    area = 4 * np.pi
    assert metrics.vmf_log_normaliser(0.0, 3) == pytest.approx(-np.log(area))
    assert metrics.vmf_kl([0.0, 0.0], 3).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dimensions", [2, 3, 32])
@pytest.mark.parametrize("concentration", [0.01, 5.0, 1e4])
def test_draws_have_the_exact_distribution_of_the_cosine(dimensions, concentration):
    mean = directions(50, dimensions)
    z = metrics.vmf_sample(mean, concentration, samples=100)
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1, atol=1e-12)
    cosine = np.clip((z * mean[:, None]).sum(-1), -1, 1).ravel()
    assert stats.kstest(cosine, cosine_cdf(concentration, dimensions)).pvalue > 0.01


def test_draws_lie_evenly_around_their_direction():
    mean = np.array([[0.0, 0.0, 1.0]])
    (z,) = metrics.vmf_sample(mean, 3.0, samples=5000)
    around = np.arctan2(z[:, 1], z[:, 0])
    assert stats.kstest(around, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 0.01


def test_each_item_has_its_own_concentration():
    mean, concentration = directions(3, 8), np.array([0.1, 10.0, 1000.0])
    z = metrics.vmf_sample(mean, concentration, samples=20_000)
    found = (z * mean[:, None]).sum(-1)
    error = found.std(axis=1) / np.sqrt(20_000)
    expected = metrics.vmf_mean_resultant(concentration, 8)
    assert (np.abs(found.mean(axis=1) - expected) < 4 * error).all()


def test_information_of_equal_posteriors_is_none():
    found = metrics.vmf_mutual_information(np.tile(directions(1, 16), (60, 1)), 50.0)
    assert found.value == pytest.approx(0, abs=1e-10)
    assert found.n == 60


def test_information_of_tight_posteriors_far_apart_is_log_n():
    found = metrics.vmf_mutual_information(directions(200, 16), 1e4)
    assert found.value == pytest.approx(np.log(200), abs=1e-9)


def test_information_of_two_opposite_posteriors_is_the_integral_over_the_cosine():
    mean, concentration = np.array([[0.0, 0, 1], [0.0, 0, -1]]), 1.2
    _, ratio = integral(concentration, 3, of=lambda w: -np.log1p(np.exp(-2 * concentration * w)))
    found = metrics.vmf_mutual_information(np.tile(mean, (1000, 1)), concentration, samples=20)
    assert found.value == pytest.approx(np.log(2) + ratio, abs=4 * found.stderr)


def test_information_of_evenly_spread_directions_is_their_whole_kl():
    found = metrics.vmf_mutual_information(directions(3000, 3), 5.0)
    assert found.value == pytest.approx(metrics.vmf_kl(5.0, 3), abs=4 * found.stderr + 0.01)
    assert found.stderr < 0.03


def test_information_is_the_plain_sum_over_all_pairs_in_any_blocks(monkeypatch):
    mean, concentration = directions(90, 4), np.linspace(0.5, 20, 90)
    (z,) = metrics.vmf_sample(mean, concentration).swapaxes(0, 1)
    pairs = np.stack(
        [stats.vonmises_fisher(m, k).logpdf(z) for m, k in zip(mean, concentration, strict=True)],
        axis=1,
    )
    plain = np.diag(pairs) - np.logaddexp.reduce(pairs, axis=1) + np.log(90)
    monkeypatch.setattr("lab.metrics.sphere.PAIRS", 1000)
    found = metrics.vmf_mutual_information(mean, concentration)
    assert found.value == pytest.approx(plain.mean(), abs=1e-10)


def test_information_is_unchanged_by_order_and_rotation_up_to_its_error():
    mean, concentration = directions(1000, 4), np.linspace(1, 30, 1000)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    reference = metrics.vmf_mutual_information(mean, concentration)
    order = np.random.default_rng(2).permutation(1000)
    shuffled = metrics.vmf_mutual_information(mean[order], concentration[order])
    rotated = metrics.vmf_mutual_information(mean @ rotation, concentration, seed=1)
    assert shuffled.value == pytest.approx(reference.value, abs=6 * reference.stderr)
    assert rotated.value == pytest.approx(reference.value, abs=6 * reference.stderr)


@pytest.mark.parametrize(
    ("mean", "concentration", "complaint"),
    [
        ([[3.0, 4.0]], 1.0, "unit length, not 5 as in item 0"),
        ([[1.0]], 1.0, "dimensions must be at least 2"),
        ([[1.0, 0.0]], -1.0, "between 0 and 1e"),
        ([[1.0, 0.0]], np.nan, "between 0 and 1e"),
        ([[1.0, 0.0]], [1.0, 2.0], r"concentration must have shape \[N\]"),
    ],
)
def test_unfit_directions_are_named(mean, concentration, complaint):
    with pytest.raises(ValueError, match=complaint):
        metrics.vmf_sample(mean, concentration)


def test_codes_return_to_the_sphere_along_their_ray():
    z = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert metrics.to_sphere(z).tolist() == [[0.6, 0.8], [0.0, 0.0]]

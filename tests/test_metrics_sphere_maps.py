"""Maps of directions: exact on any two axes, the uniform density of cells, sharp posteriors."""

import numpy as np
import pytest
from scipy.stats import vonmises_fisher

from lab import metrics
from lab.metrics import sphere_maps

AXIS = np.linspace(-1.2, 1.2, 49)
STEP = AXIS[1] - AXIS[0]


def items(count: int, width: int, seed: int = 0) -> np.ndarray:
    mean = np.random.default_rng(seed).normal(size=(count, width))
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def turned(width: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0][:, :2]


def counted(draws: np.ndarray) -> np.ndarray:
    edges = np.append(AXIS, AXIS[-1] + STEP) - STEP / 2
    return np.histogram2d(draws[:, 1], draws[:, 0], (edges, edges))[0] / len(draws) / STEP**2


@pytest.mark.parametrize("width", [3, 4, 5, 8, 32, 512])
@pytest.mark.parametrize(("limit", "points"), [(1.0, 60), (4.0, 160), (6.0, 100)])
def test_a_uniform_direction_has_mass_one_within_the_disc(width, limit, points):
    axis = np.linspace(-limit, limit, points)
    density = metrics.uniform_direction_map(axis, axis, width)
    step = axis[1] - axis[0]
    assert density.sum() * step**2 == pytest.approx(1, abs=2e-3)
    assert not density[np.hypot(axis, axis[:, None]) > 1 + step].any()


@pytest.mark.parametrize("width", [3, 4, 5, 8])
def test_a_cell_of_the_uniform_density_holds_its_closed_form(width):
    inside = 1 - AXIS**2 - AXIS[:, None] ** 2
    middle = inside > 0.5
    expected = (width - 2) / (2 * np.pi) * inside[middle] ** (width / 2 - 2)
    found = metrics.uniform_direction_map(AXIS, AXIS, width)
    np.testing.assert_allclose(found[middle], expected, rtol=5e-3)


@pytest.mark.parametrize("width", [3, 4, 8, 32])
def test_a_uniform_posterior_is_uniform_and_equal_ones_are_one(width):
    mean, axes = items(30, width), turned(width)
    uniform = metrics.uniform_direction_map(AXIS, AXIS, width)
    found = metrics.directions_map(mean, np.zeros(30), axes, AXIS, AXIS)
    np.testing.assert_allclose(found, uniform, rtol=1e-5)
    same = metrics.directions_map(np.repeat(mean[:1], 5, 0), np.full(5, 9.0), axes, AXIS, AXIS)
    one = metrics.directions_map(mean[:1], np.full(1, 9.0), axes, AXIS, AXIS)
    np.testing.assert_allclose(same, one, rtol=1e-5)


@pytest.mark.parametrize("width", [3, 4, 8])
@pytest.mark.parametrize("concentration", [0.5, 5.0, 40.0])
def test_the_map_is_that_of_draws(width, concentration):
    mean, axes = items(40, width), turned(width, 1)
    density = metrics.directions_map(mean, np.full(40, concentration), axes, AXIS, AXIS)
    draws = metrics.vmf_sample(mean, np.full(40, concentration), 10_000) @ axes
    counts = counted(draws.reshape(-1, 2))
    assert np.abs(density - counts).sum() * STEP**2 < 0.06
    assert density.sum() * STEP**2 == pytest.approx(1, abs=0.01)


def test_in_three_dimensions_it_is_both_halves_of_the_sphere():
    mean, at = items(1, 3)[0], np.array([0.3, -0.4])
    depth = np.sqrt(1 - at @ at)
    halves = [vonmises_fisher(mean, 6.0).pdf([*at, d]) for d in (depth, -depth)]
    found = sphere_maps._mixture(
        mean[None, :2], np.array([6.0]), 3, at[None], np.array([-np.log(2 * np.pi * depth)])
    )
    assert found[0] == pytest.approx(sum(halves) / depth, rel=1e-3)


@pytest.mark.parametrize("width", [3, 4, 16])
@pytest.mark.parametrize("concentration", [1e3, 1e6])
def test_sharp_posteriors_keep_their_mass_and_place(width, concentration):
    mean = np.zeros((3, width))
    mean[:, :3] = [1, 0, 0], [0.6, 0.8, 0], [0.3, 0.1, np.sqrt(0.9)]
    axes = np.eye(width)[:, :2]
    for row in mean:
        density = metrics.directions_map(row[None], np.full(1, concentration), axes, AXIS, AXIS)
        assert density.sum() * STEP**2 == pytest.approx(1, abs=0.07)
        up, right = np.unravel_index(density.argmax(), density.shape)
        assert (AXIS[right], AXIS[up]) == pytest.approx(tuple(row[:2]), abs=1.5 * STEP)


def test_many_items_are_a_part_of_them(monkeypatch):
    mean, kappa, axes = items(3000, 4), np.full(3000, 4.0), turned(4)
    whole = metrics.directions_map(mean, kappa, axes, AXIS, AXIS)
    monkeypatch.setattr(sphere_maps, "PAIRS", 1000 * sphere_maps.PLACES)
    part = metrics.directions_map(mean, kappa, axes, AXIS, AXIS)
    assert 0 < np.abs(part - whole).sum() * STEP**2 < 0.1


def test_beside_the_disc_there_is_nothing_and_a_circle_has_no_map():
    far = AXIS + 5
    assert not metrics.directions_map(items(5, 4), np.ones(5), np.eye(4)[:, :2], far, far).any()
    with pytest.raises(ValueError, match="circle"):
        metrics.directions_map(items(5, 2), np.ones(5), np.eye(2), AXIS, AXIS)
    with pytest.raises(ValueError, match="unit length"):
        metrics.directions_map(2 * items(5, 3), np.ones(5), np.eye(3)[:, :2], AXIS, AXIS)

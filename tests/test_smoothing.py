"""Gap maps of samples, codes and directions: like with like, blank where nothing can be told."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lab import projection, smoothing, views
from lab.errors import UserError
from lab.runs import Latents

TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0][:, :2]


def implicit(count: int, per_item: int, seed: int = 0, spread: float = 1.0) -> Latents:
    draws = np.random.default_rng(seed).normal(size=(count, per_item, 5)) * spread
    return Latents("samples", draws.mean(axis=1), samples=draws.astype("f4"))


def collapsed(width: int, count: int, concentration: float = 1e-3) -> Latents:
    mean = np.tile(np.eye(width)[0], (count, 1))
    return Latents("vmf", mean, concentration=np.full(count, concentration))


def gap_of(latents: Latents, axes: smoothing.Axes = (0, 1), limit: float = 4.0) -> np.ndarray:
    return views.gap(latents, *views.density(latents, axes, limit, 160), axes)


def test_a_smoothed_prior_has_the_variance_of_the_kernel_added() -> None:
    x, y, width = np.linspace(-3, 3, 7), np.linspace(-2, 4, 7), np.array([0.5, 0.2])
    expected = multivariate_normal(np.zeros(2), np.diag(1 + width**2))
    at = np.stack(np.meshgrid(x, y), axis=-1)
    np.testing.assert_allclose(smoothing.smoothed_prior(x, y, width), expected.pdf(at))


@pytest.mark.parametrize(("count", "per_item"), [(2000, 4), (1000, 16), (1000, 1), (240, 8)])
def test_the_gap_of_a_collapsed_implicit_run_is_within_half_a_nat(
    count: int, per_item: int
) -> None:
    for seed in range(5):
        gap = gap_of(implicit(count, per_item, seed))
        assert np.isfinite(gap[80, 80]) and np.nanmax(np.abs(gap)) < 0.5


def test_on_turned_axes_a_collapsed_implicit_run_is_blank_too() -> None:
    for seed in range(3):
        latents = implicit(2000, 4, seed)
        grid = projection.density(latents, TURN, 4.0, 160)
        gap = views.gap(latents, *grid, TURN)
        assert np.isfinite(gap[80, 80]) and np.nanmax(np.abs(gap)) < 0.5


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_a_hole_around_narrow_samples_is_seen(spread: float) -> None:
    gap = gap_of(implicit(1000, 4, spread=spread))
    assert gap[80, 80] > 1 and gap[80, 115] < -2.3  # at 0 and at 1.8


def test_few_draws_tell_nothing() -> None:
    assert np.isnan(gap_of(implicit(30, 1))).all()


@pytest.mark.parametrize("width", [3, 4, 8])
@pytest.mark.parametrize("limit", [1.1, 4.0])
def test_the_gap_of_a_collapsed_run_on_the_sphere_is_nought(width: int, limit: float) -> None:
    latents = collapsed(width, 500)
    x, y, q = views.density(latents, (0, 2), limit, 160)
    gap, step = views.gap(latents, x, y, q, (0, 2)), x[1] - x[0]
    assert np.isfinite(gap[80, 80]) and np.nanmax(np.abs(gap)) < 0.01
    assert not q[np.hypot(x, y[:, None]) > 1 + step].any()


def test_the_gap_on_the_sphere_is_that_of_one_posterior() -> None:
    # Of κ = 5 at the pole of R^4 it is κ z_1 - log M(κ) on every plane through that axis.
    latents = collapsed(4, 3, 5.0)
    x, y, q = views.density(latents, (0, 1), 1.0, 80)
    gap = views.gap(latents, x, y, q)
    slope = np.diff(gap[40, 10:70]) / (x[1] - x[0])
    np.testing.assert_allclose(slope, 5, rtol=0.02)


def test_codes_have_no_gap_and_say_so() -> None:
    latents = Latents("point", np.random.default_rng(0).normal(size=(50, 3)))
    with pytest.raises(UserError, match="Deterministic codes have no density"):
        gap_of(latents)


def test_a_thin_line_of_codes_stays_thin() -> None:
    along = np.random.default_rng(0).uniform(-3, 3, 1000)
    latents = Latents("point", np.stack([along, along], axis=1))
    x, y, density = views.density(latents, limit=4.0, points=160)
    off = np.abs(x - y[:, None]) > 0.6
    assert density[off].sum() < 0.01 * density.sum()


def test_only_what_was_smoothed_has_a_bandwidth_in_words() -> None:
    assert smoothing.words(Latents("gaussian", np.zeros((9, 2)), np.zeros((9, 2))), (0, 1)) == ""
    assert smoothing.words(collapsed(3, 9), (0, 1)) == ""
    assert smoothing.words(Latents("point", np.zeros((9, 2))), (0, 1)) == (
        "kernel density of codes, bandwidth 0.05"
    )
    latents = implicit(400, 5)
    width = smoothing.bandwidth(latents, (0, 1))
    assert smoothing.words(latents, (0, 1)).startswith(f"draws smoothed, bandwidth {width[0]:.2g}")


def test_directions_on_a_circle_are_smoothed_and_of_many_items_some(monkeypatch) -> None:
    monkeypatch.setattr(smoothing, "DRAWS", 300)
    latents = collapsed(2, 1000, 50.0)
    assert smoothing.drawn(latents, (0, 1)).shape == (300, 1, 2)
    x, _, density = views.density(latents, limit=2.0, points=81)
    assert density.sum() * (x[1] - x[0]) ** 2 == pytest.approx(1, abs=0.02)

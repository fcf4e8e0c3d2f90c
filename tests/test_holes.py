"""Holes of a latent space in all dimensions: found where they are, and only there."""

import numpy as np
import pytest

from lab import holes, views
from lab.errors import UserError
from lab.metrics import density_gap, held_out_holes, posterior_distance, to_sphere
from lab.runs import Latents


def gaussian(mean: np.ndarray, sigma: float) -> Latents:
    return Latents("gaussian", mean, np.full(mean.shape, 2 * np.log(sigma)))


def consistent(count: int, width: int, sigma: float) -> Latents:
    """Posteriors whose population's aggregate is the prior."""
    noise = np.random.default_rng(3).standard_normal((count, width))
    return gaussian(noise * np.sqrt(1 - sigma**2), sigma)


def directions(count: int, width: int, concentration: float) -> Latents:
    mean = to_sphere(np.random.default_rng(3).standard_normal((count, width)))
    return Latents("vmf", mean, concentration=np.full(count, concentration))


def test_gap_is_that_of_the_metrics_however_it_is_cut_into_blocks(monkeypatch) -> None:
    monkeypatch.setattr(holes, "BLOCK", 7)
    latents = consistent(30, 5, 0.4)
    z = holes.prior_draws(latents, 11)
    gap = holes.log_posterior(latents, z) - holes.log_prior(latents, z)
    assert np.allclose(gap, density_gap(latents.mean, latents.log_variance, z))


def test_draws_are_the_same_for_every_run_and_begin_alike() -> None:
    one, other = consistent(30, 5, 0.4), gaussian(np.zeros((9, 5)), 1.0)
    assert np.array_equal(holes.prior_draws(one, 4), holes.prior_draws(other, 9)[:4])


def test_a_collapsed_run_has_no_holes() -> None:
    found = holes.find(gaussian(np.zeros((50, 8)), 1.0))
    assert np.allclose(found.gap, 0) and found.mass == 0 and len(found.listed) == 0


def test_a_uniform_posterior_on_the_sphere_has_no_holes() -> None:
    found = holes.find(directions(40, 6, 0.0))
    assert np.allclose(found.gap, 0) and len(found.listed) == 0


def test_the_list_is_ranked_deep_and_spread_out() -> None:
    latents = gaussian(np.random.default_rng(0).normal((1.5, 0), 0.1, (200, 2)), 0.3)
    found = holes.find(latents)
    gap, z = found.gap[found.listed], found.z[found.listed]
    assert gap[0] == found.gap.min() and (np.diff(gap) >= 0).all() and (gap < -holes.LEVEL).all()
    between = np.linalg.norm(z[:, None] - z, axis=-1) + 9 * np.eye(len(z))
    assert between.min() >= np.sqrt(np.square(found.z).sum(1).mean() / 2)
    expected = posterior_distance(latents.mean, latents.log_variance, z)
    assert np.allclose(found.distance, expected)
    assert found.prior.value - found.fresh.value > 0.5


def test_the_reference_agrees_with_the_metric() -> None:
    latents = gaussian(np.random.default_rng(0).normal(0, 0.5, (2000, 4)), 0.3)
    found = holes.find(latents)
    metric = held_out_holes(latents.mean, latents.log_variance)
    for ours, theirs in ((found.prior, metric.prior), (found.fresh, metric.aggregate)):
        assert abs(ours.value - theirs.value) < 4 * np.hypot(ours.stderr, theirs.stderr) + 0.002


def test_holes_of_few_items_in_many_dimensions_are_unmasked_by_the_reference() -> None:
    found = holes.find(consistent(400, 32, 0.3))
    assert found.mass > 0.95 and found.fresh.value > 0.95
    assert (found.as_deep > 0).any()


def test_many_items_make_fewer_draws(monkeypatch) -> None:
    monkeypatch.setattr(holes, "PAIRS", 300 * 100)
    assert len(holes.find(consistent(100, 2, 0.5)).z) == 300


@pytest.mark.parametrize(
    ("latents", "words"),
    [
        (Latents("point", np.zeros((9, 3))), "Deterministic codes"),
        (gaussian(np.full((9, 3), np.nan), 1.0), "NaN"),
        (gaussian(np.zeros((3, 3)), 1.0), "four items"),
    ],
)
def test_what_has_no_holes_says_why(latents: Latents, words: str) -> None:
    with pytest.raises(UserError, match=words):
        holes.find(latents)


def test_samples_are_read_by_their_moments_and_single_ones_as_points() -> None:
    samples = np.random.default_rng(0).normal(2, 0.5, (20, 4000, 3))
    made = holes.summarised(Latents("samples", samples.mean(1), samples=samples))
    assert made.family == "gaussian"
    assert np.allclose(made.mean, 2, atol=0.05) and np.allclose(
        made.log_variance, np.log(0.25), atol=0.2
    )
    one = Latents("samples", samples[:, 0], samples=samples[:, :1])
    assert holes.summarised(one).family == "point"


@pytest.mark.parametrize("how", holes.FILLS)
def test_a_click_fixes_two_coordinates(how: str) -> None:
    latents = consistent(50, 6, 0.4)
    z, row = holes.fill(latents, np.eye(6)[:, [4, 1]], (0.3, -1.2), how)
    assert (z[4], z[1]) == (0.3, -1.2)
    others = z[[0, 2, 3, 5]]
    if how == "nearest":
        away = np.hypot(latents.mean[:, 4] - 0.3, latents.mean[:, 1] + 1.2)
        assert row == away.argmin() and np.array_equal(others, latents.mean[row][[0, 2, 3, 5]])
    else:
        assert row is None and others.any() == (how == "prior")
        assert np.array_equal(z, holes.fill(latents, np.eye(6)[:, [4, 1]], (0.3, -1.2), how)[0])


@pytest.mark.parametrize("how", holes.FILLS)
@pytest.mark.parametrize("width", [2, 3, 7])
def test_a_click_on_a_sphere_stays_on_it(how: str, width: int) -> None:
    z, _ = holes.fill(directions(30, width, 9.0), np.eye(width)[:, :2], (0.3, -0.4), how)
    assert np.linalg.norm(z) == pytest.approx(1)
    assert width == 2 or np.allclose(z[:2], (0.3, -0.4))


@pytest.mark.parametrize("how", holes.FILLS)
@pytest.mark.parametrize("family", ["gaussian", "vmf"])
def test_a_click_on_any_two_axes_fixes_its_part_on_them(how: str, family: str) -> None:
    latents = consistent(50, 6, 0.4) if family == "gaussian" else directions(50, 6, 9.0)
    axes = np.linalg.qr(np.random.default_rng(4).normal(size=(6, 2)))[0]
    z, row = holes.fill(latents, axes, (0.3, -0.4), how)
    assert z @ axes == pytest.approx((0.3, -0.4))
    if family == "vmf":
        assert np.linalg.norm(z) == pytest.approx(1)
    if how == "nearest":
        assert row == np.linalg.norm(latents.mean @ axes - [0.3, -0.4], axis=1).argmin()
        rests = (code - axes @ (axes.T @ code) for code in (z, latents.mean[row]))
        one, other = (rest / np.linalg.norm(rest) for rest in rests)
        assert one == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize("width", [4, 6])
def test_zeros_on_a_sphere_also_where_equal_parts_lie_on_the_axes(width: int) -> None:
    ones = np.ones(width) / np.sqrt(width)
    other = np.zeros(width)
    other[:2] = np.array([1, -1]) / np.sqrt(2)
    axes = np.column_stack([ones, other])
    z, _ = holes.fill(directions(30, width, 9.0), axes, (0.3, 0.4), "zeros")
    assert np.linalg.norm(z) == pytest.approx(1) and z @ axes == pytest.approx((0.3, 0.4))


def test_a_click_off_the_sphere_is_refused() -> None:
    with pytest.raises(UserError, match="outside of the sphere"):
        holes.fill(directions(30, 5, 9.0), np.eye(5)[:, :2], (0.9, 0.9), "nearest")


def test_a_place_names_its_nearest_items_first() -> None:
    latents = consistent(60, 4, 0.5)
    place = holes.describe(latents, np.full(4, 0.5))
    away = np.linalg.norm((latents.mean - 0.5) / 0.5, axis=1)
    assert np.array_equal(place.rows, np.argsort(away)[:5])
    assert np.allclose(place.distance, away[place.rows])
    assert np.allclose(place.euclidean, 0.5 * place.distance)
    gap = density_gap(latents.mean, latents.log_variance, place.z[None])[0]
    assert place.log_q - place.log_p == pytest.approx(gap)


def test_a_place_among_directions_and_among_points() -> None:
    latents = directions(40, 5, 7.0)
    place = holes.describe(latents, latents.mean[8])
    assert place.rows[0] == 8 and place.distance[0] == pytest.approx(0, abs=1e-5)
    assert place.log_q > place.log_p
    point = holes.describe(Latents("point", latents.mean), latents.mean[8], count=90)
    assert point.log_q is None and len(point.rows) == 40


def test_sides_are_the_extremes_and_share_no_draw() -> None:
    found = holes.find(consistent(100, 3, 0.3))
    low, high = holes.inside_and_outside(found, 100)
    assert len(low) == len(high) == 100 and not set(low) & set(high)
    assert found.gap[low].max() <= np.median(found.gap) <= found.gap[high].min()


def test_fluency_prefers_the_order_of_the_text_it_was_fitted_on() -> None:
    texts = ["the cat sees the quiet river", "the dog finds the quiet house"] * 40
    model = holes.language_model(texts)
    known = holes.fluency(model, texts[:10])
    mixed = holes.fluency(model, ["river the quiet sees cat the", "<s> house quiet </s> the dog"])
    assert known.value > mixed.value + 1 and known.n == 10
    assert holes.language_model(["yes", "no"]).order == 3
    with pytest.raises(UserError, match="no words"):
        holes.language_model(["", " "])


def test_the_gap_of_a_collapsed_run_is_nought_and_masked_far_out() -> None:
    latents = gaussian(np.zeros((20, 3)), 1.0)
    x, y, q = views.density(latents, limit=5.0, points=41)
    gap = views.gap(latents, x, y, q)
    assert np.isnan(gap[0, 0]) and np.isnan(gap[20, 0])
    assert np.nanmax(np.abs(gap)) < 1e-6 and np.isfinite(gap[20, 20])


def test_the_gap_is_negative_in_a_hole_and_positive_where_codes_crowd() -> None:
    latents = gaussian(np.full((20, 2), 1.5), 0.2)
    x, y, q = views.density(latents, limit=3.0, points=61)
    gap = views.gap(latents, x, y, q)
    assert gap[45, 45] > 1 and gap[15, 15] < -holes.LEVEL and np.isfinite(gap).any()


@pytest.mark.parametrize("width", [4, 5, 32])
def test_the_prior_of_two_dimensions_of_a_sphere_integrates_to_one(width: int) -> None:
    axis = np.linspace(-1, 1, 801)
    p = views.prior_density(directions(5, width, 1.0), axis, axis)
    assert p.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=0.01)


def test_a_circle_has_no_gap_in_the_plane() -> None:
    with pytest.raises(UserError, match="circle"):
        views.prior_density(directions(5, 2, 1.0), np.zeros(2), np.zeros(2))

"""Distances between posteriors against closed forms and torch; what is said of their neighbours."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import special_ortho_group, vonmises_fisher
from torch.distributions import Independent, Normal, kl_divergence

from lab.errors import UserError
from lab.posterior_neighbours import (
    AT_MOST,
    KINDS,
    changes,
    compare,
    described,
    distances,
    nearest,
    neighbour_order,
    overlap,
    overlap_by_chance,
    refusal,
    some,
)
from lab.runs import Latents


def gaussians(count: int = 40, width: int = 5, seed: int = 0) -> Latents:
    random = np.random.default_rng(seed)
    mean, log_variance = random.normal(size=(2, count, width))
    return Latents("gaussian", mean, log_variance - 1)


def directions(count: int = 30, width: int = 3, seed: int = 0) -> Latents:
    random = np.random.default_rng(seed)
    mean = random.normal(size=(count, width))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    return Latents("vmf", mean, concentration=random.uniform(1, 30, count))


def rotated(latents: Latents) -> Latents:
    turn = special_ortho_group.rvs(latents.dimensions, random_state=3)
    return Latents("point", latents.mean @ turn.T + 2.5)


def test_kl_is_the_mean_of_both_directions_as_torch_has_them() -> None:
    latents = gaussians()
    q = [
        Independent(Normal(torch.tensor(m), torch.tensor(np.exp(v / 2))), 1)
        for m, v in zip(latents.mean, latents.log_variance, strict=True)
    ]
    expected = [float(kl_divergence(p, q[7]) + kl_divergence(q[7], p)) / 2 for p in q]
    np.testing.assert_allclose(distances(latents, 7, "kl"), expected, rtol=1e-10)


def test_one_posterior_far_too_narrow_does_not_blur_the_others() -> None:
    latents = gaussians(200)
    latents.log_variance[150] = -28
    away = distances(latents, 7, "kl")
    expected = [r for r in np.argsort(away, kind="stable") if r != 7][:10]
    assert away.mean() > 1e9 and nearest(away, 7, 10).tolist() == expected


def test_wasserstein_is_that_of_gaussians_with_these_covariances() -> None:
    latents = gaussians(count=8, width=3)
    mean, cov = latents.mean, [np.diag(v) for v in np.exp(latents.log_variance)]
    root = sqrtm(cov[2])
    expected = [
        np.sum((m - mean[2]) ** 2) + np.trace(c + cov[2] - 2 * sqrtm(root @ c @ root).real)
        for m, c in zip(mean, cov, strict=True)
    ]
    np.testing.assert_allclose(distances(latents, 2, "wasserstein") ** 2, expected, atol=1e-12)


def test_kl_of_directions_is_that_of_many_draws() -> None:
    latents = directions(count=2)
    p, q = (
        vonmises_fisher(*pair) for pair in zip(latents.mean, latents.concentration, strict=True)
    )
    random = np.random.default_rng(1)
    there, back = p.rvs(100_000, random_state=random), q.rvs(100_000, random_state=random)
    drawn = (p.logpdf(there) - q.logpdf(there)).mean() + (q.logpdf(back) - p.logpdf(back)).mean()
    assert distances(latents, 0, "kl")[1] == pytest.approx(drawn / 2, rel=0.02)
    chord = np.linalg.norm(latents.mean[0] - latents.mean[1])
    assert distances(latents, 0, "euclidean")[1] == pytest.approx(chord)


@given(st.integers(0, 10_000))
def test_wasserstein_is_a_metric_and_kl_is_symmetric(seed: int) -> None:
    latents = gaussians(count=6, width=2, seed=seed)
    table = np.array([distances(latents, n, "wasserstein") for n in range(6)])
    assert (table[:, None] <= table[:, :, None] + table[None] + 1e-12).all()
    for kind in KINDS:
        table = np.array([distances(latents, n, kind) for n in range(6)])
        np.testing.assert_allclose(table, table.T, rtol=1e-9)
        assert (np.diag(table) == 0).all() and (table + np.eye(6) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [gaussians, directions])
def test_orders_of_all_agree_with_the_distances_to_each(make, kind: str) -> None:
    latents = make()
    if refusal(latents, kind):
        with pytest.raises(UserError):
            neighbour_order(latents, kind)
        return
    order = neighbour_order(latents, kind)
    assert order.shape == (len(latents), len(latents) - 1)
    for row in range(len(latents)):
        assert (order[row] == nearest(distances(latents, row, kind), row, len(latents))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_collapsed_run_still_has_an_order(kind: str) -> None:
    random = np.random.default_rng(0)
    mean = 1e-6 * random.normal(size=(50, 4))
    tiny = Latents("gaussian", mean, 1e-6 * random.normal(size=(50, 4)))
    expected = nearest(distances(tiny, 3, kind), 3, 49)
    assert (neighbour_order(tiny, kind)[3, :5] == expected[:5]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_equal_posteriors_tie_by_row_and_never_hold_the_item_itself(kind: str) -> None:
    one = gaussians(count=20)
    mean, log_variance = one.mean.copy(), one.log_variance.copy()
    mean[[3, 9, 15]], log_variance[[3, 9, 15]] = mean[0], log_variance[0]
    latents = Latents("gaussian", mean, log_variance)
    assert nearest(distances(latents, 9, kind), 9, 3).tolist() == [0, 3, 15]
    assert neighbour_order(latents, kind)[9, :3].tolist() == [0, 3, 15]
    same = Latents("gaussian", np.zeros((5, 2)), np.zeros((5, 2)))
    assert neighbour_order(same, kind)[2].tolist() == [0, 1, 3, 4]


def test_a_turned_and_shifted_space_has_the_same_neighbours() -> None:
    latents = gaussians(count=300, width=8)
    before = neighbour_order(latents, "euclidean")
    found = changes(before, neighbour_order(rotated(latents), "euclidean"), 10)
    assert (found.overlap == 1).all() and (found.away == 5.5).all()


def test_the_sentence_that_jumped_is_first_among_those_that_moved() -> None:
    random = np.random.default_rng(0)
    homes = np.repeat(10 * np.eye(4), 30, axis=0) + random.normal(size=(120, 4))
    moved = homes.copy()
    moved[17] = 10 * np.eye(4)[3] + 0.1
    orders = [neighbour_order(Latents("point", z), "euclidean") for z in (homes, moved)]
    found = changes(*orders, 5)
    assert found.ranked()[0] == 17 and found.overlap[17] == 0 and found.away[17] > 30
    assert found.ranked().tolist()[-1] != 17 and found.overlap.mean() > 0.9


def test_a_neighbourhood_lists_who_came_and_who_went() -> None:
    now = np.array([0.0, 1, 2, 3, 4, 5])
    before = np.array([0.0, 5, 2, 1, 4, 3])
    found = compare(now, before, 0, 2)
    assert found.rows.tolist() == [1, 2, 3] and found.near == 2
    assert found.distance.tolist() == [1, 2, 3]
    assert found.rank.tolist() == [1, 2, 3] and found.before.tolist() == [5, 2, 1]
    assert found.overlap == pytest.approx(1 / 3)


def test_overlap_is_the_jaccard_index() -> None:
    left = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    right = np.array([[4, 3, 9, 10], [1, 2, 3, 4]])
    np.testing.assert_allclose(overlap(left, right), [2 / 6, 0])


@pytest.mark.parametrize("others", [10, 12, 60])
def test_chance_is_what_random_lists_share(others: int) -> None:
    random = np.random.default_rng(0)
    draws = np.argsort(random.random((2, 20_000, others)), axis=-1)[..., :10]
    assert overlap_by_chance(10, others) == pytest.approx(overlap(*draws).mean(), abs=0.003)


def test_points_have_distances_but_no_kl_and_single_draws_are_points() -> None:
    points = Latents("point", gaussians().mean)
    single = described(Latents("samples", points.mean, samples=points.mean[:, None]))
    for latents in (points, single):
        assert (distances(latents, 0, "wasserstein") == distances(latents, 0, "euclidean")).all()
        with pytest.raises(UserError, match="infinite"):
            distances(latents, 0, "kl")


def test_samples_are_described_by_their_moments() -> None:
    truth = gaussians(count=30, width=3)
    noise = np.random.default_rng(0).standard_normal((30, 4000, 3))
    samples = truth.mean[:, None] + noise * np.exp(truth.log_variance[:, None] / 2)
    found = described(Latents("samples", samples.mean(1), samples=samples))
    for kind in KINDS:
        np.testing.assert_allclose(
            distances(found, 1, kind), distances(truth, 1, kind), rtol=0.2, atol=0.2
        )


@pytest.mark.parametrize(
    ("latents", "words"),
    [
        (Latents("gaussian", np.full((3, 2), np.nan), np.zeros((3, 2))), "diverge"),
        (Latents("gaussian", np.zeros((3, 2)), np.full((3, 2), -1e4)), "diverge"),
        (Latents("gaussian", np.zeros((3, 2))), "fit"),
        (Latents("gaussian", np.zeros((3, 2)), np.zeros((3, 4))), "fit"),
        (Latents("samples", np.zeros((3, 2))), "samples"),
        (Latents("vmf", np.zeros((3, 2)), concentration=np.ones(2)), "fit"),
    ],
)
def test_damaged_dumps_are_refused_in_one_line(latents: Latents, words: str) -> None:
    with pytest.raises(UserError, match=words):
        described(latents)


def test_large_dumps_are_compared_by_the_same_random_items() -> None:
    assert (some(10) == np.arange(10)).all()
    rows = some(50_000)
    assert len(np.unique(rows)) == AT_MOST and (np.diff(rows) > 0).all()
    assert (rows == some(50_000)).all()


@pytest.mark.benchmark
@pytest.mark.parametrize("kind", KINDS)
def test_speed(kind: str) -> None:
    random = np.random.default_rng(0)
    shape = (100_000, 32)
    many = [random.normal(size=shape).astype(np.float32) for _ in range(2)]
    start = time.perf_counter()
    nearest(distances(Latents("gaussian", *many), 5, kind), 5, 10)
    one = time.perf_counter() - start
    few = Latents("gaussian", *(array[:2_000] for array in many))
    start = time.perf_counter()
    order = neighbour_order(few, kind)
    changes(order, order, 10).ranked()
    ranked = time.perf_counter() - start
    print(f"{kind}: one of 100,000 {one:.3f} s, ranked list of 2,000 {ranked:.3f} s")
    assert order.shape == (2_000, 1_999)

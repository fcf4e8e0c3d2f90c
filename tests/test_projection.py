"""Projections: known axes, exact densities, alignment of turned runs, the process of layouts."""

import os
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lab import layouts, projection, views
from lab.errors import UserError
from lab.metrics import vmf_sample
from lab.runs import Latents

RANDOM = np.random.default_rng(3)


def rotation(width: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def gaussians(count: int, width: int, seed: int = 0) -> Latents:
    random = np.random.default_rng(seed)
    mean = random.normal(size=(count, width)) * np.linspace(1.2, 0.1, width)
    return Latents("gaussian", mean, random.normal(-2, 0.8, size=(count, width)))


def exact(latents: Latents, matrix: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The sum over items of their projected Gaussians, one by one."""
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    total = np.zeros(grid.shape[:2])
    for mean, log_variance in zip(latents.mean, latents.log_variance, strict=True):
        covariance = matrix.T @ np.diag(np.exp(log_variance)) @ matrix
        total += multivariate_normal(mean @ matrix, covariance).pdf(grid)
    return total / len(latents)


def distance(one: np.ndarray, other: np.ndarray, axis: np.ndarray) -> float:
    """L1 distance of two densities on a grid."""
    return float(np.abs(one - other).sum() * (axis[1] - axis[0]) ** 2)


def test_principal_axes_of_a_known_gaussian_are_found() -> None:
    turned, sigma = rotation(5), np.array([3.0, 2.0, 1.0, 0.5, 0.1])
    found = projection.principal_axes((RANDOM.normal(size=(200_000, 5)) * sigma) @ turned.T + 1.5)
    np.testing.assert_allclose(np.abs(found.matrix.T @ turned), np.eye(5), atol=0.02)
    np.testing.assert_allclose(found.share, sigma**2 / (sigma**2).sum(), atol=0.003)
    np.testing.assert_allclose(found.matrix.T @ found.matrix, np.eye(5), atol=1e-12)


def test_the_order_of_items_changes_no_axis_and_no_density() -> None:
    latents, order = gaussians(500, 6), RANDOM.permutation(500)
    mixed = Latents("gaussian", latents.mean[order], latents.log_variance[order])
    one, other = (projection.principal_axes(x.mean) for x in (latents, mixed))
    np.testing.assert_allclose(one.matrix, other.matrix, atol=1e-10)
    densities = [projection.density(x, one.matrix[:, :2], 4.0, 40)[2] for x in (latents, mixed)]
    np.testing.assert_allclose(*densities, atol=1e-12)


def test_equal_means_have_axes_without_variance() -> None:
    found = projection.principal_axes(np.zeros((40, 3)))
    np.testing.assert_allclose(found.matrix.T @ found.matrix, np.eye(3), atol=1e-12)
    assert (found.share == 0).all()


@pytest.mark.parametrize(
    ("mean", "words"), [(np.ones((9, 1)), "one dimension"), (np.full((9, 2), np.nan), "damaged")]
)
def test_what_has_no_axes_says_so(mean: np.ndarray, words: str) -> None:
    with pytest.raises(UserError, match=words):
        projection.principal_axes(mean)


def test_the_axis_of_two_codes_puts_them_level_and_as_far_apart_as_they_are() -> None:
    mean = RANDOM.normal(size=(500, 6)) * [3, 2, 1, 1, 0.5, 0.1] @ rotation(6) + 0.7
    found = projection.axes_between(mean, mean[[3, 8]])
    np.testing.assert_allclose(found.matrix.T @ found.matrix, np.eye(2), atol=1e-12)
    (ax, ay), (bx, by) = mean[[3, 8]] @ found.matrix
    assert bx - ax == pytest.approx(np.linalg.norm(mean[8] - mean[3])) and ay == pytest.approx(by)


def test_up_is_the_widest_axis_of_what_is_left() -> None:
    turned, sigma = rotation(4), np.array([3.0, 2.0, 1.0, 0.5])
    mean = (RANDOM.normal(size=(200_000, 4)) * sigma) @ turned.T
    for along, up in ((0, 1), (2, 0)):
        found = projection.axes_between(mean, np.stack([0 * turned[:, along], turned[:, along]]))
        np.testing.assert_allclose(
            np.abs(turned[:, [along, up]].T @ found.matrix), np.eye(2), atol=0.02
        )
        shares = sigma[[along, up]] ** 2 / np.square(sigma).sum()
        np.testing.assert_allclose(found.share, shares, atol=0.003)


def test_in_two_dimensions_or_without_variance_there_is_a_second_axis_too() -> None:
    found = projection.axes_between(np.zeros((9, 2)), np.array([[0, 0], [3, 4]]))
    np.testing.assert_allclose(found.matrix, [[0.6, 0.8], [0.8, -0.6]], atol=1e-12)
    assert (found.share == 0).all()


@pytest.mark.parametrize("end", [0.0, np.nan])
def test_one_code_at_both_ends_has_no_axis(end: float) -> None:
    with pytest.raises(UserError, match="the same code"):
        projection.axes_between(RANDOM.normal(size=(9, 3)), np.full((2, 3), end))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_rotated_copy_aligns_without_residual(mirrored: bool) -> None:
    latents = gaussians(300, 6)
    turned = rotation(6) @ np.diag([-1 if mirrored else 1, 1, 1, 1, 1, 1])
    here = latents.mean @ projection.principal_axes(latents.mean).matrix[:, :2]
    copy = latents.mean @ turned
    there = copy @ projection.principal_axes(copy).matrix[:, :2]
    matrix, disparity = projection.turn(there, here)
    np.testing.assert_allclose(there @ matrix, here, atol=1e-9)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(2), atol=1e-12)
    assert disparity < 1e-12


def test_disparity_is_free_of_size_and_one_without_anything_shared() -> None:
    here = RANDOM.normal(size=(5000, 2))
    assert projection.turn(3 * here, here)[1] < 1e-12
    assert projection.turn(RANDOM.normal(size=(5000, 2)), here)[1] > 0.99
    assert projection.turn(np.zeros((10, 2)), here[:10])[1] == 1.0


@pytest.mark.parametrize("correlation", [0.0, 0.04, 0.1, 0.2, 0.3, 0.5, 0.7, -0.7, 0.9, -0.94])
def test_one_posterior_is_a_gaussian_of_full_covariance(correlation: float) -> None:
    # On axes at 45 degrees the variances 1 + r and 1 - r correlate by r.
    matrix = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    log_variance = np.log([[1 + correlation, 1 - correlation]])
    latents = Latents("gaussian", np.array([[0.5, -0.3]]), log_variance)
    axis, _, found = projection.density(latents, matrix, 6.0, 121)
    assert distance(found, exact(latents, matrix, axis), axis) < 3e-3


def test_projected_density_is_the_exact_mixture() -> None:
    latents = gaussians(60, 6)
    matrix = projection.principal_axes(latents.mean).matrix[:, :2]
    axis, _, found = projection.density(latents, matrix, 4.0, 81)
    assert distance(found, exact(latents, matrix, axis), axis) < 1e-3


def test_projected_density_is_that_of_projected_draws() -> None:
    latents = gaussians(60, 6)
    matrix = projection.principal_axes(latents.mean).matrix[:, 1:3]
    axis, _, found = projection.density(latents, matrix, 3.0, 31)
    plane = (views.draws(latents, 20_000) @ matrix).reshape(-1, 2)
    edges = np.append(axis, axis[-1] + axis[1] - axis[0]) - (axis[1] - axis[0]) / 2
    counted = np.histogram2d(plane[:, 1], plane[:, 0], (edges, edges))[0]
    assert distance(found, counted / len(plane) / (axis[1] - axis[0]) ** 2, axis) < 0.03


def test_binned_density_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    latents = gaussians(3000, 6)
    matrix = projection.principal_axes(latents.mean).matrix[:, :2]
    axis, _, one = projection.density(latents, matrix, 4.0, 100)
    monkeypatch.setattr(views, "EXACT_UP_TO", 100)
    assert distance(projection.density(latents, matrix, 4.0, 100)[2], one, axis) < 0.03


def test_the_prior_stays_the_prior_on_any_axes() -> None:
    collapsed = Latents("gaussian", np.zeros((9, 7)), np.zeros((9, 7)))
    axis, _, found = projection.density(collapsed, rotation(7)[:, :2], 4.0, 41)
    np.testing.assert_allclose(found, views.prior_density(collapsed, axis, axis), atol=1e-9)


def test_raw_axes_give_the_density_of_two_dimensions() -> None:
    latents = gaussians(80, 4)
    found = projection.density(latents, np.eye(4)[:, [2, 0]], 4.0, 50)[2]
    np.testing.assert_allclose(found, views.density(latents, (2, 0), 4.0, 50)[2], atol=1e-6)


def test_directions_stay_within_the_unit_disc_on_any_axes() -> None:
    mean = RANDOM.normal(size=(400, 5))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    latents = Latents("vmf", mean, concentration=np.full(400, 30.0))
    axis, _, found = projection.density(latents, rotation(5)[:, :2], 2.0, 81)
    step = axis[1] - axis[0]
    outside = np.hypot(*np.meshgrid(axis, axis)) > 1.3
    assert found[outside].sum() * step**2 < 0.01 and abs(found.sum() * step**2 - 1) < 0.02
    assert np.linalg.norm(vmf_sample(mean, 30.0)[:, 0] @ rotation(5)[:, :2], axis=1).max() <= 1


@pytest.mark.parametrize("family", ["samples", "point"])
def test_samples_and_codes_are_projected_before_they_are_smoothed(family: str) -> None:
    mean = RANDOM.normal(size=(300, 4))
    samples = mean[:, None] + 0.1 * RANDOM.normal(size=(300, 5, 4))
    latents = Latents(family, mean, samples=samples if family == "samples" else None)
    axis, _, found = projection.density(latents, rotation(4)[:, :2], 6.0, 121)
    assert abs(found.sum() * (axis[1] - axis[0]) ** 2 - 1) < 0.01


def test_umap_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'latent-lab\[umap\]'"):
        layouts.Layouter().layout("umap", np.zeros((20, 3)))


@pytest.mark.parametrize(
    ("points", "words"),
    [(np.zeros((40, 3)), "16 distinct codes; here are 1"), (np.full((40, 3), np.inf), "damaged")],
)
def test_points_without_neighbours_have_no_layout(
    monkeypatch: pytest.MonkeyPatch, points: np.ndarray, words: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    for kind in layouts.NAMES:
        with pytest.raises(UserError, match=words):
            layouts.Layouter().layout(kind, points)


def dead(pid: int) -> bool:
    """Whether a process ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def ends(pid: int, within: float = 60.0) -> bool:
    limit = time.monotonic() + within
    while not dead(pid) and time.monotonic() < limit:
        time.sleep(0.05)
    return dead(pid)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_the_process_of_layouts_never_outlives_the_one_that_started_it() -> None:
    start = "from lab.layouts import Layouter; p = Layouter()._started(); print(p.pid, flush=True)"
    wait = "import time; time.sleep(100)"
    server = subprocess.Popen(
        [sys.executable, "-c", f"{start}; {wait}"], stdout=subprocess.PIPE, text=True
    )
    child = int(server.stdout.readline())
    assert not dead(child)
    os.kill(server.pid, signal.SIGKILL)
    server.communicate()
    assert ends(child)


@pytest.mark.slow
@pytest.mark.parametrize("kind", layouts.NAMES)
def test_layouts_keep_clusters_follow_a_start_and_close(kind: str) -> None:
    if kind == "umap" and not find_spec("umap"):
        pytest.skip("umap-learn is an extra")
    groups = np.repeat(np.arange(3), 30)
    points = RANDOM.normal(size=(90, 6)) + 8 * np.eye(6)[groups]
    layouter = layouts.Layouter()
    first = layouter.layout(kind, points)
    process = layouter._process
    nearest = np.linalg.norm(first[:, None] - first, axis=2) + 9 * np.eye(90)
    assert (groups[nearest.argmin(axis=1)] == groups).all()
    assert np.linalg.norm(first, axis=1).max() == pytest.approx(1)
    np.testing.assert_allclose(first.mean(axis=0), 0, atol=1e-6)
    follower = layouter.layout(kind, points + 0.01, first)
    assert projection.turn(follower, first)[1] < 0.2
    assert np.square(follower - first).sum(axis=1).mean() < 0.2
    layouter.close()
    assert process.returncode is not None and layouter._process is None


@pytest.mark.slow
def test_a_layout_that_is_closed_in_the_middle_ends_with_its_process() -> None:
    layouter, said = layouts.Layouter(), []

    def lay_out() -> None:
        with pytest.raises(UserError) as raised:
            layouter.layout("tsne", RANDOM.normal(size=(5_000, 8)))
        said.append(str(raised.value))

    process = layouter._started()
    waiting = threading.Thread(target=lay_out)
    waiting.start()
    assert waiting.join(0.5) is None and waiting.is_alive()
    layouter.close()
    waiting.join(20)
    assert process.returncode is not None and "try again" in said[0]


def test_a_layout_stopped_before_its_process_began_is_not_made() -> None:
    layouter = layouts.Layouter()
    with pytest.raises(UserError, match="before it began"):
        layouter.layout("tsne", RANDOM.normal(size=(40, 3)), None, lambda: True)
    layouter.close()


@pytest.mark.parametrize(("count", "width"), [(17, 1), (40, 2)])
def test_few_codes_or_one_dimension_have_a_layout_too(count: int, width: int) -> None:
    found = layouts.made("tsne", RANDOM.normal(size=(count, width)))
    again = layouts.made("tsne", RANDOM.normal(size=(count, width)), found)
    for layout in (found, again):
        assert layout.shape == (count, 2)
        assert np.linalg.norm(layout, axis=1).max() == pytest.approx(1, abs=1e-6)

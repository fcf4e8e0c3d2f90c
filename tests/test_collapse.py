"""Kinds of units, counts over thresholds and the parts of the KL, by closed forms."""

import numpy as np
import pytest
from explorer_runs import write_run
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab import collapse, metrics
from lab.collapse import KINDS, Thresholds, Units
from lab.errors import UserError
from lab.runs import Latents, open_run, write_latents

FOUR = Units(np.array([1.0, 0.5, 1e-5, 0.0]), np.array([0.02, 0.6, 0.99, 0.3]), np.arange(4.0))


def test_each_corner_of_the_plane_is_a_kind_of_unit():
    assert collapse.unit_kinds(FOUR, Thresholds()).tolist() == list(KINDS)


def test_every_unit_is_of_one_kind_wherever_the_thresholds_are():
    for thresholds in (Thresholds(1e-6, 0.5, 0.5), Thresholds(1, 0.01, 1), Thresholds()):
        assert sum(collapse.unit_counts(FOUR, thresholds).values()) == 4


def test_units_that_move_are_those_that_count_as_active():
    mean = np.random.default_rng(0).normal(size=(50, 9)) * np.logspace(-3, 1, 9)
    found = Units(metrics.variance_of_means(mean), np.full(9, 0.05))
    assert collapse.unit_counts(found, Thresholds())["active"] == metrics.active_units(mean)


def test_curves_pass_through_the_conventional_counts():
    rng = np.random.default_rng(1)
    mean, log_variance = (
        rng.normal(size=(200, 6)) * np.logspace(-2, 0.3, 6),
        np.full((200, 6), -1.0),
    )
    found = Units(
        metrics.variance_of_means(mean), np.full(6, 0.4), metrics.marginal_kl(mean, log_variance)
    )
    at = np.flatnonzero(np.isclose(collapse.ACTIVE_THRESHOLDS, 0.01, rtol=1e-9))
    assert collapse.active_curve(found)[at] == metrics.active_units(mean)
    at = np.flatnonzero(collapse.CONSISTENT_THRESHOLDS == 0.03)
    assert collapse.consistent_curve(found)[at] == metrics.consistent_units(mean, log_variance)


@pytest.mark.parametrize("width", [2, 3, 8])
def test_uniform_directions_are_passive_and_sharp_ones_active(width):
    mean = np.random.default_rng(0).normal(size=(5000, width))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    for concentration, spread, moving in ((0.0, 1.0, 0.0), (1e5, 0.0, 1.0)):
        latents = Latents("vmf", mean, concentration=np.full(5000, concentration))
        found = collapse.units_on_sphere(latents)
        assert found.mean_of_variance == pytest.approx(np.full(width, spread), abs=1e-3)
        assert found.variance_of_mean == pytest.approx(np.full(width, moving), rel=0.1, abs=1e-9)
        kind = "passive" if spread else "active"
        assert collapse.unit_counts(found, Thresholds())[kind] == width


def test_the_variance_on_the_sphere_is_that_of_its_draws():
    mean = np.array([[0.6, 0.8, 0.0]])
    concentration = np.array([4.0])
    draws = metrics.vmf_sample(mean, concentration, 200_000)[0]
    doubled = Latents("vmf", mean.repeat(2, 0), concentration=concentration.repeat(2))
    found = collapse.units_on_sphere(doubled)
    assert found.mean_of_variance == pytest.approx(3 * draws.var(0), rel=0.02)


def test_deterministic_codes_have_no_variance_and_no_consistent_units(tmp_path):
    write_latents(tmp_path / "r", mean=np.eye(3))
    run = open_run(tmp_path / "r")
    found = collapse.units("point", run.dimensions(), 0)
    assert found.mean_of_variance.tolist() == [0, 0, 0]
    assert collapse.consistent_curve(found) is None and "by definition" in found.about
    assert collapse.kl_heat(run.dimensions()) is None and collapse.decomposition(run) is None


def test_units_that_were_not_dumped_are_an_error_with_a_remedy(tmp_path):
    write_latents(tmp_path / "r", samples=np.random.default_rng(0).normal(size=(6, 1, 2)))
    table = open_run(tmp_path / "r").dimensions()
    with pytest.raises(UserError, match="dump two samples"):
        collapse.units("samples", table, 0)
    with pytest.raises(UserError, match="nothing of this epoch"):
        collapse.units("gaussian", table, 7)


def test_the_heat_map_is_ordered_by_the_last_kl(tmp_path):
    for epoch, scale in enumerate(([2.0, 1.0, 0.1], [0.1, 1.0, 2.0])):
        mean = np.random.default_rng(0).normal(size=(40, 3)) * scale
        write_latents(tmp_path / "r", mean=mean, log_variance=np.zeros((40, 3)), epoch=epoch)
    kl, epochs, order = collapse.kl_heat(open_run(tmp_path / "r").dimensions())
    assert (kl.shape, epochs.tolist(), order.tolist()) == ((3, 2), [0, 1], [2, 1, 0])


def test_the_parts_of_a_gaussian_run_add_up_to_its_kl(tmp_path):
    rng = np.random.default_rng(0)
    for epoch, scale in enumerate((0.0, 1.0)):
        write_latents(
            tmp_path / "r", mean=scale * rng.normal(size=(60, 4)),
            log_variance=np.full((60, 4), -scale), epoch=epoch,
        )  # fmt: skip
    found = collapse.decomposition(open_run(tmp_path / "r"))
    assert list(found.parts) == ["mi", "total_correlation", "marginal_kl"]
    assert sum(found.parts.values()) == pytest.approx(found.kl, abs=1e-12)
    assert found.kl[0] == pytest.approx(0, abs=1e-12)
    assert found.estimator == "" and found.epochs.tolist() == [0, 1]


def test_implicit_and_spherical_runs_have_two_parts(tmp_path):
    rng = np.random.default_rng(0)
    write_latents(tmp_path / "i", samples=rng.normal(size=(30, 6, 2)))
    write_latents(tmp_path / "s", mean=np.eye(5), concentration=np.full(5, 2.0))
    for name, estimator in (("i", "moment-matched"), ("s", "")):
        found = collapse.decomposition(open_run(tmp_path / name))
        assert (found.estimator, list(found.parts)) == (estimator, ["mi", "aggregated_kl"])
        assert sum(found.parts.values()) == pytest.approx(found.kl, abs=1e-9)


def test_codes_without_a_kl_have_no_parts_of_it(tmp_path):
    run = open_run(write_run(tmp_path, kind="points", epochs=3))
    assert collapse.decomposition(run) is None


values = arrays(float, (3, 5), elements=st.floats(-10, 10, allow_subnormal=False))


@given(values)
def test_stacks_add_up_everywhere_and_hold_one_sign_each(parts):
    x = np.array([0.0, 1, 2, 5, 6])
    named = dict(zip("abc", parts, strict=True))
    dense, above, below = collapse.stacked(x, named)
    total = sum(above.values()) + sum(below.values(), np.zeros(len(dense)))
    assert total == pytest.approx(np.interp(dense, x, parts.sum(0)), abs=1e-9)
    assert set(x) <= set(dense)
    assert all(line.min() >= 0 for line in above.values())
    assert all(line.min() < 0 and line.max() <= 0 for line in below.values())
    # Between two points no part changes its sign, so that areas are exact there too.
    for name, part in named.items():
        line = np.interp(dense, x, part)
        assert (line[1:] * line[:-1] >= -1e-9).all(), name

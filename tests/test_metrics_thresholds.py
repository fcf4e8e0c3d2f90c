"""Curves of active and consistent units against the counts at single thresholds."""

import numpy as np
import pytest

from lab import metrics
from lab.metrics.thresholds import CONSISTENT, active_unit_curve, consistent_unit_curve


def posteriors(items=400, dimensions=12):
    rng = np.random.default_rng(0)
    scale = np.geomspace(0.003, 1.5, dimensions)
    mean = rng.normal(size=(items, dimensions)) * scale
    return mean, np.log(np.maximum(1 - scale**2, 0.05)) + np.zeros_like(mean)


@pytest.mark.parametrize("threshold", [1e-5, 0.01, 0.3, 10.0])
def test_active_curve_agrees_with_the_count_at_each_threshold(threshold):
    mean, _ = posteriors()
    found = active_unit_curve(metrics.variance_of_means(mean), [threshold])
    assert found.tolist() == [metrics.active_units(mean, threshold)]


@pytest.mark.parametrize("threshold", [*CONSISTENT, 1e-9, 100.0])
def test_consistent_curve_agrees_with_the_count_at_each_threshold(threshold):
    mean, log_variance = posteriors()
    found = consistent_unit_curve(metrics.marginal_kl(mean, log_variance), [threshold])
    assert found.tolist() == [metrics.consistent_units(mean, log_variance, threshold)]


def test_a_dimension_at_the_threshold_is_active_but_not_consistent():
    values = [0.01, 0.02, 0.01]
    assert active_unit_curve(values, [0.01, 0.02, 0.03]).tolist() == [3, 1, 0]
    assert consistent_unit_curve(values, [0.01, 0.02, 0.03]).tolist() == [0, 2, 3]


def test_curves_are_monotone_and_keep_the_order_of_the_thresholds():
    values = np.random.default_rng(0).exponential(size=32)
    thresholds = np.geomspace(1e-4, 10, 50)
    active, consistent = (f(values, thresholds) for f in (active_unit_curve, consistent_unit_curve))
    assert (np.diff(active) <= 0).all()
    assert (np.diff(consistent) >= 0).all()
    assert (active + consistent == 32).all()
    assert active_unit_curve(values, thresholds[::-1]).tolist() == active[::-1].tolist()


@pytest.mark.parametrize("curve", [active_unit_curve, consistent_unit_curve])
def test_unfit_values_and_thresholds_are_refused(curve):
    with pytest.raises(ValueError, match="must not be negative, as -1 is"):
        curve([0.1, -1], [0.01])
    with pytest.raises(ValueError, match="thresholds holds 1 NaN"):
        curve([0.1], [np.nan])
    with pytest.raises(ValueError, match="is empty"):
        curve([], [0.01])

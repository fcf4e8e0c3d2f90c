"""Statistics over seeds against closed forms of Student's t with one and two degrees of freedom."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from lab.metrics.statistics import best, summarise, welch


def test_mean_deviation_and_interval_of_seeds():
    summary = summarise(np.arange(21.0))
    assert (summary.mean, summary.low, summary.high, summary.n) == (10, 1, 19, 21)
    assert summary.std == pytest.approx(math.sqrt(21 * 22 / 12))  # of 0 to n - 1, n (n + 1) / 12


def test_interval_is_interpolated_between_few_seeds():
    summary = summarise([3.0, 1.0])
    assert (summary.low, summary.high) == pytest.approx((1.1, 2.9))


def test_one_seed_has_no_spread():
    summary = summarise([4.5])
    assert (summary.mean, summary.n) == (4.5, 1)
    assert summary.std is summary.low is summary.high is None


def test_equal_seeds_have_a_spread_of_exactly_zero():
    assert summarise([0.1] * 3).std == 0


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [[1.0]]])
def test_wrong_values_are_refused(values):
    with pytest.raises(ValueError, match="values"):
        summarise(values)


def test_welch_with_two_degrees_of_freedom():
    t = 10 / math.sqrt(2)
    assert welch([0, 2], [10, 12]) == pytest.approx(1 - t / math.sqrt(2 + t**2))


def test_welch_with_one_degree_of_freedom():
    assert welch([5, 5, 5], [1, 3]) == pytest.approx(1 - 2 / math.pi * math.atan(3))


def test_welch_is_scipys_and_symmetric():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 7), rng.normal(1, 3, 4)
    assert welch(a, b) == pytest.approx(ttest_ind(a, b, equal_var=False).pvalue)
    assert welch(a, b) == pytest.approx(welch(b, a))


def test_welch_is_uniform_where_the_means_agree():
    rng = np.random.default_rng(1)
    p = [welch(rng.normal(0, 1, 8), rng.normal(0, 1, 8)) for _ in range(2000)]
    assert np.mean(np.less(p, 0.05)) == pytest.approx(0.05, abs=0.015)


def test_welch_without_any_spread_is_undefined():
    assert math.isnan(welch([1, 1], [2, 2]))


def test_welch_refuses_one_seed():
    with pytest.raises(ValueError, match="two seeds"):
        welch([1], [2, 3])


CLOSE = {"a": [1.0, 1.1, 0.9], "b": [5.0, 5.1, 4.9], "c": [9.0, 9.1, 8.9]}


def test_the_significantly_best_group_is_marked():
    assert best(CLOSE, higher_is_better=True).name == "c"
    found = best(CLOSE, higher_is_better=False)
    assert found.name == "a"
    assert found.p == pytest.approx(welch(CLOSE["a"], CLOSE["b"]))


def test_one_rival_that_is_not_worse_takes_the_mark_away():
    assert best(CLOSE | {"d": [8.0, 9.0, 10.0]}, higher_is_better=True).name is None
    assert best({"a": CLOSE["a"], "b": CLOSE["a"]}, higher_is_better=True).name is None


def test_the_level_is_strict():
    p = welch(CLOSE["a"], CLOSE["b"])
    groups = {k: CLOSE[k] for k in "ab"}
    assert best(groups, False, level=p).name is None
    assert best(groups, False, level=p * 1.001).name == "a"


def test_groups_of_one_seed_are_passed_over_and_named():
    found = best(CLOSE | {"single": [100.0]}, higher_is_better=True)
    assert (found.name, found.untested) == ("c", ("single",))


def test_nothing_is_best_alone():
    assert best({"a": [1, 2], "b": [3]}, higher_is_better=True).name is None


def test_an_undefined_test_marks_nothing():
    assert best({"a": [1, 1], "b": [2, 2]}, higher_is_better=True).name is None

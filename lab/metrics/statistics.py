"""Several seeds of a method: their spread, Welch's test between two, which method is best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import finite

INTERVAL = (0.05, 0.95)
LEVEL = 0.01


@dataclass(frozen=True)
class Summary:
    """Mean over `n` seeds, standard deviation (n - 1 below the line), 5 and 95 percent quantile.

    Of one seed the last three are None: it has no spread, which is not a spread of 0.
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Best:
    """The significantly best group (None if there is none) and its largest p against another.

    `untested` are the groups of one seed, which no test can judge.
    """

    name: str | None
    p: float
    untested: tuple[str, ...]


def summarise(values: ArrayLike) -> Summary:
    """Mean and spread of one figure over seeds [N], in its unit.

    The interval is that of the seeds themselves, between their sorted values, as the asymmetric
    intervals of CEAE appendix G are; of fewer than 20 seeds it lies within their extremes, so it
    is too narrow. ValueError if empty or not finite.
    """
    values = finite(values, "values", "N")
    if len(values) == 1:
        return Summary(float(values[0]), None, None, None, 1)
    low, high = np.quantile(values, INTERVAL)
    return Summary(float(values.mean()), _std(values), float(low), float(high), len(values))


def welch(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p of Welch's t-test that two methods have one mean, from their seeds [N] and [M].

    NaN where neither has any spread, so that nothing is called significant. ValueError for fewer
    than two seeds (CEAE appendix G names a t-test; unequal variances are the safe reading).
    """
    from scipy.stats import ttest_ind_from_stats

    a, b = finite(a, "a", "N"), finite(b, "b", "N")
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a t-test needs two seeds or more of each, not {len(a)} and {len(b)}")
    spread = _std(a), _std(b)
    if spread == (0, 0):
        return math.nan
    first, second = (a.mean(), spread[0], len(a)), (b.mean(), spread[1], len(b))
    return float(ttest_ind_from_stats(*first, *second, equal_var=False).pvalue)


def best(groups: Mapping[str, ArrayLike], higher_is_better: bool, level: float = LEVEL) -> Best:
    """The group of best mean, if Welch's p against every other group is below `level`.

    All these tests must succeed, so `level` needs no correction for their number. Groups of one
    seed are passed over and listed; two groups that tie in the mean share no mark; nor is there one
    with fewer than two groups to compare. ValueError if a group is empty or not finite.
    """
    groups = {name: finite(values, name, "N") for name, values in groups.items()}
    tested = {name: values for name, values in groups.items() if len(values) > 1}
    untested = tuple(name for name in groups if name not in tested)
    if len(tested) < 2:
        return Best(None, math.nan, untested)
    sign = 1 if higher_is_better else -1
    first = max(tested, key=lambda name: sign * tested[name].mean())
    others = [welch(tested[first], values) for name, values in tested.items() if name != first]
    worst = float(np.max(others))  # NaN if one of them is
    return Best(first if worst < level else None, worst, untested)


def _std(values: np.ndarray) -> float:
    """Exactly 0 for equal values, whose mean may be rounded."""
    return float(values.std(ddof=1)) if np.ptp(values) else 0.0

"""Colour by label, factor or length: the same few classes in every panel."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from apps.explorer.theme import CONTINUOUS
from lab.look import CATEGORY_COLOURS

MOST_CATEGORIES = len(CATEGORY_COLOURS)
OTHER = "#888888"


@dataclass(frozen=True)
class Classes:
    """Names and colours of one column's classes; `edges` [K-1] cut a continuous one into K bins."""

    title: str
    names: tuple[str, ...]
    colours: tuple[str, ...]
    edges: np.ndarray | None = None
    bounds: tuple[float, float] | None = None

    def assign(self, column: pl.Series) -> np.ndarray:
        """Class number of each item [N]; categories without a colour share the last class."""
        if self.edges is not None:
            values = np.nan_to_num(column.cast(pl.Float64, strict=False).to_numpy())
            return np.digitize(values, self.edges)
        numbers = {name: i for i, name in enumerate(self.names)}
        last = len(self.names) - 1
        mapped = column.cast(pl.String).replace_strict(numbers, default=last, return_dtype=pl.Int64)
        return mapped.fill_null(last).to_numpy()


def single(colour: str) -> Classes:
    """One class for everything: the method's own colour."""
    return Classes("method", ("",), (colour,))


def classes(title: str, columns: Sequence[pl.Series]) -> Classes:
    """Classes of a column over all runs shown: its categories, or bins of many numbers."""
    values = pl.concat([c.cast(columns[0].dtype, strict=False) for c in columns]).drop_nulls()
    distinct = values.unique().sort()
    if values.dtype.is_numeric() and len(distinct) > MOST_CATEGORIES:
        return _bins(title, values.cast(pl.Float64).to_numpy())
    names = [str(v) for v in distinct.cast(pl.String).to_list()] or ["none"]
    ordered = title == "length" or values.dtype.is_float()
    colours = _ramp(len(names)) if ordered else list(CATEGORY_COLOURS[: len(names)])
    if len(names) > MOST_CATEGORIES:
        names = [*names[: MOST_CATEGORIES - 1], "other"]
        colours[-1] = OTHER
    return Classes(title, tuple(names), tuple(colours))


def sample(groups: np.ndarray, limit: int) -> np.ndarray:
    """About `limit` rows, ascending: the same share of each class and at least one; seeded."""
    if len(groups) <= limit:
        return np.arange(len(groups))
    shuffled = np.random.default_rng(0).permutation(len(groups))
    # Sorting numbers this short takes linear time.
    ordered = shuffled[np.argsort(groups[shuffled].astype(np.int16), kind="stable")]
    counts = np.bincount(groups)
    ends = np.cumsum(counts)
    kept = [
        ordered[end - count : end - count + max(1, int(count * limit / len(groups)))]
        for count, end in zip(counts, ends, strict=True)
        if count
    ]
    return np.sort(np.concatenate(kept))


def _ramp(count: int) -> list[str]:
    return [CONTINUOUS[round(k)] for k in np.linspace(0, len(CONTINUOUS) - 1, count)]


def _bins(title: str, values: np.ndarray) -> Classes:
    low, high = (float(v) for v in np.percentile(values[np.isfinite(values)], [1, 99]))
    edges = np.linspace(low, high, len(CONTINUOUS) + 1)[1:-1]
    ends = [low, *edges, high]
    names = tuple(f"{a:.3g} to {b:.3g}" for a, b in pairwise(ends))
    return Classes(title, names, CONTINUOUS, edges, (low, high))

"""Whether what a run holds, which anything may have written, has the form readers need."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lab.errors import UserError
from lab.metrics.arrays import LARGEST_LOG_VARIANCE
from lab.metrics.sphere import directions

Fits = Callable[[Any], bool]


def checked(
    path: Path, records: list[dict[str, Any]], form: Mapping[str, Fits]
) -> list[dict[str, Any]]:
    """The records of a file. Raises UserError naming the first value that does not fit."""
    for number, record in enumerate(records, start=1):
        for key, fits in form.items():
            if not fits(record.get(key)):
                raise _senseless(path, number, key)
    return records


def checked_paths(path: Path, records: list[dict[str, Any]], items: int) -> list[dict[str, Any]]:
    """The decoded paths of a run of so many items. Raises UserError as `checked`."""
    for number, record in enumerate(checked(path, records, PATHS), start=1):
        if max(record["pair"]) >= items:
            raise _senseless(path, number, "pair")
        if len(record["texts"]) != len(record["weights"]):
            raise _senseless(path, number, "texts")
    return records


def check_dump(
    path: Path, family: str, shapes: Mapping[str, Sequence[int]], latent: Mapping[str, Any]
) -> None:
    """UserError unless a dump holds the arrays of its family, of one N and one D, which are those
    that run.json says of the run in its `latent`; {} says nothing.
    """
    if family not in ARRAYS or set(shapes) != set(ARRAYS[family]):
        held = ", ".join(sorted(shapes)) or "nothing"
        raise UserError(f"{path}: holds {held}, which is no family {family!r}; dump it anew")
    width = _width(path, shapes)
    if latent and (latent.get("family"), latent.get("dimensions")) != (family, width):
        raise UserError(
            f"{path}: of family {family!r} in {width} dimensions, but run.json says "
            f"{latent.get('family')!r} in {latent.get('dimensions')}; dump it anew"
        )


def _width(path: Path, shapes: Mapping[str, Sequence[int]]) -> int:
    """The one D that all arrays have. Raises UserError where they differ."""
    count, width = shapes["mean"] if len(shapes["mean"]) == 2 else (0, 0)
    draws = max([*shapes.get("samples", ()), 0, 0][1], 1)
    fitting = {
        "mean": [max(count, 2), max(width, 1)], "log_variance": [count, width],
        "concentration": [count], "samples": [count, draws, width],
    }  # fmt: skip
    for name, shape in shapes.items():
        if list(shape) != fitting[name]:
            raise UserError(
                f"{path}: {name} has shape {list(shape)}, not {fitting[name]}; dump it anew"
            )
    return width


def check_values(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """UserError naming the first item of a dump whose values no density can be computed of."""
    for name, array in arrays.items():
        limit = np.float64(LIMITS[name])
        if array.dtype.kind != "f":
            raise UserError(f"{path}: {name} is of type {array.dtype}; dump it as float32")
        # Two passes that make no copy; NaN fails both.
        if not (array.min() >= -limit and array.max() <= limit):
            row = int(np.argwhere(~(np.abs(array) <= limit))[0][0])
            raise UserError(
                f"{path}: {name} of item {row} is not finite or beyond ±{limit:g}; dump it anew"
            )
    if "concentration" in arrays:
        try:
            directions(arrays["mean"], arrays["concentration"])
        except ValueError as error:
            raise UserError(f"{path}: {error}; dump it anew") from error


def check_grid(path: Path, table: pl.DataFrame, width: int) -> None:
    """UserError unless each epoch of a table of dimensions has each of them once."""
    keys = table.select("epoch", "dimension").drop_nulls().sort("epoch", "dimension")
    whole = np.tile(np.arange(width), keys["epoch"].n_unique())
    if len(keys) < len(table) or not np.array_equal(keys["dimension"].to_numpy(), whole):
        raise UserError(f"{path}: an epoch in it has not each of {width} dimensions once")


def _senseless(path: Path, number: int, key: str) -> UserError:
    return UserError(f"{path} line {number}: {key!r} makes no sense; mend or delete it")


def is_count(value: Any) -> bool:
    """Whether it is a whole number from 0."""
    return type(value) is int and 0 <= value < 2**53


def is_text(value: Any) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def is_weight(value: Any) -> bool:
    """Whether it can be the weight of a mixture of two codes."""
    return type(value) in (int, float) and abs(value) <= 100


def all_of(fits: Fits) -> Fits:
    """A test of lists by a test of their entries."""
    return lambda values: isinstance(values, list) and all(map(fits, values))


# The arrays that define each family of posteriors.
ARRAYS = {
    "gaussian": ("mean", "log_variance"),
    "samples": ("mean", "samples"),
    "point": ("mean",),
    "vmf": ("mean", "concentration"),
}
# Squares of single precision end at 1e38.
LIMITS = {
    **dict.fromkeys(("mean", "samples", "concentration"), 1e18),
    "log_variance": LARGEST_LOG_VARIANCE,
}
METRICS: dict[str, Fits] = {"split": is_text, "epoch": is_count}
PATHS: dict[str, Fits] = {
    "epoch": is_count,
    "pair": lambda value: all_of(is_count)(value) and len(value) == 2,
    "a": is_text,
    "b": is_text,
    "weights": lambda value: all_of(is_weight)(value) and len(value) > 1,
    "texts": all_of(is_text),
}

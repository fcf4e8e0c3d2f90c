"""Whether the records of a run, which anything may have written, have the form readers need."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.errors import UserError

Fits = Callable[[Any], bool]


def checked(
    path: Path, records: list[dict[str, Any]], form: Mapping[str, Fits]
) -> list[dict[str, Any]]:
    """The records of a file. Raises UserError naming the first value that does not fit."""
    for number, record in enumerate(records, start=1):
        for key, fits in form.items():
            if not fits(record.get(key)):
                raise UserError(f"{path} line {number}: {key!r} makes no sense; mend or delete it")
    return records


def is_count(value: Any) -> bool:
    """Whether it is a whole number from 0."""
    return type(value) is int and 0 <= value < 2**53


def is_text(value: Any) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def all_of(fits: Fits) -> Fits:
    """A test of lists by a test of their entries."""
    return lambda values: isinstance(values, list) and all(map(fits, values))


METRICS: dict[str, Fits] = {"split": is_text, "epoch": is_count}
PATHS: dict[str, Fits] = {
    "epoch": is_count,
    "pair": lambda value: all_of(is_count)(value) and len(value) == 2,
    "a": is_text,
    "b": is_text,
    "weights": all_of(lambda value: type(value) in (int, float)),
    "texts": all_of(is_text),
}

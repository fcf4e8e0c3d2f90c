"""Checks of options shared by the corpora."""

from numbers import Integral

from lab.errors import UserError


def check_at_least(option: str, value: int | None, least: int) -> None:
    """Raise UserError if the option is given and is not a whole number of at least `least`."""
    if value is not None and (not isinstance(value, Integral) or value < least):
        raise UserError(f"{option}={value} is out of range; give a whole number from {least}")

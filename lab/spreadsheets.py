"""Texts on their way to a spreadsheet."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how what a spreadsheet takes for a formula begins


def guarded(text: str) -> str:
    """The text; with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text

"""Which words of a text are new against the text above it."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple


class Piece(NamedTuple):
    """Words of one kind in a row: "same", "new", or "gone" (above, but not here)."""

    kind: str
    words: str


def changes(above: str | None, text: str) -> list[Piece]:
    """The text in pieces, by words between blanks; without a text above, all of it is the same.

    The pieces that are not "gone" make up the text; words replaced by new ones are left out.
    """
    if above is None:
        return [Piece("same", text)] if text else []
    return list(_pieces(above.split(), text.split()))


def _pieces(above: list[str], words: list[str]) -> Iterator[Piece]:
    matcher = SequenceMatcher(None, above, words, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind == "delete":
            yield Piece("gone", " ".join(above[first:last]))
        else:
            yield Piece("same" if kind == "equal" else "new", " ".join(words[start:end]))

"""What a page shows, as it stands in the URL: the only state worth sharing."""

from dataclasses import dataclass
from urllib.parse import parse_qs

LIMITS = (1.0, 2.0, 4.0, 8.0, 16.0)
BACKDROPS = ("nothing", "regions", "critic")
LONGEST_SENTENCE = 400  # characters of a typed sentence that are read


@dataclass(frozen=True)
class State:
    """What the URL asks for; axes are "a1" (the most active dimension) or "z5" (the fifth).

    `behind` is one of BACKDROPS, None where the runs decide; `category` None means their mean.
    """

    runs: tuple[str, ...] = ()
    x: str = "a1"
    y: str = "a2"
    epoch: int | None = None
    colour: str | None = None
    limit: float = 4.0
    prior: bool = False
    a: str = ""
    b: str = ""
    behind: str | None = None
    category: int | None = None

    @classmethod
    def parse(cls, search: str | None) -> "State":
        """State of a query string; whatever it holds that makes no sense is left at its default."""
        query = parse_qs((search or "").lstrip("?"))

        def first(key: str, default: str = "") -> str:
            return query.get(key, [default])[0]

        return cls(
            runs=tuple(dict.fromkeys(query.get("run", []))),
            x=_axis(first("x"), cls.x),
            y=_axis(first("y"), cls.y),
            epoch=_whole(first("epoch")),
            colour=first("colour") or None,
            limit=next((v for v in LIMITS if f"{v:g}" == first("limit")), cls.limit),
            prior=first("prior") == "1",
            a=first("a")[:LONGEST_SENTENCE],
            b=first("b")[:LONGEST_SENTENCE],
            behind=next((b for b in BACKDROPS if b == first("behind")), None),
            category=_whole(first("category")),
        )


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 8


def _whole(text: str) -> int | None:
    return int(text) if _number(text) else None


def _axis(text: str, default: str) -> str:
    return text if text[:1] in {"a", "z"} and _number(text[1:]) and int(text[1:]) else default

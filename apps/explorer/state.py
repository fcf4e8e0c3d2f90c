"""What a page shows, as it stands in the URL: the only state worth sharing."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from lab.collapse import Thresholds
from lab.holes import FILLS
from lab.posterior_neighbours import KINDS

LIMITS = (1.0, 2.0, 4.0, 8.0, 16.0)
BACKDROPS = ("nothing", "regions", "critic")
GROUNDS = ("gap", "density")
NEIGHBOURS = (5, 10, 20, 50)
LONGEST_SENTENCE = 400  # characters of a typed sentence that are read
_COORDINATES = re.compile(r"(-?\d{1,3}(?:\.\d{1,9})?),(-?\d{1,3}(?:\.\d{1,9})?)", re.ASCII)
_DECIMAL = re.compile(r"\d{1,3}(\.\d{1,9})?(e-\d)?", re.ASCII)


@dataclass(frozen=True)
class State:
    """What the URL asks for; axes are "a1" (the most active dimension) or "z5" (the fifth).

    `behind` is one of BACKDROPS, None where the runs decide; `category` None means their mean.
    `table` is a printed table, of which `hide` names columns of ours that are not shown.
    `near` is the distance of the `k` neighbours of an `item`; they are compared `against` the dump
    "before", the "first" one, "e3" (of epoch 3) or "r" and the id of another run.
    The place looked at is `at` two coordinates, the others filled as `fill` says, or prior `draw`.
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
    table: str = ""
    hide: tuple[str, ...] = ()
    every_block: bool = False
    active: float = Thresholds.active
    narrow: float = Thresholds.narrow
    wide: float = Thresholds.wide
    item: int | None = None
    near: str = KINDS[0]
    against: str = "before"
    k: int = 10
    ground: str = GROUNDS[0]
    at: tuple[float, float] | None = None
    fill: str = FILLS[0]
    draw: int | None = None

    @classmethod
    def parse(cls, search: str | None) -> "State":
        """State of a query string; whatever it holds that makes no sense is left at its default."""
        query = parse_qs((search or "").lstrip("?"))

        def first(key: str, default: str = "") -> str:
            return query.get(key, [default])[0]

        narrow = _positive(first("narrow"), cls.narrow)
        wide = _positive(first("wide"), cls.wide)
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
            table=first("table"),
            hide=tuple(query.get("hide", [])),
            every_block=first("blocks") == "all",
            active=_positive(first("active"), cls.active),
            narrow=min(narrow, wide),
            wide=max(narrow, wide),
            item=_whole(first("item")),
            near=next((n for n in KINDS if n == first("near")), cls.near),
            against=_against(first("against")),
            k=next((k for k in NEIGHBOURS if f"{k}" == first("k")), cls.k),
            ground=next((g for g in GROUNDS if g == first("ground")), cls.ground),
            at=_pair(first("at")),
            fill=next((f for f in FILLS if f == first("fill")), cls.fill),
            draw=_whole(first("draw")),
        )


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 8


def _whole(text: str) -> int | None:
    return int(text) if _number(text) else None


def _positive(text: str, default: float) -> float:
    """A decimal of at most 1, as "0.03" or "5e-06"."""
    return float(text) if _DECIMAL.fullmatch(text) and 0 < float(text) <= 1 else default


def _pair(text: str) -> tuple[float, float] | None:
    """Two coordinates, as "-1.25,0.5"."""
    known = _COORDINATES.fullmatch(text)
    return (float(known[1]), float(known[2])) if known else None


def _against(text: str) -> str:
    epoch = text[:1] == "e" and _number(text[1:])
    return text if text == "first" or epoch or text[:1] == "r" else State.against


def _axis(text: str, default: str) -> str:
    return text if text[:1] in {"a", "z"} and _number(text[1:]) and int(text[1:]) else default

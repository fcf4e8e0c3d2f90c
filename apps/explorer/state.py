"""What a page shows, as it stands in the URL: the only state worth sharing."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from lab.collapse import Thresholds
from lab.holes import FILLS
from lab.latent_paths import KINDS as PATHS
from lab.posterior_neighbours import KINDS

LIMITS = (1.0, 2.0, 4.0, 8.0, 16.0)
BACKDROPS = ("nothing", "regions", "critic")
GROUNDS = ("gap", "density")
LAYERS = ("density", "gap", "centres")  # from top to bottom of a column
SHOWN = ("density", "centres")
NEIGHBOURS = (5, 10, 20, 50)
FEWEST_STEPS, MOST_STEPS = 5, 31
PROJECTIONS = ("pca", "ab", "umap", "tsne", "pairs")
DRAWN = ("density", "gap", "centres")
BASES = ("activity", "index", "pca")
PAIR_COUNTS = (2, 4, 8, 16)
LONGEST_PAIRS = 160  # characters of chosen pairs that are read
LONGEST_BRUSH = 4_000  # characters of an outline and the name of its run
LONGEST_SENTENCE = 400  # characters of a typed sentence that are read
_COORDINATES = re.compile(r"(-?\d{1,3}(?:\.\d{1,9})?),(-?\d{1,3}(?:\.\d{1,9})?)", re.ASCII)
_CORNER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d{1,2})?"
_BRUSH = re.compile(
    rf"{_CORNER},{_CORNER}(?:,{_CORNER},{_CORNER}){{2,47}}\|[az]\d{{1,7}}\|[az]\d{{1,7}}\|\d{{1,7}}\|.+",
    re.ASCII,
)
_PAIR_OF = re.compile(r"(a|z|pc)([1-9]\d{0,4})\.([1-9]\d{0,4})", re.ASCII)
_BOUND = re.compile(r"-?\d{1,3}(\.\d{1,9})?", re.ASCII)
NARROWEST = 1e-5  # width of a zoom
_DECIMAL = re.compile(r"\d{1,3}(\.\d{1,9})?(e-\d)?", re.ASCII)


@dataclass(frozen=True)
class State:
    """What the URL asks for; axes are "a1" (the most active dimension) or "z5" (the fifth).

    `behind` is one of BACKDROPS, None where the runs decide; `category` None means their mean.
    `runs` are ids, each followed by "@3" where its column stays at epoch 3; `show` some of LAYERS,
    `zoom` the part of the maps looked at: x from, to, y from, to; `brush` what is drawn around.
    `table` is a printed table, of which `hide` names columns of ours that are not shown.
    `near` is the distance of the `k` neighbours of an `item`; they are compared `against` the dump
    "before", the "first" one, "e3" (of epoch 3) or "r" and the id of another run.
    The place looked at is `at` two coordinates, the others filled as `fill` says, or prior `draw`.
    They are coordinates `of` the axes x and y (""), of those from A to B ("ab"), of principal axes
    turned onto those of a run ("pca|" and its id), or of a pair: "a3.5" by activity, "z3.5" by
    index, "pc3.5" principal axes.
    Of a `projection` is `drawn` one of DRAWN; `count` pairs of dimensions, or those in `pairs`
    ("1 2, 3 4"), are numbered as one of BASES says.
    The projection "ab" and a `path` of `steps` lead from sentence `a` to `b`, a path also from `pa`
    to `pb` on the map of run `on`.
    """

    runs: tuple[str, ...] = ()
    x: str = "a1"
    y: str = "a2"
    epoch: int | None = None
    colour: str | None = None
    limit: float = 4.0
    prior: bool = True
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
    of: str = ""
    fill: str = FILLS[0]
    draw: int | None = None
    projection: str = PROJECTIONS[0]
    drawn: str = DRAWN[0]
    by: str = BASES[0]
    count: int = 4
    pairs: str = ""
    show: tuple[str, ...] = SHOWN
    zoom: tuple[float, float, float, float] | None = None
    brush: str = ""
    path: str = PATHS[0]
    steps: int = 11
    on: str = ""
    pa: tuple[float, float] | None = None
    pb: tuple[float, float] | None = None

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
            x=axis(first("x"), cls.x),
            y=axis(first("y"), cls.y),
            epoch=_whole(first("epoch")),
            colour=first("colour") or None,
            limit=next((v for v in LIMITS if f"{v:g}" == first("limit")), cls.limit),
            prior=first("prior") != "0",
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
            of=axes_of(first("of")),
            fill=next((f for f in FILLS if f == first("fill")), cls.fill),
            draw=_whole(first("draw")),
            projection=next((p for p in PROJECTIONS if p == first("projection")), cls.projection),
            drawn=next((d for d in DRAWN if d == first("drawn")), cls.drawn),
            by=next((b for b in BASES if b == first("by")), cls.by),
            count=next((c for c in PAIR_COUNTS if f"{c}" == first("count")), cls.count),
            pairs=first("pairs")[:LONGEST_PAIRS],
            show=_layers(query.get("show", [])),
            zoom=_window(first("zoom")),
            brush=_brush(first("brush")),
            path=next((p for p in PATHS if p == first("path")), cls.path),
            steps=_between(_whole(first("steps")), FEWEST_STEPS, MOST_STEPS, cls.steps),
            on=first("on"),
            pa=_pair(first("pa")),
            pb=_pair(first("pb")),
        )


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 8


def _whole(text: str) -> int | None:
    return int(text) if _number(text) else None


def _between(number: int | None, low: int, high: int, default: int) -> int:
    return number if number is not None and low <= number <= high else default


def _layers(names: list[str]) -> tuple[str, ...]:
    """The layers named, "none" for none of them."""
    known = tuple(layer for layer in LAYERS if layer in names)
    return known if known or names == ["none"] else SHOWN


def _window(text: str) -> tuple[float, float, float, float] | None:
    """Four bounds, as "-1,0.5,0,1.5"."""
    parts = text.split(",")
    if len(parts) != 4 or not all(_BOUND.fullmatch(part) for part in parts):
        return None
    x0, x1, y0, y1 = map(float, parts)
    wide = min(x1 - x0, y1 - y0) > NARROWEST
    return (x0, x1, y0, y1) if wide else None


def _brush(text: str) -> str:
    """Corners, axes, epoch and column, as `Selection` reads them: "0,0,1,0,1,1|a1|a2|3|run"."""
    return text if len(text) <= LONGEST_BRUSH and _BRUSH.fullmatch(text) else ""


def _positive(text: str, default: float) -> float:
    """A decimal of at most 1, as "0.03" or "5e-06"."""
    return float(text) if _DECIMAL.fullmatch(text) and 0 < float(text) <= 1 else default


def _pair(text: str) -> tuple[float, float] | None:
    """Two coordinates, as "-1.25,0.5"."""
    known = _COORDINATES.fullmatch(text)
    return (float(known[1]), float(known[2])) if known else None


def pair_of(of: str) -> tuple[str, int, int] | None:
    """Kind and numbers, from 1, of a pair of axes, as "pc3.5"; None for another text."""
    known = _PAIR_OF.fullmatch(of)
    return (known[1], int(known[2]), int(known[3])) if known and known[2] != known[3] else None


def reference_of(of: str) -> str | None:
    """Id of the run that principal axes are turned onto, of "pca|run"; None for another text."""
    kind, bar, run = of.partition("|")
    return run if kind == "pca" and bar and 0 < len(run) <= LONGEST_BRUSH else None


def axes_of(text: str) -> str:
    """The name of the axes that a place has coordinates of; "" for another text."""
    return text if text == "ab" or pair_of(text) or reference_of(text) else ""


def _against(text: str) -> str:
    epoch = text[:1] == "e" and _number(text[1:])
    return text if text == "first" or epoch or text[:1] == "r" else State.against


def axis(text: str, default: str | None = None) -> str:
    """The name of an axis, "a1" or "z5"; the default for another text, ValueError without one."""
    if text[:1] in {"a", "z"} and _number(text[1:]) and int(text[1:]):
        return text
    if default is None:
        raise ValueError(f"{text} is no axis")
    return default

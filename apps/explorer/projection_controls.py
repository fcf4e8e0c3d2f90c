"""The controls of the page of projections; each hides where it means nothing."""

from collections.abc import Sequence

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from apps.explorer import cards, colours, interpolation, panels
from apps.explorer import state as url
from lab.layouts import NAMES
from lab.runs import Run

KINDS = {"pca": "principal axes", "ab": "A → B", **NAMES, "pairs": "pairs of dimensions"}
DRAWN = {"density": "q(z)", "gap": "gap", "centres": "centres"}
BASES = {"activity": "by activity", "index": "by index", "pca": "principal axes"}


def controls(state: url.State, chosen: Sequence[Run]) -> list[Component]:
    """All of them, those of maps, of points and of pairs in groups of their own."""
    switch = dmc.Switch(id="projections-prior", checked=state.prior, size="sm")
    columns = dict.fromkeys(c for run in chosen for c in colours.labels(run))
    offered = [{"value": c, "label": c} for c in (*columns, "length", "method")]
    colour = colours.colour_column(state, chosen)
    return [
        cards.segments("projections-kind", KINDS, state.projection),
        _group(
            "map",
            cards.control("Map", cards.segments("projections-drawn", DRAWN, state.drawn)),
            cards.control("Range", cards.limits("projections-limit", state)),
            cards.control("Prior", switch),
        ),
        _group(
            "points",
            cards.control("Colour", cards.select("projections-colour", offered, colour, 130)),
        ),
        _group("pairs", *_pairs(state)),
        html.Div(
            [_slider(state, chosen), html.Span(id="projections-epoch-words")],
            className="control epoch",
        ),
    ]


def ends(state: url.State, chosen: Sequence[Run]) -> list[Component]:
    """The boxes of the sentences A and B, where the projection leads from one to the other."""
    return interpolation.ends(state, chosen) if state.projection == "ab" else []


def _pairs(state: url.State) -> list[Component]:
    bases = [{"value": v, "label": label} for v, label in BASES.items()]
    counts = [{"value": f"{c}", "label": f"{c}"} for c in url.PAIR_COUNTS]
    words = dmc.TextInput(
        id="pairs-words", value=state.pairs, placeholder="1 2, 3 4", debounce=True, w=130, size="sm"
    )
    return [
        cards.control("Dimensions", cards.select("pairs-by", bases, state.by, 140)),
        cards.control("Pairs", cards.select("pairs-count", counts, f"{state.count}", 70)),
        cards.control("or these", words),
    ]


def _slider(state: url.State, chosen: Sequence[Run]) -> Component:
    last = panels.last_epoch(chosen)
    return dmc.Slider(
        id="projections-epoch", min=0, max=last, step=1, value=panels.epoch_of(state, last),
        size="sm", color="gray", updatemode="drag", label=None,
    )  # fmt: skip


def _group(kind: str, *controls: Component) -> html.Div:
    return html.Div(list(controls), id=f"projections-{kind}", className="some")

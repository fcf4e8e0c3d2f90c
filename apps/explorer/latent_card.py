"""The card of one column of the latent page, and the grid that the cards stand in."""

import json
from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from apps.explorer import cards, theme
from apps.explorer.columns import ACTIONS, Column
from apps.explorer.view import View, categories

MOST_IN_A_ROW, MOST_IN_A_NARROW_ROW = 6, 4
DENSE_FROM = 6  # columns in a row from which they stand closer and print smaller
# Autoscale leaves a zoom; plotly's reset would go back to the zoom that a link opened with.
CONFIG = {
    **theme.CONFIG,
    "doubleClick": "autosize",
    "modeBarButtonsToRemove": ["zoomIn2d", "zoomOut2d", "resetScale2d"],
}


def part(kind: str, column: Column) -> dict[str, str]:
    """Id of one part of a column."""
    return {"type": f"latent-{kind}", "run": column.id}


def picture(column: Column, layer: str, kind: str = "latent") -> dict[str, str]:
    """Id of one picture of a column, or of its figure on the way from the server."""
    return {"type": kind, "run": column.id, "layer": layer}


def grid(view: View, shown: Sequence[Column], layers: Sequence[str]) -> Component:
    """All columns, in rows of the same length; without columns what to do."""
    empty = cards.nothing(view, [column.run for column in shown])
    if empty:
        return empty
    wide, narrow = (_row(len(shown), most) for most in (MOST_IN_A_ROW, MOST_IN_A_NARROW_ROW))
    dense = " dense" if wide >= DENSE_FROM or len(shown) > wide else ""
    return html.Div(
        [card(column, layers) for column in shown],
        className=f"columns latent{dense}",
        style={"--wide": wide, "--narrow": narrow, "--rows": 3 + len(layers)},
    )


def _row(count: int, most: int) -> int:
    """Columns in a row: as few rows as possible, none of them much shorter than the others."""
    rows = -(-count // most)
    return -(-count // rows)


def card(column: Column, layers: Sequence[str]) -> Component:
    """One column: head, numbers, a picture for each layer, verdict."""
    head = html.Header([html.Div(id=part("head", column)), _menu(column)])
    return html.Article(
        [
            head,
            html.Div(id=part("numbers", column)),
            *(_panel(column, layer) for layer in layers),
            html.P(id=part("verdict", column), className="verdict"),
            # A store without data would bring back what an earlier one of its id held.
            dcc.Store(id=part("drawn", column), data=""),
            *(dcc.Store(id=picture(column, layer, "latent-made"), data="") for layer in layers),
        ]
    )


def _panel(column: Column, layer: str) -> Component:
    drawn = "draws" if categories(column.run) else "centres"
    title, caption = {
        "density": ("Aggregated posterior", "density"),
        "gap": ("Density gap log q/p", "gap"),
        "centres": (f"Posterior {drawn}", drawn),
    }[layer]
    square = cards.graph(picture(column, layer))
    square.children.config = CONFIG
    return cards.panel(title, caption, square)


def _menu(column: Column) -> html.Button:
    """What can be done with a column."""
    offered = ("split", "pin", "drop") if column.pin is None else ("join", "drop")
    acts = json.dumps({"run": column.id, "acts": {act: ACTIONS[act] for act in offered}})
    named = {"aria-label": "Epochs of this run", "aria-haspopup": "menu", "data-acts": acts}
    return html.Button("⋯", className="plain more", **named)

"""Changing a picture in place, so that the reader's zoom and tool stay."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
from dash import Patch, ctx
from dash.exceptions import PreventUpdate

READERS = ("range", "autorange")


def redraw(figure: go.Figure, known: str | None) -> go.Figure | Patch:
    """The figure; or, where one of the same `uirevision` stands already, what changes in that one.

    `known` is its `uirevision`. Stores that keep it begin with data="": one without would bring
    back what the store before it held, for a graph that is not there yet.

    Dash writes a zoom into the figure that the page holds, which takes it out of plotly's own care;
    a figure sent whole would therefore undo it.
    """
    content = figure.to_dict()
    layout = {"selections": [], **content["layout"]}
    if known is None or known != layout.get("uirevision"):
        return figure
    patch = Patch()
    patch["data"] = content["data"]
    for key, value in layout.items():
        if key in ("xaxis", "yaxis"):
            for name in value.keys() - set(READERS):
                patch["layout"][key][name] = value[name]
        elif key != "dragmode":
            patch["layout"][key] = value
    return patch


def redrawn(stamp: str, drawn: Any, make: Callable[[], tuple[Any, ...]]) -> list[Any]:
    """A column as `make` has it, its figure first, and at its end what to keep of it as `drawn`.

    PreventUpdate where the folder changed, but not the `stamp` of this column.
    """
    known, axes = drawn or (None, None)
    if ctx.triggered_id == "revision" and stamp == known:
        raise PreventUpdate
    figure, *rest = make()
    return [redraw(figure, axes), *rest, [stamp, figure.layout.uirevision]]

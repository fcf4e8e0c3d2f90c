"""The page of projections: principal axes, the axis of two texts, layouts, pairs of dimensions."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from dash import MATCH, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import (
    cards,
    clicks,
    colours,
    pairs,
    panels,
    projection_cards,
    projection_clicks,
    projection_column,
    projection_controls,
    projection_jobs,
)
from apps.explorer import state as url
from apps.explorer.columns import columns
from apps.explorer.projection_column import Pictures
from apps.explorer.redraw import redraw
from apps.explorer.view import View
from lab.layouts import NAMES
from lab.runs import Run

TITLE = "Projections"


def layout(view: View, state: url.State) -> Component:
    """Toolbar, legend, one column per run, or one row of its pairs."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(projection_controls.controls(state, chosen), className="toolbar"),
            html.Div(
                projection_controls.ends(state, chosen), id="projections-ends", className="toolbar"
            ),
            html.Div(id="projections-legend"),
            html.Div(projection_cards.body(view, state), id="projections-columns"),
            dcc.Store(id="projections-shown", data=_shown(view, state)),
            dcc.Store(id="projections-browser", data=uuid4().hex),
            dcc.Interval(id="projections-clock", interval=1_000, disabled=True),
            *clicks.parts("projections"),
        ],
        className="page projections",
    )


def _shown(view: View, state: url.State) -> list[Any]:
    """What decides which cards there are."""
    size = pairs.cells(state, view.chosen(state.runs)) if state.projection == "pairs" else ()
    return [state.projection, [*size], [shown.id for shown in columns(view, state)]]


def legend(view: View, state: url.State, chosen: Sequence[Run]) -> Component:
    """The scale of the maps and the classes of the points, once for all."""
    scales, classes = [], []
    if state.projection not in NAMES:
        scales = [panels.gap_scale()] if state.drawn == "gap" else panels.scales(chosen)
    if state.projection != "pairs":
        classes = colours.legend(view, state, chosen)
    return cards.legend([*scales, *classes])


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""
    pictures = Pictures(view)
    _register_frame(app, view)
    _register_heads(app, view)
    _register_planes(app, pictures)
    _register_pairs(app, pictures)
    projection_jobs.register(app, pictures.layouts)
    clicks.told(app, "projections", partial(projection_clicks.found, pictures))
    _register_browser(app)


def _register_frame(app: Dash, view: View) -> None:
    @app.callback(
        Output("projections-columns", "children"),
        Output("projections-shown", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        State("projections-shown", "data"),
        prevent_initial_call=True,
    )
    def show_columns(search: str, _revision: str, shown: list[Any]) -> Any:
        state = url.State.parse(search)
        now = _shown(view, state)
        if now[-1] and now == shown:
            raise PreventUpdate
        return projection_cards.body(view, state), now

    @app.callback(
        Output("projections-ends", "children"),
        Input("projections-kind", "value"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def show_ends(kind: str, search: str) -> Any:
        state = replace(url.State.parse(search), projection=kind)
        return projection_controls.ends(state, view.chosen(state.runs))

    @app.callback(
        Output("projections-legend", "children"),
        *[Output(f"projections-{kind}", "hidden") for kind in ("map", "points", "pairs")],
        Input("view", "data"),
        Input("revision", "data"),
    )
    def show_legend(search: str, _revision: str) -> Any:
        state = url.State.parse(search)
        kind = state.projection
        made = legend(view, state, view.chosen(state.runs))
        return made, kind in NAMES, kind == "pairs", kind != "pairs"

    @app.callback(
        Output("projections-epoch", "max"),
        Output("projections-epoch", "value"),
        Output("projections-epoch-words", "children"),
        Output("projections-epoch-words", "style"),
        Input("view", "data"),
        Input("revision", "data"),
        State("projections-epoch", "max"),
    )
    def show_epoch(search: str, _revision: str, known: int) -> Any:
        state = url.State.parse(search)
        return panels.slider(state, view.chosen(state.runs), known)


def _register_heads(app: Dash, view: View) -> None:
    @app.callback(
        Output({"type": "projections-head", "run": MATCH}, "children"),
        Output({"type": "projections-numbers", "run": MATCH}, "children"),
        Input("view", "data"),
        Input("revision", "data"),
        State({"type": "projections-head", "run": MATCH}, "id"),
    )
    def show_head(search: str, _revision: str, part: dict[str, str]) -> Any:
        return projection_column.told(view, url.State.parse(search), part["run"])


def _register_planes(app: Dash, pictures: Pictures) -> None:
    @app.callback(
        Output({"type": "projected-map", "run": MATCH}, "figure"),
        Output({"type": "projected-mapped", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State({"type": "projected-map", "run": MATCH}, "id"),
        State({"type": "projected-mapped", "run": MATCH}, "data"),
        State("projections-shown", "data"),
    )
    def show_map(
        search: str, _revision: str, mode: str, part: dict[str, str], drawn: Any, shown: list[Any]
    ) -> Any:
        state = _unless_replaced(search, shown)
        stamp, axes = _unless_drawn(pictures.view, part["run"], drawn)
        figure = projection_column.map_figure(pictures, state, part["run"], mode or "light")
        return redraw(figure, axes), [stamp, figure.layout.uirevision]

    @app.callback(
        Output({"type": "projected-points", "run": MATCH}, "figure"),
        Output({"type": "projected-words", "run": MATCH}, "children"),
        Output({"type": "projected-drawn", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        Input({"type": "projected-found", "run": MATCH}, "data"),
        State({"type": "projected-points", "run": MATCH}, "id"),
        State({"type": "projected-drawn", "run": MATCH}, "data"),
        State("projections-shown", "data"),
    )
    def show_points(
        search: str, _revision: str, mode: str, _found: Any, part: dict[str, str], drawn: Any,
        shown: list[Any],
    ) -> Any:  # fmt: skip
        state = _unless_replaced(search, shown)
        stamp, axes = _unless_drawn(pictures.view, part["run"], drawn)
        name, mode = part["run"], mode or "light"
        figure, words = projection_column.points_column(pictures, state, name, mode)
        return redraw(figure, axes), words, [stamp, figure.layout.uirevision]


def _unless_replaced(search: str, shown: list[Any]) -> url.State:
    """The state; stops while the cards are being replaced by those of another projection."""
    state = url.State.parse(search)
    if shown[0] != state.projection:
        raise PreventUpdate
    return state


def _unless_drawn(view: View, name: str, drawn: Any) -> tuple[str, str | None]:
    """The run's stamp and the axes drawn; stops where the folder changed, but not this run."""
    run, _ = view.named(name) or (None, None)
    stamp, (known, axes) = panels.stamp(view, run.id if run else name), drawn or (None, None)
    if ctx.triggered_id == "revision" and stamp == known:
        raise PreventUpdate
    return stamp, axes


def _register_pairs(app: Dash, pictures: Pictures) -> None:
    @app.callback(
        Output({"type": "pairs", "run": MATCH}, "figure"),
        Output({"type": "pairs-drawn", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State({"type": "pairs", "run": MATCH}, "id"),
        State({"type": "pairs-drawn", "run": MATCH}, "data"),
        State("projections-shown", "data"),
    )
    def show_pairs(
        search: str, _revision: str, mode: str, part: dict[str, str], drawn: Any, shown: list[Any]
    ) -> Any:
        state = _unless_replaced(search, shown)
        stamp, _ = _unless_drawn(pictures.view, part["run"], drawn)
        figure = pairs.figure(pictures, state, part["run"], mode or "light")
        return figure, [stamp, figure.layout.uirevision]


def _register_browser(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("projections", "controls"),
        Output("view", "data", allow_duplicate=True),
        Input("projections-kind", "value"),
        Input("projections-drawn", "value"),
        Input("projections-limit", "value"),
        Input("projections-prior", "checked"),
        Input("projections-colour", "value"),
        Input("pairs-by", "value"),
        Input("pairs-count", "value"),
        Input("pairs-words", "value"),
        Input("projections-epoch", "value"),
        State("projections-epoch", "max"),
        prevent_initial_call=True,
    )

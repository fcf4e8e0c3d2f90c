"""The page of holes: where the prior goes and no posterior does, and what is said there."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import dash_mantine_components as dmc
from dash import (
    ALL,
    MATCH,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    dcc,
    html,
    no_update,
)
from dash.development.base_component import Component

from apps.explorer import cards, hole_parts, panels
from apps.explorer import state as url
from apps.explorer.looked_at import LookedAt
from apps.explorer.redraw import redrawn
from apps.explorer.view import View
from lab.runs import Run

TITLE = "Holes"
GROUNDS = {"gap": "gap", "density": "q(z)"}
FILLS = {"nearest": "of the nearest code", "zeros": "zero", "prior": "of a prior draw"}


def layout(view: View, state: url.State) -> Component:
    """Toolbar, legend, one column per run: map, holes, the place looked at, what is said there."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(_controls(state, chosen), className="toolbar"),
            html.Div(id="holes-legend"),
            html.Div(_columns(view, chosen), id="holes-columns"),
            dcc.Store(id="holes-shown", data=[r.id for r in chosen]),
        ],
        className="page",
    )


def _controls(state: url.State, chosen: Sequence[Run]) -> list[Component]:
    axes, epoch = cards.axes(state, chosen), "" if state.epoch is None else str(state.epoch)
    return [
        cards.control("Across", cards.select("holes-x", axes, state.x, 160)),
        cards.control("Up", cards.select("holes-y", axes, state.y, 160)),
        cards.control("Range", cards.limits("holes-limit", state)),
        cards.control("Prior", dmc.Switch(id="holes-prior", checked=state.prior, size="sm")),
        cards.control("Map", cards.segments("holes-ground", GROUNDS, state.ground)),
        cards.control("Other coordinates", cards.segments("holes-fill", FILLS, state.fill)),
        cards.control("At", cards.select("holes-epoch", _epochs(chosen), epoch, 128)),
    ]


def _epochs(chosen: Sequence[Run]) -> list[dict[str, str]]:
    return cards.epochs(chosen, "best model")


def _columns(view: View, chosen: Sequence[Run]) -> Component:
    made = cards.nothing(view, chosen) or cards.columns([_card(run) for run in chosen])
    return html.Div(made, className="holes")


def _card(run: Run) -> Component:
    said = dcc.Loading(
        html.Div(id=cards.part("place-texts", run)), delay_show=300, type="dot",
        color="var(--accent)",
    )  # fmt: skip
    compared = dcc.Loading(
        html.Div(id=cards.part("holes-said", run)), type="dot", color="var(--accent)"
    )
    button = html.Button(
        "Decode and compare", id=cards.part("holes-compare", run), className="plain ask"
    )
    asked = html.Div([button, compared], className="said")
    return html.Article(
        [
            html.Header(id=cards.part("holes-head", run)),
            cards.panel("Map", "gap", cards.graph(cards.part("holes-map", run))),
            cards.panel("Holes", "holes", html.Div(id=cards.part("holes-list", run))),
            cards.panel(
                "The place", "place", html.Div([html.Div(id=cards.part("place", run)), said])
            ),
            cards.panel("Inside and outside of holes", "said", asked),
            dcc.Store(id=cards.part("holes-drawn", run), data=""),
            dcc.Store(id=cards.part("holes-found", run)),
        ]
    )  # fmt: skip


def legend(state: url.State, chosen: Sequence[Run]) -> Component:
    """The scale of the maps, once for all."""
    if state.ground == "density":
        return cards.legend(panels.scales(chosen))
    return cards.legend([panels.gap_scale()])


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""
    looked = view.shared(LookedAt)
    places = looked.places

    @app.callback(
        Output("holes-columns", "children"),
        Output("holes-shown", "data"),
        Output("holes-epoch", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        State("holes-shown", "data"),
        prevent_initial_call=True,
    )
    def show_columns(search: str, _revision: str, shown: list[str]) -> Any:
        chosen = view.chosen(url.State.parse(search).runs)
        ids = [r.id for r in chosen]
        same = ids and ids == shown
        columns = (no_update, no_update) if same else (_columns(view, chosen), ids)
        return *columns, _epochs(chosen)

    @app.callback(Output("holes-legend", "children"), Input("view", "data"))
    def show_legend(search: str) -> Component:
        state = url.State.parse(search)
        return legend(state, view.chosen(state.runs))

    @app.callback(
        Output({"type": "holes-map", "run": MATCH}, "figure"),
        Output({"type": "holes-head", "run": MATCH}, "children"),
        Output({"type": "place", "run": MATCH}, "children"),
        Output({"type": "holes-drawn", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        Input({"type": "holes-found", "run": MATCH}, "data"),
        State({"type": "holes-map", "run": MATCH}, "id"),
        State({"type": "holes-drawn", "run": MATCH}, "data"),
    )
    def show_column(
        search: str, _revision: str, mode: str, _found: Any, part: dict[str, str], drawn: Any
    ) -> Any:
        column = partial(
            hole_parts.column, looked, url.State.parse(search), part["run"], mode or "light"
        )
        return redrawn(panels.stamp(view, part["run"]), drawn, column)

    @app.callback(
        Output({"type": "holes-list", "run": MATCH}, "children"),
        Output({"type": "holes-found", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        State({"type": "holes-list", "run": MATCH}, "id"),
        State({"type": "holes-found", "run": MATCH}, "data"),
    )
    def show_list(search: str, _revision: str, part: dict[str, str], known: str | None) -> Any:
        listed, found = hole_parts.ranking(places, url.State.parse(search), part["run"])
        return listed, no_update if found == known else found

    @app.callback(
        Output({"type": "place-texts", "run": MATCH}, "children"),
        Input("view", "data"),
        Input({"type": "holes-drawn", "run": MATCH}, "data"),
        State({"type": "place-texts", "run": MATCH}, "id"),
    )
    def show_texts(search: str, _drawn: Any, part: dict[str, str]) -> Any:
        return hole_parts.texts(looked, url.State.parse(search), part["run"])

    @app.callback(
        Output({"type": "holes-said", "run": MATCH}, "children"),
        Input({"type": "holes-compare", "run": MATCH}, "n_clicks"),
        State({"type": "holes-compare", "run": MATCH}, "id"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def compare(_clicks: int, part: dict[str, str], search: str) -> Any:
        return hole_parts.said(places, url.State.parse(search), part["run"])

    _register_browser(app)


def _register_browser(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("holes", "controls"),
        Output("view", "data", allow_duplicate=True),
        Input("holes-x", "value"),
        Input("holes-y", "value"),
        Input("holes-limit", "value"),
        Input("holes-prior", "checked"),
        Input("holes-ground", "value"),
        Input("holes-fill", "value"),
        Input("holes-epoch", "value"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("holes", "point"),
        Output("view", "data", allow_duplicate=True),
        Input({"type": "holes-map", "run": ALL}, "clickData"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("holes", "row"),
        Output("view", "data", allow_duplicate=True),
        Input({"type": "hole", "run": ALL, "draw": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )

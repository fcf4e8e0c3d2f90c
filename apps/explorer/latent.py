"""The page of latent spaces: densities, gaps and centres of runs and epochs side by side."""

from dataclasses import replace
from typing import Any

from dash import (
    ALL,
    MATCH,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    ctx,
    dcc,
    html,
    no_update,
)
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import behind, clicks, item, latent_bar, latent_card, panels
from apps.explorer import state as url
from apps.explorer.ahead import Ahead
from apps.explorer.clicks import Click
from apps.explorer.columns import acted, columns
from apps.explorer.selection import Selection
from apps.explorer.view import View
from lab.errors import UserError

TITLE = "Latent space"


def layout(view: View, state: url.State) -> Component:
    """Toolbar, legend, one card per column, the table of selected items."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(latent_bar.controls(view, state, chosen), className="toolbar"),
            html.Div(id="latent-legend"),
            html.Div(latent_card.grid(view, columns(view, state), state.show), id="latent-columns"),
            dcc.Store(id="latent-shown", data=_shown(view, state)),
            dcc.Store(id="latent-act"),
            html.Div(id="selected", className="selected"),
            *clicks.parts("latent"),
            dcc.Store(id="latent-outline"),
        ],
        className="page",
    )


def _shown(view: View, state: url.State) -> list[list[str]]:
    """What stands on the page: columns and layers."""
    return [[column.id for column in columns(view, state)], list(state.show)]


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""
    _register_frame(app, view)
    _register_columns(app, view)
    _register_item(app, view)
    _register_browser(app)
    _register_player(app)
    behind.register(app, view)


def _register_frame(app: Dash, view: View) -> None:
    @app.callback(
        Output("latent-columns", "children"),
        Output("latent-shown", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        State("latent-shown", "data"),
        prevent_initial_call=True,
    )
    def show_columns(search: str, _revision: str, shown: list[list[str]]) -> Any:
        state = url.State.parse(search)
        wanted = _shown(view, state)
        if wanted[0] and wanted == shown:
            return no_update, no_update
        return latent_card.grid(view, columns(view, state), state.show), wanted

    @app.callback(
        Output("epoch", "max"),
        Output("epoch", "value"),
        Output("epoch-words", "children"),
        Output("epoch-words", "style"),
        Output("dumps", "data"),
        Output("latent-legend", "children"),
        Input("view", "data"),
        Input("revision", "data"),
        State("epoch", "max"),
    )
    def show_frame(search: str, _revision: str, known: int) -> Any:
        state = url.State.parse(search)
        chosen = view.chosen(state.runs)
        legend = panels.legend(view, state, chosen)
        return *panels.slider(state, chosen, known), latent_bar.dumps(chosen), legend

    @app.callback(Output("selected", "children"), Input("brush", "data"), State("view", "data"))
    def show_selected(brush: str, search: str) -> Any:
        return panels.selected_table(view, replace(url.State.parse(search), brush=brush))


def _register_columns(app: Dash, view: View) -> None:
    ahead = Ahead()

    @app.callback(
        Output({"type": "latent-made", "run": MATCH, "layer": ALL}, "data"),
        Output({"type": "latent-head", "run": MATCH}, "children"),
        Output({"type": "latent-numbers", "run": MATCH}, "children"),
        Output({"type": "latent-verdict", "run": MATCH}, "children"),
        Output({"type": "latent-drawn", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        Input("brush", "data"),
        State({"type": "latent-drawn", "run": MATCH}, "id"),
        State({"type": "latent-drawn", "run": MATCH}, "data"),
    )
    def show_column(
        search: str, _revision: str, mode: str, brush: str, part: dict[str, str], drawn: Any
    ) -> Any:
        name, layers = part["run"], [one["id"]["layer"] for one in ctx.outputs_list[0]]
        stamp = panels.stamp(view, name)
        known, under = drawn or (None, None)
        if ctx.triggered_id == "revision" and stamp == known:
            raise PreventUpdate
        state = replace(url.State.parse(search), brush=brush)
        unmarked = f"{mode} {replace(state, brush='')}"
        # Only the brush has changed, and what it lies on is there already.
        marks = list(ctx.triggered_prop_ids) == ["brush.data"] and (known, under) == (
            stamp, unmarked
        )  # fmt: skip
        figures = [
            no_update
            if marks and layer != "centres"
            else panels.picture(view, state, name, layer, mode or "light")
            for layer in layers
        ]
        words = [no_update] * 3 if marks else panels.words(view, state, name)
        panels.look_ahead(view, ahead, state, name)
        return figures, *words, [stamp, unmarked]

    # By way of the browser, as only there it is known what the reader has set in the meantime.
    app.clientside_callback(
        ClientsideFunction("redraw", "keep"),
        Output({"type": "latent", "run": MATCH, "layer": MATCH}, "figure"),
        Input({"type": "latent-made", "run": MATCH, "layer": MATCH}, "data"),
        State({"type": "latent", "run": MATCH, "layer": MATCH}, "figure"),
    )
    app.clientside_callback(
        ClientsideFunction("latent", "select"),
        Output("latent-outline", "data"),
        Input({"type": "latent", "run": ALL, "layer": "centres"}, "selectedData"),
        State({"type": "latent", "run": ALL, "layer": "centres"}, "id"),
        prevent_initial_call=True,
    )


def _register_item(app: Dash, view: View) -> None:
    @app.callback(
        Output("latent-found", "data", allow_duplicate=True),
        Input("latent-act", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def act(chosen: Any, search: str) -> Any:
        try:
            run, action = str(chosen["run"]), chosen["act"]
            names = acted(view, url.State.parse(search), run, action)
        except (UserError, TypeError, KeyError) as error:
            raise PreventUpdate from error
        return {"run": names}

    def find(state: url.State, clicked: Click) -> dict[str, str]:
        if clicked.layer != "centres":
            return item.placed(clicked.point)
        return {"item": item.clicked(view, state, clicked.run, clicked.point)}

    clicks.told(app, "latent", find)

    @app.callback(
        Output("brush", "data", allow_duplicate=True),
        Input("latent-outline", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def draw_around(outline: Any, search: str) -> Any:
        if outline is None:  # the page has just opened
            raise PreventUpdate
        if not outline:
            return ""
        try:
            return str(Selection.drawn(view, url.State.parse(search), outline))
        except (UserError, TypeError, KeyError, ValueError) as error:
            raise PreventUpdate from error


def _register_browser(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("latent", "controls"),
        Output("view", "data", allow_duplicate=True),
        Input("axis-x", "value"),
        Input("axis-y", "value"),
        Input("colour", "value"),
        Input("limit", "value"),
        Input("prior", "checked"),
        Input("epoch", "value"),
        Input("behind", "value"),
        Input("category", "value"),
        Input("show-layers", "value"),
        State("epoch", "max"),
        State("offered", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("zoom", "share"),
        Input({"type": "latent", "run": ALL, "layer": ALL}, "relayoutData"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("zoom", "whole"),
        Output("latent-whole", "hidden"),
        Input("latent-whole", "n_clicks"),
        Input("view", "data"),
    )


def _register_player(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("player", "step"),
        Output("clock", "disabled"),
        Output("epoch", "value", allow_duplicate=True),
        Input("play", "n_clicks"),
        Input("clock", "n_intervals"),
        State("clock", "disabled"),
        State("epoch", "value"),
        State("dumps", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("player", "watch"),
        Input("epoch", "value"),
        Input("dumps", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("player", "face"),
        Output("play", "children"),
        Output("play", "aria-label"),
        Input("clock", "disabled"),
    )

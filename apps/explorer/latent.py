"""The page of latent spaces: densities, gaps and centres of runs and epochs side by side."""

from collections.abc import Sequence
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
    ctx,
    dcc,
    html,
    no_update,
)
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import behind, cards, colours, item, latent_card, panels, sentence_column, text
from apps.explorer import state as url
from apps.explorer.ahead import Ahead
from apps.explorer.columns import acted, columns
from apps.explorer.selection import Selection
from apps.explorer.view import View
from lab.errors import UserError
from lab.runs import Run

TITLE = "Latent space"
RANKS_OFFERED = 8
TICK_MILLISECONDS = 80  # how often the player looks whether it may show its next frame
LAYERS = {"density": "q(z)", "gap": "gap log q/p", "centres": "centres"}


def layout(view: View, state: url.State) -> Component:
    """Toolbar, legend, one card per column, the table of selected items."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(_controls(view, state, chosen), className="toolbar"),
            html.Div(id="latent-legend"),
            html.Div(latent_card.grid(view, columns(view, state), state.show), id="latent-columns"),
            dcc.Store(id="latent-shown", data=_shown(view, state)),
            dcc.Store(id="latent-found"),
            dcc.Store(id="latent-clicked"),
            dcc.Store(id="latent-act"),
            html.Div(id="selected", className="selected"),
            html.Div(id="latent-item"),
            dcc.Store(id="selection"),
        ],
        className="page",
    )


def _shown(view: View, state: url.State) -> list[list[str]]:
    """What stands on the page: columns and layers."""
    return [[column.id for column in columns(view, state)], list(state.show)]


def _controls(view: View, state: url.State, chosen: Sequence[Run]) -> list[Component]:
    axes = _axis_options(chosen)
    limits = [{"value": f"{v:g}", "label": f"± {v:g}"} for v in url.LIMITS]
    last = panels.last_epoch(chosen)
    slider = dmc.Slider(
        id="epoch", min=0, max=last, value=last if state.epoch is None else min(state.epoch, last),
        step=1,
        size="sm", color="gray", updatemode="drag", label=None,
    )  # fmt: skip
    player = html.Button(id="play", className="plain play")
    whole = html.Button(
        "Whole map", id="latent-whole", className="plain ask", hidden=state.zoom is None
    )
    return [
        cards.control("Show", _layers(state)),
        cards.control("Across", _select("axis-x", axes, state.x, 160)),
        cards.control("Up", _select("axis-y", axes, state.y, 160)),
        cards.control(
            "Colour",
            _select("colour", _colour_options(chosen), colours.colour_column(state, chosen), 130),
        ),
        cards.control("Range", _select("limit", limits, f"{state.limit:g}", 84)),
        whole,
        cards.control("Prior", dmc.Switch(id="prior", checked=state.prior, size="sm")),
        *behind.controls(view, state, chosen),
        html.Div([player, slider, html.Span(id="epoch-words")], className="control epoch"),
        dcc.Interval(id="clock", interval=TICK_MILLISECONDS, disabled=True),
        dcc.Store(id="dumps", data=_dumps(chosen)),
    ]


def _layers(state: url.State) -> Component:
    chips = [dmc.Chip(name, value=layer, size="xs") for layer, name in LAYERS.items()]
    group = dmc.ChipGroup(
        dmc.Group(chips, gap=4), id="show-layers", multiple=True, value=list(state.show)
    )
    return html.Div(group)


def _select(component_id: str, data: list[Any], value: str, width: int) -> dmc.Select:
    return dmc.Select(
        id=component_id, data=data, value=value, w=width, size="sm", allowDeselect=False,
        checkIconPosition="right",
        comboboxProps={"width": max(width, 180), "position": "bottom-start"}, maxDropdownHeight=360,
    )  # fmt: skip


def _axis_options(chosen: Sequence[Run]) -> list[dict[str, Any]]:
    width = max((r.info.get("latent", {}).get("dimensions", 0) for r in chosen), default=0)
    ranks = [
        {"value": f"a{i + 1}", "label": text.rank(i)} for i in range(min(width, RANKS_OFFERED))
    ]
    names = [{"value": f"z{i + 1}", "label": text.dimension(i)} for i in range(width)]
    return [{"group": "By activity", "items": ranks}, {"group": "By index", "items": names}]


def _colour_options(chosen: Sequence[Run]) -> list[dict[str, str]]:
    columns = dict.fromkeys(c for run in chosen for c in colours.labels(run))
    return [{"value": c, "label": c} for c in (*columns, "length", "method")]


def _dumps(chosen: Sequence[Run]) -> list[int]:
    return sorted({epoch for run in chosen for epoch in run.epochs})


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
        last = panels.last_epoch(chosen)
        epoch = last if state.epoch is None else min(state.epoch, last)
        # While the reader drags, an answer to an earlier position must not pull the slider back.
        handle = no_update if last == known else epoch
        words, room = (panels.readout(chosen, e) for e in (epoch, last))
        legend = panels.legend(view, state, chosen)
        return last, handle, words, {"minWidth": f"{0.86 * len(room)}ch"}, _dumps(chosen), legend

    @app.callback(Output("selected", "children"), Input("selection", "data"), State("view", "data"))
    def show_selected(selection: Any, search: str) -> Any:
        return panels.selected_table(view, url.State.parse(search), Selection.parse(selection))


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
        Input("selection", "data"),
        State({"type": "latent-drawn", "run": MATCH}, "id"),
        State({"type": "latent-drawn", "run": MATCH}, "data"),
    )
    def show_column(
        search: str, _revision: str, mode: str, marked: Any, part: dict[str, str], drawn: str
    ) -> Any:
        name, layers = part["run"], [one["id"]["layer"] for one in ctx.outputs_list[0]]
        stamp = panels.stamp(view, name)
        if ctx.triggered_id == "revision" and stamp == drawn:
            raise PreventUpdate
        state, selection = url.State.parse(search), Selection.parse(marked)
        marks = bool(drawn) and ctx.triggered_id == "selection"
        figures = [
            no_update
            if marks and layer != "centres"
            else panels.picture(view, state, name, layer, mode or "light", selection)
            for layer in layers
        ]
        words = [no_update] * 3 if marks else panels.words(view, state, name)
        panels.look_ahead(view, ahead, state, name)
        return figures, *words, stamp

    # By way of the browser, as only there it is known what the reader has set in the meantime.
    app.clientside_callback(
        ClientsideFunction("redraw", "keep"),
        Output({"type": "latent", "run": MATCH, "layer": MATCH}, "figure"),
        Input({"type": "latent-made", "run": MATCH, "layer": MATCH}, "data"),
        State({"type": "latent", "run": MATCH, "layer": MATCH}, "figure"),
    )
    app.clientside_callback(
        ClientsideFunction("latent", "select"),
        Output("selection", "data"),
        Input({"type": "latent", "run": ALL, "layer": "centres"}, "selectedData"),
        State({"type": "latent", "run": ALL, "layer": "centres"}, "id"),
        State("selection", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )


def _register_item(app: Dash, view: View) -> None:
    @app.callback(
        Output("latent-found", "data"),
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

    @app.callback(
        Output("latent-found", "data", allow_duplicate=True),
        Input("latent-clicked", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def find_item(clicked: Any, search: str) -> Any:
        try:
            point = [float(clicked["x"]), float(clicked["y"])]
            found = item.clicked(view, url.State.parse(search), str(clicked["run"]), point)
        except (UserError, TypeError, KeyError, ValueError) as error:
            raise PreventUpdate from error
        return {"item": found}

    @app.callback(Output("latent-item", "children"), Input("view", "data"))
    def show_item(search: str) -> Any:
        state = url.State.parse(search)
        if state.item is None:
            return None
        words = "Its neighbours, KL and decodes"
        link = dcc.Link(words, href=item.address(search), className="read")
        close = html.Button("Clear", id="latent-clear", className="plain ask")
        said = sentence_column.item_words(view, state)
        return html.Div([said, html.Div([link, close], className="after")], className="picked")


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
        ClientsideFunction("latent", "found"),
        Output("view", "data", allow_duplicate=True),
        Input("latent-found", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("latent", "clear"),
        Output("view", "data", allow_duplicate=True),
        Input("latent-clear", "n_clicks"),
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

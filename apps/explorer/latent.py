"""The page of latent spaces: per run the aggregated posterior above the posterior centres."""

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

from apps.explorer import behind, cards, panels, text
from apps.explorer import state as url
from apps.explorer.redraw import redraw
from apps.explorer.selection import Selection
from apps.explorer.view import View, categories
from lab.runs import Run

TITLE = "Latent space"
RANKS_OFFERED = 8
TICK_MILLISECONDS = 80  # how often the player looks whether it may show its next frame


def layout(view: View, state: url.State) -> Component:
    """Toolbar, legend, one column per run, the table of selected items."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(_controls(view, state, chosen), className="toolbar"),
            html.Div(id="latent-legend"),
            html.Div(_columns(view, chosen), id="latent-columns"),
            dcc.Store(id="latent-shown", data=[r.id for r in chosen]),
            html.Div(id="selected", className="selected"),
            dcc.Store(id="selection"),
        ],
        className="page",
    )


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
    return [
        cards.control("Across", _select("axis-x", axes, state.x, 160)),
        cards.control("Up", _select("axis-y", axes, state.y, 160)),
        cards.control(
            "Colour",
            _select("colour", _colour_options(chosen), panels.colour_column(state, chosen), 130),
        ),
        cards.control("Range", _select("limit", limits, f"{state.limit:g}", 84)),
        cards.control("Prior", dmc.Switch(id="prior", checked=state.prior, size="sm")),
        *behind.controls(view, state, chosen),
        html.Div([player, slider, html.Span(id="epoch-words")], className="control epoch"),
        dcc.Interval(id="clock", interval=TICK_MILLISECONDS, disabled=True),
        dcc.Store(id="dumps", data=_dumps(chosen)),
    ]


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
    columns = dict.fromkeys(c for run in chosen for c in panels.labels(run))
    return [{"value": c, "label": c} for c in (*columns, "length", "method")]


def _dumps(chosen: Sequence[Run]) -> list[int]:
    return sorted({epoch for run in chosen for epoch in run.epochs})


def _columns(view: View, chosen: Sequence[Run]) -> Component:
    return cards.nothing(view, chosen) or cards.columns([_card(run) for run in chosen])


def _card(run: Run) -> Component:
    density = cards.panel(
        "Aggregated posterior", "density", cards.graph(cards.part("density", run))
    )
    title, key = ("draws", "draws") if categories(run) else ("centres", "centres")
    centres = cards.panel(f"Posterior {title}", key, cards.graph(cards.part("centres", run)))
    return html.Article(
        [
            html.Header(id=cards.part("head", run)),
            html.Div(id=cards.part("numbers", run)),
            density,
            centres,
            html.P(id=cards.part("verdict", run), className="verdict"),
            dcc.Store(id=cards.part("drawn", run)),
            dcc.Store(id=cards.part("centred", run)),
        ]
    )


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""

    @app.callback(
        Output("latent-columns", "children"),
        Output("latent-shown", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        State("latent-shown", "data"),
        prevent_initial_call=True,
    )
    def show_columns(search: str, _revision: str, shown: list[str]) -> Any:
        chosen = view.chosen(url.State.parse(search).runs)
        ids = [r.id for r in chosen]
        return (no_update, no_update) if ids and ids == shown else (_columns(view, chosen), ids)

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

    @app.callback(
        Output({"type": "density", "run": MATCH}, "figure"),
        Output({"type": "head", "run": MATCH}, "children"),
        Output({"type": "numbers", "run": MATCH}, "children"),
        Output({"type": "verdict", "run": MATCH}, "children"),
        Output({"type": "drawn", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State({"type": "density", "run": MATCH}, "id"),
        State({"type": "drawn", "run": MATCH}, "data"),
    )
    def show_density(
        search: str, _revision: str, mode: str, part: dict[str, str], drawn: Any
    ) -> Any:
        stamp, axes = panels.stamp(view, part["run"]), None
        if drawn:
            known, axes = drawn
            if ctx.triggered_id == "revision" and stamp == known:
                raise PreventUpdate
        figure, *words = panels.density_column(
            view, url.State.parse(search), part["run"], mode or "light"
        )
        return redraw(figure, axes), *words, [stamp, figure.layout.uirevision]

    @app.callback(
        Output({"type": "centres", "run": MATCH}, "figure"),
        Output({"type": "centred", "run": MATCH}, "data"),
        Input("view", "data"),
        Input({"type": "drawn", "run": MATCH}, "data"),
        Input("theme", "data"),
        Input("selection", "data"),
        State({"type": "centres", "run": MATCH}, "id"),
        State({"type": "centred", "run": MATCH}, "data"),
    )
    def show_centres(
        search: str, _drawn: Any, mode: str, selection: Any, part: dict[str, str], axes: str | None
    ) -> Any:
        state, marked = url.State.parse(search), Selection.parse(selection)
        figure = panels.centres_column(view, state, part["run"], mode or "light", marked)
        return redraw(figure, axes), figure.layout.uirevision

    @app.callback(Output("selected", "children"), Input("selection", "data"), State("view", "data"))
    def show_selected(selection: Any, search: str) -> Any:
        return panels.selected_table(view, url.State.parse(search), Selection.parse(selection))

    app.clientside_callback(
        ClientsideFunction("explorer", "select"),
        Output("selection", "data"),
        Input({"type": "centres", "run": ALL}, "selectedData"),
        State({"type": "centres", "run": ALL}, "id"),
        State("selection", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("explorer", "latent"),
        Output("view", "data", allow_duplicate=True),
        Input("axis-x", "value"),
        Input("axis-y", "value"),
        Input("colour", "value"),
        Input("limit", "value"),
        Input("prior", "checked"),
        Input("epoch", "value"),
        Input("behind", "value"),
        Input("category", "value"),
        State("epoch", "max"),
        State("offered", "data"),
        prevent_initial_call=True,
    )
    _register_player(app)
    behind.register(app, view)


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
        ClientsideFunction("player", "face"),
        Output("play", "children"),
        Output("play", "aria-label"),
        Input("clock", "disabled"),
    )

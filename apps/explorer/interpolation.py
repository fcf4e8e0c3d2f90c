"""The page of interpolations: two ends, and what each run says on its way between them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import cards, holes, panels, path_curves, path_export, path_parts
from apps.explorer import state as url
from apps.explorer.path_ends import sentences
from apps.explorer.path_making import Paths
from apps.explorer.paths import pairs
from apps.explorer.redraw import redrawn
from apps.explorer.view import View
from lab.errors import UserError
from lab.runs import Run

TITLE = "Interpolation"
SUGGESTIONS = 12
KINDS = {"straight": "straight", "spherical": "spherical"}


def layout(view: View, state: url.State) -> Component:
    """Two sentences, one map per run, the decoded steps in aligned columns, curves along λ."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(ends(state, chosen), className="toolbar"),
            html.Div(_controls(state, chosen), className="toolbar"),
            html.Div(id="path-points"),
            html.Div([html.Div(id="path-legend"), _files()], className="legend-row"),
            html.Div(
                [html.Div(_columns(view, chosen), id="path-columns"), _loading("path-texts")],
                className="path-scroll",
            ),
            _loading("along"),
            dcc.Store(id="path-shown", data=[r.id for r in chosen]),
            dcc.Download(id="path-download"),
        ],
        className="page interpolation",
    )


def _loading(component_id: str) -> Component:
    part = html.Div(id=component_id)
    return dcc.Loading(part, delay_show=400, type="dot", color="var(--accent)")


def ends(state: url.State, chosen: Sequence[Run]) -> list[Component]:
    """The boxes of the two sentences, and the pairs that runs stored paths of."""
    a, b = sentences(state, chosen)
    options = [{"value": str(k), "label": f"{x}  →  {y}"} for k, (x, y) in enumerate(pairs(chosen))]
    stored = dmc.Select(
        id="pair", data=options, placeholder="stored pairs", w=150, size="sm",
        comboboxProps={"width": 560, "position": "bottom-end"},
    )  # fmt: skip
    return [_sentence("A", a), _sentence("B", b), cards.control("", stored)]


def _sentence(name: str, value: str) -> Component:
    box = dmc.Autocomplete(
        id=f"sentence-{name.lower()}", value=value, debounce=700, size="sm",
        placeholder="type or pick a sentence",
        data=[], maxDropdownHeight=320, filter={"function": "keepAll"},
    )  # fmt: skip
    return html.Label([html.Span(name), box], className="control sentence")


def _controls(state: url.State, chosen: Sequence[Run]) -> list[Component]:
    axes = cards.axes(state, chosen)
    steps = dmc.NumberInput(
        id="path-steps", value=state.steps, min=url.FEWEST_STEPS, max=url.MOST_STEPS, w=70,
        size="sm", allowDecimal=False, clampBehavior="blur", debounce=500,
    )  # fmt: skip
    return [
        cards.control("Path", cards.segments("path-kind", KINDS, state.path)),
        cards.control("Steps", steps),
        cards.control("Map", cards.segments("path-ground", holes.GROUNDS, state.ground)),
        cards.control("Across", cards.select("path-x", axes, state.x, 150)),
        cards.control("Up", cards.select("path-y", axes, state.y, 150)),
        cards.control("Range", cards.limits("path-limit", state)),
        cards.control("Prior", dmc.Switch(id="path-prior", checked=state.prior, size="sm")),
    ]


def _files() -> Component:
    buttons = [
        html.Button(f"Download {kind}", id=f"path-{kind.lower()}", className="plain ask")
        for kind in ("CSV", "JSON")
    ]
    return html.Div(buttons, className="files")


def _columns(view: View, chosen: Sequence[Run]) -> Component:
    return cards.nothing(view, chosen) or cards.columns([_card(run) for run in chosen])


def _card(run: Run) -> Component:
    return html.Article(
        [
            html.Header(id=cards.part("path-head", run)),
            cards.panel("Path", "path", cards.graph(cards.part("path", run))),
            html.Dl(id=cards.part("path-numbers", run), className="numbers"),
            html.Div(id=cards.part("path-notes", run), className="path-notes"),
            dcc.Store(id=cards.part("path-drawn", run), data=""),
        ]
    )


def suggestions(
    view: View, state: url.State, typed: str, longest: int = url.LONGEST_SENTENCE
) -> list[str]:
    """Dumped sentences of the first run shown that hold what was typed, none above the `longest`.

    A suggestion is whole: it is looked up again by its text.
    """
    for run in (r for r in view.chosen(state.runs) if r.epochs):
        try:
            texts = run.items["text"].unique(maintain_order=True)
        except UserError:
            continue
        wanted = texts.str.contains(typed.strip(), literal=True)
        return texts.filter(wanted & (texts.str.len_chars() <= longest)).head(SUGGESTIONS).to_list()
    return []


def results(
    paths: Paths, state: url.State, mode: str
) -> tuple[Component, Component] | tuple[None, None]:
    """Texts and curves of all runs."""
    try:
        found = path_parts.study(paths, state)
    except UserError:
        return None, None  # each card says it
    if not found.made:
        return None, None
    words = cards.panel("Texts along the path", "steps", path_parts.texts(found))
    return words, path_curves.curves(found.made, mode)


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""
    paths = Paths(view)
    _register_toolbar(app, view)
    _register_columns(app, paths)
    _register_browser(app)

    @app.callback(
        Output("path-points", "children"),
        Output("path-legend", "children"),
        Input("view", "data"),
        Input("revision", "data"),
    )
    def show_points(search: str, _revision: str) -> Any:
        state = url.State.parse(search)
        legend = holes.legend(state, view.chosen(state.runs))
        return path_parts.points_line(paths, state), legend

    @app.callback(
        Output("path-texts", "children"),
        Output("along", "children"),
        Input({"type": "path-drawn", "run": ALL}, "data"),
        State("view", "data"),
        State("theme", "data"),
    )
    def show_study(_drawn: list[Any], search: str, mode: str) -> Any:
        return results(paths, url.State.parse(search), mode or "light")

    @app.callback(
        Output("path-download", "data"),
        Input("path-csv", "n_clicks"),
        Input("path-json", "n_clicks"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def download(as_csv: int | None, as_json: int | None, search: str) -> dict[str, str]:
        if not (as_csv or as_json):
            raise PreventUpdate
        state = url.State.parse(search)
        try:
            found = path_parts.study(paths, state)
        except UserError as error:  # each card says it
            raise PreventUpdate from error
        if ctx.triggered_id == "path-csv":
            return {"content": path_export.as_csv(found), "filename": "interpolation.csv"}
        return {"content": path_export.as_json(found, state), "filename": "interpolation.json"}


def _register_columns(app: Dash, paths: Paths) -> None:
    @app.callback(
        Output("path-columns", "children"),
        Output("path-shown", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        State("path-shown", "data"),
        prevent_initial_call=True,
    )
    def show_columns(search: str, _revision: str, shown: list[str]) -> Any:
        chosen = paths.view.chosen(url.State.parse(search).runs)
        ids = [r.id for r in chosen]
        if ids and ids == shown:
            raise PreventUpdate
        return _columns(paths.view, chosen), ids

    @app.callback(
        Output({"type": "path", "run": MATCH}, "figure"),
        Output({"type": "path-head", "run": MATCH}, "children"),
        Output({"type": "path-numbers", "run": MATCH}, "children"),
        Output({"type": "path-notes", "run": MATCH}, "children"),
        Output({"type": "path-drawn", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State({"type": "path-drawn", "run": MATCH}, "id"),
        State({"type": "path-drawn", "run": MATCH}, "data"),
    )
    def show_column(
        search: str, _revision: str, mode: str, part: dict[str, str], drawn: Any
    ) -> Any:
        column = partial(
            path_parts.column, paths, url.State.parse(search), part["run"], mode or "light"
        )
        return redrawn(panels.stamp(paths.view, part["run"]), drawn, column)


def _register_toolbar(app: Dash, view: View) -> None:
    for name in ("a", "b"):

        @app.callback(
            Output(f"sentence-{name}", "data"),
            Input(f"sentence-{name}", "value"),
            State("view", "data"),
        )
        def suggest(typed: str, search: str) -> list[str]:
            return suggestions(view, url.State.parse(search), typed or "")

    @app.callback(
        Output("sentence-a", "value"),
        Output("sentence-b", "value"),
        Input("pair", "value"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def take_pair(number: str | None, search: str) -> Any:
        known = pairs(view.chosen(url.State.parse(search).runs))
        return known[int(number)] if number and int(number) < len(known) else ("", "")


def _register_browser(app: Dash) -> None:
    view = Output("view", "data", allow_duplicate=True)
    controls = {
        "path-kind": "value", "path-steps": "value", "path-ground": "value", "path-x": "value",
        "path-y": "value", "path-limit": "value", "path-prior": "checked",
    }  # fmt: skip
    inputs = {
        "controls": [Input(name, prop) for name, prop in controls.items()],
        "sentences": [Input("sentence-a", "value"), Input("sentence-b", "value")],
        "point": [Input({"type": "path", "run": ALL}, "clickData")],
        "back": [Input("path-back", "n_clicks")],
        "fill": [Input("path-fill", "value")],
    }
    for function, given in inputs.items():
        app.clientside_callback(
            ClientsideFunction("interpolation", function), view, *given, prevent_initial_call=True
        )

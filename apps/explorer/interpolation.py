"""The page of interpolations: two sentences, and what each run says on its way between them."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import numpy as np
import plotly.graph_objects as go
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import cards, charts, maps, panels, theme
from apps.explorer import state as url
from apps.explorer.paths import Path, Paths, pairs
from apps.explorer.view import View
from lab import look
from lab.errors import UserError
from lab.metrics import interpolation_rouge
from lab.runs import Run

TITLE = "Interpolation"
SUGGESTIONS = 12


def layout(view: View, state: url.State) -> Component:
    """Two sentences, one map per run, the decoded steps in aligned columns, the Rouge-L curve."""
    chosen = view.chosen(state.runs)
    a, b = ends(state, chosen)
    options = [{"value": str(k), "label": f"{x}  →  {y}"} for k, (x, y) in enumerate(pairs(chosen))]
    stored = dmc.Select(
        id="pair", data=options, placeholder="stored pairs", w=150, size="sm",
        comboboxProps={"width": 560, "position": "bottom-end"},
    )  # fmt: skip
    return html.Div(
        [
            html.Div(
                [_sentence("A", a), _sentence("B", b), cards.control("", stored)],
                className="toolbar",
            ),
            dcc.Store(id="interpolated"),
            dcc.Loading(
                html.Div(id="interpolation"), delay_show=400, type="dot", color="var(--accent)"
            ),
        ],
        className="page",
    )


def _sentence(name: str, value: str) -> Component:
    box = dmc.Autocomplete(
        id=f"sentence-{name.lower()}", value=value, debounce=700, size="sm",
        placeholder="type or pick a sentence",
        data=[], maxDropdownHeight=320, filter={"function": "keepAll"},
    )  # fmt: skip
    return html.Label([html.Span(name), box], className="control sentence")


def ends(state: url.State, chosen: Sequence[Run]) -> tuple[str, str]:
    """The two sentences asked for; without any, the first pair that the runs stored."""
    if state.a or state.b:
        return " ".join(state.a.split()), " ".join(state.b.split())
    stored = pairs(list(chosen))
    return stored[0] if stored else ("", "")


def suggestions(view: View, state: url.State, typed: str) -> list[str]:
    """Dumped sentences of the first run shown that hold what was typed."""
    for run in (r for r in view.chosen(state.runs) if r.epochs):
        try:
            texts = run.items["text"].unique(maintain_order=True)
        except UserError:
            continue
        return (
            texts.filter(texts.str.contains(typed.strip(), literal=True))
            .head(SUGGESTIONS)
            .to_list()
        )
    return []


def results(view: View, paths: Paths, state: url.State, mode: str) -> Component:
    """Everything below the toolbar."""
    chosen = view.chosen(state.runs)
    a, b = ends(state, chosen)
    empty = cards.nothing(view, chosen)
    if empty:
        return empty
    if not a or not b:
        return html.P("Type or pick two sentences, A and B.", className="hint")
    found = [(run, _attempt(paths, run, a, b)) for run in chosen]
    maps = cards.columns([_card(view, run, path, state, mode) for run, path in found])
    made = [(run, path) for run, path in found if isinstance(path, Path)]
    return html.Div([maps, *([_steps(made), _rouge(made, a, b, mode)] if made else [])])


def _attempt(paths: Paths, run: Run, a: str, b: str) -> Path | str:
    try:
        return paths.find(run, a, b)
    except UserError as error:
        return str(error)


def _card(view: View, run: Run, path: Path | str, state: url.State, mode: str) -> Component:
    why = path if isinstance(path, str) else path.source
    head = html.Header(cards.heading(run, "" if isinstance(path, str) else why))
    figure = _map(view, run, path, state, mode)
    picture = cards.graph(cards.part("path", run), figure=figure)
    words = html.P(why if isinstance(path, str) else "", className="verdict")
    return html.Article([head, cards.panel("Path over q(z)", "path", picture), words])


def _map(view: View, run: Run, path: Path | str, state: url.State, mode: str) -> go.Figure:
    drawn = None
    try:
        epoch = view.dumped_epoch(run, run.best_epoch)
        if isinstance(path, Path) and path.z is not None:
            epoch = epoch if path.epoch is None else path.epoch
            _, (i, j) = panels.frame(view, run, state, mode)
            drawn = maps.Points(
                run.label, theme.TOKENS[mode]["accent"], path.z[:, i], path.z[:, j], path.texts
            )
        x, y, density, frame = panels.map_of(view, run, epoch, state, mode)
    except UserError as error:
        return charts.note_figure(str(error), mode)
    return maps.path_figure(x, y, density, drawn, frame)


def _steps(made: list[tuple[Run, Path]]) -> Component:
    longest = max((p.weights for _, p in made), key=len)
    head = [html.Th("λ"), *(html.Th([cards.swatch(r.spec), r.label]) for r, _ in made)]
    columns = [_texts(path, longest) for _, path in made]
    rows = [
        html.Tr([html.Td(f"{w:.1f}"), *cells]) for w, *cells in zip(longest, *columns, strict=True)
    ]
    return html.Table(
        [html.Thead(html.Tr(head)), html.Tbody(rows)],
        className="steps",
        style={"--columns": len(made)},
    )


def _texts(path: Path, weights: np.ndarray) -> list[Component]:
    """The path's text at each weight; one that repeats the line above recedes."""
    nearest = [path.texts[int(np.argmin(np.abs(path.weights - w)))] for w in weights]
    above = [None, *nearest[:-1]]
    return [
        html.Td(t, className="same" if t == before else "")
        for t, before in zip(nearest, above, strict=True)
    ]


def _rouge(made: list[tuple[Run, Path]], a: str, b: str, mode: str) -> Component:
    curves = [
        charts.Curve(
            run.label, look.colour(run.spec), look.dash(run.spec), path.weights,
            np.asarray(interpolation_rouge(path.texts, a, b)),
        )
        for run, path in made
    ]  # fmt: skip
    figure = charts.rouge_figure(curves, mode)
    chart = cards.panel(
        "Rouge-L along the path", "rouge", cards.graph("rouge", "chart", figure=figure)
    )
    return html.Div([cards.run_legend([run for run, _ in made]), chart], className="rouge")


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""
    paths = Paths(view)

    @app.callback(
        Output("interpolation", "children"),
        Output("interpolated", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State("interpolated", "data"),
    )
    def show(search: str, _revision: str, mode: str, shown: list[str] | None) -> Any:
        state = url.State.parse(search)
        stamps = [panels.stamp(view, run.id) for run in view.chosen(state.runs)]
        if ctx.triggered_id == "revision" and stamps and stamps == shown:
            raise PreventUpdate
        return results(view, paths, state, mode or "light"), stamps

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

    app.clientside_callback(
        ClientsideFunction("explorer", "sentences"),
        Output("view", "data", allow_duplicate=True),
        Input("sentence-a", "value"),
        Input("sentence-b", "value"),
        prevent_initial_call=True,
    )

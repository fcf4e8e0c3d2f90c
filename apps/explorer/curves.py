"""The page of curves: how KL, MI, NLL, AU and CU moved while the chosen runs trained."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl
from dash import MATCH, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import cards, charts, panels
from apps.explorer import state as url
from apps.explorer.redraw import redraw
from apps.explorer.view import View
from lab import look, views
from lab.errors import UserError
from lab.runs import Run

TITLE = "Curves"
CHARTS = ("kl", "mi", "nll", "au", "cu", "negative_elbo")
FROM_ZERO = ("kl", "mi", "au", "cu")
ESTIMATOR_DASH = "dot"


def layout(view: View, state: url.State) -> Component:
    """Six charts that share their runs, and one heat map per run."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(html.Div(id="curve-legend"), className="toolbar"),
            html.Div([_chart(q) for q in CHARTS], className="charts", id="charts"),
            html.Div(_heats(view, chosen), id="heat-columns"),
            dcc.Store(id="curves-drawn"),
            dcc.Store(id="heat-shown", data=[r.id for r in chosen]),
        ],
        className="page",
    )


def _chart(quantity: str) -> Component:
    title, unit, _ = views.QUANTITIES[quantity]
    return cards.panel(f"{title}, {unit}", quantity, cards.graph(f"curve-{quantity}", "chart"))


def _heats(view: View, chosen: Sequence[Run]) -> Component:
    empty = cards.nothing(view, chosen)
    title = html.H2(["KL per dimension", html.Span(id="heat-legend")])
    return empty or html.Div([title, cards.columns([_heat_card(r) for r in chosen])])


def _heat_card(run: Run) -> Component:
    figure = cards.panel("", "kl_dimensions", cards.graph(cards.part("heat", run)))
    head = html.Header(cards.heading(run, ""))
    words = html.P(id=cards.part("heat-words", run), className="verdict")
    return html.Article([head, figure, words, dcc.Store(id=cards.part("heat-drawn", run))])


def figures_of(view: View, chosen: Sequence[Run], mode: str) -> list[go.Figure]:
    """One figure per quantity with a line per run and estimator."""
    x_title, names = _x_title(chosen), cards.run_names(chosen)
    items = [r.info.get("items") for r in chosen if r.info.get("items")]
    ceiling = math.log(items[0]) if items and len(set(items)) == 1 else None
    return [
        charts.curves_figure(
            [
                c
                for run, name in zip(chosen, names, strict=True)
                for c in _curves(view, run, name, q)
            ],
            x_title,
            mode,
            ceiling if q == "mi" else None,
            q in FROM_ZERO,
        )
        for q in CHARTS
    ]


def _curves(view: View, run: Run, name: str, quantity: str) -> list[charts.Curve]:
    """One line per estimator: the one to trust most is the thick one."""
    per_epoch = run.info.get("unit", {}).get("per_epoch", 1)
    try:
        found = views.series(view.at(run), quantity)
    except UserError:
        return []
    return [
        charts.Curve(
            name + (f" ({s.estimator})" if s.estimator else ""), look.colour(run.spec),
            ESTIMATOR_DASH if s.estimator else look.dash(run.spec), s.epochs * per_epoch, s.values,
            s.stderr,
            width=2 if s is found[0] else 1,
        )
        for s in found
    ]  # fmt: skip


def _x_title(chosen: Sequence[Run]) -> str:
    return (
        " or ".join(sorted({r.info["unit"]["name"] for r in chosen if "unit" in r.info})) or "epoch"
    )


def heat(view: View, run_id: str, top: float, mode: str) -> tuple[go.Figure, str]:
    """KL per dimension over the dumps of one run, from 0 to `top` nats, as picture and words."""
    try:
        table = view.dimensions(view.find(run_id))
    except UserError as error:
        return charts.note_figure(str(error), mode), ""
    if _largest(table) is None:
        return charts.note_figure("This posterior has no KL per dimension.", mode), ""
    wide = table.pivot("epoch", index="dimension", values="kl").sort("dimension")
    kl = wide.drop("dimension").to_numpy()
    last = kl[:, -1]
    order = (-last).argsort(kind="stable")
    epochs = table["epoch"].unique().sort().to_numpy()
    words = f"{(last > 0.01).sum()} of {len(last)} dimensions above 0.01 nats"
    words += f"; the largest {last.max():.2f}."
    return charts.dimensions_figure(kl[order], epochs, order, top, mode), words


def heat_limit(view: View, chosen: Sequence[Run]) -> float:
    """The largest KL of any dimension in any of the runs, in nats: one scale for all of them."""
    largest = [0.1]
    for run in chosen:
        try:
            largest.append(_largest(view.dimensions(run)) or 0.0)
        except UserError:
            continue
    return max(largest)


def _largest(table: pl.DataFrame) -> float | None:
    return None if table.is_empty() else table["kl"].max()


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""

    @app.callback(
        *[Output(f"curve-{q}", "figure") for q in CHARTS],
        Output("curve-legend", "children"),
        Output("curves-drawn", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State("curves-drawn", "data"),
    )
    def show_charts(search: str, _revision: str, mode: str, drawn: list[str] | None) -> Any:
        chosen = view.chosen(url.State.parse(search).runs)
        figures = figures_of(view, chosen, mode or "light")
        changed = [
            redraw(f, known)
            for f, known in zip(figures, drawn or [None] * len(CHARTS), strict=True)
        ]
        return *changed, cards.run_legend(chosen), [f.layout.uirevision for f in figures]

    @app.callback(
        Output("heat-columns", "children"),
        Output("heat-shown", "data"),
        Output("charts", "hidden"),
        Input("view", "data"),
        Input("revision", "data"),
        State("heat-shown", "data"),
    )
    def show_heats(search: str, _revision: str, shown: list[str]) -> Any:
        chosen = view.chosen(url.State.parse(search).runs)
        ids = [r.id for r in chosen]
        same = ids and ids == shown
        return (no_update if same else _heats(view, chosen)), ids, not chosen

    @app.callback(
        Output("heat-legend", "children"), Input("view", "data"), Input("revision", "data")
    )
    def show_heat_legend(search: str, _revision: str) -> Any:
        top = heat_limit(view, view.chosen(url.State.parse(search).runs))
        return cards.legend([html.Span(["0", html.I(className="scale"), f"{top:.2f} nats"])])

    @app.callback(
        Output({"type": "heat", "run": MATCH}, "figure"),
        Output({"type": "heat-words", "run": MATCH}, "children"),
        Output({"type": "heat-drawn", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State({"type": "heat", "run": MATCH}, "id"),
        State({"type": "heat-drawn", "run": MATCH}, "data"),
    )
    def show_heat(
        search: str, _revision: str, mode: str, part: dict[str, str], drawn: str | None
    ) -> Any:
        top = heat_limit(view, view.chosen(url.State.parse(search).runs))
        stamp = f"{panels.stamp(view, part['run'])} {top}"
        if ctx.triggered_id == "revision" and stamp == drawn:
            raise PreventUpdate
        return *heat(view, part["run"], top, mode or "light"), stamp

"""The page of curves: how KL, MI, NLL, AU and CU moved while the chosen runs trained."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from apps.explorer import cards, charts
from apps.explorer import state as url
from apps.explorer.redraw import redraw
from apps.explorer.view import View
from lab import look, views
from lab.errors import UserError
from lab.runs import Run

TITLE = "Curves"
CHARTS = (
    "kl", "mi", "hole_mass", "au", "cu", "aggregated_kl", "nll", "negative_elbo", "reconstruction",
)  # fmt: skip
FROM_ZERO = ("kl", "mi", "au", "cu", "hole_mass", "aggregated_kl")
ESTIMATOR_DASH = "dot"
NONE = "None of these runs has recorded it."


def layout(view: View, state: url.State) -> Component:
    """Charts that share their runs."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(html.Div(id="curve-legend"), className="toolbar"),
            html.Div([_chart(q) for q in CHARTS], className="charts", id="charts"),
            html.Div(cards.nothing(view, chosen), id="curves-empty"),
            dcc.Store(id="curves-drawn", data=""),
        ],
        className="page",
    )


def _chart(quantity: str) -> Component:
    title, unit, _ = views.QUANTITIES[quantity]
    return cards.panel(f"{title}, {unit}", quantity, cards.graph(f"curve-{quantity}", "chart"))


def figures_of(view: View, chosen: Sequence[Run], mode: str) -> list[go.Figure]:
    """One figure per quantity with a line per run and estimator."""
    x_title, names = _x_title(chosen), cards.run_names(chosen)
    ceilings = {views.information_ceiling(r) for r in chosen if r.epochs}
    ceiling = ceilings.pop() if len(ceilings) == 1 else None
    found = {
        q: [c for run, name in zip(chosen, names, strict=True) for c in _curves(view, run, name, q)]
        for q in CHARTS
    }
    return [
        charts.curves_figure(
            curves, x_title, mode, ceiling if q == "mi" else None, q in FROM_ZERO
        )
        if curves
        else charts.note_figure(NONE, mode)
        for q, curves in found.items()
    ]  # fmt: skip


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
            width=2 if s is found[0] else 1, growing=run.status == "running",
        )
        for s in found
    ]  # fmt: skip


def _x_title(chosen: Sequence[Run]) -> str:
    return (
        " or ".join(sorted({r.info["unit"]["name"] for r in chosen if "unit" in r.info})) or "epoch"
    )


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
        Output("curves-empty", "children"),
        Output("charts", "hidden"),
        Input("view", "data"),
        Input("revision", "data"),
    )
    def show_empty(search: str, _revision: str) -> Any:
        chosen = view.chosen(url.State.parse(search).runs)
        return cards.nothing(view, chosen), not chosen

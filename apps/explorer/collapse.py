"""The page of collapse: which units are alive, what the KL is made of, and a verdict per run."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash import no_update as same
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import cards, collapse_charts, collapse_column, collapse_units, panels
from apps.explorer import state as url
from apps.explorer.cache import Cache
from apps.explorer.collapse_column import Shared, shared
from apps.explorer.redraw import redraw
from apps.explorer.view import View
from lab.collapse import PARTS
from lab.runs import Run

TITLE = "Collapse"
ROWS = (
    ("heat", "KL per dimension", "kl_dimensions", "square"),
    ("units", "Kinds of units", "units", "square"),
    ("parts", "What the KL is made of, nats", "parts", "chart"),
    ("information", "Mutual information, nats", "mi", "chart"),
)
COUNTS = (
    ("active", "Active units over the threshold of Var[μ]", "active_curve"),
    ("consistent", "Consistent units over the threshold of KL(p ‖ q) per dimension", "cu_curve"),
)


def layout(view: View, state: url.State) -> Component:
    """Thresholds and epoch, one column per run, the counts of all runs over the thresholds."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(_controls(state, chosen), className="toolbar"),
            html.Div(id="collapse-legend"),
            html.Div(_columns(view, chosen), id="collapse-columns"),
            html.Div(_counts(), id="collapse-counts", hidden=not chosen),
            dcc.Store(id="collapse-shown", data=[r.id for r in chosen]),
            dcc.Store(id="collapse-frame"),
            dcc.Store(id="counts-drawn", data=""),
        ],
        className="page collapse",
    )


def _controls(state: url.State, chosen: Sequence[Run]) -> list[Component]:
    look = {"size": "sm", "color": "gray", "updatemode": "drag", "label": None, "w": 130}
    active = dmc.Slider(
        id="threshold-active", min=-5, max=0, step=0.05, value=math.log10(state.active), **look
    )
    spread = dmc.RangeSlider(
        id="threshold-spread", min=0.01, max=1, step=0.01, minRange=0,
        value=[state.narrow, state.wide], **look,
    )  # fmt: skip
    last = panels.last_epoch(chosen)
    epoch = dmc.Slider(
        id="collapse-epoch", min=0, max=last, step=1, value=panels.epoch_of(state, last),
        **{k: v for k, v in look.items() if k != "w"},
    )  # fmt: skip
    return [
        _threshold("Mean moves from", active, "active-words"),
        _threshold("Variance narrow to, wide from", spread, "spread-words"),
        html.Div([epoch, html.Span(id="collapse-epoch-words")], className="control epoch"),
    ]


def _threshold(label: str, slider: Component, words: str) -> html.Label:
    return cards.control(label, html.Div([slider, html.Span(id=words)], className="threshold"))


def _columns(view: View, chosen: Sequence[Run]) -> Component:
    return cards.nothing(view, chosen) or cards.columns([_card(run) for run in chosen])


def _card(run: Run) -> Component:
    head = html.Header(id=cards.part("collapse-head", run))
    numbers = html.Div(id=cards.part("collapse-numbers", run))
    words = html.P(id=cards.part("collapse-verdict", run), className="verdict")
    rows = [
        html.Div(
            [
                cards.panel(title, caption, cards.graph(cards.part(kind, run), shape)),
                html.P(id=cards.part(f"{kind}-words", run), className="basis"),
            ]
        )
        for kind, title, caption, shape in ROWS
    ]
    drawn = [
        dcc.Store(id=cards.part(f"{kind}-drawn", run), data="") for kind in ("collapse", "units")
    ]
    return html.Article([head, numbers, words, *rows, *drawn])


def _counts() -> list[Component]:
    panelled = [
        cards.panel(title, caption, cards.graph(f"counts-{kind}", "chart"))
        for kind, title, caption in COUNTS
    ]
    return [
        html.H2(["Units over their thresholds", html.Span(id="counts-legend")]),
        html.Div(panelled, className="charts pair"),
        html.P(id="counts-words", className="hint"),
    ]


def legend(top: float, mode: str) -> Component:
    """The scale of the heat maps up to `top` nats, and the shades of the parts of the KL."""
    scale = html.Span(["KL of a dimension 0", html.I(className="scale"), f"{top:.2f} nats or more"])
    colours = {words: collapse_charts.shade(part, mode) for part, words in PARTS.items()}
    shades = [
        html.Span([html.I(className="shade", style={"background": colour}), words])
        for words, colour in colours.items()
    ]
    return cards.legend([scale, *shades])


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""
    remembered = Cache(32)

    def limits(chosen: Sequence[Run]) -> Shared:
        """Every column asks for the limits of all of them."""
        key = tuple((run.id, panels.stamp(view, run.id)) for run in chosen)
        return remembered.get(key, lambda: shared(view, chosen))

    @app.callback(
        Output("collapse-columns", "children"),
        Output("collapse-shown", "data"),
        Output("collapse-counts", "hidden"),
        Input("view", "data"),
        Input("revision", "data"),
        State("collapse-shown", "data"),
        prevent_initial_call=True,
    )
    def show_columns(search: str, _revision: str, shown: list[str]) -> Any:
        chosen = view.chosen(url.State.parse(search).runs)
        ids = [r.id for r in chosen]
        kept = ids and ids == shown
        return (same, same, same) if kept else (_columns(view, chosen), ids, not chosen)

    @app.callback(
        Output("collapse-epoch", "max"),
        Output("collapse-epoch", "value"),
        Output("collapse-epoch-words", "children"),
        Output("collapse-epoch-words", "style"),
        Input("view", "data"),
        Input("revision", "data"),
        State("collapse-epoch", "max"),
    )
    def show_epoch(search: str, _revision: str, known: int) -> Any:
        state = url.State.parse(search)
        return panels.slider(state, view.chosen(state.runs), known)

    @app.callback(
        Output("collapse-legend", "children"),
        Input("collapse-frame", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
    )
    def show_legend(search: str | None, _revision: str, mode: str) -> Any:
        chosen = view.chosen(url.State.parse(search).runs)
        return legend(limits(chosen).heat, mode or "light")

    _register_columns(app, view, limits)
    _register_units(app, view)
    _register_browser(app)


def _wait_for_columns(chosen: Sequence[Run], shown: Sequence[str]) -> None:
    """Answer nothing while the columns are being replaced: the new ones ask again."""
    if [run.id for run in chosen] != list(shown):
        raise PreventUpdate


def _register_columns(app: Dash, view: View, limits: Callable[..., Shared]) -> None:
    kinds = [kind for kind, *_ in ROWS if kind != "units"]

    @app.callback(
        Output({"type": "collapse-head", "run": MATCH}, "children"),
        Output({"type": "collapse-numbers", "run": MATCH}, "children"),
        Output({"type": "collapse-verdict", "run": MATCH}, "children"),
        *[Output({"type": kind, "run": MATCH}, "figure") for kind in kinds],
        *[Output({"type": f"{kind}-words", "run": MATCH}, "children") for kind in kinds],
        Output({"type": "collapse-drawn", "run": MATCH}, "data"),
        Input("collapse-frame", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State({"type": "heat", "run": MATCH}, "id"),
        State({"type": "collapse-drawn", "run": MATCH}, "data"),
        State("collapse-shown", "data"),
    )
    def show_column(
        search: str | None,
        _revision: str,
        mode: str,
        part: dict[str, str],
        drawn: Any,
        shown: list[str],
    ) -> Any:
        state = url.State.parse(search)
        chosen = view.chosen(state.runs)
        _wait_for_columns(chosen, shown)
        common = limits(chosen)
        stamp = f"{panels.stamp(view, part['run'])} {common}"
        known, axes = drawn or (None, [None] * len(kinds))
        if ctx.triggered_id == "revision" and stamp == known:
            raise PreventUpdate
        head, numbers, verdict, *rows = collapse_column.column(
            view, state, part["run"], common, mode or "light"
        )
        figures = [figure for figure, _ in rows]
        changed = [redraw(f, a) for f, a in zip(figures, axes, strict=True)]
        words = [words for _, words in rows]
        return (
            head, numbers, verdict, *changed, *words,
            [stamp, [f.layout.uirevision for f in figures]],
        )  # fmt: skip


def _register_units(app: Dash, view: View) -> None:
    @app.callback(
        Output({"type": "units", "run": ALL}, "figure"),
        Output({"type": "units-words", "run": ALL}, "children"),
        Output({"type": "units-drawn", "run": ALL}, "data"),
        Output("active-words", "children"),
        Output("spread-words", "children"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        Input({"type": "units", "run": ALL}, "id"),
        State({"type": "units-drawn", "run": ALL}, "data"),
    )
    def show_units(
        search: str, _revision: str, mode: str, parts: list[dict[str, str]], drawn: list[str]
    ) -> Any:
        state, ids = url.State.parse(search), [part["run"] for part in parts]
        _wait_for_columns(view.chosen(state.runs), ids)
        figures, words = collapse_units.units_of(view, state, ids, mode or "light")
        changed = [redraw(f, known) for f, known in zip(figures, drawn, strict=True)]
        axes = [f.layout.uirevision for f in figures]
        spread = f"{state.narrow:g}, {state.wide:g}"
        return changed, words, axes, f"Var[μ] {state.active:.2g}", spread

    @app.callback(
        *[Output(f"counts-{kind}", "figure") for kind, *_ in COUNTS],
        Output("counts-legend", "children"),
        Output("counts-words", "children"),
        Output("counts-drawn", "data"),
        Input("collapse-frame", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State("counts-drawn", "data"),
    )
    def show_counts(search: str | None, _revision: str, mode: str, drawn: Any) -> Any:
        state = url.State.parse(search)
        figures, words = collapse_units.counts(view, state, mode or "light")
        known = drawn or [None] * len(figures)
        changed = [redraw(f, k) for f, k in zip(figures, known, strict=True)]
        chosen = view.chosen(state.runs)
        return *changed, cards.run_legend(chosen), words, [f.layout.uirevision for f in figures]


def _register_browser(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("collapse", "frame"),
        Output("collapse-frame", "data"),
        Input("view", "data"),
        State("collapse-frame", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("collapse", "thresholds"),
        Output("view", "data", allow_duplicate=True),
        Input("threshold-active", "value"),
        Input("threshold-spread", "value"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("collapse", "epoch"),
        Output("view", "data", allow_duplicate=True),
        Input("collapse-epoch", "value"),
        State("collapse-epoch", "max"),
        prevent_initial_call=True,
    )

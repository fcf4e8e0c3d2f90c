"""The page of one sentence: its posterior, what is said from it, its neighbours, what moved."""

from collections.abc import Callable, Sequence
from dataclasses import replace
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
    set_props,
)
from dash.development.base_component import Component

from apps.explorer import (
    cards,
    clicks,
    item,
    neighbours,
    panels,
    sentence_column,
    sentence_panels,
    text,
)
from apps.explorer import state as url
from apps.explorer.interpolation import suggestions
from apps.explorer.neighbours import Posteriors
from apps.explorer.redraw import redrawn
from apps.explorer.view import View
from lab.runs import Run

TITLE = "Sentence"


def layout(view: View, state: url.State) -> Component:
    """Search box and choices, then one column per run."""
    chosen = view.chosen(state.runs)
    return html.Div(
        [
            html.Div(_controls(view, state, chosen), className="toolbar"),
            html.Div(id="sentence-words"),
            html.Div(_columns(view, chosen), id="sentence-columns"),
            dcc.Store(id="sentence-shown", data=[r.id for r in chosen]),
            dcc.Store(id="sentence-searched"),
            *clicks.parts("sentence"),
        ],
        className="page",
    )


def _controls(view: View, state: url.State, chosen: Sequence[Run]) -> list[Component]:
    distances = [{"value": k, "label": n} for k, n in sentence_panels.NAMES.items()]
    counts = [{"value": str(k), "label": str(k)} for k in url.NEIGHBOURS]
    axes = cards.axes(state, chosen)
    box = dmc.Autocomplete(
        id="sentence-item", value="", debounce=400, size="sm", data=[], maxDropdownHeight=320,
        placeholder="search sentences", filter={"function": "keepAll"},
    )  # fmt: skip
    epoch = "" if state.epoch is None else str(state.epoch)
    return [
        html.Label([html.Span("Sentence"), box], className="control sentence"),
        cards.control("Distance", cards.select("sentence-near", distances, state.near, 124)),
        cards.control("Nearest", cards.select("sentence-k", counts, str(state.k), 68)),
        cards.control("At", cards.select("sentence-epoch", cards.epochs(chosen), epoch, 112)),
        cards.control(
            "against", cards.select("sentence-against", others(view, chosen), state.against, 156)
        ),
        cards.control("Across", cards.select("sentence-x", axes, state.x, 150)),
        cards.control("Up", cards.select("sentence-y", axes, state.y, 150)),
    ]


def others(view: View, chosen: Sequence[Run]) -> list[dict[str, Any]]:
    """What neighbours can be compared against: another dump of the same run, or another run."""
    usual = [
        {"value": "before", "label": "the dump before"},
        {"value": "first", "label": "the first dump"},
    ]
    runs = [
        {"value": f"r{run.id}", "label": name}
        for run, name in zip(chosen, cards.run_names(chosen), strict=True)
        if run.epochs
    ]
    groups = [("Same run", [*usual, *cards.dumps(chosen, "e")]), ("Another run", runs)]
    return [{"group": name, "items": items} for name, items in groups if items]


def _columns(view: View, chosen: Sequence[Run]) -> Component:
    empty = cards.nothing(view, chosen)
    if empty:
        return empty
    made = cards.columns([_card(run) for run in chosen])
    made.className = "columns sentences"
    return made


def _card(run: Run) -> Component:
    def part(kind: str) -> dict[str, str]:
        return cards.part(f"sentence-{kind}", run)

    def words(kind: str) -> Component:
        return dcc.Loading(
            html.Div(id=part(kind)), delay_show=400, type="dot", color="var(--accent)"
        )

    head = html.Div([html.Div(id=part("facts")), cards.graph(part("kl"), "chart")])
    return html.Article(
        [
            html.Header(id=part("head")),
            cards.panel("Posterior over q(z)", "posterior", cards.graph(part("map"))),
            cards.panel("KL to the prior", "item_kl", head),
            cards.panel("Decoded", "posterior_said", words("said")),
            cards.panel("Nearest sentences", "posterior_neighbours", words("near")),
            cards.panel("Moved most", "moved", words("moved")),
            dcc.Store(id=part("drawn"), data=""),
        ]
    )


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""
    posteriors = view.shared(Posteriors)
    _register_toolbar(app, view)
    _register_columns(app, posteriors)
    clicks.told(app, "sentence", lambda _state, clicked: item.placed(clicked.point))

    @app.callback(
        Output("sentence-columns", "children"),
        Output("sentence-shown", "data"),
        Output("sentence-epoch", "data"),
        Output("sentence-against", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        State("sentence-shown", "data"),
        prevent_initial_call=True,
    )
    def show_columns(search: str, _revision: str, shown: list[str]) -> Any:
        chosen = view.chosen(url.State.parse(search).runs)
        ids = [r.id for r in chosen]
        same = ids and ids == shown
        columns = (no_update, no_update) if same else (_columns(view, chosen), ids)
        return *columns, cards.epochs(chosen), others(view, chosen)

    @app.callback(
        Output("sentence-words", "children"), Input("view", "data"), Input("revision", "data")
    )
    def show_item(search: str, _revision: str) -> Component | None:
        return sentence_column.item_words(view, url.State.parse(search))


def _register_columns(app: Dash, posteriors: Posteriors) -> None:
    @app.callback(
        Output({"type": "sentence-map", "run": MATCH}, "figure"),
        Output({"type": "sentence-head", "run": MATCH}, "children"),
        Output({"type": "sentence-facts", "run": MATCH}, "children"),
        Output({"type": "sentence-kl", "run": MATCH}, "figure"),
        Output({"type": "sentence-drawn", "run": MATCH}, "data"),
        Input("view", "data"),
        Input("revision", "data"),
        Input("theme", "data"),
        State({"type": "sentence-drawn", "run": MATCH}, "id"),
        State({"type": "sentence-drawn", "run": MATCH}, "data"),
    )
    def show_picture(
        search: str, _revision: str, mode: str, part: dict[str, str], drawn: Any
    ) -> Any:
        state = url.State.parse(search)
        column = partial(
            sentence_column.picture_column, posteriors, state, part["run"], mode or "light"
        )
        stamp = panels.stamp(posteriors.view, part["run"])
        *made, known = redrawn(stamp, drawn and drawn[:2], column)
        # A place that is clicked on the map changes no word below it.
        known.append(repr(replace(state, at=None, of="", draw=None)))
        return *made, no_update if known == drawn else known

    makers = {
        "near": sentence_column.near_column,
        "moved": sentence_column.moved_column,
        "said": sentence_column.said_column,
    }
    for name, make in makers.items():
        _register_words(app, posteriors, name, make)


def _register_words(
    app: Dash,
    posteriors: Posteriors,
    name: str,
    make: Callable[[Posteriors, url.State, str], Component],
) -> None:
    @app.callback(
        Output({"type": f"sentence-{name}", "run": MATCH}, "children"),
        Input({"type": "sentence-drawn", "run": MATCH}, "data"),
        State("view", "data"),
        State({"type": "sentence-drawn", "run": MATCH}, "id"),
        prevent_initial_call=True,
    )
    def show(_drawn: Any, search: str, part: dict[str, str]) -> Component:
        return make(posteriors, url.State.parse(search), part["run"])


def _register_toolbar(app: Dash, view: View) -> None:
    @app.callback(
        Output("sentence-item", "data"), Input("sentence-item", "value"), State("view", "data")
    )
    def suggest(typed: str, search: str) -> list[str]:
        return suggestions(view, url.State.parse(search), typed or "", text.LONGEST_TEXT)

    @app.callback(
        Output("sentence-searched", "data"),
        Input("sentence-item", "value"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def find_typed(typed: str, search: str) -> Any:
        item = neighbours.named(view, url.State.parse(search), typed) if typed else None
        if item is None:
            return no_update
        # Set from here, as the box is itself the input: it is empty for the next search.
        set_props("sentence-item", {"value": ""})
        return {"item": str(item)}

    app.clientside_callback(
        ClientsideFunction("sentence", "choose"),
        Output("view", "data", allow_duplicate=True),
        Input("sentence-near", "value"),
        Input("sentence-k", "value"),
        Input("sentence-epoch", "value"),
        Input("sentence-against", "value"),
        Input("sentence-x", "value"),
        Input("sentence-y", "value"),
        Input("sentence-searched", "data"),
        Input({"type": "sentence-go", "run": ALL, "place": ALL, "item": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )

"""One run's column of the page of one sentence in a given state, without any callback."""

from collections.abc import Callable
from typing import Any, TypeVar

from dash import html
from dash.development.base_component import Component

from apps.explorer import cards, charts, neighbours, panels, sentence_panels, text
from apps.explorer.neighbours import Dump, Posteriors
from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError
from lab.runs import Run

Value = TypeVar("Value")


def picture_column(posteriors: Posteriors, state: State, run_id: str, mode: str) -> tuple[Any, ...]:
    """Map, head, facts on the KL and its figure of one run."""
    view = posteriors.view
    try:
        run = view.find(run_id)
    except UserError as error:
        return charts.note_figure(str(error), mode), "", "", charts.note_figure("", mode)
    try:
        row, now = neighbours.row_in(view, state, run), neighbours.shown(view, state, run)
        figure = sentence_panels.picture(posteriors, state, now, row, mode)
        bars, facts = sentence_panels.information(posteriors, now, row, mode)
    except UserError as error:
        empty = charts.note_figure("", mode)
        return charts.note_figure(str(error), mode), cards.heading(view, run, ""), "", empty
    return figure, cards.heading(view, run, panels.when(run, now.epoch, state)), facts, bars


def near_column(posteriors: Posteriors, state: State, run_id: str) -> Component:
    """Nearest sentences of one run."""

    def table(run: Run, now: Dump) -> Component:
        row = neighbours.row_in(posteriors.view, state, run)
        before = _or_words(lambda: neighbours.against(posteriors.view, state, run, now.epoch))
        return sentence_panels.neighbour_table(posteriors, state, now, row, before)

    return _words(posteriors.view, state, run_id, table)


def moved_column(posteriors: Posteriors, state: State, run_id: str) -> Component:
    """The sentences of one run that moved most."""

    def table(run: Run, now: Dump) -> Component:
        before = neighbours.against(posteriors.view, state, run, now.epoch)
        found = neighbours.moved(posteriors, state, now, before)
        return sentence_panels.moved_list(found, run, before, state.k)

    return _words(posteriors.view, state, run_id, table)


def said_column(posteriors: Posteriors, state: State, run_id: str) -> Component:
    """What one run says from the sentence's posterior."""

    def table(run: Run, _now: Dump) -> Component:
        row = neighbours.row_in(posteriors.view, state, run)
        return sentence_panels.said(posteriors, state, run, row)

    return _words(posteriors.view, state, run_id, table)


def _words(
    view: View, state: State, run_id: str, make: Callable[[Run, Dump], Component]
) -> Component:
    """What is made of the run and the dump shown, or one line that says why it cannot be."""

    def found() -> Component:
        run = view.find(run_id)
        return make(run, neighbours.shown(view, state, run))

    made = _or_words(found)
    return html.Div(made, className="facts") if isinstance(made, str) else made


def _or_words(make: Callable[[], Value]) -> Value | str:
    try:
        return make()
    except UserError as error:
        return str(error)


def item_words(view: View, state: State) -> Component | None:
    """The sentence shown and what is known of it."""
    if not any(r.epochs for r in view.chosen(state.runs)):
        return None
    found = neighbours.find(view, state)
    if found is None:
        return html.P(
            f"No item {state.item} in these runs; search for a sentence.", className="hint"
        )
    run, row = found
    record = run.items[row].to_dicts()[0]
    known = [f"{k} {v}" for k, v in record.items() if k not in ("text", "split", "id")]
    words = " · ".join([f"{record['split']} item {record['id']}", *known])
    return html.Div(
        [html.P(text.shortened(record["text"])), html.Small(words)],
        className="shown",
    )

"""What one column of the latent page shows in a given state: figures and words, no callback."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import dash_ag_grid as dag
import numpy as np
import plotly.graph_objects as go
import polars as pl
from dash import html, no_update
from dash.development.base_component import Component

from apps.explorer import (
    behind,
    cards,
    centres,
    charts,
    colours,
    exporting,
    grounds,
    item,
    maps,
    text,
)
from apps.explorer.ahead import Ahead
from apps.explorer.columns import Column, column
from apps.explorer.frames import frame, when, when_in, window
from apps.explorer.selection import Selection
from apps.explorer.state import State
from apps.explorer.view import MANY, View
from lab import look, smoothing, verdicts, views
from lab.errors import UserError
from lab.runs import Run

__all__ = ["frame", "map_of", "readout", "stamp", "when"]

TABLE_ROWS = 2_000
AHEAD = 12  # dumps that are made ready; of a million items each takes 16 MB


def stamp(view: View, run_id: str) -> str:
    """Changes when the run's pictures may have changed."""
    try:
        run = view.find(run_id)
    except UserError:
        return "gone"
    return repr((run.stamp, run.epochs[-1:], run.status))


def scales(chosen: Sequence[Run]) -> list[Component]:
    """The scale of the densities, and those on spheres, each size with its own."""
    spans = {}
    for run in chosen:
        name = "density on the sphere 0" if views.on_sphere(run) else "density 0"
        limit = f"{look.DENSITY_LIMIT * views.density_scale(run):g}"
        spans[name, limit] = html.Span([name, html.I(className="scale"), limit])
    return list(spans.values())


def legend(view: View, state: State, chosen: Sequence[Run]) -> Component:
    """The scales of the layers shown and the classes of the points, once for all."""
    densities = scales(chosen) if "density" in state.show else []
    gaps = [gap_scale()] if "gap" in state.show else []
    points = []
    if "centres" in state.show:
        points = [*behind.scales(view, state, chosen), *colours.legend(view, state, chosen)]
    return cards.legend([*densities, *gaps, *points])


def gap_scale() -> Component:
    """The scale of every gap map."""
    bar, end = html.I(className="scale diverging"), f"{views.GAP_LIMIT:g}"
    return html.Span([f"gap log q/p  −{end}", bar, f"{end} nats"])


def picture(
    view: View,
    state: State,
    name: str,
    layer: str,
    mode: str,
) -> go.Figure:
    """The figure of one layer of a column; a note that says why where there is none."""
    make = {"density": _density, "gap": _gap, "centres": centres.figure}[layer]
    try:
        shown = column(view, name)
        _, dims = frame(view, shown.run, state, mode)
        view.plane(shown.run, shown.epoch(view, state), dims)
    except UserError as error:
        # What holds for the whole column is said once, at its top.
        first = layer in state.show[:1] or layer not in state.show
        return charts.note_figure(str(error) if first else "", mode)
    try:
        return make(view, state, shown, mode)
    except (UserError, ValueError) as error:  # a dump may hold values that are not finite
        return charts.note_figure(str(error), mode)


def look_ahead(view: View, ahead: Ahead, state: State, name: str) -> None:
    """Have the dumps around the one shown made ready, the nearest first, where that takes long."""
    try:
        shown = column(view, name)
        run, epoch = shown.run, shown.epoch(view, state)
    except UserError:
        return
    if shown.pin is None and run.info.get("items", 0) > MANY:
        others = sorted((e for e in run.epochs if e != epoch), key=lambda e: abs(e - epoch))
        for place, other in reversed([*enumerate(others[:AHEAD])]):  # the newest wish comes first
            ahead.wish((name, place), partial(_prepare, view, replace(state, epoch=other), shown))


def _prepare(view: View, state: State, shown: Column) -> None:
    _, dims = frame(view, shown.run, state, "light")
    view.plane_points(shown.run, shown.epoch(view, state), dims)
    if {"density", "gap"} & set(state.show):
        _zoomed(view, state, shown, dims)


def words(view: View, state: State, name: str) -> tuple[Any, ...]:
    """Head, numbers and verdict of one column."""
    try:
        shown = column(view, name)
    except UserError:
        return "", "", ""
    run = shown.run
    try:
        epoch = shown.epoch(view, state)
    except UserError:
        now = view.at(run)
        return cards.heading(view, run, ""), cards.numbers(now), verdicts.verdict(now)
    then = view.at(run, epoch)
    return (
        cards.heading(view, run, when_in(shown, epoch, state)),
        cards.numbers(then),
        verdicts.verdict(then),
    )


def _density(view: View, state: State, shown: Column, mode: str) -> go.Figure:
    framed, dims = frame(view, shown.run, state, mode, state.zoom)
    grid = _zoomed(view, state, shown, dims)
    figure = maps.density_figure(*grid, framed)
    plane = grounds.plane(view, shown.run, shown.epoch(view, state), dims)
    grounds.noted(figure, smoothing.words(*plane), mode)
    return _with_item(figure, view, state, shown, dims, mode)


def _gap(view: View, state: State, shown: Column, mode: str) -> go.Figure:
    framed, dims = frame(view, shown.run, state, mode, state.zoom)
    grid = _zoomed(view, state, shown, dims)
    latents, axes = grounds.plane(view, shown.run, shown.epoch(view, state), dims)
    figure = maps.gap_figure(*grid[:2], views.gap(latents, *grid, axes), framed)
    grounds.noted(figure, smoothing.words(latents, axes), mode)
    return _with_item(figure, view, state, shown, dims, mode)


def _zoomed(
    view: View, state: State, shown: Column, dims: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The density on the square around the part of the map that is looked at."""
    x0, x1, y0, y1 = window(state)
    half, middle = max(x1 - x0, y1 - y0) / 2, ((x0 + x1) / 2, (y0 + y1) / 2)
    return view.density(shown.run, shown.epoch(view, state), dims, half, middle)


def _with_item(
    figure: go.Figure, view: View, state: State, shown: Column, dims: tuple[int, int], mode: str
) -> go.Figure:
    epoch = shown.epoch(view, state)
    posterior = item.traces(view, state, shown.run, epoch, dims, mode)
    return figure.add_traces([*posterior, *item.place(view, state, shown.run, dims, mode)])


def map_of(view: View, run: Run, epoch: int, state: State, mode: str) -> tuple[Any, ...]:
    """Arguments of a density figure: x, y, density and the frame."""
    shared, dims = frame(view, run, state, mode)
    return *view.density(run, epoch, dims, state.limit), shared


def readout(chosen: Sequence[Run], epoch: int) -> str:
    """Where the slider stands: "iteration 15000 of 80000", in two units "epoch 3, iteration 9"."""
    last = last_epoch(chosen)
    having = [r for r in chosen if r.epochs]
    times = list(dict.fromkeys(run.time(epoch) for run in having))
    if len(times) == 1:
        return f"{times[0]} of {having[0].time(last).split()[-1]}"
    # Runs that count differently have the number of the dump in common.
    return ", ".join(times) if len(times) == 2 else f"dump {epoch} of {last}"


def epoch_of(state: State, last: int) -> int:
    """Where the epoch slider stands."""
    return last if state.epoch is None else min(state.epoch, last)


def slider(state: State, chosen: Sequence[Run], known: int) -> tuple[Any, ...]:
    """The epoch slider's end and handle, its words, and the room that the longest of them take.

    `known` is the end that it has: while the reader drags, an answer to an earlier position must
    not pull the handle back.
    """
    last = last_epoch(chosen)
    epoch = epoch_of(state, last)
    words, room = (readout(chosen, e) for e in (epoch, last))
    return last, no_update if last == known else epoch, words, {"minWidth": f"{0.86 * len(room)}ch"}


def last_epoch(chosen: Sequence[Run]) -> int:
    """The last dump of any run; 0 without one."""
    return max((r.epochs[-1] for r in chosen if r.epochs), default=0)


def selected_table(view: View, state: State) -> Component:
    """Texts and labels of the selected items, and how many of them each run shares."""
    selection = Selection.parse(state.brush)
    if selection is None:
        return html.P(
            "Draw around points with the lasso to read them here and mark them in every run.",
            className="hint",
        )
    try:
        source, rows = selection.rows(view)
        chosen = [r for r in view.chosen(state.runs) if r.epochs]
        strangers = [
            r.label for r in chosen if len(rows) and not len(view.matching_rows(source, rows, r))
        ]
    except UserError as error:
        return cards.notice(error)
    first = f", the first {TABLE_ROWS} listed" if len(rows) > TABLE_ROWS else ""
    words = f"{len(rows):,} of {len(source.items):,} items selected in {source.label}{first}."
    if strangers:
        words += f" Not among the items of {', '.join(strangers)}."
    tools = [exporting.tools(), _grid(source, rows[:TABLE_ROWS])] if len(rows) else []
    return html.Div([html.P(words), *tools])


def _grid(run: Run, rows: np.ndarray) -> dag.AgGrid:
    records = run.items[rows].to_dicts()
    order = ["text", *(c for c in run.items.columns if c not in ("id", "text"))]
    names = {f"c{k}": column for k, column in enumerate(order)}
    return dag.AgGrid(
        id="selected-rows",
        rowData=[{k: _plain(record[column]) for k, column in names.items()} for record in records],
        columnDefs=[_column(key, run.items[column]) for key, column in names.items()],
        defaultColDef=cards.GRID_COLUMN,
        dashGridOptions={"theme": cards.GRID_THEME, "rowHeight": 36},
        style={"height": "260px"},
    )


def _column(key: str, values: pl.Series) -> dict[str, Any]:
    kind = "Number" if values.dtype.is_numeric() else "Text"
    flex = 5 if values.name == "text" else 1
    return {
        "field": key, "headerName": values.name, "flex": flex, "filter": f"ag{kind}ColumnFilter"
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """A value that a table can hold; of a long text its beginning."""
    return value if type(value) in (int, float, bool) else text.shortened(str(value))

"""What a run's column of the interpolation page shows, and the table of texts below all columns."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import dash_mantine_components as dmc
import numpy as np
import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from apps.explorer import cards, charts, grounds, item, maps, panels, theme
from apps.explorer.holes import FILLS
from apps.explorer.path_ends import Asked, dump
from apps.explorer.path_making import Paths
from apps.explorer.path_words import changes
from apps.explorer.paths import Path
from apps.explorer.places import signed
from apps.explorer.state import State
from apps.explorer.view import categories
from lab import look
from lab.errors import UserError
from lab.runs import Run

HINT = "Type or pick two sentences, A and B, or click two points on one map."


@dataclass(frozen=True)
class Study:
    """What was asked for, and every run's path, or one line that says why it has none."""

    asked: Asked
    found: list[tuple[Run, Path | str]]

    @property
    def made(self) -> list[tuple[Run, Path]]:
        """The runs with a path."""
        return [(run, path) for run, path in self.found if isinstance(path, Path)]

    @property
    def failed(self) -> list[tuple[Run, str]]:
        """The runs without one."""
        return [(run, why) for run, why in self.found if isinstance(why, str)]


def study(paths: Paths, state: State) -> Study:
    """The paths of all runs shown. UserError if a point lies where no code is."""
    chosen = paths.view.chosen(state.runs)
    wanted = paths.asked(state)
    return Study(wanted, [(run, attempt(paths, run, wanted, state)) for run in chosen])


def attempt(paths: Paths, run: Run, wanted: Asked, state: State) -> Path | str:
    """The run's path, or why there is none."""
    if not (wanted.a and wanted.b):
        return HINT
    try:
        return paths.find(run, wanted, state)
    except UserError as error:
        return str(error)


def column(paths: Paths, state: State, run_id: str, mode: str) -> tuple[Any, ...]:
    """Map with the path, head, numbers and words of one run."""
    head: list[Component] = []
    try:
        run = paths.view.find(run_id)
        head = cards.heading(paths.view, run, "")
        wanted = paths.asked(state)
        path = attempt(paths, run, wanted, state)
        figure = _map(paths, state, run, path, mode)
    except UserError as error:
        return charts.note_figure(str(error), mode), head, [], []
    if isinstance(path, str):
        return figure, head, [], [html.P(path)]
    return (
        figure,
        cards.heading(paths.view, run, path.source),
        _numbers(path),
        list(map(html.P, path.notes)),
    )


def _map(paths: Paths, state: State, run: Run, path: Path | str, mode: str) -> go.Figure:
    """The run's path over its gap or its density; the map alone where there is no path."""
    known = isinstance(path, Path) and path.epoch is not None
    epoch = path.epoch if known else dump(paths.places, run)
    frame, dims = panels.frame(paths.view, run, state, mode)
    grid, gap = paths.view.density(run, epoch, dims, state.limit), state.ground == "gap"
    values, words = grounds.values(*grounds.plane(paths.view, run, epoch, dims), grid, gap)
    drawn = _line(path, dims, theme.TOKENS[mode]["accent"]) if known else None
    figure = maps.path_figure(*grid[:2], values, drawn, frame, gap)
    grounds.noted(figure, words, mode)
    figure.add_traces(item.traces(paths.view, state, run, epoch, dims, mode))
    if run.id == state.on and state.pa is not None and state.pb is None:
        figure.add_trace(item.cross(*state.pa, mode))  # until B is clicked too
    return figure


def _line(path: Path, dims: tuple[int, int], colour: str) -> maps.Points:
    gaps = [""] * len(path.texts) if path.gap is None else [f", gap {signed(g)}" for g in path.gap]
    hover = [
        f"λ = {weight:.2f}{gap}: {words}"
        for weight, gap, words in zip(path.weights, gaps, path.texts, strict=True)
    ]
    return maps.Points("path", colour, path.z[:, dims[0]], path.z[:, dims[1]], hover)


def _numbers(path: Path) -> list[Component]:
    named = {}
    if path.z is not None:
        named["|B − A|"] = signed(np.linalg.norm(path.z[-1] - path.z[0]), 2)
    if path.gap is not None:
        lowest = int(path.gap.argmin())
        named[f"lowest gap, at λ = {path.weights[lowest]:.2f}"] = signed(path.gap[lowest])
    if path.rouge is not None:
        named["mean Rouge-L"] = f"{path.rouge.mean():.2f}"
    return [html.Div([html.Dt(name), html.Dd(value)]) for name, value in named.items()]


def points_line(paths: Paths, state: State) -> Component | None:
    """Where the points of a map are, or that the second one is still to be clicked."""
    chosen = paths.view.chosen(state.runs)
    on = next((run for run in chosen if run.id == state.on), None)
    if on is None or state.pa is None:
        return None
    try:
        points = paths.asked(state).points
        words = f"A is set on the map of {on.label}; now click B on the same map."
        words = words if points is None else points.words
    except UserError as error:
        words = str(error)
    back = html.Button("Back to sentences", id="path-back", className="plain ask")
    choices = [{"value": v, "label": label} for v, label in FILLS.items()]
    fill = dmc.SegmentedControl(id="path-fill", data=choices, value=state.fill, size="xs")
    rest = cards.control("Other coordinates", fill)
    return html.Div(
        [html.P(words), html.Div([rest, back], className="toolbar")], className="points"
    )


def texts(study: Study) -> Component:
    """The texts of all runs in aligned columns, words that are new against the line above marked.

    Of paths with other weights, the texts at the nearest ones.
    """
    longest = max((path.weights for _, path in study.made), key=len)
    runs = [run for run, _ in study.found]
    heads = [
        html.Th([cards.swatch(run.spec), name])
        for run, name in zip(runs, cards.run_names(runs), strict=True)
    ]
    columns = [_cells(run, path, longest) for run, path in study.found]
    rows = [
        html.Tr([html.Td(_weight(weight)), *filter(None, cells)])
        for weight, *cells in zip(longest, *columns, strict=True)
    ]
    body = [html.Thead(html.Tr([html.Th("λ"), *heads])), html.Tbody(rows)]
    return html.Table(body, className="steps", style={"--columns": len(runs)})


def _weight(weight: float) -> str:
    """0, .05, .5, 1: the margin that λ stands in is narrow."""
    return f"{weight:.2f}".strip("0").rstrip(".") or "0"


def _cells(run: Run, path: Path | str, weights: np.ndarray) -> list[Component | None]:
    if isinstance(path, str):
        why = html.Td("no path", rowSpan=len(weights), className="same", title=path)
        return [why, *[None] * (len(weights) - 1)]
    shown = [path.texts[int(np.abs(path.weights - w).argmin())] for w in weights]
    return [_cell(run, above, now) for above, now in pairwise([None, *shown])]


def _cell(run: Run, above: str | None, now: str) -> Component:
    if categories(run):
        parts: list[Any] = [_category(now)]
    else:
        parts = []
    for kind, words in changes(above, now):
        parts += [_PIECES[kind](words), " "]
    return html.Td(parts or "(nothing)", className="same" if now == above else "")


def _category(words: str) -> Component:
    """The colour that the category has on the other pages; none for any other text."""
    number = words.rpartition(" ")[2]
    known = number.isascii() and number.isdigit() and len(number) < 5
    colour = look.CATEGORY_COLOURS[int(number) % len(look.CATEGORY_COLOURS)] if known else ""
    return html.Span(className="swatch", style={"background": colour})


_PIECES = {
    "same": lambda words: html.Span(words),
    "new": lambda words: html.Mark(words),
    "gone": lambda words: html.Span("‸", className="gone", title=f"gone: {words}"),
}

"""The panel of posterior centres: points while few are in view, else their density and a sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from apps.explorer import behind, colours, item, maps, text, theme
from apps.explorer.classes import Classes, sample
from apps.explorer.columns import Column, columns
from apps.explorer.frames import frame, window
from apps.explorer.selection import Selection
from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError
from lab.rasters import in_view, raster
from lab.runs import Run

MOST_TRACES = 20  # several layers per class, so that the class drawn last doesn't hide the others
GL_GRAPHS = 6  # a WebGL graph opens two contexts and a browser allows 16
GL_POINTS = 20_000  # points in view of which all are drawn
SAMPLE = 5_000  # points of more, over their density
SVG_POINTS = 12_000  # points on the whole page without WebGL: each is an element of its own
SMOOTH_FROM = 5_000  # points in view from which their density is worth a look


@dataclass(frozen=True)
class Room:
    """How many points a panel may hold: up to `all` every one in view, else a `sample`; up to `svg`
    without WebGL.
    """

    all: int
    sample: int
    svg: int


def room(shown: Sequence[Column]) -> Room:
    """The room of each panel when these are on the page."""
    svg = min(maps.SVG_LIMIT, SVG_POINTS // max(len(shown), 1))
    large = sum(c.run.info.get("items", 0) > svg for c in shown if c.run.epochs)
    return Room(GL_POINTS, SAMPLE, svg) if large <= GL_GRAPHS else Room(svg, svg, svg)


def figure(view: View, state: State, shown: Column, mode: str) -> go.Figure:
    """The centres of one column, the selected ones and the clicked one's posterior on top.

    Raises UserError where there is nothing to draw.
    """
    run, epoch = shown.run, shown.epoch(view, state)
    together = columns(view, state)
    chosen = view.chosen(state.runs)
    framed, dims = frame(view, run, state, mode, state.zoom)
    plane = view.plane_points(run, epoch, dims)
    found, groups = colours.groups(view, state, run, chosen)
    space = room(together)
    rows, seen = _rows(view, state, run, plane, found, groups, space)
    heats, note = behind.layers(
        view, state, run, epoch, dims, colours.palette(view, run, chosen), mode
    )
    smooth = len(rows) < seen >= SMOOTH_FROM and not heats
    if smooth:
        heats = [maps.centres_heat(*raster(plane, window(state)), framed)]
    # Texts of a sample of very many would be most of what travels; a click tells them.
    hover = seen <= GL_POINTS and len(rows) <= maps.HOVER_LIMIT
    selection = Selection.parse(state.brush)
    marked = _marked(view, selection, run)
    posterior = item.traces(view, state, shown.run, epoch, dims, mode)
    return maps.centres_figure(
        _layered(run, plane, rows, found, groups, hover), framed, len(rows) > space.svg,
        _selected(run, plane, marked, mode), _outline(selection, shown, state), heats,
        note or _counted(rows, seen, len(plane), state), posterior, smooth or bool(posterior),
    )  # fmt: skip


def _rows(
    view: View,
    state: State,
    run: Run,
    plane: np.ndarray,
    found: Classes,
    groups: np.ndarray,
    space: Room,
) -> tuple[np.ndarray, int]:
    """The rows drawn, and how many are in view."""
    if state.zoom is not None:
        rows = np.flatnonzero(in_view(plane, state.zoom))
        drawn = rows if len(rows) <= space.all else rows[sample(groups[rows], space.sample)]
        return drawn, len(rows)
    if len(plane) <= space.all:
        return np.arange(len(plane)), len(plane)
    classes = (found.title, found.names)
    key = ("sample", run.items_key, classes, space.sample)
    return view.remember(key, lambda: sample(groups, space.sample)), len(plane)


def _counted(rows: np.ndarray, seen: int, total: int, state: State) -> str:
    """How many are drawn, where that isn't all; counts are always of all items."""
    place = " in view" if state.zoom else ""
    if len(rows) < seen:
        return f"{len(rows):,} of {seen:,}{place} shown"
    return f"{seen:,} of {total:,} in view" if state.zoom else ""


def _layered(
    run: Run,
    plane: np.ndarray,
    rows: np.ndarray,
    found: Classes,
    groups: np.ndarray,
    hover: bool,
) -> list[maps.Points]:
    """The points of each class, in several layers of all classes."""
    layers = max(1, min(4, MOST_TRACES // len(found.names)))
    return [
        _points(run, plane, part[groups[part] == k], name, colour, hover)
        for part in np.array_split(np.random.default_rng(0).permutation(rows), layers)
        for k, (name, colour) in enumerate(zip(found.names, found.colours, strict=True))
    ]


def _points(
    run: Run, plane: np.ndarray, rows: np.ndarray, name: str, colour: str, hover: bool
) -> maps.Points:
    words = [text.safe(t) for t in run.items["text"].gather(rows).to_list()] if hover else []
    return maps.Points(name, colour, plane[rows, 0], plane[rows, 1], words)


def _selected(
    run: Run, plane: np.ndarray, marked: np.ndarray | None, mode: str
) -> maps.Points | None:
    if marked is None:
        return None
    rows = marked[: maps.SVG_LIMIT]
    return _points(run, plane, rows, "selected", theme.TOKENS[mode]["accent"], True)


def _outline(
    selection: Selection | None, shown: Column, state: State
) -> tuple[np.ndarray, np.ndarray] | None:
    """The polygon, where it was drawn in this column's panel on the axes shown now."""
    here = selection is not None and selection.column == shown.id
    same_axes = here and selection.axes == (state.x, state.y)
    return (selection.x, selection.y) if same_axes else None


def _marked(view: View, selection: Selection | None, run: Run) -> np.ndarray | None:
    if selection is None:
        return None
    try:
        source, rows = selection.rows(view)
        return view.matching_rows(source, rows, run)
    except UserError:  # the table says why
        return None

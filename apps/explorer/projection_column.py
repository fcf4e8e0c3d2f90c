"""What one run's column on the page of projections shows: figures and words, without callbacks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from apps.explorer import cards, centres, charts, colours, item, maps, text, theme
from apps.explorer.classes import sample
from apps.explorer.columns import column, columns
from apps.explorer.frames import when_in
from apps.explorer.layouts import Bench, Layouts
from apps.explorer.planes import Planes
from apps.explorer.projection_axis import Texts
from apps.explorer.projection_basis import Basis, basis
from apps.explorer.state import State
from apps.explorer.view import GRID_POINTS, View
from lab import views
from lab.errors import UserError
from lab.layouts import NAMES
from lab.rasters import raster
from lab.runs import Run

LAYOUT_LIMIT = 1.08  # the farthest point lies at 1
LAYERS = 4  # times that each class is drawn, so that the last one doesn't hide the others


class Pictures:
    """The view with its planes, axes between texts, and layouts by kind."""

    def __init__(self, view: View) -> None:
        self.view, self.planes, self.texts = view, view.shared(Planes), view.shared(Texts)
        bench = Bench()
        self.layouts = {kind: Layouts(view, self.planes, kind, bench) for kind in NAMES}

    def basis(self, run: Run, state: State, mode: str) -> Basis:
        """The axes on which a run is drawn. UserError where it has none."""
        return basis(self.planes, self.texts, run, state, mode)


def map_figure(pictures: Pictures, state: State, name: str, mode: str) -> go.Figure:
    """The density, the gap or the counted centres on the plane of two axes."""
    try:
        view = pictures.view
        shown = column(view, name)
        run, epoch = shown.run, shown.epoch(view, state)
        axes = pictures.basis(run, state, mode)
        figure = _map(pictures, run, epoch, axes, state, mode)
        figure.add_traces(item.turned(view, state, run, epoch, axes.matrix, mode))
        figure.add_traces([*axes.on_top, *item.turned_place(state, axes.of, mode)])
        figure.update_layout(meta={"of": axes.of})
        return figure.update_traces(_halo(mode), {"mode": "lines+markers+text"})
    except (UserError, ValueError) as error:
        return charts.note_figure(str(error), mode)


def points_column(pictures: Pictures, state: State, name: str, mode: str) -> tuple[go.Figure, str]:
    """The points of one column, and what is to be known of its projection."""
    laid = state.projection in NAMES
    try:
        shown = column(pictures.view, name)
        epoch = shown.epoch(pictures.view, state)
        return (_laid_out if laid else _of_plane)(pictures, shown.run, epoch, state, mode)
    except (UserError, ValueError) as error:
        # On the plane the map above says why.
        return charts.note_figure(str(error) if laid else "", mode), ""


def told(view: View, state: State, name: str) -> tuple[Any, Any]:
    """Head and numbers of one column."""
    try:
        shown = column(view, name)
    except UserError:
        return "", ""
    run = shown.run
    try:
        epoch = shown.epoch(view, state)
    except UserError:
        return cards.heading(view, run, ""), cards.numbers(view.at(run))
    return cards.heading(view, run, when_in(shown, epoch, state)), cards.numbers(
        view.at(run, epoch)
    )


def frame_of(run: Run, names: Sequence[str], state: State, mode: str) -> maps.Frame:
    """What the maps of a run share on any two axes."""
    scale = views.density_scale(run)
    return maps.Frame(*names, state.limit, state.prior, mode, views.on_sphere(run), scale)


def square(state: State) -> tuple[float, float, float, float]:
    """What the maps show: x from, to, y from, to."""
    return -state.limit, state.limit, -state.limit, state.limit


def _halo(mode: str) -> dict[str, Any]:
    """Keeps letters legible on any density."""
    ground = theme.TOKENS[mode]["background"]
    return {"textfont": {"shadow": ", ".join([f"0 0 3px {ground}"] * 3)}}


def _map(
    pictures: Pictures, run: Run, epoch: int, axes: Basis, state: State, mode: str
) -> go.Figure:
    frame = frame_of(run, axes.names, state, mode)
    if state.drawn == "centres":
        points = pictures.view.points(run, epoch) @ axes.matrix
        return maps.density_figure(*raster(points, square(state)), frame)
    grid = pictures.planes.density(run, epoch, axes.matrix, state.limit, GRID_POINTS)
    if state.drawn == "density":
        return maps.density_figure(*grid, frame)
    gap = views.gap(pictures.view.latents(run, epoch), *grid, axes.matrix)
    return maps.gap_figure(*grid[:2], gap, frame)


def layout_of(
    pictures: Pictures, run: Run, epoch: int, state: State
) -> tuple[np.ndarray, np.ndarray]:
    """The rows [M] of the items of a layout, and their points [M, 2]. UserError where it is not
    made yet.
    """
    layouts = pictures.layouts[state.projection]
    return layouts.rows(run), layouts.turned(run, epoch, pictures.view.chosen(state.runs))


def _of_plane(
    pictures: Pictures, run: Run, epoch: int, state: State, mode: str
) -> tuple[go.Figure, str]:
    view, axes = pictures.view, pictures.basis(run, state, mode)
    points = view.points(run, epoch) @ axes.matrix
    frame, rows = frame_of(run, axes.names, state, mode), np.arange(len(points))
    figure = _points_figure(view, state, run, rows, points, frame, axes.on_top)
    return figure.update_layout(meta={"of": axes.of}), axes.words


def _laid_out(
    pictures: Pictures, run: Run, epoch: int, state: State, mode: str
) -> tuple[go.Figure, str]:
    rows, layout = layout_of(pictures, run, epoch, state)
    names = [f"{NAMES[state.projection]} {k}" for k in (1, 2)]
    frame = maps.Frame(*names, LAYOUT_LIMIT, mode=mode)
    figure = _points_figure(pictures.view, state, run, rows, layout, frame)
    figure.update_xaxes(showticklabels=False, ticks="")
    figure.update_yaxes(showticklabels=False, ticks="")
    return figure.update_layout(meta={"of": state.projection}), ""


def _points_figure(
    view: View, state: State, run: Run, rows: np.ndarray, plane: np.ndarray, frame: maps.Frame,
    on_top: Sequence[go.Scatter] = (),
) -> go.Figure:  # fmt: skip
    """Points [M, 2] of the items in `rows`, coloured as on the page of latent spaces."""
    found, groups = colours.groups(view, state, run, view.chosen(state.runs))
    groups = groups[rows]
    room = centres.room(columns(view, state))
    drawn = np.arange(len(rows)) if len(rows) <= room.all else sample(groups, room.sample)
    several = max(1, min(LAYERS, centres.MOST_TRACES // len(found.names)))
    layers = [
        _points(run, rows, plane, part[groups[part] == k], name, colour, len(drawn))
        for part in np.array_split(np.random.default_rng(0).permutation(drawn), several)
        for k, (name, colour) in enumerate(zip(found.names, found.colours, strict=True))
    ]
    note = f"{len(drawn):,} of {len(run.items):,} shown" if len(drawn) < len(run.items) else ""
    gl = len(drawn) > room.svg
    figure = maps.centres_figure(layers, frame, gl, note=note, on_top=on_top)
    return figure.update_layout(dragmode="zoom")


def _points(
    run: Run, rows: np.ndarray, plane: np.ndarray, drawn: np.ndarray, name: str, colour: str,
    total: int,
) -> maps.Points:  # fmt: skip
    hover = run.items["text"].gather(rows[drawn]).to_list() if total <= maps.HOVER_LIMIT else []
    words = [text.safe(t) for t in hover]
    return maps.Points(name, colour, plane[drawn, 0], plane[drawn, 1], words)

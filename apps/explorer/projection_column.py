"""What one run's column on the page of projections shows: figures and words, without callbacks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from apps.explorer import cards, centres, charts, colours, item, maps, text
from apps.explorer.classes import sample
from apps.explorer.columns import column, columns
from apps.explorer.frames import when_in
from apps.explorer.planes import FEWEST_SHARED, Plane, Planes
from apps.explorer.state import State
from apps.explorer.umaps import Umaps
from apps.explorer.view import GRID_POINTS, View
from lab import views
from lab.errors import UserError
from lab.rasters import raster
from lab.runs import Run

UMAP_LIMIT = 1.08  # the farthest point lies at 1
LAYERS = 4  # times that each class is drawn, so that the last one doesn't hide the others


class Pictures:
    """The view with its planes and UMAP layouts."""

    def __init__(self, view: View) -> None:
        self.view, self.planes = view, Planes(view)
        self.umaps = Umaps(view, self.planes)


def map_figure(pictures: Pictures, state: State, name: str, mode: str) -> go.Figure:
    """The density, the gap or the counted centres on the plane of the first principal axes."""
    try:
        view = pictures.view
        shown = column(view, name)
        run, epoch = shown.run, shown.epoch(view, state)
        plane = pictures.planes.plane(run, view.chosen(state.runs))
        figure = _map(pictures, run, epoch, plane, state, mode)
        return figure.add_traces(item.turned(view, state, run, epoch, plane.matrix, mode))
    except (UserError, ValueError) as error:
        return charts.note_figure(str(error), mode)


def points_column(pictures: Pictures, state: State, name: str, mode: str) -> tuple[go.Figure, str]:
    """The points of one column, and what is to be known of its projection."""
    umap = state.projection == "umap"
    try:
        shown = column(pictures.view, name)
        epoch = shown.epoch(pictures.view, state)
        return (_of_umap if umap else _of_plane)(pictures, shown.run, epoch, state, mode)
    except (UserError, ValueError) as error:
        # On the plane the map above says why.
        return charts.note_figure(str(error) if umap else "", mode), ""


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
        return cards.heading(run, ""), cards.numbers(view.at(run))
    return cards.heading(run, when_in(shown, epoch, state)), cards.numbers(view.at(run, epoch))


def frame_of(run: Run, names: Sequence[str], state: State, mode: str) -> maps.Frame:
    """What the maps of a run share on any two axes."""
    scale = views.density_scale(run)
    return maps.Frame(*names, state.limit, state.prior, mode, views.on_sphere(run), scale)


def square(state: State) -> tuple[float, float, float, float]:
    """What the maps show: x from, to, y from, to."""
    return -state.limit, state.limit, -state.limit, state.limit


def _map(
    pictures: Pictures, run: Run, epoch: int, plane: Plane, state: State, mode: str
) -> go.Figure:
    frame = _frame(run, plane, state, mode)
    if state.drawn == "centres":
        points = pictures.view.points(run, epoch) @ plane.matrix
        return maps.density_figure(*raster(points, square(state)), frame)
    grid = pictures.planes.density(run, epoch, plane.matrix, state.limit, GRID_POINTS)
    if state.drawn == "density":
        return maps.density_figure(*grid, frame)
    gap = views.gap(pictures.view.latents(run, epoch), *grid)
    return maps.gap_figure(*grid[:2], gap, frame)


def _frame(run: Run, plane: Plane, state: State, mode: str) -> maps.Frame:
    name = "turned axis" if plane.onto and plane.shared >= FEWEST_SHARED else "principal axis"
    names = [f"{name} {k + 1}, {share:.0%} of Var μ" for k, share in enumerate(plane.share)]
    return frame_of(run, names, state, mode)


def _of_plane(
    pictures: Pictures, run: Run, epoch: int, state: State, mode: str
) -> tuple[go.Figure, str]:
    view = pictures.view
    plane = pictures.planes.plane(run, view.chosen(state.runs))
    points = view.points(run, epoch) @ plane.matrix
    frame, rows = _frame(run, plane, state, mode), np.arange(len(points))
    return _points_figure(view, state, run, rows, points, frame), _words(plane)


def _words(plane: Plane) -> str:
    held = f"The two axes hold {plane.share.sum():.0%} of the variance of the means."
    if not plane.onto:
        return f"{held} Other runs are turned onto these."
    if plane.shared < FEWEST_SHARED:
        return f"{held} No items in common with {plane.onto}: not turned onto it."
    return (
        f"{held} Turned onto {plane.onto} by {plane.shared:,} shared items; "
        f"disparity {plane.disparity:.2f}."
    )


def _of_umap(
    pictures: Pictures, run: Run, epoch: int, state: State, mode: str
) -> tuple[go.Figure, str]:
    view, umaps = pictures.view, pictures.umaps
    layout = umaps.turned(run, epoch, view.chosen(state.runs))
    frame = maps.Frame("UMAP 1", "UMAP 2", UMAP_LIMIT, mode=mode)
    figure = _points_figure(view, state, run, umaps.rows(run), layout, frame)
    figure.update_xaxes(showticklabels=False, ticks="")
    figure.update_yaxes(showticklabels=False, ticks="")
    return figure, ""


def _points_figure(
    view: View, state: State, run: Run, rows: np.ndarray, plane: np.ndarray, frame: maps.Frame
) -> go.Figure:
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
    figure = maps.centres_figure(layers, frame, len(drawn) > room.svg, note=note)
    return figure.update_layout(dragmode="zoom")


def _points(
    run: Run, rows: np.ndarray, plane: np.ndarray, drawn: np.ndarray, name: str, colour: str,
    total: int,
) -> maps.Points:  # fmt: skip
    hover = run.items["text"].gather(rows[drawn]).to_list() if total <= maps.HOVER_LIMIT else []
    words = [text.safe(t) for t in hover]
    return maps.Points(name, colour, plane[drawn, 0], plane[drawn, 1], words)

"""A grid of small maps, one per pair of dimensions, of one run: heat maps in a single figure."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from apps.explorer import charts, item, maps, text, theme
from apps.explorer.columns import column
from apps.explorer.projection_column import Pictures, frame_of, square
from apps.explorer.state import PAIR_COUNTS, State
from lab import views
from lab.errors import UserError
from lab.rasters import raster
from lab.runs import Run

MOST = max(PAIR_COUNTS)
ACROSS = 8  # cells in a line
POINTS = 80  # of a density each way
GAP = 0.14  # of a cell's width, between cells
HEAD = 0.2  # of a cell's height, for its title
_PAIR = re.compile(r"(\d{1,5})[^\d,;]+(\d{1,5})", re.ASCII)


def chosen_pairs(words: str) -> tuple[tuple[int, int], ...]:
    """Pairs of numbers from 1, as in "1 2, 3-4"; what is no pair of two different ones is left out.

    At most 16.
    """
    found = ((int(a), int(b)) for a, b in _PAIR.findall(words))
    return tuple(dict.fromkeys((a, b) for a, b in found if a != b and min(a, b) > 0))[:MOST]


def pairs_of(state: State, width: int) -> list[tuple[int, int]]:
    """The pairs asked for, else (1, 2), (3, 4), ..., as far as there are dimensions; from 0."""
    rising = tuple((2 * k + 1, 2 * k + 2) for k in range(state.count))
    asked = chosen_pairs(state.pairs) or rising
    return [(a - 1, b - 1) for a, b in asked if max(a, b) <= width]


def cells(state: State, chosen: Sequence[Run]) -> tuple[int, int]:
    """Columns and lines of every run's grid, so that all cells have one size."""
    widths = [r.info.get("latent", {}).get("dimensions", 0) for r in chosen]
    count = max((len(pairs_of(state, width)) for width in widths), default=0)
    across = min(max(count, 1), ACROSS)
    return across, max(1, math.ceil(count / across))


def shape(across: int, lines: int) -> str:
    """Width over height of the grid, as a style sheet has it."""
    return f"{_extent(across)} / {lines * (1 + HEAD)}"


def figure(pictures: Pictures, state: State, name: str, mode: str) -> go.Figure:
    """The grid of one run at the epoch of its row."""
    try:
        view = pictures.view
        shown = column(view, name)
        run, epoch = shown.run, shown.epoch(view, state)
        pairs = pairs_of(state, view.latents(run, epoch).dimensions)
        if not pairs:
            raise UserError("This run has none of these pairs of dimensions.")
        made = [_cell(pictures, run, epoch, pair, state, mode) for pair in pairs]
        figure = grid(made, *cells(state, view.chosen(state.runs)), mode)
        return figure.update_layout(meta={"of": [_of(pair, state) for pair in pairs]})
    except (UserError, ValueError) as error:
        return charts.note_figure(str(error), mode)


def _cell(
    pictures: Pictures, run: Run, epoch: int, pair: tuple[int, int], state: State, mode: str
) -> go.Figure:
    names, matrix, dims = _axes(pictures, run, pair, state)
    figure = _map(pictures, run, epoch, (matrix, dims), state, frame_of(run, names, state, mode))
    view = pictures.view
    if matrix is not None:
        posterior = item.turned(view, state, run, epoch, matrix, mode)
        return figure.add_traces([*posterior, *item.turned_place(state, _of(pair, state), mode)])
    posterior = item.traces(view, state, run, epoch, dims, mode)
    return figure.add_traces([*posterior, *item.place(view, state, run, dims, mode)])


def _of(pair: tuple[int, int], state: State) -> str:
    """The pair's name in the URL."""
    kind = {"activity": "a", "index": "z", "pca": "pc"}[state.by]
    return f"{kind}{pair[0] + 1}.{pair[1] + 1}"


def _map(
    pictures: Pictures,
    run: Run,
    epoch: int,
    axes: tuple[np.ndarray | None, tuple[int, int]],
    state: State,
    frame: maps.Frame,
) -> go.Figure:
    matrix, dims = axes
    if state.drawn == "centres":
        points = pictures.view.points(run, epoch)
        plane = points[:, dims] if matrix is None else points @ matrix
        return maps.density_figure(*raster(plane, square(state)), frame)
    made = pictures.planes
    found = (
        made.marginal(run, epoch, dims, state.limit, POINTS)
        if matrix is None
        else made.density(run, epoch, matrix, state.limit, POINTS)
    )
    if state.drawn == "density":
        return maps.density_figure(*found, frame)
    latents = pictures.view.latents(run, epoch)
    gap = views.gap(latents, *found, dims if matrix is None else matrix)
    return maps.gap_figure(*found[:2], gap, frame)


def _axes(
    pictures: Pictures, run: Run, pair: tuple[int, int], state: State
) -> tuple[list[str], np.ndarray | None, tuple[int, int]]:
    """Names of the two axes, and the axes: principal ones [D, 2], or None and two dimensions."""
    if state.by == "pca":
        axes = pictures.planes.pair(run, pair)
        names = [f"PC {pair[0] + 1}", f"{pair[1] + 1} · {axes.share.sum():.0%}"]
        return names, axes.matrix, pair
    order = pictures.view.order(run)
    dims = pair if state.by == "index" else (int(order[pair[0]]), int(order[pair[1]]))
    return [text.dimension(d) for d in dims], None, dims


def _extent(across: int) -> float:
    return across + GAP * (across - 1)


def grid(made: Sequence[go.Figure], across: int, lines: int, mode: str) -> go.Figure:
    """Small maps as the cells of one figure, each below its title "across × up"."""
    whole = go.Figure(layout=theme.layout(mode, margin={"l": 2, "r": 2, "t": 2, "b": 2}))
    shapes, titles = [], []
    for k, small in enumerate(made):
        name = str(k + 1) if k else ""
        axes = {"xaxis": f"x{name}", "yaxis": f"y{name}"}
        whole.add_traces([trace.update(axes) for trace in small.data])
        for key, span in zip(axes, _domain(k, across, lines), strict=True):
            axis = small.layout[key].to_plotly_json()
            whole.update_layout({f"{key}{name}": _plain(axis, span, name, key)})
        refs = {"xref": f"x{name}", "yref": f"y{name}"}
        shapes += [{**s.to_plotly_json(), **refs} for s in small.layout.shapes]
        titles.append(_title(small, refs))
    known = "|".join(t["text"] for t in titles)
    limit = made[0].layout.xaxis.range
    return whole.update_layout(
        shapes=shapes, annotations=titles, uirevision=f"{known}|{limit}", dragmode="zoom"
    )


def _domain(k: int, across: int, lines: int) -> tuple[list[float], list[float]]:
    line, column = divmod(k, across)
    left = column * (1 + GAP) / _extent(across)
    bottom = (lines - 1 - line) / lines
    right, top = left + 1 / _extent(across), bottom + 1 / lines / (1 + HEAD)
    return [left, min(right, 1.0)], [bottom, min(top, 1.0)]


def _plain(axis: dict, span: list[float], name: str, key: str) -> dict[str, Any]:
    """An axis without numbers, in its cell."""
    other = f"y{name}" if key == "xaxis" else f"x{name}"
    bare = {"title": None, "showticklabels": False, "ticks": "", "mirror": True}
    return {**axis, **bare, "domain": span, "anchor": other} | (
        {"scaleanchor": other} if key == "yaxis" else {}
    )


def _title(small: go.Figure, refs: dict[str, str]) -> dict[str, Any]:
    across, up = (small.layout[key].title.text for key in ("xaxis", "yaxis"))
    corner = {"x": 0, "y": 1, **{key: f"{axis} domain" for key, axis in refs.items()}}
    return {
        "text": f"{across}, {up}", "showarrow": False, "xanchor": "left", "yanchor": "bottom",
        "font": {"size": 12}, **corner,
    }  # fmt: skip

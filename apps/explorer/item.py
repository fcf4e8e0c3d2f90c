"""What was clicked on maps: an item, with its posterior in every column, or a place."""

from typing import Any
from urllib.parse import parse_qs, urlencode

import numpy as np
import plotly.graph_objects as go

from apps.explorer import ellipse, neighbours, theme
from apps.explorer.columns import column
from apps.explorer.frames import window
from apps.explorer.state import State, pair_of
from apps.explorer.view import View
from lab import views
from lab.errors import UserError
from lab.runs import Latents, Run

NEAR = 0.04  # of the width of a map: farther away from every point, a click means none


def traces(
    view: View, state: State, run: Run, epoch: int, dims: tuple[int, int], mode: str
) -> list[go.Scatter]:
    """The posterior of the item that the state names, over two dimensions of a run.

    Nothing where this run has no such item.
    """
    row = _row(view, state, run)
    if row is None:
        return []
    plane = view.plane(run, epoch, dims)
    axes = dims if views.on_sphere(run) else (0, 1)
    return _drawn(plane, row, ellipse.two_of(plane, axes), mode)


def turned(
    view: View, state: State, run: Run, epoch: int, axes: np.ndarray, mode: str
) -> list[go.Scatter]:
    """As `traces`, over any two axes [D, 2]."""
    row = _row(view, state, run)
    return [] if row is None else _drawn(view.latents(run, epoch), row, axes, mode)


def _row(view: View, state: State, run: Run) -> int | None:
    if state.item is None:
        return None
    key = ("row", state.item, state.runs, run.id, run.info.get("created"), view.listing.revision)
    try:
        return view.remember(key, lambda: neighbours.row_in(view, state, run))
    except UserError:
        return None


def _drawn(latents: Latents, row: int, axes: np.ndarray, mode: str) -> list[go.Scatter]:
    # What has no ellipse has draws.
    draws = ellipse.posterior_draws(latents, row) if latents.log_variance is None else None
    return ellipse.posterior_traces(latents, row, axes, mode, draws)


def clicked(view: View, state: State, name: str, point: Any) -> str:
    """Id of the item whose point in a column is nearest to a click (x, y); "" if none is near."""
    shown = column(view, name)
    run = shown.run
    dims = view.dims(run, state.x, state.y)
    plane = view.plane_points(run, shown.epoch(view, state), dims)
    x0, x1, *_ = window(state)
    row = nearest(plane, point, x1 - x0)
    return "" if row is None else str(run.items["id"][row])


def nearest(plane: np.ndarray, point: Any, width: float) -> int | None:
    """The row of the points [N, 2] of a map of that width that a click (x, y) means, if any."""
    away = np.square(plane - np.asarray(point, plane.dtype)).sum(1)
    row = int(away.argmin())
    return row if away[row] <= (NEAR * width) ** 2 else None


def placed(point: Any, of: str = "") -> dict[str, str]:
    """What the URL holds of a place that was clicked, in coordinates `of` these axes."""
    return {"at": ",".join(f"{v:.3f}" for v in point), "of": of, "draw": ""}


def place_dims(view: View, state: State, run: Run) -> tuple[int, int] | None:
    """The two dimensions of a run that the place clicked has coordinates of; None for turned axes.

    UserError for a run of one dimension.
    """
    if not state.of:
        return view.dims(run, state.x, state.y)
    kind, first, second = pair_of(state.of) or ("", 0, 0)
    return view.dims(run, f"{kind}{first}", f"{kind}{second}") if kind in ("a", "z") else None


def place(view: View, state: State, run: Run, dims: tuple[int, int], mode: str) -> list[go.Scatter]:
    """A cross at the place that was clicked, if it lies on a map of these two dimensions."""
    here = state.at is not None and place_dims(view, state, run) == dims
    return [cross(*state.at, mode)] if here else []


def turned_place(state: State, of: str, mode: str) -> list[go.Scatter]:
    """As `place`, on a map of turned axes of that name."""
    return [cross(*state.at, mode)] if state.at is not None and state.of == of else []


def cross(x: float, y: float, mode: str) -> go.Scatter:
    """Where a map was clicked."""
    line = {"width": 2.5, "color": theme.TOKENS[mode]["accent"]}
    marker = {"symbol": "cross-thin", "size": 15, "line": line}
    return go.Scatter(x=[x], y=[y], mode="markers", marker=marker, hoverinfo="skip")


def address(page: str, search: str | None) -> str:
    """Another page at the state of this one."""
    query = parse_qs((search or "").lstrip("?"), keep_blank_values=True)
    return f"{page}?{urlencode(query, doseq=True)}"

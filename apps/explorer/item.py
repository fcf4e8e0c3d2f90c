"""The item that was clicked: which it is, its posterior in every column, its words."""

from typing import Any
from urllib.parse import parse_qs, urlencode

import numpy as np
import plotly.graph_objects as go

from apps.explorer import ellipse, neighbours
from apps.explorer.columns import Column, column
from apps.explorer.frames import window
from apps.explorer.state import State
from apps.explorer.view import View
from lab import views
from lab.errors import UserError

NEAR = 0.04  # of the width of a map: farther away from every point, a click means none


def traces(
    view: View, state: State, shown: Column, dims: tuple[int, int], mode: str
) -> list[go.Scatter]:
    """The posterior of the item that the state names; nothing where this run has no such item."""
    if state.item is None:
        return []
    run = shown.run
    key = ("row", state.item, state.runs, run.id, run.info.get("created"), view.listing.revision)
    try:
        row = view.remember(key, lambda: neighbours.row_in(view, state, run))
        plane = view.plane(run, shown.epoch(view, state), dims)
    except UserError:
        return []
    # What has no ellipse has draws.
    draws = ellipse.posterior_draws(plane, row) if plane.log_variance is None else None
    axes = dims if views.on_sphere(run) else (0, 1)
    return ellipse.posterior_traces(plane, row, axes, mode, draws)


def clicked(view: View, state: State, name: str, point: Any) -> str:
    """Id of the item whose point in a column is nearest to a click (x, y); "" if none is near."""
    shown = column(view, name)
    run = shown.run
    dims = view.axis(run, state.x)[0], view.axis(run, state.y)[0]
    plane = view.plane_points(run, shown.epoch(view, state), dims)
    away = np.square(plane - np.asarray(point, plane.dtype)).sum(1)
    row = int(away.argmin())
    x0, x1, *_ = window(state)
    return str(run.items["id"][row]) if away[row] <= (NEAR * (x1 - x0)) ** 2 else ""


def address(search: str | None) -> str:
    """The page of the item, at the state of this one."""
    query = parse_qs((search or "").lstrip("?"), keep_blank_values=True)
    return f"/sentence?{urlencode(query, doseq=True)}"

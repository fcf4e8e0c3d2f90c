"""What a map stands on, the density or the gap, and the line that says how it was smoothed."""

import numpy as np
import plotly.graph_objects as go

from apps.explorer import theme
from apps.explorer.text import safe
from apps.explorer.view import View
from lab import smoothing, views
from lab.errors import UserError
from lab.runs import Latents, Run
from lab.smoothing import Axes

Grid = tuple[np.ndarray, np.ndarray, np.ndarray]


def plane(view: View, run: Run, epoch: int, dims: tuple[int, int]) -> tuple[Latents, Axes]:
    """Latents that hold two dimensions, all that is read of a large dump, and which those are
    there.
    """
    return view.plane(run, epoch, dims), dims if views.on_sphere(run) else (0, 1)


def values(latents: Latents, axes: Axes, grid: Grid, gap: bool) -> tuple[np.ndarray, str]:
    """The gap or the density [y, x], and its line; without a gap NaN, so that the map still takes
    clicks, and why.
    """
    if not gap:
        return grid[2], smoothing.words(latents, axes)
    try:
        return views.gap(latents, *grid, axes), smoothing.words(latents, axes)
    except UserError as error:
        return np.full_like(grid[2], np.nan), str(error)


def noted(figure: go.Figure, words: str, mode: str) -> go.Figure:
    """The map with a line in its lower left corner, if there are words."""
    place = {"x": 0, "y": 0, "xref": "x domain", "yref": "y domain", "yanchor": "bottom"}
    style = {"bgcolor": theme.TOKENS[mode]["background"], "opacity": 0.85, "xanchor": "left"}
    line = {"text": safe(words, 34), "showarrow": False, "align": "left", **place, **style}
    return figure.update_layout(annotations=[line] if words else [])

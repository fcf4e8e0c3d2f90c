"""One item's posterior on two dimensions, as traces that lie over any map."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from apps.explorer import theme
from lab import views
from lab.runs import Latents
from lab.runs.figures import take

SIGMAS = (1, 2)
CORNERS = 73
DRAWS = 40


def posterior_draws(latents: Latents, row: int, count: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Draws [S, D] of one item's posterior, S at most `count`; a point is its own only draw."""
    return views.draws(take(latents, np.array([row])), count, seed)[0]


def posterior_traces(
    latents: Latents, row: int, axes: np.ndarray, mode: str, draws: np.ndarray | None = None
) -> list[go.Scatter]:
    """The posterior of item `row` over a map of two `axes` [D, 2].

    Ellipses at one and two standard deviations where it is a diagonal Gaussian, `draws` [S, D] as
    points, and its mean as a cross; of samples, directions and points there is no ellipse.
    """
    centre = latents.mean[row] @ axes
    traces = []
    if latents.log_variance is not None:
        traces = [_ellipses(centre, np.exp(latents.log_variance[row]), axes, mode)]
    if draws is not None and len(draws) > 1:
        traces.append(_dots(draws @ axes, mode))
    return [*traces, _cross(centre, mode)]


def two_of(latents: Latents, dims: tuple[int, int]) -> np.ndarray:
    """Axes [D, 2] that are two of the dimensions."""
    return np.eye(latents.dimensions)[:, list(dims)]


def _ellipses(centre: np.ndarray, variance: np.ndarray, axes: np.ndarray, mode: str) -> go.Scatter:
    """One line for both, with a gap between them."""
    turn = np.append(np.linspace(0, 2 * np.pi, CORNERS), np.nan)
    values, vectors = np.linalg.eigh(axes.T @ (variance[:, None] * axes))
    root = vectors * np.sqrt(np.maximum(values, 0))
    circle = root @ np.stack([np.cos(turn), np.sin(turn)])
    x, y = centre[:, None] + np.concatenate([s * circle for s in SIGMAS], axis=1)
    line = {"color": theme.TOKENS[mode]["text"], "width": 1.5}
    return go.Scatter(x=x, y=y, mode="lines", line=line, name="1 σ, 2 σ", hoverinfo="skip")


def _dots(plane: np.ndarray, mode: str) -> go.Scatter:
    return _markers(plane, mode, "draws", {"size": 4, "opacity": 0.75})


def _cross(centre: np.ndarray, mode: str) -> go.Scatter:
    look = {"size": 9, "symbol": "cross", "line": {"width": 1, "color": _ground(mode)}}
    return _markers(centre[None], mode, "mean", look)


def _markers(plane: np.ndarray, mode: str, name: str, look: dict[str, Any]) -> go.Scatter:
    marker = {"color": theme.TOKENS[mode]["accent"], **look}
    x, y = plane[:, 0], plane[:, 1]
    return go.Scatter(x=x, y=y, mode="markers", marker=marker, name=name, hoverinfo="skip")


def _ground(mode: str) -> str:
    return theme.TOKENS[mode]["background"]

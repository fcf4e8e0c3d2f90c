"""Maps of a latent space as pure functions: arrays in, plotly figure out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from apps.explorer import theme
from apps.explorer.text import safe
from lab.look import DENSITY_LIMIT, PRIOR_RADII
from lab.views import GAP_LIMIT

SPHERE_RADII = (1.0,)
SVG_LIMIT = 2_000  # points up to which a panel needs no WebGL context
HOVER_LIMIT = 10_000  # points whose texts travel to the browser; of more, a click tells the text
HOVER_NEEDS = 100  # distinct values an axis must have: hovering over a dead one blocks the browser


@dataclass(frozen=True)
class Frame:
    """What all maps share: names of the axes, half-width, prior circles, colour mode.

    On a sphere the prior is one circle, its outline; `scale` multiplies the limit of densities;
    `window` is the part zoomed in on: x from, to, y from, to.
    """

    x: str
    y: str
    limit: float
    prior: bool = False
    mode: str = "light"
    sphere: bool = False
    scale: float = 1.0
    window: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Points:
    """One class of posterior centres: x [M], y [M] and a hover text each."""

    name: str
    colour: str
    x: np.ndarray
    y: np.ndarray
    hover: Sequence[str] = ()


def density_figure(x: np.ndarray, y: np.ndarray, density: np.ndarray, frame: Frame) -> go.Figure:
    """Heat map of a density [y, x] whose limits never change, zero at the background colour."""
    heat = go.Heatmap(
        x=x.astype(np.float32), y=y.astype(np.float32), z=density.astype(np.float32), zmin=0,
        zmax=DENSITY_LIMIT * frame.scale,
        colorscale=theme.scale(frame.mode), showscale=False, zsmooth="best",
        hovertemplate="%{x:.2f}, %{y:.2f}<br>density %{z:.3f}<extra></extra>",
    )  # fmt: skip
    return go.Figure(heat, _map_layout(frame, dragmode="zoom"))


def gap_figure(x: np.ndarray, y: np.ndarray, gap: np.ndarray, frame: Frame) -> go.Figure:
    """Heat map of log q/p [y, x] in nats, the background colour at 0 and where it is NaN.

    Colours end at ± `views.GAP_LIMIT` in every panel and at every epoch.
    """
    heat = go.Heatmap(
        x=x.astype(np.float32), y=y.astype(np.float32), z=gap.astype(np.float32),
        zmin=-GAP_LIMIT, zmax=GAP_LIMIT, colorscale=theme.diverging(frame.mode), showscale=False,
        hovertemplate="%{x:.2f}, %{y:.2f}<br>log q/p %{z:.2f} nats<extra></extra>",
    )  # fmt: skip
    return go.Figure(heat, _map_layout(frame, dragmode="zoom"))


def centres_figure(
    groups: Sequence[Points],
    frame: Frame,
    gl: bool,
    selected: Points | None = None,
    outline: tuple[np.ndarray, np.ndarray] | None = None,
    behind: Sequence[go.Heatmap] = (),
    note: str = "",
    on_top: Sequence[go.Scatter] = (),
    faint: bool = False,
) -> go.Figure:
    """Posterior centres, one trace per class; selected ones on top in the accent colour.

    `outline` is the polygon (x, y) that was drawn in this very panel, `note` a line at its top.
    """
    kind = go.Scattergl if gl else go.Scatter
    total = sum(len(g.x) for g in groups)
    size = 5 if total <= 600 else 4 if total <= SVG_LIMIT else 3
    opacity = 0.3 if faint or selected is not None else 0.75
    texts = any(g.hover for g in groups)
    hover = texts and can_hover(groups)
    traces = [_dots(kind, g, size, opacity, hover) for g in groups if len(g.x)]
    if selected is not None and len(selected.x):
        traces.append(_dots(kind, selected, size + 2, 1.0, hover))
    traces += [
        go.Scattergl(t.to_plotly_json() | {"type": "scattergl"}) if gl else t for t in on_top
    ]
    figure = go.Figure([*behind, *traces], _map_layout(frame, dragmode="lasso"))
    figure.update_layout(annotations=[_note(note, frame.mode)] if note else [])
    figure.update_layout(
        hovermode="closest" if hover else False, newselection=_selection(frame.mode)
    )
    if outline is not None:
        figure.update_layout(
            selections=[{"type": "path", "path": _path(*outline), **_selection(frame.mode)}]
        )
    return figure


def can_hover(groups: Sequence[Points]) -> bool:
    """False where an axis has so few distinct values that hovering would block the browser."""
    drawn = [g for g in groups if len(g.x)]
    if not drawn:
        return False
    axes = (np.concatenate([g.x for g in drawn]), np.concatenate([g.y for g in drawn]))
    return min(len(np.unique(a)) for a in axes) >= min(HOVER_NEEDS, len(axes[0]))


def centres_heat(x: np.ndarray, y: np.ndarray, density: np.ndarray, frame: Frame) -> go.Heatmap:
    """The density of points [y, x] behind a sample of them, on the scale of all densities."""
    return go.Heatmap(
        x=x.astype(np.float32), y=y.astype(np.float32), z=density.astype(np.float32), zmin=0,
        zmax=DENSITY_LIMIT * frame.scale, colorscale=theme.scale(frame.mode), showscale=False,
        zsmooth="best", hoverinfo="skip",
    )  # fmt: skip


def path_figure(
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray,
    path: Points | None,
    frame: Frame,
    gap: bool = False,
) -> go.Figure:
    """A path with its ends A and B over the density, or over the gap."""
    figure = (gap_figure if gap else density_figure)(x, y, values, frame)
    if path is None:
        return figure
    tokens = theme.TOKENS[frame.mode]
    ends = ["A", *[""] * (len(path.x) - 2), "B"]
    figure.add_scatter(
        x=path.x, y=path.y, mode="lines+markers+text", text=ends,
        textposition=_away(path.x[-1] - path.x[0], path.y[-1] - path.y[0], len(ends)),
        textfont={"size": 15, "color": tokens["text"], "weight": 700},
        hovertext=[safe(t) for t in path.hover],
        hoverinfo="text", line={"color": tokens["text"], "width": 1.5},
        marker={"size": 7, "color": path.colour, "line": {"width": 1, "color": tokens["text"]}},
    )  # fmt: skip
    return figure


def _map_layout(frame: Frame, dragmode: str) -> dict[str, Any]:
    limit = frame.limit
    x0, x1, y0, y1 = frame.window or (-limit, limit, -limit, limit)
    ticks: dict[str, Any] = {"tickmode": "auto", "nticks": 5}
    if frame.window is None:
        ticks = {"tickmode": "array", "tickvals": [-limit, -limit / 2, 0, limit / 2, limit]}
    free = {**ticks, "constrain": "domain"}
    y_axis = {**free, "range": [y0, y1], "title": _title(frame.y), "scaleanchor": "x"}
    x_axis = {**free, "range": [x0, x1], "title": _title(frame.x)}
    radii = SPHERE_RADII if frame.sphere else PRIOR_RADII
    circles = [_circle(r, frame.mode) for r in radii] if frame.prior else []
    return theme.layout(
        frame.mode, xaxis=x_axis, yaxis=y_axis, shapes=circles, dragmode=dragmode,
        uirevision=f"{frame.x}|{frame.y}|{frame.limit}",
    )  # fmt: skip


def _title(words: str) -> dict[str, Any]:
    return {"text": words, "font": {"size": 12}, "standoff": 4}


def _note(words: str, mode: str) -> dict[str, Any]:
    corner = {"x": 0, "y": 1, "xref": "x domain", "yref": "y domain"}
    return {
        "text": safe(words, 34), "showarrow": False, "align": "left", "xanchor": "left",
        "yanchor": "top", "bgcolor": theme.TOKENS[mode]["background"], "opacity": 0.85, **corner,
    }  # fmt: skip


def _circle(radius: float, mode: str) -> dict[str, Any]:
    line = {"color": theme.TOKENS[mode]["muted"], "width": 1}
    ends = {"x0": -radius, "x1": radius, "y0": -radius, "y1": radius}
    return {"type": "circle", "line": line, "opacity": 0.6, **ends}


def _away(right: float, up: float, count: int) -> list[str]:
    """Text positions that put the names of a path's ends beyond them."""
    first = f"{'bottom' if up > 0 else 'top'} {'left' if right > 0 else 'right'}"
    last = f"{'top' if up > 0 else 'bottom'} {'right' if right > 0 else 'left'}"
    return [first] * (count - 1) + [last]


def _selection(mode: str) -> dict[str, Any]:
    return {"line": {"color": theme.TOKENS[mode]["accent"], "width": 1.5, "dash": "solid"}}


def _path(x: np.ndarray, y: np.ndarray) -> str:
    return "M" + "L".join(f"{a:.6g},{b:.6g}" for a, b in zip(x, y, strict=True)) + "Z"


def _dots(kind: type, group: Points, size: int, opacity: float, hover: bool) -> Any:
    quiet = {"marker": {"size": size, "color": group.colour, "opacity": opacity}}
    same = {
        "selected": {"marker": {"opacity": opacity}},
        "unselected": {"marker": {"opacity": opacity}},
    }
    words = {"hovertext": list(group.hover), "hoverinfo": "text"} if hover and group.hover else {}
    return kind(
        x=group.x, y=group.y, mode="markers", name=safe(group.name), **quiet, **same,
        **(words or {"hoverinfo": "skip"}),
    )  # fmt: skip

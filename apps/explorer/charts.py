"""Curves, heat maps and empty panels as pure functions: arrays in, plotly figure out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from apps.explorer import theme
from apps.explorer.text import dimension, safe

GAPS_UP_TO = 48  # rows or columns of a heat map; of more, gaps would take most of the room


@dataclass(frozen=True)
class Curve:
    """One line of a chart; `stderr` draws a band of one standard error, `growing` a ring at its
    end.
    """

    name: str
    colour: str
    dash: str
    x: np.ndarray
    y: np.ndarray
    stderr: np.ndarray | None = None
    width: float = 2
    growing: bool = False


def curves_figure(
    curves: Sequence[Curve],
    x_title: str,
    mode: str,
    ceiling: float | None = None,
    from_zero: bool = True,
) -> go.Figure:
    """Lines over epochs with bands of one standard error; `ceiling` is a thin line (log N)."""
    ground = "tozero" if from_zero else "normal"
    shown = "|".join([x_title, *(curve.name for curve in curves)])
    figure = go.Figure(layout=theme.layout(mode, hovermode="x unified", uirevision=shown))
    figure.update_xaxes(title_text=x_title, rangemode="tozero")
    figure.update_yaxes(
        rangemode=ground, showgrid=True, gridcolor=theme.TOKENS[mode]["rule"], nticks=5
    )
    for curve in curves:
        if curve.stderr is not None:
            figure.add_trace(_band(curve))
        figure.add_scatter(
            x=curve.x, y=curve.y, mode="lines+markers" if len(curve.x) < 3 else "lines",
            name=safe(curve.name),
            line={"color": curve.colour, "dash": curve.dash, "width": curve.width},
            hovertemplate="%{y:.4g}",
        )  # fmt: skip
        if curve.growing and len(curve.x):
            ring = {"symbol": "circle-open", "size": 9, "color": curve.colour, "line": {"width": 2}}
            figure.add_scatter(
                x=curve.x[-1:], y=curve.y[-1:],
                mode="markers", marker=ring, hoverinfo="skip",
            )  # fmt: skip
    if ceiling is not None:
        line = {"width": 1, "color": theme.TOKENS[mode]["muted"], "dash": "dot"}
        figure.add_hline(
            ceiling, line=line, annotation_text="log N", annotation_position="top left"
        )
    return figure


def dimensions_figure(
    kl: np.ndarray, epochs: np.ndarray, order: np.ndarray, top: float, mode: str
) -> go.Figure:
    """Heat map of KL per dimension [D, E] over epochs; `order` [D] names the rows from the top."""
    gaps = [int(count <= GAPS_UP_TO) for count in kl.shape]
    heat = go.Heatmap(
        x=epochs.tolist(), y=[dimension(int(d)) for d in order], z=kl, zmin=0, zmax=top,
        ygap=gaps[0], xgap=gaps[1],
        colorscale=theme.scale(mode), showscale=False,
        hovertemplate="%{y}, epoch %{x}<br>%{z:.3f} nats<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(heat, theme.layout(mode, uirevision="dimensions"))
    figure.update_xaxes(title_text="epoch", type="category", nticks=6, tickangle=0)
    figure.update_yaxes(autorange="reversed", type="category", nticks=9)
    return figure


def note_figure(words: str, mode: str) -> go.Figure:
    """An empty panel that says in one sentence why it is empty."""
    figure = go.Figure(layout=theme.layout(mode, hovermode=False))
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text=safe(words, 30),
        showarrow=False,
        font={"size": 13},
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
    )
    return figure


def _band(curve: Curve) -> go.Scatter:
    x = np.concatenate([curve.x, curve.x[::-1]])
    y = np.concatenate([curve.y + curve.stderr, (curve.y - curve.stderr)[::-1]])
    return go.Scatter(
        x=x, y=y, fill="toself", fillcolor=_faint(curve.colour), line={"width": 0},
        hoverinfo="skip", mode="lines",
    )  # fmt: skip


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"

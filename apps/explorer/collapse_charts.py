"""Pictures of collapse as pure functions: kinds of units, parts of the KL, information, counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from apps.explorer import charts, text, theme
from apps.explorer.charts import Curve
from lab.collapse import KINDS, PARTS, Decomposition, Thresholds, Units, stacked, unit_kinds

DECADES = 10.0 ** np.arange(-6, 9, 2)
POWERS = ["10⁻⁴", "0.01", "1", "100", "10⁴", "10⁶", "10⁸"]  # plotly's own are below 12 pixels
FLOOR = 1e-6  # variances below are drawn there; a logarithmic axis has no 0
SYMBOLS = {
    "active": "circle",
    "mixed": "diamond-open",
    "passive": "circle-open",
    "constant": "x-thin-open",
}
CORNERS = {
    "active": ("right", "bottom"),
    "mixed": ("right", "top"),
    "passive": ("left", "top"),
    "constant": ("left", "bottom"),
}
SHADES = {"mi": 6, "total_correlation": 4, "marginal_kl": 2, "aggregated_kl": 3}


@dataclass(frozen=True)
class Room:
    """The largest variances of any run shown, so that all panels share their axes."""

    moving: float = 10.0
    spread: float = 1.1

    @classmethod
    def of(cls, found: Sequence[Units]) -> "Room":
        """Room for all of them."""
        moving = [u.variance_of_mean.max() for u in found]
        spread = [1.08 * u.mean_of_variance.max() for u in found]
        return cls(max([cls.moving, *moving]), max([cls.spread, *spread]))


def units_figure(
    units: Units, thresholds: Thresholds, room: Room, colour: str, mode: str
) -> go.Figure:
    """Var[mean] of each dimension against its mean posterior variance, by kind of unit."""
    kinds = unit_kinds(units, thresholds)
    edges = np.log10(FLOOR) - 0.25, np.log10(room.moving) + 0.25
    line = {"color": theme.TOKENS[mode]["accent"], "width": 1, "dash": "dot"}
    # Built in one go: a line that is dragged asks for every run's picture many times a second.
    layout = theme.layout(
        mode, hovermode="closest", uirevision="units",
        xaxis={
            "title": {"text": "Var[μ], log", "font": {"size": 12}, "standoff": 4}, "type": "log",
            "range": edges, "tickvals": DECADES, "ticktext": ["≤ 10⁻⁶", *POWERS],
        },
        yaxis={
            "title": {"text": "mean posterior variance", "font": {"size": 12}, "standoff": 4},
            "range": (-0.14 * room.spread, 1.14 * room.spread), "nticks": 7,
        },
        shapes=[{**border, "line": line} for border in _borders(thresholds, edges)],
        annotations=[_corner(kind, int((kinds == kind).sum())) for kind in KINDS],
    )  # fmt: skip
    return go.Figure(_dots(units, kinds, colour, mode), layout)


def _dots(units: Units, kinds: np.ndarray, colour: str, mode: str) -> go.Scatter:
    moving, spread = units.variance_of_mean, units.mean_of_variance
    hover = [
        f"{text.dimension(d)}, {kind}<br>Var[μ] {m:.3g}<br>mean variance {s:.3g}"
        for d, (kind, m, s) in enumerate(zip(kinds, moving, spread, strict=True))
    ]
    still = theme.TOKENS[mode]["muted"]
    shown = [colour if kind in ("active", "mixed") else still for kind in kinds]
    marker = {
        "symbol": [SYMBOLS[kind] for kind in kinds], "color": shown, "size": 7,
        "line": {"width": 1.5, "color": shown},
    }  # fmt: skip
    return go.Scatter(
        x=np.maximum(moving, FLOOR), y=spread, mode="markers", marker=marker, hovertext=hover,
        hoverinfo="text",
    )  # fmt: skip


def _corner(kind: str, count: int) -> dict[str, object]:
    across, up = CORNERS[kind]
    return {
        "text": f"{kind} {count}", "showarrow": False, "xref": "paper", "yref": "paper",
        "x": 0.99 if across == "right" else 0.01, "xanchor": across,
        "y": 1.0 if up == "top" else 0.0, "yanchor": up, "opacity": 1.0 if count else 0.55,
    }  # fmt: skip


def _borders(thresholds: Thresholds, edges: tuple[float, float]) -> list[dict[str, object]]:
    """The lines between kinds of units; `collapse.js` relies on their order."""
    at, (left, right) = thresholds.active, 10.0 ** np.array(edges)
    ends = {"type": "line", "yref": "y"}
    return [
        {"type": "line", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1},
        {**ends, "x0": at, "x1": right, "y0": thresholds.narrow, "y1": thresholds.narrow},
        {**ends, "x0": left, "x1": at, "y0": thresholds.wide, "y1": thresholds.wide},
    ]


def shade(part: str, mode: str) -> str:
    """Colour of a part of the KL: the darker on white, the more it is about the sentence."""
    return theme.scale(mode)[SHADES[part]][1]


def parts_figure(
    found: Decomposition, per_epoch: float, room: tuple[float, float], marked: float, mode: str
) -> go.Figure:
    """The parts of the KL as areas that add up to it; what is estimated below 0 hangs hatched.

    `room` is the least and largest KL of the axis, `marked` the epoch shown elsewhere.
    """
    x, kl, parts = found.epochs * per_epoch, found.kl, found.parts
    if len(x) == 1:  # an area needs two ends
        x = np.array([x[0] - 0.4 * per_epoch, x[0] + 0.4 * per_epoch])
        kl, parts = kl.repeat(2), {name: values.repeat(2) for name, values in parts.items()}
    figure = go.Figure(layout=theme.layout(mode, hovermode="x", uirevision="parts"))
    dense, above, below = stacked(x, parts)
    for stack, areas in (("above", above), ("below", below)):
        for name, y in areas.items():
            figure.add_trace(_area(dense, y, stack, shade(name, mode)))
    hover = [sum_words(found, row, "<br>") for row in range(len(found.kl))]
    figure.add_scatter(
        x=x, y=kl, mode="lines", line={"color": theme.TOKENS[mode]["text"], "width": 1.5},
        hovertext=hover if len(hover) > 1 else 2 * hover, hoverinfo="text", name="KL",
    )  # fmt: skip
    figure.update_yaxes(range=room, nticks=5)
    return _over_time(figure, found.epochs, per_epoch, marked, mode)


def _area(x: np.ndarray, y: np.ndarray, stack: str, colour: str) -> go.Scatter:
    hatched = {"shape": "/", "size": 5, "solidity": 0.5, "fgcolor": colour}
    return go.Scatter(
        x=x, y=y, stackgroup=stack, mode="lines", line={"width": 0}, fillcolor=colour,
        fillpattern=hatched if stack == "below" else None, hoverinfo="skip",
    )  # fmt: skip


def sum_words(found: Decomposition, row: int, line: str = " ") -> str:
    """The sum at one epoch in figures, in the parts' order; `line` ends each of its lines."""
    words = f"KL {found.kl[row]:.3g} nats ="
    for number, (name, values) in enumerate(found.parts.items()):
        sign = "−" if values[row] < 0 else "+" if number else ""
        words += f"{line}{sign}{' ' if sign else ''}{abs(values[row]):.3g} {PARTS[name]}"
    return words


def information_figure(
    curves: Sequence[Curve],
    ceiling: float,
    per_epoch: float,
    room: tuple[float, float],
    marked: float,
    mode: str,
) -> go.Figure:
    """Mutual information with bands of one standard error below its ceiling log N."""
    figure = charts.curves_figure(curves, "", mode, ceiling)
    figure.update_yaxes(range=room)
    epochs = np.concatenate([c.x for c in curves]) / per_epoch
    return _over_time(figure, epochs, per_epoch, marked, mode)


def _over_time(
    figure: go.Figure, epochs: np.ndarray, per_epoch: float, marked: float, mode: str
) -> go.Figure:
    """Axis of whole epochs, and a line where the other panels stand."""
    rule = {"color": theme.TOKENS[mode]["accent"], "width": 1, "dash": "dot"}
    figure.add_shape(
        type="line", xref="x", yref="paper", x0=marked, x1=marked, y0=0, y1=1, line=rule
    )
    first, last = epochs.min(), epochs.max()
    margin = 0.4 if first == last else 0.0
    ends = per_epoch * (first - margin), per_epoch * (last + margin)
    step = {"dtick": per_epoch} if last - first < 7 else {"nticks": 5}
    figure.update_xaxes(range=ends, rangemode="normal", **step)
    return figure


def counts_figure(curves: Sequence[Curve], title: str, conventional: float, mode: str) -> go.Figure:
    """Units over a logarithmic threshold, one line per run; the conventional one is marked."""
    figure = charts.curves_figure(curves, title, mode)
    lowest = max((c.x[0] for c in curves), default=FLOOR)
    highest = max((_last_change(c) for c in curves), default=1.0)
    ends = np.log10([lowest, max(3 * highest, 1.0)]).tolist()
    figure.update_xaxes(
        type="log", range=ends, rangemode="normal", tickvals=DECADES, ticktext=["10⁻⁶", *POWERS]
    )
    most = max((c.y.max() for c in curves), default=1)
    whole = {"dtick": 1} if most < 6 else {"nticks": 5}
    figure.update_yaxes(title_text="units", range=(0, 1.12 * most), **whole)
    figure.update_traces(line_shape="hv", hovertemplate="%{y:.0f}")
    muted = theme.TOKENS[mode]["muted"]
    figure.add_shape(
        type="line", xref="x", yref="paper", x0=conventional, x1=conventional, y0=0, y1=1,
        line={"color": muted, "width": 1, "dash": "dot"},
    )  # fmt: skip
    figure.add_annotation(
        x=np.log10(conventional), y=1, yref="paper", text=f"{conventional:g}", showarrow=False,
        xanchor="left", yanchor="top", xshift=3,
    )  # fmt: skip
    return figure


def _last_change(curve: Curve) -> float:
    steps = np.flatnonzero(np.diff(curve.y))
    return float(curve.x[steps[-1] + 1]) if len(steps) else 0.0

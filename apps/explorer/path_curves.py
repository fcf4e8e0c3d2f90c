"""Curves along a path: Rouge-L, log q, log p and the gap of every run."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from apps.explorer import cards, charts
from apps.explorer.paths import Path
from lab import look
from lab.runs import Run

# Attribute of a path -> name of the chart, of its axis, and its limits where they are fixed.
CHARTS = {
    "rouge": ("Rouge-L along the path", "Rouge-L (F1)", (0, 1.02)),
    "gap": ("Density gap along the path", "log q − log p, nats", None),
    "log_q": ("Aggregated posterior along the path", "log q(z), nats", None),
    "log_p": ("Prior along the path", "log p(z), nats", None),
}
MISSING = {
    "rouge": "Categories are one word each: no Rouge-L.",
    "gap": "None of these runs has a density to compare with the prior.",
    "log_q": "None of these runs has a density along its path.",
    "log_p": "None of these runs has codes along its path.",
}


def curves(found: Sequence[tuple[Run, Path]], mode: str) -> Component:
    """One chart per quantity, one line per run that has it."""
    panels = [
        cards.panel(title, f"along_{name}", cards.graph(_id(name), "chart", figure=figure))
        for name, (title, _, _) in CHARTS.items()
        for figure in [figure_of(name, found, mode)]
    ]
    legend = cards.run_legend([run for run, _ in found])
    return html.Div([legend, html.Div(panels, className="charts pair")])


def _id(name: str) -> str:
    return "rouge" if name == "rouge" else f"along-{name}"


def figure_of(name: str, found: Sequence[tuple[Run, Path]], mode: str) -> go.Figure:
    """One quantity from A (λ = 0) to B, or a sentence where no run has it."""
    _, axis, limits = CHARTS[name]
    labels = cards.run_names([run for run, _ in found])
    lines = [
        charts.Curve(
            label, look.colour(run.spec), look.dash(run.spec), path.weights,
            np.asarray(getattr(path, name)),
        )
        for (run, path), label in zip(found, labels, strict=True)
        if getattr(path, name) is not None
    ]  # fmt: skip
    if not lines:
        return charts.note_figure(MISSING[name], mode)
    figure = charts.curves_figure(lines, "", mode, from_zero=False)
    ends = {"tickvals": [0, 0.25, 0.5, 0.75, 1], "ticktext": ["A", "¼", "½", "¾", "B"]}
    figure.update_xaxes(range=[-0.02, 1.02], rangemode="normal", hoverformat=".2f", **ends)
    figure.update_yaxes(title_text=axis, **({"range": limits} if limits else {}))
    return figure

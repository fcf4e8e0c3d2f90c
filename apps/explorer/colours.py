"""What colours the points: a column of the items, alike in every panel, or the method."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from dash import html
from dash.development.base_component import Component

from apps.explorer.classes import Classes, classes, single
from apps.explorer.state import State
from apps.explorer.view import View, categories
from lab import look
from lab.errors import UserError
from lab.runs import Run

UNLABELLED = "#868e96"  # grey: no class of any column


def labels(run: Run) -> list[str]:
    """Names of the run's label columns; none when its items can't be read."""
    try:
        return run.labels
    except UserError:
        return []


def colour_column(state: State, chosen: Sequence[Run]) -> str:
    """The column that colours the points: as asked for, else the first label, else the method."""
    offered = list(dict.fromkeys(c for run in chosen for c in labels(run)))
    if state.colour in (*offered, "length", "method"):
        return state.colour
    return offered[0] if offered else "method"


def shared_classes(view: View, column: str, chosen: Sequence[Run]) -> Classes | None:
    """Classes of a column over all runs that have it; None where the method colours the points."""
    having = [r for r in chosen if r.epochs and column != "method" and _has(r, column)]
    key = ("classes", column, tuple(r.items_key for r in having))
    return (
        view.remember(key, lambda: classes(column, [r.items[column] for r in having]))
        if having
        else None
    )


def groups(view: View, state: State, run: Run, chosen: Sequence[Run]) -> tuple[Classes, np.ndarray]:
    """The classes that colour the points, and the number of that of each item [N]."""
    column = colour_column(state, chosen)
    found = shared_classes(view, column, chosen)
    if found is None or column not in run.items.columns:
        colour = look.colour(run.spec) if found is None else UNLABELLED
        return single(colour), np.zeros(len(run.items), np.int16)
    edges = None if found.edges is None else found.edges.tobytes()
    key = ("groups", run.items_key, column, found.names, edges)
    return found, view.remember(key, lambda: found.assign(run.items[column]).astype(np.int16))


def palette(view: View, run: Run, chosen: Sequence[Run]) -> list[str]:
    """Colours of a toy run's categories, as its points have them when coloured by category."""
    numbers = pl.Series(range(categories(run)), dtype=pl.Int64)
    found = shared_classes(view, "category", chosen) or single(look.colour(run.spec))
    return [found.colours[k] for k in found.assign(numbers)]


def legend(view: View, state: State, chosen: Sequence[Run]) -> list[Component]:
    """The classes of the points; nothing where the method colours them."""
    try:
        found = shared_classes(view, colour_column(state, chosen), chosen)
    except UserError:
        return []
    if found is None:
        return []
    if found.bounds:
        ramp = {"background": f"linear-gradient(to right, {', '.join(found.colours)})"}
        low, high = (f"{v:.3g}" for v in found.bounds)
        scale = html.I(className="scale", style=ramp)
        return [html.Span([f"{found.title} {low}", scale, high])]
    dots = zip(found.names, found.colours, strict=True)
    shown = [
        html.Span([html.Span(className="swatch", style={"background": c}), n]) for n, c in dots
    ]
    return [html.B(found.title), *shown]


def _has(run: Run, column: str) -> bool:
    try:
        return column in run.items.columns
    except UserError:
        return False

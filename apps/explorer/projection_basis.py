"""Two axes that a run is drawn on: their names, the words below them, and what stands on them."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from apps.explorer import text, theme
from apps.explorer.places import signed
from apps.explorer.planes import FEWEST_SHARED, Plane, Planes
from apps.explorer.projection_axis import TEXT_AXES, TextAxes, Texts
from apps.explorer.state import State
from lab.runs import Run

NEAR_THE_EDGE = 0.8  # of a map's half-width


@dataclass(frozen=True)
class Basis:
    """Orthonormal axes [D, 2], what a reader sees of them, and their name in the URL."""

    matrix: np.ndarray
    names: tuple[str, ...]
    words: str
    of: str
    on_top: tuple[go.Scatter, ...] = ()


def basis(planes: Planes, texts: Texts, run: Run, state: State, mode: str) -> Basis:
    """The axes of the projection that the state names. UserError where the run has none."""
    if state.projection == "ab":
        found = texts.axes(run, state)
        words = _between(found, run, state)
        names = _named(TEXT_AXES, found.share)
        return Basis(found.matrix, names, words, "ab", (_letters(found, state.limit, mode),))
    first = planes.first(planes.view.chosen(state.runs)) or run
    plane = planes.plane(run, first)
    names = _named(plane.names, plane.share)
    return Basis(plane.matrix, names, _words(plane), f"pca|{first.id}")


def _named(names: tuple[str, str], share: np.ndarray) -> tuple[str, ...]:
    return tuple(f"{n}, {s:.0%} of Var μ" for n, s in zip(names, share, strict=True))


def _words(plane: Plane) -> str:
    held = f"The two axes hold {plane.share.sum():.0%} of the variance of the means."
    if not plane.onto:
        return f"{held} Other runs are turned onto these."
    if plane.shared < FEWEST_SHARED:
        return f"{held} No items in common with {plane.onto}: not turned onto it."
    return (
        f"{held} Turned onto {plane.onto} by {plane.shared:,} shared items; "
        f"disparity {plane.disparity:.2f}."
    )


def _between(found: TextAxes, run: Run, state: State) -> str:
    across, up = found.share
    lines = [
        f"|B − A| = {signed(found.length, 2)}. The axis from A to B holds {across:.0%} of the "
        f"variance of the means, the one up {up:.0%}."
    ]
    hidden = np.abs(found.z @ found.matrix).max(axis=1) > state.limit
    lines += [
        f"{name} lies beyond the range." for name, out in zip("AB", hidden, strict=True) if out
    ]
    if len(run.epochs) > 1:
        lines.append(f"Axes, A and B are those of {run.time(found.epoch)} at every epoch.")
    # A note may end with a sentence's own words.
    return " ".join([*lines, *(f"{note.rstrip('.')}." for note in found.notes)])


def _letters(found: TextAxes, limit: float, mode: str) -> go.Scatter:
    """The line from A to B with its ends named: beside them, or above where the map ends."""
    x, y = (found.z @ found.matrix).T
    beside = np.abs(x) < NEAR_THE_EDGE * limit
    ink = theme.TOKENS[mode]["text"]
    marker = {"size": 8, "color": theme.TOKENS[mode]["accent"], "line": {"width": 1, "color": ink}}
    return go.Scatter(
        x=x, y=y, mode="lines+markers+text", text=["A", "B"],
        textposition=np.where(beside, ["middle left", "middle right"], "top center").tolist(),
        textfont={"size": 15, "color": ink, "weight": "bold"},
        line={"color": ink, "width": 1.5}, marker=marker,
        hovertext=[text.safe(words) for words in found.texts], hoverinfo="text",
    )  # fmt: skip

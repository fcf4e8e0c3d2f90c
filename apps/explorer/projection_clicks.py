"""What a click on the page of projections means: an item, or a place on the axes of its map."""

import numpy as np

from apps.explorer import item
from apps.explorer.clicks import Click
from apps.explorer.columns import column
from apps.explorer.projection_column import Pictures, layout_of
from apps.explorer.state import State, axes_of
from lab.errors import UserError
from lab.layouts import NAMES
from lab.runs import Run

GONE = "The page has drawn other axes since."


def found(pictures: Pictures, state: State, clicked: Click) -> dict[str, str]:
    """What the URL holds of it. UserError where the page shows something else by now."""
    if clicked.kind == "projected-points":
        return {"item": _item(pictures, state, clicked)}
    # The picture itself says which axes it has, whatever has been chosen in the meantime.
    if not axes_of(clicked.of):
        raise UserError(GONE)
    return item.placed(clicked.point, clicked.of)


def _item(pictures: Pictures, state: State, clicked: Click) -> str:
    shown = column(pictures.view, clicked.run)
    epoch = shown.epoch(pictures.view, state)
    rows, points = _points(pictures, shown.run, epoch, state, clicked.of)
    row = item.nearest(points, clicked.point, clicked.span)
    return "" if row is None else str(shown.run.items["id"][int(rows[row])])


def _points(
    pictures: Pictures, run: Run, epoch: int, state: State, of: str
) -> tuple[np.ndarray, np.ndarray]:
    """Rows [M] and points [M, 2] of a picture of these axes."""
    if state.projection in NAMES and of == state.projection:
        return layout_of(pictures, run, epoch, state)
    axes = pictures.basis(run, state, "light") if state.projection in ("pca", "ab") else None
    if axes is None or of != axes.of:
        raise UserError(GONE)
    points = pictures.view.points(run, epoch) @ axes.matrix
    return np.arange(len(points)), points

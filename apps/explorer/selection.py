"""Points marked in one panel, as the outline that was drawn around them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.explorer.columns import column
from apps.explorer.state import State, axis
from apps.explorer.view import View
from lab.runs import Run

MOST_CORNERS = 48  # an outline stands in the URL


@dataclass(frozen=True)
class Selection:
    """A polygon in the panel of one column, at the epoch and on the axes it was drawn on."""

    column: str
    epoch: int
    axes: tuple[str, str]
    x: np.ndarray
    y: np.ndarray

    @classmethod
    def parse(cls, words: str) -> "Selection | None":
        """The selection of a URL, "x,y,x,y,x,y|a1|a2|3|run"; None for anything that isn't one."""
        try:
            corners, across, up, epoch, name = words.split("|", 4)
            x, y = np.array(corners.split(","), float).reshape(-1, 2).T
            known = cls(name, int(epoch), (axis(across), axis(up)), x, y)
        except ValueError:
            return None
        return known if 2 < len(x) <= MOST_CORNERS and np.isfinite([x, y]).all() else None

    @classmethod
    def drawn(cls, view: View, state: State, outline: Any) -> "Selection":
        """What was drawn in a panel of a page in this state, with 48 corners at most.

        Raises UserError, TypeError, KeyError or ValueError for what no browser of ours sends.
        """
        shown = column(view, str(outline["run"]))
        x, y = (np.array(outline[k], float) for k in ("x", "y"))
        kept = np.linspace(0, len(x) - 1, min(len(x), MOST_CORNERS)).astype(int)
        return cls(shown.id, shown.epoch(view, state), (state.x, state.y), x[kept], y[kept])

    def __str__(self) -> str:
        corners = np.stack([self.x, self.y], 1).ravel()
        parts = (",".join(f"{v:.4g}" for v in corners), *self.axes, self.epoch, self.column)
        return "|".join(map(str, parts))

    def rows(self, view: View) -> tuple[Run, np.ndarray]:
        """The run in which it was drawn and the rows of its items inside the outline."""
        run = column(view, self.column).run
        epoch = view.dumped_epoch(run, self.epoch)
        dims = view.dims(run, *self.axes)
        key = ("rows", view.key(run, epoch), dims, self.x.tobytes(), self.y.tobytes())
        return run, view.remember(key, lambda: self._inside(view.plane_points(run, epoch, dims)))

    def _inside(self, plane: np.ndarray) -> np.ndarray:
        return np.flatnonzero(inside(plane[:, 0], plane[:, 1], self.x, self.y))


def inside(x: np.ndarray, y: np.ndarray, corner_x: np.ndarray, corner_y: np.ndarray) -> np.ndarray:
    """Which points [N] lie in a polygon (even-odd rule), trying those in its bounding box."""
    result = (
        (x >= corner_x.min())
        & (x <= corner_x.max())
        & (y >= corner_y.min())
        & (y <= corner_y.max())
    )
    # Sorted by height, so that each edge looks only at the points beside it.
    near = np.flatnonzero(result)
    near = near[np.argsort(y[near])]
    near_x, near_y = x[near].astype(float), y[near].astype(float)
    odd = np.zeros(len(near), bool)
    following = zip(np.roll(corner_x, -1), np.roll(corner_y, -1), strict=True)
    for x0, y0, (x1, y1) in zip(corner_x, corner_y, following, strict=True):
        if y0 != y1:
            beside = slice(*np.searchsorted(near_y, [min(y0, y1), max(y0, y1)]))
            crossing = x0 + (near_y[beside] - y0) * (x1 - x0) / (y1 - y0)
            odd[beside] ^= near_x[beside] < crossing
    result[near] = odd
    return result

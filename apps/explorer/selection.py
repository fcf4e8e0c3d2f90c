"""Points marked in one panel, as the outline that was drawn around them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.explorer.columns import column
from apps.explorer.state import State
from apps.explorer.view import View
from lab.runs import Run

MOST_CORNERS = 2_000


@dataclass(frozen=True)
class Selection:
    """A polygon in the panel of one column, with the state (axes, epoch) in which it was drawn."""

    run: str
    x: np.ndarray
    y: np.ndarray
    state: State

    @classmethod
    def parse(cls, data: Any) -> "Selection | None":
        """The selection that the browser sent; None for anything that isn't one."""
        try:
            x, y = (np.array(data[k][:MOST_CORNERS], float) for k in ("x", "y"))
            known = cls(str(data["run"]), x, y, State.parse(data["search"]))
        except (TypeError, KeyError, ValueError, AttributeError):
            return None
        return known if x.ndim == 1 and x.shape == y.shape and len(x) > 2 else None

    def rows(self, view: View) -> tuple[Run, np.ndarray]:
        """The run in which it was drawn and the rows of its items inside the outline."""
        source = column(view, self.run)
        run, epoch = source.run, source.epoch(view, self.state)
        dims = view.axis(run, self.state.x)[0], view.axis(run, self.state.y)[0]
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

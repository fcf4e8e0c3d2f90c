"""Points on a plane: which of them are in view, and how dense they lie there."""

import math

import numpy as np

FINEST = 128  # cells of a raster each way
PER_CELL = 4  # points that a cell of an even raster holds at least

Window = tuple[float, float, float, float]


def raster(plane: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Density of points [N, 2] in a window (x from, to, y from, to), of mass 1 over the plane.

    Middles of the cells x [C], y [C] and the density [y, x]; C falls with the points in view, so
    that noise doesn't hide the form.
    """
    x0, x1, y0, y1 = window
    seen = in_view(plane, window)
    cells = int(np.clip(math.sqrt(seen.sum() / PER_CELL), 8, FINEST))
    column, row = (
        _cells(plane[:, k], low, high, cells) for k, (low, high) in enumerate(((x0, x1), (y0, y1)))
    )
    # Row and column 0 hold what lies outside.
    counts = np.bincount(row * (cells + 1) + column, minlength=(cells + 1) ** 2)
    inner = counts.reshape(cells + 1, cells + 1)[1:, 1:]
    middle = (np.arange(cells) + 0.5) / cells
    area = (x1 - x0) * (y1 - y0) / cells**2
    density = inner / (max(len(plane), 1) * area)
    return x0 + (x1 - x0) * middle, y0 + (y1 - y0) * middle, density


def in_view(plane: np.ndarray, window: Window) -> np.ndarray:
    """Which points [N, 2] lie in a window [N]."""
    x0, x1, y0, y1 = window
    x, y = plane[:, 0], plane[:, 1]
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1)


def _cells(values: np.ndarray, low: float, high: float, cells: int) -> np.ndarray:
    """The cell of each value from 1; 0 of values outside."""
    place = (values - np.float32(low)) * np.float32(cells / (high - low))
    inside = (place >= 0) & (place < cells)
    return np.where(inside, place, -1).astype(np.int32) + 1

"""How the centroid of each toy category moves through the latent plane over training."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.style import (
    ONE_COLUMN,
    SMALL,
    TWO_COLUMNS,
    figure,
    heading,
    lettered,
    need,
    prior,
    square,
    styled,
)
from figures.toy_dynamics import (
    HALO,
    TINY,
    categories,
    category_numbers,
    centroids,
    cloud,
    colours,
    flat_toys,
    limit,
    readable,
)
from lab import look
from lab.runs import Run

ACROSS = 4  # panels in a row


@styled
def toy_trajectories(runs: Sequence[Run], all_seeds: bool = False) -> Figure:
    """One panel per toy run, one line per category: the mean of its draws at every dumped epoch.

    Lines lead from an open dot (first dump) to a filled one (last dump) with the category's number
    where there is room; the draws of the last dump lie faint behind. Of several seeds the first is
    drawn unless `all_seeds`. Raises UserError if no two-dimensional toy run has two dumps.
    """
    moved = [r for r in runs if categories(r) and len(r.epochs) > 1]
    shown = flat_toys(need(moved, "two dumps of a two-dimensional toy space"), "", all_seeds)
    across = min(len(shown), ACROSS)
    down = math.ceil(len(shown) / across)
    width = ONE_COLUMN if across < 3 else TWO_COLUMNS
    side = width / across
    sheet = figure(width, down * (side + 0.3) + 0.25, "compressed")
    axes = sheet.subplots(down, across, squeeze=False).ravel()
    paths = [_paths(run) for _, run in shown]
    ends = [cloud(run, run.epochs[-1])[0] for _, run in shown]
    half = limit([*ends, *(path.reshape(-1, 2) for path in paths)])
    for index, (name, run) in enumerate(shown):
        _panel(axes[index], run, paths[index], half)
        heading(axes[index], lettered(index, name), SMALL)
    for unused in axes[len(shown) :]:
        unused.axis("off")
    sheet.legend(handles=_key(), loc="outside lower center", ncols=2)
    return sheet


def _paths(run: Run) -> np.ndarray:
    """Centroids [E, K, 2] at every dumped epoch."""
    numbers = category_numbers(run)
    clouds = (cloud(run, epoch) for epoch in run.epochs)
    return np.stack([centroids(z, numbers[items], categories(run)) for z, items in clouds])


def _panel(axes: Axes, run: Run, paths: np.ndarray, half: float) -> None:
    z, items = cloud(run, run.epochs[-1])
    shades = colours(category_numbers(run)[items])
    prior(axes, run)
    axes.scatter(*z.T, s=1.5, c=shades, linewidths=0, alpha=0.15, rasterized=True)
    for k, colour in enumerate(colours(np.arange(paths.shape[1]))):
        x, y = paths[:, k].T
        axes.plot(x, y, color=colour, linewidth=0.9)
        axes.plot(x[0], y[0], "o", color=colour, markerfacecolor="white", markersize=3, zorder=3)
        axes.plot(x[-1], y[-1], "o", color=colour, markersize=3.5, zorder=4)
    for k in np.flatnonzero(readable(paths[-1], 2 * half)):
        axes.annotate(
            str(k), paths[-1, k], (2.5, 2), textcoords="offset points",
            fontsize=TINY, path_effects=HALO, zorder=5,
        )  # fmt: skip
    square(axes, half)
    axes.set(xticks=[], yticks=[])


def _key() -> list[Line2D]:
    style = {"color": look.LIGHT["muted"], "linewidth": 0.9, "marker": "o", "markersize": 3.5}
    return [
        Line2D([], [], markerfacecolor="white", label="first dump", **style),
        Line2D([], [], label="last dump", **style),
    ]

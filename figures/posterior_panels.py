"""Aggregated posteriors above posterior centres (DG-VAE figures 1 and 4)."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from figures.style import (
    ONE_COLUMN,
    PALETTES,
    SMALL,
    TWO_COLUMNS,
    by_corpus,
    figure,
    heading,
    lettered,
    names,
    need,
    prior,
    shown_epoch,
    square,
    styled,
)
from lab import look, views
from lab.errors import UserError
from lab.runs import Latents, Run

ACROSS = 5  # columns before a new pair of rows begins
POINTS = 300
PAPER_DISCS = {"facecolors": "#6aaed6", "edgecolors": "#08306b", "linewidths": 0.2}


@styled
def posterior_panels(
    runs: Sequence[Run], palette: str = "default", limit: float = 5.0, epoch: int | None = None
) -> Figure:
    """One column per run: q(z) (DG-VAE eq. 2) above the means of q(z|x), with the prior's circles.

    Densities share the limits 0 to 0.25, on a sphere in the unit that the heading says, which
    leaves its prior as pale as N(0, I). Shows the best dumped epoch unless `epoch` is given.
    `palette` "paper" has the paper's colours. Raises UserError for another palette and if no run
    has latents of two dimensions or more.
    """
    if palette not in PALETTES:
        raise UserError(f"no palette {palette!r}; choose one of {', '.join(PALETTES)}")
    shown = need([r for r in runs if _drawable(r)], "dumped latents of two dimensions or more")
    groups = by_corpus(shown)
    blocks = [block for group in groups.values() for block in _blocks(group)]
    places = [(row, column) for row, block in enumerate(blocks) for column in range(len(block))]
    sheet = _Sheet(len(blocks), max(map(len, blocks)))
    ordered = [run for block in blocks for run in block]
    labelled = zip(places, ordered, names(ordered), strict=True)
    for index, (place, run, name) in enumerate(labelled):
        top, bottom = sheet.pair(*place)
        at = shown_epoch(run) if epoch is None else epoch
        image = _column(top, bottom, run, at, palette, limit)
        label, _, seed = name.rpartition(", ") if name != run.label else (name, "", "")
        second = "  ".join(filter(None, (seed, _numbers(run, at))))
        heading(top, f"{lettered(index, label)}\n{second}", SMALL)
        if place[1] == 0:
            _row_names(top, bottom, f"{run.corpus}\n" if len(groups) > 1 else "")
    scaled = any(views.density_scale(run) != 1 for run in ordered)
    bar = sheet.figure.colorbar(image, cax=sheet.bar(), ticks=(0, 0.1, 0.2))
    bar.set_label("density (× as marked)" if scaled else "density")
    return sheet.figure


def _blocks(group: list[Run]) -> list[list[Run]]:
    """The runs of one corpus in rows of nearly the same length, at most ACROSS."""
    across = math.ceil(len(group) / math.ceil(len(group) / ACROSS))
    return [group[i : i + across] for i in range(0, len(group), across)]


def _row_names(top: Axes, bottom: Axes, corpus: str) -> None:
    """At the left of a block: what its two rows are, and the scale."""
    for panel, row in ((top, "aggregated"), (bottom, "centres")):
        panel.tick_params(labelleft=True)
        panel.set_ylabel(f"{corpus}{row}\n{panel.get_ylabel()}")


class _Sheet:
    """Square panels in pairs, laid out in inches so that every map has the same size."""

    LEFT, RIGHT, ABOVE, BELOW, GAP = 0.70, 0.64, 0.36, 0.36, 0.24

    def __init__(self, blocks: int, across: int) -> None:
        self.width = ONE_COLUMN if across <= 2 else TWO_COLUMNS
        space = self.width - self.LEFT - self.RIGHT - self.GAP * (across - 1)
        self.side = min(space / across, 1.6)
        self.pitch = 2 * self.side + 0.08 + self.ABOVE + self.BELOW
        self.height = blocks * self.pitch
        self.figure = figure(self.width, self.height, "none")
        self.end = self.LEFT + across * self.side + (across - 1) * self.GAP

    def pair(self, row: int, column: int) -> tuple[Axes, Axes]:
        """The upper and the lower panel of a column."""
        left = self.LEFT + column * (self.side + self.GAP)
        top = self.height - row * self.pitch - self.ABOVE
        return (
            self._axes(left, top - self.side, self.side),
            self._axes(left, top - 2 * self.side - 0.08, self.side),
        )

    def bar(self) -> Axes:
        """The place of the colour bar, right of the first row."""
        return self._axes(self.end + 0.1, self.height - self.ABOVE - self.side, 0.08)

    def _axes(self, left: float, bottom: float, width: float) -> Axes:
        box = (left / self.width, bottom / self.height, width / self.width, self.side / self.height)
        return self.figure.add_axes(box)


def _drawable(run: Run) -> bool:
    return bool(run.epochs) and run.info.get("latent", {}).get("dimensions", 0) >= 2


def _column(top: Axes, bottom: Axes, run: Run, epoch: int, palette: str, limit: float) -> AxesImage:
    latents = run.latents(epoch)
    dims = tuple(int(i) for i in views.activity_order(latents)[:2])
    image = _density(top, latents, dims, palette, limit, views.density_scale(run))
    _centres(bottom, latents, dims, run, palette)
    for panel in (top, bottom):
        prior(panel, run)
        square(panel, limit)
        panel.set_ylabel(f"$z_{{{dims[1] + 1}}}$", labelpad=1)
        panel.tick_params(labelleft=False, pad=1.5)
    top.tick_params(labelbottom=False)
    bottom.set_xlabel(f"$z_{{{dims[0] + 1}}}$, most active", labelpad=1)
    return image


def _density(
    axes: Axes,
    latents: Latents,
    dims: tuple[int, int],
    palette: str,
    limit: float,
    scale: float,
) -> AxesImage:
    _, _, density = views.density(latents, dims, limit, POINTS)
    extent = (-limit, limit, -limit, limit)
    limits = {"vmin": 0, "vmax": look.DENSITY_LIMIT}
    return axes.imshow(
        density / scale, cmap=PALETTES[palette], origin="lower", extent=extent, **limits
    )


def _centres(axes: Axes, latents: Latents, dims: tuple[int, int], run: Run, palette: str) -> None:
    x, y = latents.mean[:, dims].T
    plain = {"facecolors": look.colour(run.spec), "alpha": 0.35, "linewidths": 0}
    axes.scatter(x, y, s=2.0, rasterized=True, **(PAPER_DISCS if palette == "paper" else plain))


def _numbers(run: Run, epoch: int) -> str:
    """AU and CU of the epoch shown, as far as the run recorded them, and the unit of density."""
    scale = views.density_scale(run)
    found = [] if scale == 1 else [f"×{scale:g}"]
    for quantity in ("au", "cu"):
        curves = views.series(run, quantity)
        at = np.flatnonzero(curves[0].epochs == epoch) if curves else []
        found += [f"{quantity.upper()} {curves[0].values[i]:.0f}" for i in at[:1]]
    return "  ".join(found)

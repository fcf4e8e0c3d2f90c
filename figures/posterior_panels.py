"""Aggregated posteriors above posterior centres on the two most active dimensions (DG-VAE figures 1 and 4)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

from figures.style import (
    ONE_COLUMN,
    PALETTES,
    SMALL,
    TWO_COLUMNS,
    by_corpus,
    figure,
    letter,
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
    runs: Sequence[Run], palette: str = "uniform", limit: float = 5.0, epoch: int | None = None
) -> Figure:
    """One column per run: q(z) (DG-VAE eq. 2) above the means of q(z|x), with the prior's circles.

    Densities share the limits 0 to 0.25. Shows the best dumped epoch unless `epoch` is given. `palette` "paper" has
    the paper's colours. Raises UserError for another palette and if no run has latents of two dimensions or more.
    """
    if palette not in PALETTES:
        raise UserError(f"no palette {palette!r}; choose one of {', '.join(PALETTES)}")
    shown = need([r for r in runs if _drawable(r)], "dumped latents of two dimensions or more")
    blocks = [
        group[i : i + ACROSS] for group in by_corpus(shown).values() for i in range(0, len(group), ACROSS)
    ]
    across = max(len(block) for block in blocks)
    width = ONE_COLUMN if across <= 2 else TWO_COLUMNS
    side = (width - 0.75) / across
    sheet = figure(width, len(blocks) * (2 * side + 0.75), "compressed")
    axes = sheet.subplots(2 * len(blocks), across, squeeze=False)
    labels = dict(zip((r.folder for r in shown), names(shown), strict=True))
    index = 0
    for row, block in enumerate(blocks):
        for column in range(across):
            pair = axes[2 * row : 2 * row + 2, column]
            if column >= len(block):
                for panel in pair:
                    panel.set_visible(False)
                continue
            run = block[column]
            image = _column(pair, run, epoch or shown_epoch(run), palette, limit)
            letter(pair[0], index, f"{labels[run.folder]}\n{_numbers(run, epoch or shown_epoch(run))}")
            index += 1
        axes[2 * row, 0].set_ylabel(f"aggregated posterior\n{axes[2 * row, 0].get_ylabel()}")
        axes[2 * row + 1, 0].set_ylabel(f"posterior centres\n{axes[2 * row + 1, 0].get_ylabel()}")
    bar: Colorbar = sheet.colorbar(image, ax=axes[0::2].ravel().tolist(), aspect=30, pad=0.01)
    bar.set_label("density")
    return sheet


def _drawable(run: Run) -> bool:
    return bool(run.epochs) and run.info.get("latent", {}).get("dimensions", 0) >= 2


def _column(pair: Sequence[Axes], run: Run, epoch: int, palette: str, limit: float):
    latents = run.latents(epoch)
    dims = tuple(int(i) for i in views.activity_order(latents)[:2])
    image = _density(pair[0], latents, dims, palette, limit)
    _centres(pair[1], latents, dims, run, palette)
    for panel in pair:
        prior(panel)
        square(panel, limit)
        panel.set_ylabel(f"$z_{{{dims[1]}}}$", labelpad=0)
    pair[0].set_xticklabels([])
    pair[1].set_xlabel(f"$z_{{{dims[0]}}}$, most active", labelpad=1)
    return image


def _density(axes: Axes, latents: Latents, dims: tuple[int, int], palette: str, limit: float):
    _, _, density = views.density(latents, dims, limit, POINTS)
    extent = (-limit, limit, -limit, limit)
    limits = {"vmin": 0, "vmax": look.DENSITY_LIMIT}
    return axes.imshow(density, cmap=PALETTES[palette], origin="lower", extent=extent, **limits)


def _centres(axes: Axes, latents: Latents, dims: tuple[int, int], run: Run, palette: str) -> None:
    x, y = latents.mean[:, dims].T
    plain = {"facecolors": look.colour(run.spec), "alpha": 0.35, "linewidths": 0}
    axes.scatter(x, y, s=2.0, rasterized=True, **(PAPER_DISCS if palette == "paper" else plain))


def _numbers(run: Run, epoch: int) -> str:
    """AU and CU of the epoch shown, as far as the run recorded them."""
    found = []
    for quantity in ("au", "cu"):
        curves = views.series(run, quantity)
        at = np.flatnonzero(curves[0].epochs == epoch) if curves else []
        found += [f"{quantity.upper()} {curves[0].values[i]:.0f}" for i in at[:1]]
    return "  ".join(found)

"""The density-gap toy over training: aggregated posteriors above centres (DG-VAE appendix A)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from figures.style import (
    PALETTES,
    SMALL,
    TWO_COLUMNS,
    figure,
    lettered,
    names,
    need,
    prior,
    square,
    styled,
)
from lab import look, views
from lab.errors import UserError
from lab.runs import Latents, Run

CORPUS = "density-gap"
ACROSS = 5  # the paper's columns: steps 100, 200, .., 500
LIMIT, POINTS = 5.0, 250
NUMBERS = {
    "au": "AU {:.0f}",
    "cu": "CU {:.0f}",
    "mi": "MI {:.2f} nats",
    "aggregated_kl": "KL(q ‖ p) {:.2f} nats",
}


@styled
def density_gap_toy(runs: Sequence[Run]) -> Figure:
    """Two rows per run, q(z) above the means of q(z|x); columns are steps of training.

    Densities share the limits 0 to 0.25. Columns are the dumps that all runs have, without the
    untrained one, at most five; a run's figures (nats) are those of the last column. Raises
    UserError if no run is of that toy.
    """
    shown = need([r for r in runs if _is_drawable(r)], "two-dimensional latents of density-gap")
    epochs = _columns(shown)
    sheet = _Sheet(len(shown), len(epochs))
    for row, (run, name) in enumerate(zip(shown, names(shown), strict=True)):
        pairs = [sheet.pair(row, column) for column in range(len(epochs))]
        for pair, epoch in zip(pairs, epochs, strict=True):
            image = _draw(*pair, run, epoch)
        _name_rows(*pairs[0])
        sheet.beside(row, f"{lettered(row, name)}\n\n{_numbers(run, epochs[-1])}")
        if row == 0:
            for column, (pair, epoch) in enumerate(zip(pairs, epochs, strict=True)):
                number = run.time(epoch).split()[-1]
                pair[0].set_title(number if column else f"step {number}", fontsize=8, pad=4)
    bar = sheet.figure.colorbar(image, cax=sheet.bar(), ticks=(0, 0.1, 0.2))
    bar.set_label("density")
    return sheet.figure


class _Sheet:
    """Square panels in pairs, placed in inches; at the left of each row its name and figures."""

    LEFT, RIGHT, ABOVE, BELOW = 1.55, 0.6, 0.25, 0.06
    WITHIN, BETWEEN = 0.04, 0.14

    def __init__(self, rows: int, across: int) -> None:
        space = TWO_COLUMNS - self.LEFT - self.RIGHT
        self.side = space / max(across, ACROSS) - self.WITHIN
        self.pitch = 2 * self.side + self.WITHIN + self.BETWEEN
        self.height = self.ABOVE + rows * self.pitch - self.BETWEEN + self.BELOW
        self.end = self.LEFT + across * (self.side + self.WITHIN)
        self.figure = figure(TWO_COLUMNS, self.height, "none")

    def pair(self, row: int, column: int) -> tuple[Axes, Axes]:
        """The upper and the lower panel of a run and a step."""
        left = self.LEFT + column * (self.side + self.WITHIN)
        upper = self.ABOVE + row * self.pitch
        lower = upper + self.side + self.WITHIN
        return self._axes(left, upper, self.side), self._axes(left, lower, self.side)

    def beside(self, row: int, text: str) -> None:
        """Words at the left of a run's rows."""
        top = 1 - (self.ABOVE + row * self.pitch) / self.height
        self.figure.text(0.02, top, text, va="top", fontsize=SMALL, linespacing=1.4)

    def bar(self) -> Axes:
        """The place of the colour bar, right of the first row."""
        return self._axes(self.end + 0.06, self.ABOVE, 0.08)

    def _axes(self, left: float, down: float, width: float) -> Axes:
        bottom = self.height - down - self.side
        box = np.array([left, bottom, width, self.side])
        return self.figure.add_axes(box / [TWO_COLUMNS, self.height, TWO_COLUMNS, self.height])


def _is_drawable(run: Run) -> bool:
    trained = run.corpus == CORPUS and len(run.epochs) > 1
    return trained and run.info["latent"]["dimensions"] == 2


def _columns(runs: Sequence[Run]) -> list[int]:
    """Dumps after training began that all runs have: five in equal steps, the last one among them.

    Raises UserError if there is none.
    """
    common = sorted(set.intersection(*(set(run.epochs) - {0} for run in runs)))
    if not common:
        raise UserError("the runs of density-gap have no dumped step in common")
    steps = np.linspace(0, len(common) - 1, min(len(common), ACROSS))
    return [common[int(i)] for i in steps.round()]


def _draw(top: Axes, bottom: Axes, run: Run, epoch: int) -> AxesImage:
    latents = run.latents(epoch)
    image = _density(top, latents)
    colour = look.colour(run.spec)
    bottom.scatter(*latents.mean.T, s=3.0, c=colour, alpha=0.5, linewidths=0, rasterized=True)
    for panel in (top, bottom):
        prior(panel, run)
        square(panel, LIMIT)
        panel.set(xticks=[], yticks=[])
    return image


def _density(axes: Axes, latents: Latents) -> AxesImage:
    _, _, density = views.density(latents, (0, 1), LIMIT, POINTS)
    extent = (-LIMIT, LIMIT, -LIMIT, LIMIT)
    scale = {"vmin": 0, "vmax": look.DENSITY_LIMIT, "cmap": PALETTES["default"]}
    return axes.imshow(density, origin="lower", extent=extent, **scale)


def _name_rows(top: Axes, bottom: Axes) -> None:
    for panel, words in ((top, "aggregated"), (bottom, "centres")):
        panel.set_ylabel(words, labelpad=2, fontsize=SMALL)


def _numbers(run: Run, epoch: int) -> str:
    """What the run recorded of its latents at an epoch, a line each."""
    record = next((r for r in run.metrics("valid") if r["epoch"] == epoch), {})
    return "\n".join(
        words.format(round(record[k], 2) + 0.0) for k, words in NUMBERS.items() if k in record
    )

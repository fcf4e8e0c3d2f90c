"""How the categories of the toy data part in the latent plane (CL-VAE table 5a)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import TWO_COLUMNS, figure, is_toy, lettered, names, need, prior, square, styled
from lab import look
from lab.metrics import vmf_sample
from lab.runs import Latents, Run

ITERATIONS = (0, 5_000, 15_000, 30_000)  # the paper's columns; the last one is the end of training
POINTS = 2_000  # dots in a panel


@styled
def toy_dynamics(runs: Sequence[Run], iterations: Sequence[int] = ITERATIONS) -> Figure:
    """Rows are toy runs, columns iterations; dots are draws of q(z|x) coloured by category.

    Columns are the given iterations as far as every run dumped them (else equal steps), then each
    run's last dump. Raises UserError if there is no toy run with dumped latents.
    """
    shown = need(
        [r for r in runs if _is_flat_toy(r)],
        "a two-dimensional toy space; train one with `latentlab toy`",
    )
    columns = _columns(shown, iterations)
    panels = [[_draws(run, epoch) for epoch in [*columns, run.epochs[-1]]] for run in shown]
    side = (TWO_COLUMNS - 0.4) / (len(columns) + 1)
    sheet = figure(TWO_COLUMNS, (side + 0.02) * len(shown) + 0.2, "compressed")
    axes = sheet.subplots(len(shown), len(columns) + 1, squeeze=False)
    for row, name in enumerate(names(shown)):
        for column, (z, category) in enumerate(panels[row]):
            _scatter(axes[row, column], z, category, _limit(panels), shown[row])
        axes[row, 0].set_ylabel(lettered(row, name))
    for column, epoch in enumerate(columns):
        unit = "" if column else "iteration "
        axes[0, column].set_title(unit + _thousands(shown[0], epoch), fontsize=8)
    axes[0, -1].set_title(f"final ({_ends(shown)})", fontsize=8)
    return sheet


def _is_flat_toy(run: Run) -> bool:
    return is_toy(run) and bool(run.epochs) and run.info["latent"]["dimensions"] == 2


def _columns(runs: Sequence[Run], iterations: Sequence[int]) -> list[int]:
    """Epochs before the end that all runs dumped: those of `iterations`, or four equal steps."""
    common = sorted(set.intersection(*(set(run.epochs[:-1]) for run in runs)))
    per_epoch = runs[0].info["unit"]["per_epoch"]
    wanted = [epoch for epoch in common if epoch * per_epoch in iterations]
    if len(wanted) >= min(len(common), 3):
        return wanted
    steps = np.linspace(0, len(common) - 1, min(len(common), 4))
    return [common[int(i)] for i in steps.round()]


def _draws(run: Run, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """About POINTS draws of the posteriors [M, 2], shuffled, and their categories [M]."""
    generator = np.random.default_rng(0)
    latents = run.latents(epoch)
    z = _samples(latents, max(1, POINTS // len(latents)), generator)
    category = run.items["category"] if "category" in run.items.columns else np.zeros(len(latents))
    _, category = np.unique(np.asarray(category), return_inverse=True)
    chosen = generator.permutation(z.shape[0] * z.shape[1])[:POINTS]
    return z.reshape(-1, 2)[chosen], np.repeat(category, z.shape[1])[chosen]


def _samples(latents: Latents, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draws [N, S, 2] of any posterior; a deterministic code is its own draw."""
    if latents.samples is not None:
        return latents.samples
    if latents.concentration is not None:
        return vmf_sample(latents.mean, latents.concentration, count)
    if latents.log_variance is None:
        return latents.mean[:, None]
    noise = generator.standard_normal((len(latents), count, 2))
    return latents.mean[:, None] + noise * np.exp(latents.log_variance[:, None] / 2)


def _limit(panels: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]]) -> float:
    """A common limit: the prior whole, and no more than 1 % of any panel left out."""
    far = [np.quantile(np.abs(z), 0.99) for row in panels for z, _ in row]
    return max(3.2, float(np.ceil(max(far))))


def _scatter(axes: Axes, z: np.ndarray, category: np.ndarray, limit: float, run: Run) -> None:
    palette = np.array(look.CATEGORY_COLOURS)
    colours = palette[category % len(palette)]
    prior(axes, run)
    axes.scatter(*z.T, s=1.5, c=colours, linewidths=0, alpha=0.6, rasterized=True)
    square(axes, limit)
    axes.set(xticks=[], yticks=[])


def _thousands(run: Run, epoch: int) -> str:
    iterations = epoch * run.info["unit"]["per_epoch"]
    return f"{iterations / 1000:g}k" if iterations >= 1000 else str(iterations)


def _ends(runs: Sequence[Run]) -> str:
    return ", ".join(dict.fromkeys(_thousands(run, run.epochs[-1]) for run in runs))

"""Model posterior means against amortised ones over training (He et al. 2019, figures 2 and 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from figures.style import SMALL, TWO_COLUMNS, figure, heading, lettered, names, need, styled
from lab import look
from lab.runs import Run

PANELS = 4  # epochs of a run, from the first to the last
FOLLOWED = 12  # sentences whose path is drawn
COLOURS = matplotlib.colormaps["viridis"]


@dataclass(frozen=True)
class Track:
    """Posterior means of N sentences over T dumps: `model` and `amortised` [T, N], `true` [N, 2].

    Of a wider code the dimension in which the model's last means vary most, counted from 0.
    """

    run: Run
    epochs: list[int]
    dimension: int
    model: np.ndarray
    amortised: np.ndarray
    true: np.ndarray


@styled
def posterior_means(runs: Sequence[Run]) -> Figure:
    """Rows are runs, columns epochs; a dot is a sentence, coloured by its true posterior mean.

    Across is the mean of the model's own posterior, up the encoder's; on the dashed line they are
    equal. At the right are the paths of some sentences, from the first dump to a dot at the last.
    Raises UserError if no run has tracked posterior means.
    """
    tracks = need([t for run in runs if (t := _track(run))], "tracked posterior means")
    direction, name = _direction(tracks)
    reach = max(np.abs(track.true @ direction).max() for track in tracks)
    colour = ScalarMappable(Normalize(-reach, reach), COLOURS)
    furthest = max(np.abs([t.model, t.amortised]).max() for t in tracks)
    limit = max(1.0, 1.05 * furthest)  # the prior's standard deviation at least
    across = max(len(_shown(track)) for track in tracks) + 1
    side = (TWO_COLUMNS - 1.1) / across
    sheet = figure(TWO_COLUMNS, (side + 0.32) * len(tracks) + 0.2, "constrained")
    axes = sheet.subplots(len(tracks), across, squeeze=False, sharex=True, sharey=True)
    for index, label in enumerate(names([track.run for track in tracks])):
        _row(axes[index], tracks[index], colour, direction, limit)
        axes[index, 0].set_ylabel(f"{lettered(index, label)}\namortised mean")
    for panel in axes[-1]:
        panel.set_xlabel("model mean")
    sheet.colorbar(colour, ax=axes, shrink=0.6, aspect=30, label=f"true posterior mean, {name}")
    return sheet


def _track(run: Run) -> Track | None:
    """What a run recorded of its tracked sentences; None if nothing."""
    dumps = {epoch: fields for epoch in run.epochs if "model_mean" in (fields := run.fields(epoch))}
    if not dumps:
        return None
    model, amortised = (
        np.stack([fields[name] for fields in dumps.values()])
        for name in ("model_mean", "amortised_mean")
    )
    dimension = int(model[-1].var(0).argmax())
    true = dumps[max(dumps)]["true_mean"]
    return Track(
        run, list(dumps), dimension, model[..., dimension], amortised[..., dimension], true
    )


def _direction(tracks: Sequence[Track]) -> tuple[np.ndarray, str]:
    """The axis of the true latent, or its first principal direction, that goes best with the
    model's last means, and its name.
    """
    every = np.concatenate([track.true for track in tracks])
    principal = np.linalg.svd(every - every.mean(0), full_matrices=False)[2][0]
    known = {"$z_1$": np.eye(2)[0], "$z_2$": np.eye(2)[1], "first principal direction": principal}
    name = max(known, key=lambda n: sum(_shared(t.true @ known[n], t.model[-1]) for t in tracks))
    return known[name], name


def _shared(a: np.ndarray, b: np.ndarray) -> float:
    """Squared correlation; 0 where one is constant."""
    a, b = a - a.mean(), b - b.mean()
    return float((a @ b) ** 2 / max((a @ a) * (b @ b), np.finfo(float).tiny))


def _shown(track: Track) -> list[int]:
    """Dumps that have a panel: at most PANELS in equal steps, the first and the last among them."""
    count = len(track.epochs)
    return np.linspace(0, count - 1, min(count, PANELS)).round().astype(int).tolist()


def _row(
    row: Sequence[Axes], track: Track, colour: ScalarMappable, direction: np.ndarray, limit: float
) -> None:
    tints = colour.to_rgba(track.true @ direction)
    shown = _shown(track)
    for panel, at in zip(row, shown, strict=False):
        panel.scatter(track.model[at], track.amortised[at], s=4, c=tints, linewidths=0)
        heading(panel, track.run.time(track.epochs[at]), SMALL)
        _frame(panel, limit)
    for panel in row[len(shown) : -1]:
        panel.set_axis_off()
    _paths(row[-1], track, tints)
    heading(row[-1], f"paths of {min(FOLLOWED, len(tints))}", SMALL)
    _frame(row[-1], limit)


def _frame(panel: Axes, limit: float) -> None:
    panel.axline(
        (0, 0), slope=1, color=look.LIGHT["muted"], linewidth=0.6, linestyle="--", zorder=0
    )
    panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")


def _paths(panel: Axes, track: Track, tints: np.ndarray) -> None:
    """Sentences from one end of the model's last means to the other."""
    order = np.argsort(track.model[-1], kind="stable")
    for i in order[np.linspace(0, len(order) - 1, min(FOLLOWED, len(order))).round().astype(int)]:
        panel.plot(track.model[:, i], track.amortised[:, i], color=tints[i], linewidth=0.6)
        panel.scatter(track.model[-1, i], track.amortised[-1, i], s=6, color=tints[i], zorder=3)

"""KL and mutual information over training (CL-VAE figure 3)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures.style import (
    TWO_COLUMNS,
    by_corpus,
    figure,
    heading,
    legend_below,
    lettered,
    names,
    need,
    styled,
)
from lab import look, views
from lab.runs import Run

# How estimators other than the standard one are marked.
MARKS = {
    "dual": {"linewidth": 0.8, "marker": "o", "markersize": 2.2, "markerfacecolor": "white"},
    "moment-matched": {"linewidth": 0.8, "marker": "s", "markersize": 1.8},
}


@styled
def kl_mi_curves(runs: Sequence[Run]) -> Figure:
    """One row per corpus: KL (left) and MI (right), nats per sentence, over epochs or iterations.

    Every estimator a run recorded is a line; all but the standard one are marked and named in the
    legend. Bands are one standard error; the thin line in MI is its ceiling log N. Raises UserError
    if no run recorded KL or MI.
    """
    shown = need(
        [r for r in runs if any(views.series(r, q) for q in ("kl", "mi"))], "KL or MI curves"
    )
    groups = by_corpus(shown)
    sheet = figure(TWO_COLUMNS, 2.2 * len(groups) + 0.35)
    axes = sheet.subplots(len(groups), 2, squeeze=False)
    for row, (corpus, group) in enumerate(groups.items()):
        for column, quantity in enumerate(("kl", "mi")):
            panel = axes[row, column]
            title = views.QUANTITIES[quantity][0]
            for run, name in zip(group, names(group), strict=True):
                _curves(panel, run, name, quantity)
            _finish(panel, group[0], f"{title} (nats)")
            heading(panel, lettered(2 * row + column, "" if column else corpus))
        _ceiling(axes[row, 1], group)
    legend_below(sheet, axes.ravel(), 3)
    return sheet


def _curves(axes: Axes, run: Run, name: str, quantity: str) -> None:
    colour, line = look.colour(run.spec), look.linestyle(run.spec)
    per_epoch = run.info.get("unit", {}).get("per_epoch", 1)
    for curve in views.series(run, quantity):
        x = curve.epochs * per_epoch
        label = f"{name}, {curve.estimator}" if curve.estimator else name
        marks = MARKS.get(curve.estimator, {})
        axes.plot(x, curve.values, color=colour, linestyle=line, label=label, **marks)
        if curve.stderr is not None:
            low, high = curve.values - curve.stderr, curve.values + curve.stderr
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def _finish(axes: Axes, run: Run, label: str) -> None:
    axes.axhline(0, color=look.LIGHT["rule"], linewidth=0.6, zorder=0)
    axes.set(xlabel=run.info.get("unit", {}).get("name", "epoch"), ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}k" if abs(x) >= 1000 else f"{x:g}")
    axes.spines[["top", "right"]].set_visible(False)


def _ceiling(axes: Axes, runs: Sequence[Run]) -> None:
    """log N, the most that the information of N items can be, where the curves come near it."""
    top = max((line.get_ydata().max() for line in axes.get_lines()[:-1]), default=0.0)
    for items in sorted({run.info["items"] for run in runs if run.info.get("items")}):
        if top > np.log(items) / 2:
            axes.axhline(np.log(items), color=look.LIGHT["muted"], linewidth=0.5)
            axes.annotate(
                f"log {items:,}", (1, np.log(items)), xycoords=axes.get_yaxis_transform(),
                ha="right", va="bottom", fontsize=6.5, color=look.LIGHT["muted"],
            )  # fmt: skip

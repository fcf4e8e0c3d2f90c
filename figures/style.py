"""The one printed style: sizes, type, colour maps and the marks every figure shares."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from lab import look, views
from lab.errors import UserError
from lab.runs import Run

ONE_COLUMN, TWO_COLUMNS = 3.3, 6.9  # inches
SMALL = 7  # points

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "mathtext.fontset": "dejavusans",
    "text.color": look.LIGHT["text"],
    "axes.labelcolor": look.LIGHT["text"],
    "axes.edgecolor": look.LIGHT["muted"],
    "xtick.color": look.LIGHT["muted"],
    "ytick.color": look.LIGHT["muted"],
    "xtick.labelcolor": look.LIGHT["text"],
    "ytick.labelcolor": look.LIGHT["text"],
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "latent-lab",
}

styled = matplotlib.rc_context(STYLE)  # decorates whatever makes or saves a figure

# Equal steps of CIELAB lightness from the page's white to a dark violet.
_DENSITY = (
    "#ffffff", "#cfeaff", "#a4d4fd", "#83bcf2", "#69a3e4", "#578bd1",
    "#4c72b8", "#455b9c", "#3f457c", "#35315a", "#271f39",
)  # fmt: skip
PALETTES: dict[str, Colormap] = {
    "default": LinearSegmentedColormap.from_list("density", _DENSITY),
    "paper": matplotlib.colormaps["hot"],
}


def figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """An empty figure of a size in inches, outside pyplot's global state."""
    return Figure(figsize=(width, height), layout=layout)


def lettered(index: int, heading: str = "") -> str:
    """A bold panel letter (after z comes aa) and, beside it, what the panel shows."""
    tens, ones = divmod(index, 26)
    letters = (chr(ord("a") + tens - 1) if tens else "") + chr(ord("a") + ones)
    return rf"$\bf{{{letters}}}$  {heading}"


def heading(axes: Axes, text: str, size: float = 8) -> None:
    """A line above the axes, at the left."""
    axes.set_title(text, loc="left", fontsize=size, pad=4)


def prior(axes: Axes, run: Run) -> None:
    """Circles at 1, 2, 3 standard deviations of N(0, I), or the outline of the unit sphere."""
    for radius in (1.0,) if views.on_sphere(run) else look.PRIOR_RADII:
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor="#9a9a9a", linewidth=0.4))


def square(axes: Axes, limit: float) -> None:
    """A latent map's axes: equal units, from -limit to limit."""
    ticks = [-(limit // 2), 0, limit // 2]
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=ticks, yticks=ticks)


def names(runs: Sequence[Run]) -> list[str]:
    """Legend names: the papers', or the spec where several share one, with the seed where a method
    occurs twice on a corpus.
    """
    method = views.method_names(runs)
    counts = Counter(zip((r.corpus for r in runs), method, strict=True))
    return [
        f"{name}, seed {run.seed}" if counts[run.corpus, name] > 1 else name
        for run, name in zip(runs, method, strict=True)
    ]


def by_corpus(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs grouped by corpus, both in the order given."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.corpus].append(run)
    return dict(groups)


def legend_below(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """One legend under the whole figure, each name once."""
    lines: dict[str, Line2D] = {}
    for panel in axes:
        for line, name in zip(*panel.get_legend_handles_labels(), strict=True):
            lines.setdefault(name, line)
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=columns, handlelength=2.4
    )


def is_toy(run: Run) -> bool:
    """Whether a run is of the toy data: its time counts iterations and its items are categories."""
    return run.info.get("unit", {}).get("name") == "iteration"


def need(runs: Sequence[Run], what: str) -> Sequence[Run]:
    """The runs themselves; a UserError that says what the figure needs if there are none."""
    if not runs:
        raise UserError(f"none of the runs has {what}")
    return runs


def shown_epoch(run: Run) -> int:
    """The epoch a figure shows: the best one if it was dumped, else the last dump."""
    return run.best_epoch if run.best_epoch in run.epochs else run.epochs[-1]

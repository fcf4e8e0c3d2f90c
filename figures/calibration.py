"""What estimators give where the truth is known: a picture, and tables that judge every claim."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.draw import METADATA
from figures.style import TWO_COLUMNS, figure, heading, lettered, styled
from lab import look
from lab.calibration import ERRORS, Measured
from lab.errors import UserError
from lab.runs.layout import replace

FORMATS = ("png", "svg")
COLUMNS = 3
TRUTH = "#c3c7cf"
NAMES = {
    "nll": "NLL",
    "posterior_kl": "KL(q(z|x) ‖ p(z|x))",
    "prior_ll": "priorLL",
    "post_ll": "postLL",
    "mi": "MI",
    "kl": "KL(q(z|x) ‖ p(z))",
    "aggregated_kl": "KL(q(z) ‖ p(z))",
    "total_correlation": "total correlation",
    "marginal_kl": "marginal KL",
    "hole_mass": "hole mass",
    "two_sample_auc": "two-sample AUC",
}
VERDICTS = {True: "yes", False: "**no**", None: "–"}
CLAIMS = {"unbiased": "unbiased", "above": "not below", "below": "not above", "none": "–"}


@dataclass(frozen=True)
class Curve:
    """An estimator in a panel: its label there, a colour by number, a line style."""

    case: str
    quantity: str
    estimator: str
    label: str
    colour: int
    line: str = "-"


@dataclass(frozen=True)
class Panel:
    """Curves over the sizes of some axes: values beside the truth or, with `bias`, less it.

    `ceiling` draws the logarithm of the size, `room` is left for the legend above the curves, as a
    share of their height, and `lines` are what the legend says of line styles.
    """

    title: str
    axes: tuple[str, ...]
    curves: tuple[Curve, ...]
    bias: bool = False
    ceiling: bool = False
    unit: str = "nats"
    room: float = 0.0
    lines: tuple[tuple[str, str], ...] = ()


def _by_dimension(title: str, quantity: str, lines: dict[str, str], **options: Any) -> Panel:
    """Curves of Gaussian models: colour by dimension, line style by estimator."""
    curves = tuple(
        Curve(f"Gaussian, {d}-D", quantity, estimator, f"{d}-D" if line == "-" else "", k, line)
        for estimator, line in lines.items()
        for k, d in enumerate((2, 8, 32))
    )
    named = tuple((e.split(",")[0], line) for e, line in lines.items() if len(lines) > 1)
    return Panel(f"{title}, Gaussian", ("items",), curves, lines=named, **options)


def _lstm2d(quantity: str, labels: dict[str, str], case: str = "lstm2d") -> tuple[Curve, ...]:
    """One colour for each estimator, given with its label."""
    pairs = enumerate(labels.items())
    return tuple(Curve(case, quantity, estimator, label, k) for k, (estimator, label) in pairs)


ITEMS = "lstm2d, its N items"
CORRELATED = "Gaussian, 8-D, correlation 0.5"
HELD_OUT = "held out, less the aggregate's"
CRITICS = {"dual": "dual", "dual, circle loss": "dual, circle loss", "MINE": "MINE"}
PARTS = {
    "kl": "KL",
    "mi": "MI",
    "aggregated_kl": "KL(q(z) ‖ p(z))",
    "total_correlation": "total correlation",
}
PANELS = (
    Panel("importance-weighted NLL", ("samples",), _lstm2d("nll", {
        "importance-weighted, fitted q": "fitted q", "importance-weighted, poor q": "poor q",
    })),
    Panel("−ELBO − NLL: the KL to p(z|x)", ("samples",), _lstm2d("posterior_kl", {
        "−ELBO − NLL by draws, fitted q": "fitted q", "−ELBO − NLL by draws, poor q": "poor q",
    })),
    Panel("priorLL and postLL", ("samples",), tuple(
        Curve("lstm2d", quantity, estimator, f"{NAMES[quantity]}, {estimator}", k, line)
        for k, quantity in enumerate(("prior_ll", "post_ll"))
        for estimator, line in (("corrected", "-"), ("published", "--"))
    ), bias=True),
    Panel("MI by items or batch", ("items", "batch size"), _lstm2d("mi", {
        "whole": "whole set", "batch": "in batch",
        "of exact p(z|x), by quadrature": "whole set, exact p(z|x)",
    }), ceiling=True),
    Panel("MI by trained critics", ("critic steps",), _lstm2d("mi", CRITICS, ITEMS)),
    Panel("KL(q(z|x) ‖ p(z)) by critics", ("critic steps",), _lstm2d("kl", CRITICS, ITEMS)),
    Panel("parts of the KL of N items", ("items",), tuple(
        Curve(ITEMS, q, "whole", label, k) for k, (q, label) in enumerate(PARTS.items())
    ), bias=True),
    _by_dimension("MI", "mi", {"whole": "-"}, ceiling=True),
    _by_dimension("KL(q(z) ‖ p(z))", "aggregated_kl", {"whole": "-", "neighbours": "--"}),
    Panel("correlated Gaussian, 8-D", ("items",), tuple(
        Curve(CORRELATED, q, "whole", label, k) for k, (q, label) in enumerate(PARTS.items())
    ), room=0.4),
    _by_dimension(
        "hole mass", "hole_mass", {"mixture": "-", HELD_OUT: "--"},
        unit="share of prior draws", room=0.45,
    ),
    _by_dimension(
        "two-sample AUC", "two_sample_auc", {"mixture": "-", "held out": "--", "classifier": ":"},
        unit="AUC", room=0.45,
    ),
)  # fmt: skip


@styled
def calibration(measured: Sequence[Measured]) -> Figure:
    """Small multiples: mean over seeds and a band of one standard deviation; grey is the truth."""
    shown = [p for p in PANELS if any(_rows(measured, c, p) for c in p.curves)]
    rows = -(-len(shown) // COLUMNS)
    sheet = figure(TWO_COLUMNS, 2.15 * rows)
    axes = sheet.subplots(rows, COLUMNS, squeeze=False).ravel()
    for k, (axis, panel) in enumerate(zip(axes, shown, strict=False)):
        _draw(axis, panel, measured)
        heading(axis, lettered(k, panel.title), 7.5)
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    return sheet


def _rows(measured: Iterable[Measured], curve: Curve, panel: Panel) -> list[Measured]:
    about = (curve.case, curve.quantity, curve.estimator)
    found = [m for m in measured if (m.case, m.quantity, m.estimator) == about]
    return sorted((m for m in found if m.axis in panel.axes), key=lambda m: m.size)


def _draw(axes: Axes, panel: Panel, measured: Sequence[Measured]) -> None:
    drawn = [(c, rows) for c in panel.curves if (rows := _rows(measured, c, panel))]
    for curve, rows in drawn:
        _curve(axes, curve, rows, panel.bias)
    for label, line in panel.lines:
        axes.plot([], [], line, color=look.LIGHT["text"], label=label)
    _truth(axes, [rows for _, rows in drawn], panel.bias)
    if panel.ceiling:
        _ceiling(axes)
    axes.set_xlabel(" or ".join(panel.axes))
    axes.set_ylabel(f"bias ({panel.unit})" if panel.bias else panel.unit)
    axes.spines[["top", "right"]].set_visible(False)
    _sizes(axes, {m.size for _, rows in drawn for m in rows})
    _legend(axes, panel.room)


def _sizes(axes: Axes, sizes: Iterable[int]) -> None:
    ticks = sorted(sizes)
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{t // 1000}k" if t % 1000 == 0 else str(t) for t in ticks])
    axes.minorticks_off()


def _legend(axes: Axes, room: float) -> None:
    low, high = axes.get_ylim()
    ticks = [t for t in axes.get_yticks() if low <= t <= high]
    axes.set_ylim(low, high + room * (high - low))
    axes.set_yticks(ticks)
    options = {"loc": "upper right", "ncols": 2} if room else {"loc": "best"}
    axes.legend(fontsize=5.5, handlelength=1.8, labelspacing=0.25, columnspacing=1, **options)


def _truth(axes: Axes, curves: Iterable[Sequence[Measured]], bias: bool) -> None:
    """A broad grey line behind the curves of each truth."""
    label: str | None = "truth"
    for rows in curves:
        truth = [0.0 if bias else m.truth for m in rows]
        size = [m.size for m in rows]
        axes.plot(size, truth, color=TRUTH, linewidth=3, zorder=0.5, label=label)
        label = None


def _curve(axes: Axes, curve: Curve, rows: Sequence[Measured], bias: bool) -> None:
    colour = look.CATEGORY_COLOURS[curve.colour]
    size, sd = np.array([m.size for m in rows]), np.array([m.sd for m in rows])
    middle = np.array([m.bias if bias else m.mean for m in rows])
    mark = {"marker": "o", "markersize": 1.6, "label": curve.label or None}
    axes.plot(size, middle, curve.line, color=colour, **mark)
    axes.fill_between(size, middle - sd, middle + sd, color=colour, alpha=0.2, linewidth=0)


def _ceiling(axes: Axes) -> None:
    """log N, the most that N items can tell of each other, as far as the curves go up."""
    low, high = axes.get_ylim()
    size = np.geomspace(*axes.dataLim.intervalx, 50)
    axes.plot(size, np.log(size), ":", color=look.LIGHT["text"], linewidth=0.8, label="log N")
    axes.set_ylim(low, high)


def calibration_table(measured: Sequence[Measured]) -> pl.DataFrame:
    """All figures, one row for each estimator at each size, with `error` and `holds`."""
    rows = [asdict(m) | {"error": m.error, "holds": m.holds} for m in measured]
    return pl.DataFrame(rows).drop("tolerance")


def calibration_markdown(measured: Sequence[Measured]) -> str:
    """What is claimed and whether it holds, the estimators in short, and every figure."""
    parts = ["# Calibration", _judged(measured), "## In short", _summary(measured)]
    for case in dict.fromkeys(m.case for m in measured):
        parts += [f"## {case}", _table(HEAD, [_cells(m) for m in measured if m.case == case])]
    return "\n\n".join(parts) + "\n"


def write(measured: Sequence[Measured], out: Path) -> list[Path]:
    """Write calibration.md, .csv and the picture into a folder; their paths.

    Raises UserError if it cannot be written.
    """
    picture = calibration(measured)
    writers: dict[str, Callable[[Path], object]] = {
        "md": lambda p: p.write_text(calibration_markdown(measured), encoding="utf-8"),
        "csv": calibration_table(measured).write_csv,
    }
    for ending in FORMATS:
        writers[ending] = styled(
            lambda p, ending=ending: picture.savefig(p, format=ending, metadata=METADATA[ending])
        )
    return [_write(out / f"calibration.{ending}", writer) for ending, writer in writers.items()]


def _write(path: Path, writer: Callable[[Path], object]) -> Path:
    try:
        replace(path, writer)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path


HEAD = (
    "quantity", "estimator", "size", "truth", "mean", "bias", "sd", "stated error", "claimed",
    "holds",
)  # fmt: skip


def _judged(measured: Sequence[Measured]) -> str:
    claimed = [m for m in measured if m.holds is not None]
    wrong = [
        f"{NAMES[m.quantity]} ({m.estimator}, {_size(m)}; {m.case})" for m in claimed if not m.holds
    ]
    found = f"{len(claimed) - len(wrong)} of {len(claimed)} claims hold"
    return (
        f"{found}{': not ' if wrong else ''}{'; '.join(wrong)}. Nats, but for hole mass and AUC; "
        f"{max(m.seeds for m in measured)} seeds. Bias: mean difference from the truth, ± or sd: "
        "its standard deviation over seeds; stated error: the estimator's own standard error. A "
        "claim (unbiased, not above the truth, not below it) holds if the bias keeps to it within "
        f"{ERRORS:g} standard errors of the mean over seeds, as stated or else from the sd."
    )


def _summary(measured: Sequence[Measured]) -> str:
    """Each estimator's bias at its smallest and its largest size, and the truth at the largest."""
    head = ("case", "quantity", "estimator", "sizes", "truth", "bias at the smallest", "largest")
    groups: dict[tuple[str, ...], list[Measured]] = defaultdict(list)
    for m in measured:
        groups[m.case, m.quantity, m.estimator, m.axis].append(m)
    lines = []
    for (case, quantity, estimator, axis), rows in groups.items():
        first, last = min(rows, key=lambda m: m.size), max(rows, key=lambda m: m.size)
        sizes = f"{axis} {first.size:,} to {last.size:,}" if first is not last else _size(first)
        verdicts = {m.holds for m in rows}
        holds = VERDICTS[None if None in verdicts else all(verdicts)]
        biases = [f"{m.bias:+.3f} ± {m.sd:.3f}" for m in (first, last)]
        about = (case, NAMES[quantity], estimator, sizes, f"{last.truth:.3f}")
        lines.append((*about, *biases, CLAIMS[first.claim], holds))
    return _table((*head, "claimed", "holds"), lines)


def _cells(m: Measured) -> tuple[str, ...]:
    stated = "–" if m.stated is None else f"{m.stated:.4f}"
    values = (f"{m.truth:.4f}", f"{m.mean:.4f}", f"{m.bias:+.4f}", f"{m.sd:.4f}", stated)
    verdict = (CLAIMS[m.claim], VERDICTS[m.holds])
    return (NAMES[m.quantity], m.estimator, _size(m), *values, *verdict)


def _size(m: Measured) -> str:
    return f"{m.axis} {m.size:,}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    lines = [head, ["---"] * len(head), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

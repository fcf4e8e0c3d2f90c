"""How soon the toy's categories part, over seeds, and what that says of CL-VAE section 4.4."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures.style import (
    ONE_COLUMN,
    TWO_COLUMNS,
    figure,
    heading,
    is_toy,
    legend_below,
    lettered,
    need,
    styled,
)
from lab import look
from lab.errors import UserError
from lab.runs import Run

SEPARATED = 0.8  # share of draws nearest to their own category's centroid
KNOWN = 0.95  # share of draws whose category the decoder names
BORDERS = 0.5  # that share from which borders are said to appear
SEEDS = 5  # fewer are marked, and no claim is judged by them
MARKERS = ("", "o", "s", "^")  # of specs that share a label, a colour and a dash
CURVES = {"centroid_accuracy": "centroid accuracy", "silhouette": "silhouette"}
FINAL = {
    "silhouette": "silhouette",
    "centroid_accuracy": "centroid accuracy",
    "category_accuracy": "category accuracy",
    "ratio": "inter / intra",
    "prior_kl_histogram": "prior KL, histogram",
    "prior_kl_neighbours": "prior KL, neighbours",
}


@dataclass(frozen=True)
class Course:
    """The records of one run by iteration; `failed` if it diverged."""

    records: dict[int, dict[str, Any]]
    failed: bool

    @property
    def end(self) -> int:
        return max(self.records)

    @property
    def final(self) -> dict[str, Any]:
        last = self.records[self.end]
        within, between = last.get("intra_distance"), last.get("inter_distance")
        return last | {"ratio": between / within if within and between is not None else None}

    @property
    def separation(self) -> float:
        """First measured iteration from which the categories are parted to the end; inf if none."""
        return self._lasting("centroid_accuracy", SEPARATED)

    @property
    def known(self) -> float:
        """The same for a decoder that names them."""
        return self._lasting("category_accuracy", KNOWN)

    def _lasting(self, key: str, least: float) -> float:
        first = math.inf
        for iteration in sorted(self.records, reverse=True):
            if self.failed or self.records[iteration].get(key, 0) < least:
                break
            first = iteration
        return first


@dataclass(frozen=True)
class Group:
    """One method on one number of categories, a course for each seed."""

    categories: int
    spec: str
    label: str
    variant: int  # which one of the specs that share a label in the papers
    courses: tuple[Course, ...]

    @property
    def name(self) -> str:
        """The method's part of the spec string, without its options."""
        return self.spec.split("(")[0]

    @property
    def end(self) -> int:
        """The iteration that every run reached, but those that diverged on the way."""
        return min(
            (c.end for c in self.courses if not c.failed),
            default=max(c.end for c in self.courses),
        )

    @property
    def diverged(self) -> int:
        return sum(course.failed for course in self.courses)

    @property
    def separated(self) -> int:
        """How many seeds get there."""
        return sum(math.isfinite(course.separation) for course in self.courses)

    @cached_property
    def separation(self) -> tuple[float, float, float]:
        """Lowest, median and highest iteration of separation over the seeds."""
        found = [course.separation for course in self.courses]
        return min(found), _median(found), max(found)

    @property
    def known(self) -> float:
        """Median over seeds of the iteration from which the decoder names the categories."""
        return _median([course.known for course in self.courses])

    def final(self, key: str) -> np.ndarray | None:
        """A last figure of every seed [S]; None if one has not got it."""
        values = [course.final.get(key) for course in self.courses]
        return None if None in values else np.array(values, float)

    def at(self, key: str, iteration: int) -> float | None:
        """Median over seeds of a figure at one iteration; None where it was not measured."""
        values = [c.records.get(iteration, {}).get(key) for c in self.courses]
        return None if None in values else median(values)


@styled
def toy_claims(runs: Sequence[Run]) -> Figure:
    """Centroid accuracy and silhouette over iterations, one column for each number of categories.

    Lines are medians over the seeds that got so far, bands reach from the lowest to the highest,
    the thin line is the accuracy that counts as separated. Raises UserError if no toy run recorded
    them or two runs share method, categories and seed.
    """
    groups = _groups(runs)
    sizes = sorted({group.categories for group in groups})
    sheet = figure(ONE_COLUMN if len(sizes) == 1 else TWO_COLUMNS, 3.9)
    axes = sheet.subplots(2, len(sizes), sharex="col", sharey="row", squeeze=False)
    for column, categories in enumerate(sizes):
        for row, key in enumerate(CURVES):
            for group in groups:
                if group.categories == categories:
                    _curve(axes[row, column], group, key)
            heading(axes[row, column], lettered(row * len(sizes) + column, f"K = {categories}"))
        axes[1, column].set_xlabel("iteration")
    for row, title in enumerate(CURVES.values()):
        axes[row, 0].set_ylabel(title)
    _finish(axes)
    legend_below(sheet, axes.ravel(), 2 if len(sizes) == 1 else 4)
    return sheet


def toy_claims_csv(runs: Sequence[Run]) -> str:
    """One row per number of categories and method, numbers in full; empty where there is none.

    An empty `separation` is one that did not happen. UserError as `toy_claims`.
    """
    return pl.DataFrame([_row(g) for g in _groups(runs)], infer_schema_length=None).write_csv()


def toy_claims_markdown(runs: Sequence[Run]) -> str:
    """The table of `toy_claims_csv` to read, then the paper's claims with what these runs say.

    UserError as `toy_claims`.
    """
    groups = _groups(runs)
    head = ["K", "method", "seeds", "iterations", "to separation", "lowest to highest"]
    head += ["decoder right from"]
    table = [[*head, *FINAL.values()], ["---"] * (len(head) + len(FINAL)), *map(_cells, groups)]
    notes = (
        f"To separation: median over seeds of the first measured iteration from which at least "
        f"{SEPARATED:.0%} of the draws stay nearest to their own category's centroid to the end of "
        f"the run; decoder right from: the same for {KNOWN:.0%} of the categories decoded; a run "
        f"that diverged never gets there. Other figures: mean ± standard deviation "
        f"over seeds at the end of each run; prior KL in nats. †: fewer than {SEEDS} seeds."
    )
    claims = [f"- {line}" for claim in CLAIMS for line in _judge(claim, groups)]
    parts = ["\n".join(f"| {' | '.join(row)} |" for row in table), notes]
    return "\n\n".join([*parts, "**Claims (CL-VAE section 4.4)**", "\n".join(claims)]) + "\n"


def _groups(runs: Sequence[Run]) -> list[Group]:
    """Runs of one method and one K together, by K, methods in the order given."""
    shown = need(
        [run for run in runs if _categories(run) and _records(run)],
        "measures of the toy's categories; train one with `latentlab toy`",
    )
    by_method: dict[tuple[int, str], dict[int, Run]] = defaultdict(dict)
    for run in shown:
        seeds = by_method[_categories(run), run.spec]
        if run.seed in seeds:
            raise UserError(
                f"{seeds[run.seed].folder} and {run.folder} are of one method and seed; give one"
            )
        seeds[run.seed] = run
    names = _names(shown)
    return [
        Group(size, spec, *names[spec], tuple(map(_course, seeds.values())))
        for (size, spec), seeds in sorted(by_method.items(), key=lambda item: item[0][0])
    ]


def _names(runs: Sequence[Run]) -> dict[str, tuple[str, int]]:
    """Name of each spec, the papers', and which of those with that label it is.

    Specs that share a label are told apart by the spec beside it.
    """
    labels = {run.spec: run.label for run in runs}
    alike = {name: [s for s in labels if labels[s] == name] for name in labels.values()}
    return {
        spec: (f"{name} [{spec}]" if len(alike[name]) > 1 else name, alike[name].index(spec))
        for spec, name in labels.items()
    }


def _categories(run: Run) -> int | None:
    return run.info["corpus"].get("categories") if is_toy(run) else None


def _records(run: Run) -> list[dict[str, Any]]:
    return [r for r in run.metrics("valid") if r.get("centroid_accuracy") is not None]


def _course(run: Run) -> Course:
    per_epoch = run.info["unit"]["per_epoch"]
    records = {record["epoch"] * per_epoch: record for record in _records(run)}
    return Course(records, bool(run.info.get("error")))


def _median(values: Sequence[float]) -> float:
    """The median of values that may be infinite."""
    low, high = sorted(values)[(len(values) - 1) // 2], sorted(values)[len(values) // 2]
    return (low + high) / 2


def _curve(axes: Axes, group: Group, key: str) -> None:
    values: dict[int, list[float]] = defaultdict(list)
    for course in group.courses:
        for iteration, record in course.records.items():
            if record.get(key) is not None:
                values[iteration].append(record[key])
    x = sorted(values)
    colour, line = look.colour(group.spec), look.linestyle(group.spec)
    middle = [median(values[i]) for i in x]
    axes.plot(
        x, middle, color=colour, linestyle=line, label=group.label,
        marker=MARKERS[group.variant % len(MARKERS)], markersize=3, markevery=len(x) // 8 + 1,
    )  # fmt: skip
    low, high = ([pick(values[i]) for i in x] for pick in (min, max))
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def _finish(axes: np.ndarray) -> None:
    for panel in axes[0]:
        panel.axhline(SEPARATED, color=look.LIGHT["muted"], linewidth=0.5, zorder=0)
        panel.annotate(
            "separated", (1, SEPARATED), xycoords=panel.get_yaxis_transform(), ha="right",
            va="bottom", fontsize=6.5, color=look.LIGHT["muted"],
        )  # fmt: skip
    for panel in axes.ravel():
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panel.xaxis.set_major_formatter(lambda x, _: _thousands(x))
        panel.spines[["top", "right"]].set_visible(False)


def _row(group: Group) -> dict[str, Any]:
    """A group's row of the table of numbers."""
    lowest, middle, highest = (None if math.isinf(t) else t for t in group.separation)
    row = {"categories": group.categories, "method": group.label, "spec": group.spec}
    row |= {"seeds": len(group.courses), "diverged": group.diverged, "iterations": group.end}
    row |= {"seeds_separated": group.separated}
    row |= {"separation": middle, "separation_lowest": lowest, "separation_highest": highest}
    row["decoder_right"] = None if math.isinf(group.known) else group.known
    for key in FINAL:
        values = group.final(key)
        row[key] = None if values is None else values.mean()
        row[f"{key}_sd"] = None if values is None or len(values) < 2 else values.std(ddof=1)
    return row


def _cells(group: Group) -> list[str]:
    """A group's row of the table to read."""
    lowest, middle, highest = (_iterations(t, group.end) for t in group.separation)
    count = len(group.courses)
    spread = "–" if count == 1 else lowest if lowest == highest else f"{lowest} to {highest}"
    seeds = f"{count}†" if count < SEEDS else str(count)
    seeds += f", {group.diverged} diverged" if group.diverged else ""
    method = group.label.replace("|", r"\|")
    first = [str(group.categories), method, seeds, _thousands(group.end), middle, spread]
    return [
        *first,
        _iterations(group.known, group.end),
        *(_spread(group.final(key)) for key in FINAL),
    ]


def _spread(values: np.ndarray | None) -> str:
    if values is None:
        return "–"
    return f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")


def _iterations(value: float, end: int) -> str:
    return f"not within {_thousands(end)}" if math.isinf(value) else _thousands(value)


def _thousands(value: float) -> str:
    return f"{value / 1000:.4g}k" if abs(value) >= 1000 else f"{value:g}"


Groups = Sequence[Group]
Verdict = tuple[bool, str] | str  # whether it holds and what was found, or why it is not judged


@dataclass(frozen=True)
class Claim:
    """What the paper prints of one method at one K, and how it is judged by runs that reached
    `until`.
    """

    text: str
    criterion: str
    name: str
    categories: int
    until: int
    judge: Callable[[Group, Groups], Verdict]


def _judge(claim: Claim, groups: Groups) -> list[str]:
    """One line for each variant of the claim's method, or one that says what is missing."""
    subjects = [g for g in groups if (g.name, g.categories) == (claim.name, claim.categories)]
    lines = [f"{g.label}: {_verdict(claim, g, groups)}" for g in subjects]
    found = lines or [f"not judged: no run of `{claim.name}` at K = {claim.categories}"]
    return [f"{claim.text} ({claim.criterion}): {line}." for line in found]


def _verdict(claim: Claim, group: Group, groups: Groups) -> str:
    verdict = _lacking(group, claim.until) or claim.judge(group, groups)
    if isinstance(verdict, str):
        return f"not judged: {verdict}"
    holds, found = verdict
    return f"**{'reproduced' if holds else 'not reproduced'}**, {found}"


def _lacking(group: Group, until: int) -> str:
    """Why a group cannot be judged: too few seeds or iterations; "" if it can."""
    count = len(group.courses)
    if count < SEEDS:
        return f"{group.label} has {count} seed{'s' * (count > 1)} of at least {SEEDS}"
    if group.end < until:
        return f"{group.label} ends at {_thousands(group.end)} of {_thousands(until)} iterations"
    return ""


def _told(group: Group) -> str:
    """What a group's seeds did, in words."""
    lowest, middle, highest = (_iterations(t, group.end) for t in group.separation)
    return (
        f"{group.separated} of {len(group.courses)} seeds separated in {_thousands(group.end)}, "
        f"median {middle}, from {lowest} to {highest}"
    )


def _separates(after: float, by: float) -> Callable[[Group, Groups], Verdict]:
    """Whether the median seed separates later than `after` and no later than `by`.

    What falls between two measurements on either side of a bound is not judged.
    """

    def judge(group: Group, groups: Groups) -> Verdict:
        found = group.separation[1]
        before = _before(group, found)
        if any(before < bound < found for bound in (after, by)):
            between = f"{_thousands(before)} and {_thousands(found)}"
            return f"separated between the measurements at {between}"
        return after < found <= by, _told(group)

    return judge


def _before(group: Group, iteration: float) -> float:
    """The last measurement before an iteration; 0 if there is none, `iteration` if it is never."""
    if math.isinf(iteration):
        return iteration
    measured = {i for course in group.courses for i in course.records}
    return max((i for i in measured if i < iteration), default=0)


def _borders(group: Group, groups: Groups) -> Verdict:
    """Whether borders show at 5,000 iterations, less clearly than for half as many categories."""
    easier = [g for g in groups if (g.spec, g.categories) == (group.spec, group.categories // 2)]
    if not easier or _lacking(easier[0], 5_000):
        return f"needs {SEEDS} seeds of {group.label} at K = {group.categories // 2} beside it"
    here, there = (g.at("centroid_accuracy", 5_000) for g in (group, easier[0]))
    if here is None or there is None:
        return "not measured at iteration 5k in every run"
    told = f"median centroid accuracy {here:.2f}, at K = {group.categories // 2} {there:.2f}"
    return BORDERS <= here < there, told


def _reconstructs(group: Group, groups: Groups) -> Verdict:
    values = group.final("category_accuracy")
    if values is None:
        return "category accuracy is not recorded"
    return median(values) >= KNOWN, f"median {median(values):.2f}, lowest {values.min():.2f}"


def _tighter(group: Group, groups: Groups) -> Verdict:
    """Whether the median inter / intra ratio is above those of the VAE and the iVAE."""
    rivals = {g.spec: g for g in groups if g.categories == group.categories}
    compared = [group, *(rivals[spec] for spec in ("vae", "ivae") if spec in rivals)]
    if len(compared) < 3:
        return "needs runs of `vae` and `ivae` beside it"
    lacking = [why for g in compared if (why := _lacking(g, 80_000))]
    ratios = [g.final("ratio") for g in compared]
    if lacking or any(r is None for r in ratios):
        return lacking[0] if lacking else "a method has no ratio of distances"
    ours, *theirs = (median(r) for r in ratios)
    told = (f"{g.label} {median(r):.1f}" for g, r in zip(compared, ratios, strict=True))
    return ours > max(theirs), "median ratio " + ", ".join(told)


LATE = "the median seed separates after the paper's 30k picture and within 80k"
CLAIMS = (
    Claim(
        "K = 4: clVAE⁺ converges in 3.5K iterations", "the median seed separates within 3.5k",
        "clvae_plus", 4, 3_500, _separates(-math.inf, 3_500),
    ),
    Claim("K = 4: VAE takes 80K", LATE, "vae", 4, 80_000, _separates(30_000, 80_000)),
    Claim("K = 4: iVAE takes 80K", LATE, "ivae", 4, 80_000, _separates(30_000, 80_000)),
    Claim(
        "K = 4: clVAE⁺ has smaller distances within and larger ones between the classes than VAE "
        "and iVAE", "inter / intra at the end", "clvae_plus", 4, 80_000, _tighter,
    ),
    Claim(
        "K = 8: iVAE fails to converge within 80K", "the median seed does not separate by then",
        "ivae", 8, 80_000, _separates(80_000, math.inf),
    ),
    Claim(
        "K = 8: clVAE⁺ has decent boundaries at 5K", "the median seed separates within 5k",
        "clvae_plus", 8, 5_000, _separates(-math.inf, 5_000),
    ),
    Claim(
        "K = 16: boundaries of clVAE⁺ appear at 5K, less clear than at K = 8",
        f"centroid accuracy at least {BORDERS:g}, and below that at K = 8",
        "clvae_plus", 16, 5_000, _borders,
    ),
    Claim(
        "K = 16: clVAE⁺ reconstructs the categories after 80K",
        f"category accuracy at least {KNOWN:.0%}", "clvae_plus", 16, 80_000, _reconstructs,
    ),
)  # fmt: skip

"""The papers' tables: our numbers beside the printed ones, with a mark on whatever cannot be
compared.
"""

import ast
import json
import math
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from lab.errors import UserError
from lab.metrics.statistics import Summary, best, summarise
from lab.presets import CUTS, PRESETS
from lab.printed import PARAMETERS, Number, Printed, printed, printed_rows, tables
from lab.runs import Run
from lab.settings import Settings

EVALUATION_FORMAT = 1
UNLIKE, FEWER, ALONE, DOUBTFUL = "†", "‡", "§", "¶"
NO_RUN = "no run of this method among those given"
NOT_PRINTED = "the paper prints no such number"


@dataclass(frozen=True)
class Metric:
    """How a printed metric is called and which of our quantities stand beside it.

    `higher` says which end is better, None that neither is.
    """

    title: str
    higher: bool | None = False
    quantities: tuple[str, ...] = ()


# What papers print as −ELBO, VAE-MINE as NLL, stands beside our bound and our importance-weighted
# likelihood.
_BOUND = ("neg_elbo", "nll")
METRICS = {
    "neg_elbo": Metric("−ELBO", quantities=_BOUND),
    "nll": Metric("NLL", quantities=_BOUND),
    "rec": Metric("Rec"),
    "prior_ll": Metric("Prior LL", True),
    "post_ll": Metric("Posterior LL", True),
    "ppl": Metric("PPL"),
    "kl": Metric("KL", None),
    "mi": Metric("MI", True),
    "au": Metric("AU", True),
    "cu": Metric("CU", True),
    "kn5_forward_ppl": Metric("5-gram forward PPL"),
    "kn5_reverse_ppl": Metric("5-gram reverse PPL"),
    "lstm_forward_ppl": Metric("LSTM forward PPL"),
    "lstm_reverse_ppl": Metric("LSTM reverse PPL"),
    "gpt2_forward_ppl": Metric("GPT-2 forward PPL"),
    "pearson": Metric("Pearson", True),
    "spearman": Metric("Spearman", True),
    "kendall": Metric("Kendall", True),
}
_ACCURACY = "accuracy@"  # then the number of labels; percent

# Estimators from what the papers print for Gaussian posteriors to what only we compute.
ESTIMATORS = (
    "exact", "elbo", "whole", "batch", "corrected", "greedy", "sampled", "dual", "published",
    "moment", "mine", "iw",
)  # fmt: skip

# How a paper estimates what it prints, where that is not the first thing one would think of.
_DUAL = {
    "kl": "KL and MI of implicit posteriors by a trained dual network (128 draws a sentence), a "
    "lower bound of the KL, and PPL from it; MI of Gaussian ones within batches of at most 32.",
    "kn5_forward_ppl": "5-gram models, the reverse one trained on samples and a line for every "
    "word, and scored on the training text.",
}
ESTIMATED = {
    "clvae": _DUAL,
    "ivae": _DUAL,
    "vae_mine": {"nll": "NLL is the negative ELBO; MI is a Monte-Carlo estimate of eq. 19."},
    "dgvae": {
        "mi": "MI over the whole split.",
        "prior_ll": "prior and posterior LL from 16 draws, those of the prior around the "
        "posterior's mean (D4).",
    },
    "ceae": {"rec": "Rec is the reconstruction alone."},
}

# Options that do not make another method: schedules, and readings of one paper (D1, D17 to D20).
SAME_METHOD = {"anneal", "start", "linear", "published"}

# Generated sentences where a paper has another number than the test set has items (spec 3.9).
SAMPLES = {
    ("clvae", "kn5_forward_ppl"): 1280,
    ("clvae", "kn5_reverse_ppl"): 1280,
    ("ivae", "kn5_forward_ppl"): 1280,
    ("ivae", "kn5_reverse_ppl"): 1280,
    ("vae_mine", "kn5_forward_ppl"): 100_000,
    ("vae_mine", "kn5_reverse_ppl"): 100_000,
    ("ceae", "gpt2_forward_ppl"): 1000,
    ("ceae", "lstm_forward_ppl"): 1000,
    ("ceae", "lstm_reverse_ppl"): 10_000,
}
PER_ITEM = {
    "neg_elbo", "nll", "rec", "prior_ll", "post_ll", "ppl", "kl", "mi", "au", "cu",
}  # fmt: skip

# Where a paper, or the one whose data it takes, prints the sizes of its corpora.
SIZES = {
    "clvae": "ivae:1", "ivae": "ivae:1", "vae_mine": "vae_mine:1", "dgvae": "dgvae:1",
    "ceae": "dgvae:1",
}  # fmt: skip
ROUNDED = 0.03  # sizes are printed as 3.3K
# What a preset sets that changes no weights.
WATCHING = {"seed", "nll_items", "nll_samples", "final_items", "final_samples"}


@dataclass(frozen=True)
class Group:
    """Evaluated runs that differ in their seed alone."""

    runs: tuple[Run, ...]
    evaluations: tuple[dict[str, Any], ...]

    @property
    def run(self) -> Run:
        return self.runs[0]

    @property
    def settings(self) -> dict[str, Any]:
        return self.run.info.get("settings", {})

    @property
    def method(self) -> str:
        return self.run.spec.split("(")[0]

    @cached_property
    def changed(self) -> dict[str, Any]:
        """Options that the spec names; {} where a foreign run's spec is no call."""
        try:
            node = ast.parse(self.run.spec, mode="eval").body
            given = node.keywords if isinstance(node, ast.Call) else []
            return {k.arg: ast.literal_eval(k.value) for k in given if k.arg}
        except (SyntaxError, ValueError):
            return {}

    @cached_property
    def options(self) -> dict[str, Any]:
        return self.settings.get("options", {}) | self.changed

    @property
    def architecture(self) -> str:
        """ "" where the run does not say."""
        network = self.settings.get("network", {})
        ends = [network.get(end, network.get("kind", "")) for end in ("encoder", "decoder")]
        return "-".join(dict.fromkeys(filter(None, ends)))

    def is_of(self, row: Printed) -> bool:
        """Whether the row prints this method with these options."""
        stated = row.options()
        free = {*stated, *SAME_METHOD, PARAMETERS.get(row.method, ("", ""))[1]}
        agree = all(self.options.get(name) == value for name, value in stated.items())
        return self.method == row.method and agree and not set(self.changed) - free


@dataclass(frozen=True)
class Column:
    """One estimator of one of our quantities beside a printed metric."""

    metric: str
    quantity: str
    estimator: str

    @property
    def title(self) -> str:
        name = metric(self.quantity).title
        return f"{name} ({self.estimator})" if self.estimator else name


@dataclass(frozen=True)
class Cell:
    """Our values over seeds beside a printed number.

    `fewer` says that they come from fewer items or samples than the paper's, `why` why values are
    missing, of some seeds or of all.
    """

    values: tuple[float, ...]
    printed: Number | None
    fewer: str = ""
    why: str = ""

    @cached_property
    def summary(self) -> Summary | None:
        return summarise(self.values) if self.values else None

    @property
    def difference(self) -> float | None:
        return self.summary.mean - self.printed.value if self.summary and self.printed else None


@dataclass(frozen=True)
class Row:
    """A method: what the paper prints, what we have, and in what our runs differ from the paper's
    (`unlike`).
    """

    name: str
    printed: Printed | None
    group: Group | None
    cells: dict[Column, Cell]
    unlike: tuple[str, ...] = ()

    @property
    def spec(self) -> str:
        return self.group.run.spec if self.group else ""


@dataclass(frozen=True)
class Block:
    """The rows of one corpus and architecture, which are compared with each other."""

    dataset: str
    architecture: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        known = any(row.printed for row in self.rows)
        place = ", ".join(filter(None, [self.dataset, self.architecture]))
        return place if known else f"{place} (not in the paper's table)"

    @cached_property
    def best(self) -> dict[Column, int]:
        """The row whose mean is significantly best, for each column that has one."""
        found = {}
        for column in self.rows[0].cells:
            values = {str(i): r.cells[column].values for i, r in enumerate(self.rows)}
            values = {i: v for i, v in values.items() if v}
            if metric(column.metric).higher is not None:
                winner = best(values, metric(column.metric).higher).name
                found |= {column: int(winner)} if winner else {}
        return found


@dataclass(frozen=True)
class Table:
    """A printed table filled with our runs; `left` are runs without an evaluation."""

    reference: str
    columns: dict[str, tuple[Column, ...]]
    blocks: tuple[Block, ...]
    left: tuple[Run, ...]

    @property
    def paper(self) -> str:
        return self.reference.split(":")[0]

    def decimals(self, name: str) -> int:
        """As many as the paper prints, one at least."""
        rows = [r.printed for b in self.blocks for r in b.rows if r.printed]
        return max([1, *(r.numbers[name].decimals for r in rows if name in r.numbers)])


def metric(name: str) -> Metric:
    """What is known of a metric or quantity."""
    if name.startswith(_ACCURACY):
        return Metric(f"Accuracy, {int(name.removeprefix(_ACCURACY)):,} labels", True)
    return METRICS[name]


def table(runs: Sequence[Run], reference: str = "clvae:1") -> Table:
    """The printed table `reference` filled with the evaluations of runs.

    Runs that differ in the seed alone make one row. Raises UserError for a table that holds none of
    our metrics, a damaged evaluation, one seed given twice, and no runs at all.
    """
    rows = compared(reference)
    texts = [r for r in runs if r.info.get("unit", {}).get("name") != "iteration"]
    if not texts:
        raise UserError("no runs to fill the table with; train some or name another --runs")
    evaluations = [(run, evaluation(run)) for run in texts]
    groups = grouped([(run, found) for run, found in evaluations if found])
    columns = _columns(rows, groups)
    paper = reference.split(":")[0]
    blocks = tuple(_block(key, *members, columns, paper) for key, members in _places(rows, groups))
    return Table(reference, columns, blocks, tuple(run for run, found in evaluations if not found))


def compared(reference: str) -> list[Printed]:
    """The rows of a printed table. Raises UserError if it holds what no evaluation measures."""
    rows = printed_rows(reference)
    for name in _metrics(rows):
        if not _measured(name):
            raise UserError(
                f"table {reference} holds {name}, which no evaluation measures; "
                f"choose from {', '.join(comparable())}"
            )
    return rows


def comparable() -> list[str]:
    """The printed tables all of whose metrics an evaluation measures."""
    return [name for name in tables() if all(map(_measured, _metrics(printed_rows(name))))]


def _metrics(rows: Iterable[Printed]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.numbers))


def _measured(name: str) -> bool:
    return name in METRICS or name.startswith(_ACCURACY)


def evaluation(run: Run) -> dict[str, Any] | None:
    """A run's evaluation.json; None if it has none. Raises UserError if it is damaged or of another
    format version.
    """
    path = run.folder / "evaluation.json"
    if not path.exists():
        return None
    mend = f"`{command(run)}` writes it anew"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != EVALUATION_FORMAT:
            raise UserError(f"{path}: format {found['format']}, not {EVALUATION_FORMAT}; {mend}")
        records = {_key(record): _checked(record) for record in found["records"]}
        missing: dict[str, list[str]] = defaultdict(list)
        for gap in found["missing"]:
            missing[gap["quantity"]].append(gap["why"])
        reasons = {quantity: "; ".join(dict.fromkeys(whys)) for quantity, whys in missing.items()}
        known = {"split": found["split"], "settings": found["settings"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not an evaluation ({error!r}); {mend}") from error
    if len(records) < len(found["records"]):
        raise UserError(f"{path}: holds one estimate twice; {mend}")
    return known | {"records": records, "missing": reasons}


def _key(record: dict[str, Any]) -> tuple[str, str]:
    quantity = record["quantity"]
    if quantity == "accuracy":
        quantity = f"{_ACCURACY}{int(record['detail']['labels'])}"
    return quantity, record.get("estimator") or ""


def _checked(record: dict[str, Any]) -> tuple[float | None, int]:
    """Value (None if it is not finite) and number of items or samples."""
    value = record["value"]
    if value is not None and not math.isfinite(value):
        value = None
    return value, int(record["n"])


def grouped(evaluated: Iterable[tuple[Run, dict[str, Any]]]) -> list[Group]:
    """Evaluations by everything but the seed. Raises UserError if one seed is given twice."""
    found: dict[str, dict[int, tuple[Run, dict[str, Any]]]] = defaultdict(dict)
    for run, record in evaluated:
        settings = dict(run.info.get("settings", {}))
        settings["training"] = dict(settings.get("training", {}), seed=None)
        key = json.dumps([run.spec, run.info["corpus"], settings, record["split"]], sort_keys=True)
        if twin := found[key].get(seed(run)):
            raise UserError(
                f"{run.id}: the same seed as {twin[0].id}; give only one of them (--only)"
            )
        found[key][seed(run)] = run, record
    return [Group(*zip(*members.values(), strict=True)) for members in found.values()]


def seed(run: Run) -> int:
    """A run's seed; of a foreign one the number its folder is named with."""
    named = int(run.folder.name) if run.folder.name.isdecimal() else 0
    return run.info.get("seed", named)


def _columns(rows: Iterable[Printed], groups: Sequence[Group]) -> dict[str, tuple[Column, ...]]:
    """Of every printed metric the estimators that any run recorded; one empty column at least."""
    recorded = {key for g in groups for e in g.evaluations for key in e["records"]}
    columns = {}
    for name in _metrics(rows):
        quantities = metric(name).quantities or (name,)
        known = [
            Column(name, quantity, estimator)
            for quantity in quantities
            for estimator in sorted({e for q, e in recorded if q == quantity}, key=_rank)
        ]
        columns[name] = tuple(known) or (Column(name, quantities[0], ""),)
    return columns


def _rank(estimator: str) -> tuple[int, str]:
    known = ESTIMATORS.index(estimator) if estimator in ESTIMATORS else len(ESTIMATORS)
    return known, estimator


Members = tuple[list[Printed], list[Group]]


def _places(
    rows: Iterable[Printed], groups: Iterable[Group]
) -> Iterable[tuple[tuple[str, str], Members]]:
    """Rows and groups by corpus and architecture; corpora that the paper lacks stand last."""
    places: dict[tuple[str, str], Members] = {}
    for row in rows:
        places.setdefault((row.dataset, row.architecture), ([], []))[0].append(row)
    theirs = list(places)
    for group in groups:
        dataset, kind = _dataset(group.run.corpus, theirs), group.architecture
        fits = [(d, a) for d, a in theirs if d == dataset and (not a or not kind or a == kind)]
        place = fits[0] if fits else (group.run.corpus, kind)
        places.setdefault(place, ([], []))[1].append(group)
    return places.items()


def _dataset(corpus: str, places: Iterable[tuple[str, str]]) -> str:
    """The printed corpus that one of ours is or, as yelp_sub of yelp, is a version of."""
    names = {d for d, _ in places if corpus == d or corpus.startswith(f"{d}_")}
    return max(names, key=len, default="")


def _block(
    key: tuple[str, str],
    rows: Sequence[Printed],
    groups: Sequence[Group],
    columns: dict[str, tuple[Column, ...]],
    paper: str,
) -> Block:
    every = [column for several in columns.values() for column in several]
    filled = [
        _row(row, group, every, paper)
        for row in rows
        for group in [g for g in groups if g.is_of(row)] or [None]
    ]
    others = [g for g in groups if not any(map(g.is_of, rows))]
    filled += [_row(None, group, every, paper) for group in others]
    return Block(*key, tuple(filled))


def _row(row: Printed | None, group: Group | None, columns: Sequence[Column], paper: str) -> Row:
    numbers = row.numbers if row else {}
    cells = {c: _cell(group, c, numbers.get(c.metric), paper) for c in columns}
    unlike = _unlike(group, row, paper) if group and row else ()
    return Row(row.name if row else group.run.label, row, group, cells, tuple(unlike))


def _cell(group: Group | None, column: Column, number: Number | None, paper: str) -> Cell:
    if group is None:
        return Cell((), number, why=NO_RUN)
    found, reasons = [], {}
    for run, record in zip(group.runs, group.evaluations, strict=True):
        value, n = record["records"].get((column.quantity, column.estimator), (None, 0))
        if value is None:
            reasons[seed(run)] = _reason(record, column)
        else:
            found.append((value, n))
    fewer = _fewer(group, column, min(n for _, n in found), paper) if found else ""
    return Cell(tuple(v for v, _ in found), number, fewer, _told(reasons, bool(found)))


def _reason(record: dict[str, Any], column: Column) -> str:
    """Why an evaluation has no value for a column."""
    if (column.quantity, column.estimator) in record["records"]:
        return "the estimate is not finite"
    if known := record["missing"].get(column.quantity.partition("@")[0]):
        return known
    return "its evaluation holds no such estimate"


def _told(reasons: dict[int, str], partly: bool) -> str:
    if partly:
        return "; ".join(f"seed {s}: {why}" for s, why in reasons.items())
    return "; ".join(dict.fromkeys(reasons.values()))


def _fewer(group: Group, column: Column, n: int, paper: str) -> str:
    """How many items or samples there are, if the paper has more; "" if not."""
    splits, split = group.run.info["corpus"].get("splits", {}), group.evaluations[0]["split"]
    if wanted := SAMPLES.get((paper, column.quantity)):
        unit = "samples"
    elif column.quantity in PER_ITEM and split in splits:
        wanted, unit = splits[split].get("sentences"), "sentences"
    return f"{n:,} of {wanted:,} {unit}" if wanted and n < wanted else ""


def _unlike(group: Group, row: Printed, paper: str) -> Iterable[str]:
    """In what a group's runs differ from the paper's, a phrase each."""
    yield from _other_corpus(group.run, row.dataset, paper)
    yield from _other_settings(group, _preset(paper, row))
    yield from (f"{k} = {v}" for k, v in group.changed.items() if k in SAME_METHOD)
    option = PARAMETERS.get(row.method, ("", ""))[1]
    if option and option not in row.options():
        yield f"{option} = {group.options.get(option)}, which the table does not state"
    if group.evaluations[0]["split"] != "test":
        yield f"scored on {group.evaluations[0]['split']}"
    if any(e["settings"] != group.evaluations[0]["settings"] for e in group.evaluations):
        yield "its seeds were evaluated with different settings"
    for run in group.runs:
        if run.status != "finished":
            yield f"training of seed {seed(run)} {run.status}"


def _other_corpus(run: Run, dataset: str, paper: str) -> Iterable[str]:
    """Its name, and sizes further from the printed ones than rounding explains."""
    if run.corpus != dataset:
        yield f"corpus {run.corpus}"
    splits = run.info["corpus"].get("splits")
    if splits is None:
        yield "sizes of the corpus not recorded"
        return
    ours = {f"num_{name}": split.get("sentences") for name, split in splits.items()}
    ours["vocab_size"] = run.info["corpus"].get("vocabulary")
    for size in printed(SIZES[paper]).iter_rows(named=True):
        here, there = ours.get(size["metric"]), size["value"]
        if size["dataset"] == dataset and here and abs(here / there - 1) > ROUNDED:
            yield f"{size['metric']} {here:,} (paper {there:,.0f})"


def _preset(paper: str, row: Printed) -> str | None:
    """The preset of the recipe that a paper's row was trained by; None if there is none.

    Baselines are clVAE's from iVAE and CEAE's from BN-VAE.
    """
    own = row.method.startswith(paper)
    recipes = {
        "clvae": ("clvae", "ivae") if own else ("ivae",),
        "ceae": ("ceae",) if own else ("dg",),
        "vae_mine": ("mine",),
        "dgvae": ("dg",),
    }.get(paper, (paper,))
    if row.architecture == "transformer":
        recipes = (f"{paper}_transformer",)
    names = [f"{row.dataset}_{recipe}" for recipe in recipes]
    known = row.architecture in ("", "lstm", "transformer")
    return next((name for name in names if known and name in PRESETS), None)


def _other_settings(group: Group, preset: str | None) -> Iterable[str]:
    """Settings unlike the preset's."""
    if preset is None:
        yield "no preset of the paper's"
        return
    parts = [group.settings.get(part) for part in ("network", "data", "training")]
    if not all(parts):
        yield f"settings not recorded (the paper's: {preset})"
        return
    ours = {key: value for part in parts for key, value in part.items()}
    theirs = asdict(Settings()) | {"layers": 1} | PRESETS[preset].values
    theirs = {k: v for k, v in theirs.items() if k not in WATCHING and k not in CUTS}
    absent = [key for key in theirs if key not in ours]
    other = [
        f"{key} {_plain(ours[key])} ({_plain(value)})"
        for key, value in theirs.items()
        if key in ours and _plain(ours[key]) != _plain(value)
    ]
    if other:
        yield f"unlike preset {preset} (in brackets): {', '.join(other)}"
    if absent:
        yield f"not recorded: {', '.join(absent)}"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def command(run: Run) -> str:
    """What evaluates a run."""
    return f"latentlab evaluate {shlex.quote(str(run.folder))}"

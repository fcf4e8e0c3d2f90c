"""A printed table filled with our runs: its rows by corpus and architecture, cell by cell."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from lab.errors import UserError
from lab.metrics.statistics import Summary, best, summarise
from lab.printed import PAPERS, Number, Printed, printed_rows, tables
from lab.runs import Run
from lab.tables.against import fewer, unlike
from lab.tables.columns import Column, beside, measured, metric, metrics
from lab.tables.evaluations import Group, evaluation, grouped, mapping, seed

NO_RUN = "no run of this method on this corpus among those given"
NOT_PRINTED = "the paper prints no such number"


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

    @property
    def ours(self) -> bool:
        """Whether a run of ours is in it; on a corpus that the paper lacks, one with a value."""
        known = any(row.printed for row in self.rows)
        mine = [row for row in self.rows if row.group]
        return any(known or any(c.values for c in row.cells.values()) for row in mine)

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
    """A printed table filled with our runs.

    `decimals` are those of each metric in print, one at least; `left` are runs without an
    evaluation, `problems` a line for each run whose evaluation cannot be used.
    """

    reference: str
    columns: dict[str, tuple[Column, ...]]
    blocks: tuple[Block, ...]
    decimals: dict[str, int]
    left: tuple[Run, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def paper(self) -> str:
        return self.reference.split(":")[0]

    def narrowed(self, hidden: Collection[Column], every_block: bool) -> "Table":
        """Without the `hidden` columns and, unless `every_block`, without blocks that hold nothing
        of ours.
        """
        columns = {
            name: tuple(c for c in several if c not in hidden)
            for name, several in self.columns.items()
        }
        kept = [block for block in self.blocks if every_block or block.ours]
        return replace(self, columns=columns, blocks=tuple(_without(b, hidden) for b in kept))


def _without(block: Block, hidden: Collection[Column]) -> Block:
    rows = [
        replace(row, cells={c: cell for c, cell in row.cells.items() if c not in hidden})
        for row in block.rows
    ]
    return replace(block, rows=tuple(rows))


def table(runs: Sequence[Run], reference: str = "clvae:1") -> Table:
    """The printed table `reference` filled with the evaluations of runs.

    Runs that differ in the seed alone make one row; evaluations that are damaged or of one seed
    twice are left out and listed in `problems`. Raises UserError for a table that holds none of our
    metrics and for no runs at all.
    """
    found = filled(runs, reference)
    if not any(map(_of_text, runs)):
        raise UserError("no runs to fill the table with; train some or name another --runs")
    return found


def filled(runs: Sequence[Run], reference: str) -> Table:
    """As `table`, also of no runs."""
    rows = _compared(reference)
    evaluated, left, damaged = _read(run for run in runs if _of_text(run))
    groups, repeated = grouped(evaluated)
    recorded = {key for g in groups for e in g.evaluations for key in e["records"]}
    columns = {name: beside(name, recorded) for name in metrics(rows)}
    paper = reference.split(":")[0]
    blocks = tuple(_block(key, *members, columns, paper) for key, members in _places(rows, groups))
    problems = (*damaged, *repeated)
    return Table(reference, columns, blocks, _decimals(rows), tuple(left), problems)


def comparable() -> list[str]:
    """The printed tables all of whose metrics an evaluation measures."""
    return [name for name in tables() if all(map(measured, metrics(printed_rows(name))))]


def listing() -> str:
    """Those tables in words: paper, corpora and metrics."""
    lines = []
    for name in comparable():
        rows, (paper, number) = printed_rows(name), name.split(":")
        corpora = ", ".join(dict.fromkeys(row.dataset for row in rows))
        titles = ", ".join(metric(m).title for m in metrics(rows))
        lines.append(f"{name:12} {PAPERS[paper]}, table {number}: {corpora}; {titles}")
    return "\n".join(lines)


def _compared(reference: str) -> list[Printed]:
    """The rows of a printed table. Raises UserError if it holds what no evaluation measures."""
    rows = printed_rows(reference)
    for name in metrics(rows):
        if not measured(name):
            raise UserError(
                f"table {reference} holds {name}, which no evaluation measures; "
                f"choose from {', '.join(comparable())}"
            )
    return rows


def _of_text(run: Run) -> bool:
    return mapping(run.info.get("unit")).get("name") != "iteration"


def _read(
    runs: Iterable[Run],
) -> tuple[list[tuple[Run, dict[str, Any]]], list[Run], list[str]]:
    """Runs with their evaluations, those that have none, and what is wrong with the others."""
    evaluated, left, problems = [], [], []
    for run in runs:
        try:
            found = evaluation(run)
        except UserError as error:
            problems.append(str(error))
            continue
        if found:
            evaluated.append((run, found))
        elif run.trained_on_text:
            left.append(run)
    return evaluated, left, problems


def _decimals(rows: Iterable[Printed]) -> dict[str, int]:
    """Of every metric as many as the paper prints, one at least."""
    found: dict[str, int] = {}
    for row in rows:
        for name, number in row.numbers.items():
            found[name] = max(found.get(name, 1), number.decimals)
    return found


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
    found = [
        _row(row, group, every, paper)
        for row in rows
        for group in [g for g in groups if g.is_of(row)] or [None]
    ]
    others = [g for g in groups if not any(map(g.is_of, rows))]
    found += [_row(None, group, every, paper) for group in others]
    return Block(*key, tuple(found))


def _row(row: Printed | None, group: Group | None, columns: Sequence[Column], paper: str) -> Row:
    numbers = row.numbers if row else {}
    cells = {c: _cell(group, c, numbers.get(c.metric), paper) for c in columns}
    differing = unlike(group, row, paper) if group and row else ()
    return Row(row.name if row else group.run.label, row, group, cells, tuple(differing))


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
    too_few = fewer(group, column, min(n for _, n in found), paper) if found else ""
    return Cell(tuple(v for v, _ in found), number, too_few, _told(reasons, bool(found)))


def _reason(record: dict[str, Any], column: Column) -> str:
    """Why an evaluation has no value for a column."""
    if (column.quantity, column.estimator) in record["records"]:
        return "the estimate is not finite"
    names = (column.quantity, column.quantity.partition("@")[0])
    for key in product(names, (column.estimator, "")):
        if known := record["missing"].get(key):
            return known
    if not column.estimator:
        every = [why for (name, _), why in record["missing"].items() if name in names]
        if every:
            return "; ".join(dict.fromkeys(every))
    if any(name == column.quantity for name, _ in record["records"]):
        return "its posteriors are measured by the other estimators"
    return "its evaluation holds no such estimate"


def _told(reasons: dict[int, str], partly: bool) -> str:
    if partly:
        return "; ".join(f"seed {s}: {why}" for s, why in reasons.items())
    return "; ".join(dict.fromkeys(reasons.values()))

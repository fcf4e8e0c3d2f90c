"""The papers' tables as Markdown, LaTeX and CSV."""

import csv as csv_files
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.printed import PAPERS
from lab.runs import Run
from lab.runs.layout import replace
from lab.tables import (
    ALONE,
    DOUBTFUL,
    ESTIMATED,
    FEWER,
    NO_RUN,
    NOT_PRINTED,
    UNLIKE,
    Block,
    Cell,
    Column,
    Row,
    Table,
    command,
    metric,
    table,
)


@dataclass(frozen=True)
class Style:
    """How a text format writes bold, raised footnote numbers, plain text and what is typed."""

    bold: Callable[[str], str]
    raised: Callable[[str], str]
    text: Callable[[str], str]
    code: Callable[[str], str]


_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "—": "---"}
    | {"†": r"\dag{}", "‡": r"\ddag{}", "§": r"\S{}", "¶": r"\P{}", "⁺": r"\textsuperscript{+}"}
    | {"±": r"$\pm$", "−": "$-$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$"}
    | {"κ": r"$\kappa$", "λ": r"$\lambda$", "α": r"$\alpha$"}
)
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\|*_<`"})
MARKDOWN = Style(
    bold="**{}**".format,
    raised="<sup>{}</sup>".format,
    text=lambda text: text.translate(_MARKDOWN),
    code="`{}`".format,
)
LATEX = Style(
    bold=r"\textbf{{{}}}".format,
    raised=r"\textsuperscript{{{}}}".format,
    text=lambda text: text.translate(_LATEX),
    code=lambda text: rf"\texttt{{{text.translate(_LATEX)}}}",
)


class Writing:
    """A table on its way to text: cells in one style, and the footnotes they call for."""

    def __init__(self, shown: Table, style: Style) -> None:
        self.table, self.style = shown, style
        self.reasons: dict[str, int] = {}

    def lines(self, block: Block) -> list[list[str]]:
        """The cells of a block, one list a row."""
        return [self._line(block, i, row) for i, row in enumerate(block.rows)]

    def _line(self, block: Block, index: int, row: Row) -> list[str]:
        run = self.style.code(row.spec) if row.group else self._dash(NO_RUN)
        cells = [self.style.text(row.name), run]
        for name, columns in self.table.columns.items():
            cells.append(self._printed(row, name))
            cells += [self._ours(row, c, block.best.get(c) == index) for c in columns]
        return cells

    def _printed(self, row: Row, name: str) -> str:
        number = row.printed.numbers.get(name) if row.printed else None
        if number is None:
            return self._dash(NOT_PRINTED)
        spread = "" if number.std is None else f" ± {number.std:g}"
        return self.style.text(_signed(number.text) + spread + DOUBTFUL * bool(number.doubtful))

    def _ours(self, row: Row, column: Column, leads: bool) -> str:
        cell = row.cells[column]
        if cell.summary is None:
            return self._dash(cell.why)
        digits, ours = self.table.decimals(column.metric), cell.summary
        mean = self.style.text(_signed(f"{ours.mean:.{digits}f}"))
        spread = "" if ours.std is None else f" ± {ours.std:.{digits}f}"
        change = "" if cell.difference is None else f", {cell.difference:+.{digits}f}"
        rest = self.style.text(f"{spread} ({ours.n}){_signed(change)}{_marks(row, cell)}")
        return (self.style.bold(mean) if leads else mean) + rest + self._raised(cell.why)

    def _dash(self, why: str) -> str:
        return self.style.text("—") + self._raised(why)

    def _raised(self, why: str) -> str:
        """The number of a footnote, which is kept."""
        number = self.reasons.setdefault(why, len(self.reasons) + 1) if why else None
        return self.style.raised(number) if number else ""

    def notes(self) -> list[str]:
        """What stands below the table; complete once all lines are written."""
        text = self.style.text
        return [
            *map(text, (READING, *_unlikes(self.table), *_fewers(self.table))),
            *map(text, (*_alone(self.table), *_doubts(self.table), *_estimated(self.table))),
            *(f"{self.style.raised(i)} {text(why)}." for why, i in self.reasons.items()),
            *(f"{text('Not evaluated:')} {self.style.code(command(r))}" for r in self.table.left),
        ]


READING = (
    "Ours: mean ± standard deviation over seeds (number of seeds), difference from the printed "
    "value. Bold: better than every other row of two or more seeds on the same corpus, Welch's "
    "t-test, p < 0.01."
)


def _signed(text: str) -> str:
    return text.replace("-", "−")


def _marks(row: Row, cell: Cell) -> str:
    given = {
        UNLIKE: row.unlike and cell.printed,
        FEWER: cell.fewer,
        ALONE: cell.summary and cell.summary.n == 1,
    }
    found = "".join(mark for mark, applies in given.items() if applies)
    return f" {found}" if found else ""


def _rows(shown: Table) -> list[tuple[str, Row]]:
    """All rows, each with what a note calls it."""
    several = len(shown.blocks) > 1
    return [
        (", ".join(filter(None, [row.name, row.spec, block.title if several else ""])), row)
        for block in shown.blocks
        for row in block.rows
    ]


def _unlikes(shown: Table) -> Iterable[str]:
    for name, row in _rows(shown):
        if row.unlike:
            yield f"{UNLIKE} {name}, cannot be compared as it stands: {'; '.join(row.unlike)}."


def _fewers(shown: Table) -> Iterable[str]:
    for name, row in _rows(shown):
        titles: dict[str, list[str]] = defaultdict(list)
        for column, cell in row.cells.items():
            titles[cell.fewer].append(column.title)
        for fewer, several in titles.items():
            if fewer:
                yield f"{FEWER} {name}: {fewer} ({', '.join(several)})."


def _alone(shown: Table) -> Iterable[str]:
    cells = [cell for _, row in _rows(shown) for cell in row.cells.values()]
    if any(cell.summary and cell.summary.n == 1 for cell in cells):
        yield f"{ALONE} One seed, which has no spread."


def _doubts(shown: Table) -> Iterable[str]:
    """A line for each doubt and row, with the metrics it concerns."""
    titles: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for block in shown.blocks:
        for row in block.rows:
            for name, number in row.printed.numbers.items() if row.printed else ():
                titles[f"{row.name}, {block.title}", number.doubtful][metric(name).title] = None
    for (name, doubt), several in titles.items():
        if doubt:
            yield f"{DOUBTFUL} {name}: doubtful in print ({', '.join(several)}): {doubt}."


def _estimated(shown: Table) -> Iterable[str]:
    for name, told in ESTIMATED[shown.paper].items():
        if name in shown.columns:
            yield f"As printed: {told}"


def markdown(shown: Table) -> str:
    """The table in Markdown, one part for each corpus and architecture, with its notes."""
    writing = Writing(shown, MARKDOWN)
    titles = ["Method", "Run"]
    for name, columns in shown.columns.items():
        titles += [f"{metric(name).title} printed", *(column.title for column in columns)]
    rule = ["---", "---", *["--:"] * (len(titles) - 2)]
    lines = [f"# {_title(shown)}"]
    for block in shown.blocks:
        rows = [[MARKDOWN.text(title) for title in titles], rule, *writing.lines(block)]
        lines += ["", f"## {block.title}", "", *(f"| {' | '.join(cells)} |" for cells in rows)]
    return "\n".join([*lines, "", *(f"{note}  " for note in writing.notes())]) + "\n"


def latex(shown: Table) -> str:
    """The table as a LaTeX tabular for booktabs, its notes below."""
    writing = Writing(shown, LATEX)
    width = 2 + sum(1 + len(columns) for columns in shown.columns.values())
    lines = [rf"\begin{{tabular}}{{ll{'r' * (width - 2)}}}", r"\toprule", *_latex_heads(shown)]
    for block in shown.blocks:
        title = rf"\multicolumn{{{width}}}{{l}}{{{LATEX.text(block.title)}}} \\"
        rows = [f"{' & '.join(cells)} \\\\" for cells in writing.lines(block)]
        lines += [r"\midrule", title, r"\midrule", *rows]
    lines += [r"\bottomrule", r"\end{tabular}", "", r"\smallskip\footnotesize"]
    return "\n\n".join(["\n".join(lines), *writing.notes()]) + "\n"


def _latex_heads(shown: Table) -> list[str]:
    """Two lines: metrics, each over its columns, and what those hold."""
    over, rules, under, start = ["", ""], "", ["Method", "Run"], 3
    for name, columns in shown.columns.items():
        end = start + len(columns)
        title = LATEX.text(metric(name).title)
        over.append(rf"\multicolumn{{{end - start + 1}}}{{c}}{{{title}}}")
        rules += rf"\cmidrule(lr){{{start}-{end}}}"
        under += ["printed", *(LATEX.text(column.title) for column in columns)]
        start = end + 1
    return [f"{' & '.join(over)} \\\\", rules, f"{' & '.join(under)} \\\\"]


def _title(shown: Table) -> str:
    return f"{PAPERS[shown.paper]}, table {shown.reference.split(':')[1]}"


CSV_COLUMNS = (
    "reference", "dataset", "architecture", "method", "spec", "metric", "quantity", "estimator",
    "printed", "doubtful", "mean", "std", "p05", "p95", "seeds", "difference", "best", "unlike",
    "fewer", "missing",
)  # fmt: skip


def csv(shown: Table) -> str:
    """The table as CSV, one line for each cell, and one for each run without an evaluation."""
    text = io.StringIO()
    writer = csv_files.DictWriter(text, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for block in shown.blocks:
        for index, row in enumerate(block.rows):
            for column in row.cells:
                leads = block.best.get(column) == index
                writer.writerow({"reference": shown.reference} | _flat(block, row, column, leads))
    for run in shown.left:
        about = {"dataset": run.corpus, "method": run.label, "spec": run.spec}
        writer.writerow(about | {"reference": shown.reference, "missing": command(run)})
    return text.getvalue()


def _flat(block: Block, row: Row, column: Column, leads: bool) -> dict[str, Any]:
    cell = row.cells[column]
    values = {"missing": cell.why, "fewer": cell.fewer, "unlike": "; ".join(row.unlike)}
    if cell.printed:
        values |= {"printed": cell.printed.text, "doubtful": cell.printed.doubtful}
    if ours := cell.summary:
        values |= {"mean": ours.mean, "std": ours.std, "p05": ours.low, "p95": ours.high}
        values |= {"seeds": ours.n, "difference": cell.difference, "best": int(leads)}
    return (
        asdict(column)
        | values
        | {
            "dataset": block.dataset,
            "architecture": block.architecture,
            "method": row.name,
            "spec": row.spec,
        }
    )


WRITERS = {"md": markdown, "tex": latex, "csv": csv}


def write(runs: Sequence[Run], reference: str, out: Path) -> list[Path]:
    """Write a table as Markdown, LaTeX and CSV into the folder `out`; the files.

    Raises UserError as `table` does.
    """
    shown = table(runs, reference)
    paths = []
    for suffix, writer in WRITERS.items():
        text = writer(shown)
        path = Path(out) / f"table_{reference.replace(':', '_')}.{suffix}"
        replace(path, lambda p, text=text: p.write_text(text, encoding="utf-8"))
        paths.append(path)
    return paths

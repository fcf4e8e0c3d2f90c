"""Tables as Markdown, LaTeX and CSV."""

import csv as csv_files
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.runs import Run
from lab.runs.layout import replace
from lab.spreadsheets import guarded
from lab.tables.columns import Column, metric
from lab.tables.comparison import NO_RUN, NOT_PRINTED, Block, Cell, Row, Table, table
from lab.tables.evaluations import command
from lab.tables.notes import (
    DOUBTFUL,
    Footnotes,
    figure,
    marks,
    notes,
    printed_figure,
    title,
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
        self.footnotes = Footnotes()

    def lines(self, block: Block) -> list[list[str]]:
        """The cells of a block, one list a row."""
        return [self._line(block, i, row) for i, row in enumerate(block.rows)]

    def _line(self, block: Block, index: int, row: Row) -> list[str]:
        run = self.style.code(row.spec) if row.group else self._dash(NO_RUN)
        cells = [self.style.text(row.name), run]
        for name, columns in self.table.columns.items():
            cells.append(self._printed(row, name))
            cells += [self._ours(row, c, row.cells[c], block.best.get(c) == index) for c in columns]
        return cells

    def _printed(self, row: Row, name: str) -> str:
        number = row.printed.numbers.get(name) if row.printed else None
        if number is None:
            return self._dash(NOT_PRINTED)
        return self.style.text(printed_figure(number) + DOUBTFUL * bool(number.doubtful))

    def _ours(self, row: Row, column: Column, cell: Cell, leads: bool) -> str:
        ours = figure(self.table, column, cell)
        if ours is None:
            return self._dash(cell.why)
        mean = self.style.text(ours.mean)
        spread, change = (f" {ours.spread}" * bool(ours.spread)), f", {ours.change}"
        rest = f"{spread} ({ours.seeds}){change * bool(ours.change)}"
        if given := "".join(marks(row, cell)):
            rest += f" {given}"
        bold = self.style.bold(mean) if leads else mean
        return bold + self.style.text(rest) + self._raised(cell.why)

    def _dash(self, why: str) -> str:
        return self.style.text("—") + self._raised(why)

    def _raised(self, why: str) -> str:
        """The number of a footnote, which is kept."""
        number = self.footnotes.number(why)
        return self.style.raised(number) if number else ""

    def notes(self) -> list[str]:
        """What stands below the table; complete once all lines are written."""
        text, reasons = self.style.text, self.footnotes.reasons
        return [
            *map(text, notes(self.table)),
            *(f"{self.style.raised(i)} {text(why)}." for why, i in reasons.items()),
            *(f"{text('Not evaluated:')} {self.style.code(command(r))}" for r in self.table.left),
        ]


def markdown(shown: Table) -> str:
    """The table in Markdown, one part for each corpus and architecture, with its notes."""
    writing = Writing(shown, MARKDOWN)
    titles = ["Method", "Run"]
    for name, columns in shown.columns.items():
        titles += [f"{metric(name).title} printed", *(column.title for column in columns)]
    rule = ["---", "---", *["--:"] * (len(titles) - 2)]
    lines = [f"# {title(shown)}"]
    for block in shown.blocks:
        rows = [[MARKDOWN.text(head) for head in titles], rule, *writing.lines(block)]
        lines += ["", f"## {block.title}", "", *(f"| {' | '.join(cells)} |" for cells in rows)]
    return "\n".join([*lines, "", *(f"{note}  " for note in writing.notes())]) + "\n"


def latex(shown: Table) -> str:
    """The table as a LaTeX tabular for booktabs, its notes below."""
    writing = Writing(shown, LATEX)
    width = 2 + sum(1 + len(columns) for columns in shown.columns.values())
    lines = [rf"\begin{{tabular}}{{ll{'r' * (width - 2)}}}", r"\toprule", *_latex_heads(shown)]
    for block in shown.blocks:
        head = rf"\multicolumn{{{width}}}{{l}}{{{LATEX.text(block.title)}}} \\"
        rows = [f"{' & '.join(cells)} \\\\" for cells in writing.lines(block)]
        lines += [r"\midrule", head, r"\midrule", *rows]
    lines += [r"\bottomrule", r"\end{tabular}", "", r"\smallskip\footnotesize"]
    return "\n\n".join(["\n".join(lines), *writing.notes()]) + "\n"


def _latex_heads(shown: Table) -> list[str]:
    """Two lines: metrics, each over its columns, and what those hold."""
    over, rules, under, start = ["", ""], "", ["Method", "Run"], 3
    for name, columns in shown.columns.items():
        end = start + len(columns)
        head = LATEX.text(metric(name).title)
        over.append(rf"\multicolumn{{{end - start + 1}}}{{c}}{{{head}}}")
        rules += rf"\cmidrule(lr){{{start}-{end}}}"
        under += ["printed", *(LATEX.text(column.title) for column in columns)]
        start = end + 1
    return [f"{' & '.join(over)} \\\\", rules, f"{' & '.join(under)} \\\\"]


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
        about = _texts(run.corpus, run.label, run.spec)
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
            "architecture": block.architecture,
        }
        | _texts(block.dataset, row.name, row.spec)
    )


def _texts(dataset: str, method: str, spec: str) -> dict[str, str]:
    return {"dataset": guarded(dataset), "method": guarded(method), "spec": guarded(spec)}


WRITERS = {"md": markdown, "tex": latex, "csv": csv}


def file_name(reference: str, suffix: str) -> str:
    """What a table's file is called."""
    return f"table_{reference.replace(':', '_')}.{suffix}"


def write(
    runs: Sequence[Run], reference: str, out: Path, note: Callable[[str], object] = lambda _: None
) -> list[Path]:
    """Write a table as Markdown, LaTeX and CSV into the folder `out`; the files.

    `note` is told of evaluations that cannot be used, and of a table without any number of ours.
    Raises UserError as `table` does.
    """
    shown = table(runs, reference)
    for problem in shown.problems:
        note(f"left out: {problem}")
    if not any(block.ours for block in shown.blocks):
        note("no number of ours in this table: evaluate runs first (latentlab evaluate)")
    paths = []
    for suffix, writer in WRITERS.items():
        text = writer(shown)
        path = Path(out) / file_name(reference, suffix)
        replace(path, lambda p, text=text: p.write_text(text, encoding="utf-8"))
        paths.append(path)
    return paths

"""A paper's table as elements that the page draws: blocks, cells, marks with their reasons, notes.

Dash takes half a minute over the thousands of components of a large table, so they are plain data
here; assets/tables.js makes elements of them, and text never becomes markup.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lab import look
from lab.printed import Number
from lab.runs import Run
from lab.tables import NO_RUN, NOT_PRINTED, Block, Cell, Column, Row, Table, command
from lab.tables.columns import metric
from lab.tables.notes import DOUBTFUL, Footnotes, figure, marks, notes, printed_figure

Element = dict[str, Any]
BETTER = {True: " ↑", False: " ↓", None: ""}
LISTED = 6  # runs without an evaluation that are named without a click


def tag(kind: str, *inner: Element | str, **properties: Any) -> Element:
    """An element with its properties as React calls them; empty words in it are left out."""
    return {"tag": kind, "properties": properties, "inner": [part for part in inner if part]}


def blocks(shown: Table, footnotes: Footnotes) -> list[Element]:
    """One table for each corpus and architecture; reasons of gaps are kept in `footnotes`."""
    return [_block(shown, block, footnotes) for block in shown.blocks]


def _block(shown: Table, block: Block, footnotes: Footnotes) -> Element:
    rows = [_row(shown, block, i, row, footnotes) for i, row in enumerate(block.rows)]
    table = tag("table", _head(shown), tag("tbody", *rows), className="comparison")
    about = {"aria-label": block.title}
    box = tag("div", table, className="wide", tabIndex=0, role="region", **about)
    return tag("section", tag("h2", block.title, tag("small", _count(block))), box)


def _count(block: Block) -> str:
    known = sum(row.group is not None for row in block.rows)
    return "" if known == len(block.rows) else f"{known} of {len(block.rows)} rows with runs"


def _head(shown: Table) -> Element:
    """Two lines: metrics, each over its columns, and what those hold."""
    over, under = [tag("th", "Method", rowSpan=2, scope="col", className="method")], []
    for name, columns in shown.columns.items():
        known = metric(name)
        size = {"colSpan": 1 + 2 * len(columns), "scope": "colgroup"}
        over.append(tag("th", known.title + BETTER[known.higher], className="first", **size))
        under += [tag("th", "printed", scope="col", className="first"), *map(_column, columns)]
    return tag("thead", tag("tr", *over), tag("tr", *under))


def _column(column: Column) -> Element:
    title = (column.estimator or "ours") if column.quantity == column.metric else column.title
    return tag("th", title, scope="col", colSpan=2, title=column.title)


def _row(shown: Table, block: Block, index: int, row: Row, footnotes: Footnotes) -> Element:
    cells = [_method(row)]
    for name, columns in shown.columns.items():
        cells.append(_printed(row.printed.numbers.get(name) if row.printed else None))
        for column in columns:
            leads = block.best.get(column) == index
            cells += _ours(shown, row, column, leads, footnotes)
    return tag("tr", *cells, className="" if row.group else "without")


def _method(row: Row) -> Element:
    name = tag("span", _swatch(row.spec or row.printed.method), row.name)
    below = "" if row.spec == row.name else row.spec or "no evaluated run"
    about = tag("small", below, title=row.spec or NO_RUN) if below else ""
    return tag("th", name, about, scope="row", className="method")


def _swatch(spec: str) -> Element:
    style = {"background": look.colour(spec)}
    return tag("span", className="swatch", title=spec, style=style, **{"aria-hidden": True})


def _printed(number: Number | None) -> Element:
    if number is None:
        return tag("td", "—", className="first absent", title=NOT_PRINTED)
    mark = _reasons({DOUBTFUL: f"doubtful in print: {number.doubtful}"}) if number.doubtful else ""
    return tag("td", printed_figure(number), mark, className="first")


def _ours(
    shown: Table, row: Row, column: Column, leads: bool, footnotes: Footnotes
) -> tuple[Element, Element]:
    """Mean above difference, and beside them spread, number of seeds and marks."""
    cell = row.cells[column]
    ours = figure(shown, column, cell)
    if ours is None:
        return _gap(row, cell, footnotes)
    mean = tag("b", ours.mean) if leads else ours.mean
    rest = tag("small", f"{ours.spread} ({ours.seeds}) ".lstrip())
    mark = _reasons({**marks(row, cell), **_numbered(cell, footnotes)})
    change = tag("small", ours.change) if ours.change else ""
    return tag("td", mean, change, className="mean"), tag("td", rest, mark)


def _gap(row: Row, cell: Cell, footnotes: Footnotes) -> tuple[Element, Element]:
    """A dash with its reason; where there is no run at all the method's cell says so."""
    mark = _reasons(_numbered(cell, footnotes)) if row.group else ""
    return tag("td", "—", className="mean absent", title=cell.why), tag("td", mark)


def _numbered(cell: Cell, footnotes: Footnotes) -> dict[str, str]:
    number = footnotes.number(cell.why)
    return {str(number): cell.why} if number else {}


def _reasons(given: Mapping[str, str]) -> Element | str:
    """Marks as one button whose reasons the page shows when it is pointed at or focused."""
    if not given:
        return ""
    signs = [tag("sup", mark) if mark.isdecimal() else mark for mark in given]
    told = "\n".join(f"{mark} {why}" for mark, why in given.items())
    return tag("button", *signs, className="marks", type="button", **{"aria-label": told})


def footer(shown: Table, footnotes: Footnotes) -> Element:
    """Notes below the tables; complete once all blocks are drawn."""
    lines = [tag("p", line) for line in notes(shown)]
    gaps = [
        tag("p", tag("sup", str(number)), f" {why}.") for why, number in footnotes.reasons.items()
    ]
    return tag("div", *lines, *gaps, className="notes")


def unevaluated(runs: Iterable[Run]) -> list[Element]:
    """Runs that the table lacks, each with the command that evaluates it."""
    lines = [tag("li", *_name(run), tag("code", command(run))) for run in runs]
    if not lines:
        return []
    title = tag("summary", f"{len(lines)} not evaluated: these commands do it")
    listed = tag("ul", *lines)
    return [tag("details", title, listed, open=len(lines) <= LISTED, className="left")]


def _name(run: Run) -> tuple[Element | str, ...]:
    status = "" if run.status == "finished" else run.status
    words = f"{run.label} · {run.corpus} · seed {run.seed} "
    return _swatch(run.spec), words, tag("span", status, className=f"status {status}")

"""What every format says of a cell and below a table: figures in words, marks with their reasons,
notes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from lab.printed import PAPERS, Number
from lab.tables.columns import Column, metric
from lab.tables.comparison import Cell, Row, Table

UNLIKE, FEWER, ALONE, DOUBTFUL = "†", "‡", "§", "¶"
READING = (
    "Ours: mean ± standard deviation over seeds (number of seeds), difference from the printed "
    "value. Bold: better than every other row of two or more seeds on the same corpus, Welch's "
    "t-test, p < 0.01."
)

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
    "vae_mine": {
        "nll": "NLL is the negative ELBO; MI is a Monte-Carlo estimate of eq. 19.",
        "ppl": "PPL of PTB over 22.55 tokens a sentence, where ours has 21.92 (words and end "
        "marks): another test file or count.",
    },
    "dgvae": {
        "mi": "MI over the whole split.",
        "prior_ll": "prior and posterior LL from 16 draws, those of the prior around the "
        "posterior's mean (D4).",
    },
    "ceae": {"rec": "Rec is the reconstruction alone."},
}


@dataclass(frozen=True)
class Figure:
    """Our value in a cell: mean, "± spread" and difference ("" where there is none)."""

    mean: str
    spread: str
    seeds: int
    change: str


class Footnotes:
    """Reasons in the order in which cells call for them, numbered from 1."""

    def __init__(self) -> None:
        self.reasons: dict[str, int] = {}

    def number(self, why: str) -> int | None:
        return self.reasons.setdefault(why, len(self.reasons) + 1) if why else None


def title(shown: Table) -> str:
    """The paper and the number of its table."""
    return f"{PAPERS[shown.paper]}, table {shown.reference.split(':')[1]}"


def printed_figure(number: Number) -> str:
    """A printed number as in the paper, with its spread."""
    return signed(number.text) + ("" if number.std is None else f" ± {number.std:g}")


def figure(shown: Table, column: Column, cell: Cell) -> Figure | None:
    """Our value with as many decimals as the paper prints; None if there is none."""
    if (ours := cell.summary) is None:
        return None
    digits = shown.decimals[column.metric]
    spread = "" if ours.std is None else f"± {ours.std:.{digits}f}"
    # Adding 0 takes the sign off a zero.
    mean, change = (
        None if v is None else round(v, digits) + 0.0 for v in (ours.mean, cell.difference)
    )
    told = "" if change is None else signed(f"{change:+.{digits}f}")
    return Figure(signed(f"{mean:.{digits}f}"), spread, ours.n, told)


def signed(text: str) -> str:
    """With minus signs in place of hyphens."""
    return text.replace("-", "−")


def marks(row: Row, cell: Cell) -> dict[str, str]:
    """The marks of our value in a cell, each with its reason."""
    given = {
        UNLIKE: "; ".join(row.unlike) if cell.printed else "",
        FEWER: cell.fewer,
        ALONE: "one seed, which has no spread" if cell.summary and cell.summary.n == 1 else "",
    }
    return {mark: why for mark, why in given.items() if why}


def notes(shown: Table) -> list[str]:
    """How to read a table, then what its marks mean, row by row."""
    return [
        READING,
        *_unlikes(shown),
        *_fewers(shown),
        *_alone(shown),
        *_doubts(shown),
        *_estimated(shown),
    ]


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

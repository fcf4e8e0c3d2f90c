"""Sentences between two sentences: the Rouge-L curve (DG-VAE figure 5) and the table (CL-VAE table 6)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import (
    ONE_COLUMN,
    SMALL,
    TWO_COLUMNS,
    by_corpus,
    figure,
    legend_below,
    letter,
    names,
    need,
    styled,
)
from lab import look
from lab.errors import UserError
from lab.metrics import interpolation_rouge
from lab.runs import Run

LINE = 0.145  # inches from one line of the table to the next
WIDEST = 98  # characters of a sentence that fit into two columns of print


@styled
def interpolation(runs: Sequence[Run]) -> Figure:
    """Rouge-L F1 against both ends (DG-VAE eq. 14) over λ: mean over a run's stored pairs, band two standard errors.

    One panel per corpus, one line per run. Raises UserError if no run stored interpolations.
    """
    shown = _interpolated(runs)
    groups = by_corpus(shown)
    width = ONE_COLUMN if len(groups) == 1 else TWO_COLUMNS
    sheet = figure(width, 2.5)
    axes = sheet.subplots(1, len(groups), squeeze=False)[0]
    for index, (corpus, group) in enumerate(groups.items()):
        for run, name in zip(group, names(group), strict=True):
            _curve(axes[index], run, name)
        axes[index].set(xlabel="λ", ylabel="Rouge-L F1" if index == 0 else "", xlim=(0, 1))
        axes[index].spines[["top", "right"]].set_visible(False)
        letter(axes[index], index, corpus)
    legend_below(sheet, axes, 2 if width == ONE_COLUMN else 4)
    return sheet


@styled
def interpolation_table(runs: Sequence[Run], pair: int = 0) -> Figure:
    """What each run says between the ends of its `pair`-th stored pair, λ from 0 to 1.

    Raises UserError if no run stored that many pairs.
    """
    blocks = _blocks(runs, pair)
    lines = sum(len(record["texts"]) + 3 for _, record in blocks) - 1
    sheet = figure(TWO_COLUMNS, (lines + 1) * LINE, "none")
    axes = sheet.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, TWO_COLUMNS), ylim=((lines + 1) * LINE, 0))
    axes.axis("off")
    top = LINE
    for name, record in blocks:
        top = _block(axes, top, name, record) + LINE
    return sheet


def interpolation_markdown(runs: Sequence[Run], pair: int = 0) -> str:
    """The interpolation table as Markdown, sentences in full."""
    rows = ["| λ | sentence |", "|---|---|"]
    parts = [
        [f"**{name}**", "", *rows, *(f"| {w} | {_escape(t, '|*_`<>')} |" for w, t in _lines(record))]
        for name, record in _blocks(runs, pair)
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def interpolation_latex(runs: Sequence[Run], pair: int = 0) -> str:
    """The interpolation table as a LaTeX tabular for booktabs, sentences in full."""
    parts = [
        [
            rf"\multicolumn{{2}}{{l}}{{{_latex(name)}}} \\",
            r"\midrule",
            *(rf"$\lambda = {w}$ & {_latex(t)} \\" for w, t in _lines(record)),
        ]
        for name, record in _blocks(runs, pair)
    ]
    body = "\n\\midrule\n".join("\n".join(part) for part in parts)
    return f"\\begin{{tabular}}{{lp{{0.85\\linewidth}}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def _interpolated(runs: Sequence[Run]) -> Sequence[Run]:
    return need([r for r in runs if r.interpolations()], "stored interpolations (text runs with a decoder have)")


def _records(run: Run) -> list[dict[str, Any]]:
    """The stored pairs of the best epoch if it has any, else of the last one that has."""
    epochs = {record["epoch"] for record in run.interpolations()}
    return run.interpolations(run.best_epoch if run.best_epoch in epochs else max(epochs))


def _curve(axes: Axes, run: Run, name: str) -> None:
    records = _records(run)
    rouge = np.array([interpolation_rouge(r["texts"], r["a"], r["b"]) for r in records])
    weights, mean = np.array(records[0]["weights"]), rouge.mean(0)
    colour = look.colour(run.spec)
    axes.plot(weights, mean, color=colour, linestyle=look.linestyle(run.spec), label=name)
    if len(rouge) > 1:
        error = 2 * rouge.std(0, ddof=1) / np.sqrt(len(rouge))
        axes.fill_between(weights, mean - error, mean + error, color=colour, alpha=0.1, linewidth=0)


def _blocks(runs: Sequence[Run], pair: int) -> list[tuple[str, dict[str, Any]]]:
    shown = _interpolated(runs)
    several = len(by_corpus(shown)) > 1
    found = [
        (f"{name}, {run.corpus}" if several else name, records[pair])
        for run, name in zip(shown, names(shown), strict=True)
        if pair < len(records := _records(run))
    ]
    if not found:
        raise UserError(f"no run stored {pair + 1} interpolations; choose an earlier pair")
    return found


def _lines(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(λ, sentence): the two ends as they were given, the decoded path between them."""
    return [(f"{w:g}", t) for w, t in zip(record["weights"], record["texts"], strict=True)]


def _block(axes: Axes, top: float, name: str, record: dict[str, Any]) -> float:
    axes.text(0.05, top, name, fontweight="bold", va="center")
    for rule, width in ((top - 0.6 * LINE, 0.8), (top + 0.6 * LINE, 0.4)):
        axes.plot([0.05, TWO_COLUMNS - 0.05], [rule, rule], color=look.LIGHT["text"], linewidth=width)
    for weight, text in _lines(record):
        top += LINE
        shown = text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
        axes.text(0.05, top + 0.2 * LINE, f"λ = {weight}", va="center", fontsize=SMALL)
        axes.text(0.65, top + 0.2 * LINE, shown, va="center", fontsize=SMALL, parse_math=False)
    return top + LINE


def _escape(text: str, characters: str) -> str:
    return "".join("\\" + c if c in characters else c for c in text)


def _latex(text: str) -> str:
    """Text with LaTeX's special characters written out."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    return "".join(special.get(c, "\\" + c if c in "&%$#_{}" else c) for c in text)

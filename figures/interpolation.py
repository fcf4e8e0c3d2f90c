"""Sentences between two sentences: the Rouge-L curve (DG-VAE figure 5) and the table (CL-VAE table
6).
"""

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
    heading,
    is_toy,
    legend_below,
    lettered,
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
    """Rouge-L F1 against both ends (DG-VAE eq. 14) over λ, one line per run.

    Means over a run's stored pairs, bands of one standard error. One panel per corpus.
    Raises UserError if no run stored interpolations.
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
        axes[index].set_ylim(bottom=0)
        axes[index].spines[["top", "right"]].set_visible(False)
        heading(axes[index], lettered(index, corpus) if len(groups) > 1 else corpus)
    legend_below(sheet, axes, 2 if width == ONE_COLUMN else 4)
    return sheet


@styled
def interpolation_table(runs: Sequence[Run], pair: int = 0) -> Figure:
    """What each run says between the ends of its `pair`-th stored pair, λ from 0 to 1.

    Raises UserError if no run stored that many pairs.
    """
    blocks = _blocks(runs, pair)
    height = LINE * sum(len(_lines(record)) + 2.5 for _, record in blocks)
    sheet = figure(TWO_COLUMNS, height, "none")
    axes = sheet.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, TWO_COLUMNS), ylim=(height, 0))
    axes.axis("off")
    top = LINE
    for name, record in blocks:
        top = _block(axes, top, name, record)
    return sheet


def interpolation_markdown(runs: Sequence[Run], pair: int = 0) -> str:
    """The interpolation table as Markdown, sentences in full."""
    head = ["| λ | sentence |", "|---|---|"]
    parts = [
        [
            f"**{name}**",
            "",
            *head,
            *(f"| {w} | {_escape(t, '|*_`<>')} |" for w, t in _lines(record)),
        ]
        for name, record in _blocks(runs, pair)
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def interpolation_latex(runs: Sequence[Run], pair: int = 0) -> str:
    """The interpolation table as a LaTeX tabular for booktabs, sentences in full."""
    parts = [
        [
            rf"\multicolumn{{2}}{{l}}{{{_latex(name)}}} \\",
            r"\midrule",
            *(rf"{_latex(w)} & {_latex(t)} \\" for w, t in _lines(record)),
        ]
        for name, record in _blocks(runs, pair)
    ]
    body = "\n\\midrule\n".join("\n".join(part) for part in parts)
    opening = r"\begin{tabular}{lp{0.85\linewidth}}"
    return "\n".join([opening, r"\toprule", body, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _interpolated(runs: Sequence[Run]) -> Sequence[Run]:
    return need(
        [r for r in runs if r.interpolations() and not is_toy(r)],
        "stored interpolations (text runs with a decoder have)",
    )


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
        error = rouge.std(0, ddof=1) / np.sqrt(len(rouge))
        axes.fill_between(
            weights, mean - error, mean + error, color=colour, alpha=0.12, linewidth=0
        )


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
    """(λ, sentence) along the decoded path, between the two sentences as they were given."""
    path = [(f"{w:g}", text) for w, text in zip(record["weights"], record["texts"], strict=True)]
    return [("a", record["a"]), *path, ("b", record["b"])]


def _block(axes: Axes, top: float, name: str, record: dict[str, Any]) -> float:
    """One run's heading and lines from `top` downwards; returns where the next block begins."""
    axes.text(0.05, top, name, fontweight="bold", va="center")
    axes.text(TWO_COLUMNS - 0.05, top, "λ from a to b", ha="right", va="center", fontsize=SMALL)
    _rule(axes, top - 0.65 * LINE, 0.8)
    _rule(axes, top + 0.65 * LINE, 0.4)
    top += 0.25 * LINE
    for weight, text in _lines(record):
        top += LINE
        shown = text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
        colour = look.LIGHT["muted"] if weight in "ab" else look.LIGHT["text"]
        axes.text(0.05, top, weight, va="center", fontsize=SMALL, color=colour)
        axes.text(0.4, top, shown, va="center", fontsize=SMALL, color=colour, parse_math=False)
    return top + 2.25 * LINE


def _rule(axes: Axes, y: float, width: float) -> None:
    axes.plot([0.05, TWO_COLUMNS - 0.05], [y, y], color=look.LIGHT["text"], linewidth=width)


def _escape(text: str, characters: str) -> str:
    return "".join("\\" + c if c in characters else c for c in text)


def _latex(text: str) -> str:
    """Text with LaTeX's special characters written out."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    return "".join(special.get(c, "\\" + c if c in "&%$#_{}" else c) for c in text)

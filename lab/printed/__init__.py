"""The numbers that the five papers print, as read from their text.

numbers.csv has one printed number a row: paper and table; dataset; architecture (blank where the
paper does not say); method and, as key=value, its variant; metric; value; std, ci_low and ci_high
(5 to 95 percent; CEAE tables 12 and 13 alone, whose values are those of table 1); and why a cell is
doubtful.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from lab.errors import UserError

NUMBERS = Path(__file__).with_name("numbers.csv")
WORDS = ("architecture", "method", "variant", "doubtful")  # blank where nothing is said
PAPERS = {
    "clvae": "clVAE",
    "ivae": "iVAE",
    "vae_mine": "VAE-MINE",
    "ceae": "CEAE",
    "dgvae": "DG-VAE",
}
NAMES = {
    "ae": "AE",
    "ae_fb": "AE+FB",
    "arae": "ARAE",
    "beta_vae": "β-VAE",
    "bn_vae": "BN-VAE",
    "bow_vae": "BOW-VAE",
    "ceae": "CEAE",
    "clvae": "clVAE",
    "clvae_mi": "clVAE-MI",
    "clvae_plus": "clVAE⁺",
    "clvae_plus_mi": "clVAE⁺-MI",
    "cvae_dialog": "CVAE",
    "cyclic_vae": "Cyclic-VAE",
    "delta_vae": "δ-VAE",
    "dg_vae": "DG-VAE",
    "dialog_wae": "DialogWAE",
    "fb_vae": "FB-VAE",
    "infovae": "InfoVAE",
    "ivae": "iVAE",
    "ivae_mi": "iVAE-MI",
    "lagging_vae": "Lagging-VAE",
    "lstm_lm": "LSTM-LM",
    "optimus": "OPTIMUS",
    "sa_vae": "SA-VAE",
    "seqgan": "SeqGAN",
    "skip_vae": "Skip-VAE",
    "vae": "VAE",
    "vae_mine": "VAE-MINE",
    "vae_word_dropout": "VAE with word dropout",
    "vmf_vae": "vMF-VAE",
}

# Printed key of a method's parameter, and our option.
PARAMETERS = {
    "ae_fb": ("lambda", "target"),
    "beta_vae": ("beta", "beta"),
    "bn_vae": ("gamma", "gamma"),
    "delta_vae": ("delta", "rate"),
    "dg_vae": ("agg", "aggregation"),
    "fb_vae": ("lambda", "target"),
    "vae_mine": ("alpha", "alpha"),
    "vae_word_dropout": ("word_dropout", "rate"),
    "vmf_vae": ("kappa", "concentration"),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "agg=default": {"aggregation": None},
    "augmentation=dropout": {"dropout": 0.3, "swap": 0.0},
    "augmentation=swap": {"dropout": 0.0, "swap": 0.1},
    "where=h": {"on": "h"},
    "where=z": {"on": "z"},
}
SYMBOLS = {
    "agg": "|b|", "beta": "β", "delta": "δ", "gamma": "γ", "kappa": "κ", "lambda": "λ",
    "word_dropout": "rate", "where": "contrast on",
}  # fmt: skip


@dataclass(frozen=True)
class Number:
    """A printed number, its text and spread as in the paper, and why it is doubtful ("" if not)."""

    value: float
    text: str
    std: float | None
    doubtful: str

    @property
    def decimals(self) -> int:
        return len(self.text.partition(".")[2])


@dataclass(frozen=True)
class Printed:
    """One row of a printed table."""

    dataset: str
    architecture: str
    method: str
    variant: str
    numbers: dict[str, Number] = field(compare=False, default_factory=dict)

    @property
    def name(self) -> str:
        parts = [part.partition("=") for part in filter(None, self.variant.split(";"))]
        words = ", ".join(f"{SYMBOLS.get(k, k)} = {v}" for k, _, v in parts)
        return NAMES[self.method] + (f" ({words})" if words else "")

    def options(self) -> dict[str, Any]:
        """The options of our method that the row states."""
        stated: dict[str, Any] = {}
        for part in filter(None, self.variant.split(";")):
            number = part.partition("=")[2]
            stated |= VARIANTS.get(part) or {PARAMETERS[self.method][1]: float(number)}
        return stated


def printed(table: str) -> pl.DataFrame:
    """The numbers of one table, e.g. "clvae:1", in the order of the paper.

    Columns are those of numbers.csv, and `text` is the value with the decimals it is printed with.
    Raises UserError that lists the tables.
    """
    found = numbers().filter(pl.format("{}:{}", "paper", "table") == table)
    if found.is_empty():
        raise UserError(f"no printed table {table!r}; there are {', '.join(tables())}")
    return found


def tables() -> list[str]:
    """The names of all tables, as paper:number."""
    keys = numbers().select("paper", "table").unique(maintain_order=True)
    return [f"{paper}:{number}" for paper, number in keys.iter_rows()]


@cache
def numbers() -> pl.DataFrame:
    """All printed numbers."""
    read = pl.read_csv(NUMBERS, infer_schema=False).with_columns(text=pl.col("value"))
    figures = pl.col("value", "std", "ci_low", "ci_high").cast(pl.Float64)
    return read.with_columns(pl.col("table").cast(pl.Int64), figures, pl.col(WORDS).fill_null(""))


def printed_rows(table: str) -> list[Printed]:
    """The rows of one table; accuracies from N labels are metrics of their own, accuracy@N.

    Raises UserError that lists the tables.
    """
    rows: dict[Printed, Printed] = {}
    for cell in printed(table).iter_rows(named=True):
        row, metric = _placed(cell)
        number = Number(cell["value"], cell["text"], cell["std"], cell["doubtful"])
        rows.setdefault(row, row).numbers[metric] = number
    return list(rows)


def _placed(cell: dict[str, Any]) -> tuple[Printed, str]:
    """The row and the metric of a printed cell; labels belong to the metric."""
    parts = cell["variant"].split(";")
    labels = [p.removeprefix("labels=") for p in parts if p.startswith("labels=")]
    rest = ";".join(p for p in parts if not p.startswith("labels="))
    keys = (cell[key] for key in ("dataset", "architecture", "method"))
    return Printed(*keys, rest), f"accuracy@{labels[0]}" if labels else cell["metric"]

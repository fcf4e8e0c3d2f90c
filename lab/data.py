"""What training needs of data, and real text in that form."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl
import torch

from lab.corpora import Corpus
from lab.errors import UserError
from lab.runs import Latents
from lab.runs.writer import items_table


@dataclass(frozen=True)
class Observation:
    """What the data itself has to say of a model: figures for metrics.jsonl and arrays for its own
    pictures.
    """

    figures: dict[str, float] = field(default_factory=dict)
    fields: dict[str, np.ndarray] = field(default_factory=dict)


class Data(Protocol):
    """Batches and the fixed probe set that is dumped every epoch.

    `train` gives a sized iterable of batches whose `draw(rng)` is one more at random, `lengths` the
    symbols of each training item. A batch has `size`, `indices` (rows of its split), `repeat(n)`,
    `to(device)` and `symbols()` (row and id of every symbol to predict), and whatever its encoder
    and decoder read. `dumps` says whether an epoch's latents are kept; `observe` sees the model in
    evaluation mode and the probe's latents; arrays are only wanted where these are `kept`.
    """

    about: dict[str, Any]
    source: dict[str, Any]
    settings: dict[str, Any]
    unit: dict[str, Any]
    anneals: bool

    def train(self, epoch: int) -> Iterable[Any]: ...
    def rows(self, split: str, rows: np.ndarray) -> Iterable[Any]: ...
    def count(self, split: str) -> int: ...
    def tokens(self, split: str, rows: np.ndarray) -> int | None: ...
    def text(self, ids: torch.Tensor) -> str: ...
    def save(self, folder: Path) -> None: ...
    def dumps(self, epoch: int) -> bool: ...
    def observe(self, model: Any, latents: Latents, kept: bool) -> Observation: ...

    @property
    def lengths(self) -> np.ndarray: ...
    @property
    def probe(self) -> np.ndarray: ...
    @property
    def items(self) -> pl.DataFrame: ...


@dataclass
class TextData:
    """A corpus cut into batches; the probe set is drawn once from the validation split.

    `source` says how the corpus was loaded, so that it can be once more.
    """

    corpus: Corpus
    batch_size: int = 32
    order: Literal["exact", "bucket", "random"] = "bucket"
    seed: int = 0
    probe_items: int = 2000
    unit: dict[str, Any] = field(default_factory=lambda: {"name": "epoch", "per_epoch": 1})
    anneals: bool = True
    source: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for split in ("valid", "test"):
            if self.count(split) < 2:
                raise UserError(f"{self.corpus.name}: {split} has one sentence; give two or more")

    @property
    def about(self) -> dict[str, Any]:
        return self.corpus.describe()

    @property
    def settings(self) -> dict[str, Any]:
        """How the corpus is batched and probed, as a run records it."""
        chosen = ("batch_size", "order", "probe_items")
        return {name: getattr(self, name) for name in chosen}

    def train(self, epoch: int) -> Iterable[Any]:
        return self.corpus.batches("train", self.batch_size, self.order, self.seed, epoch)

    def rows(self, split: str, rows: np.ndarray) -> Iterable[Any]:
        """Evaluation batches over some rows of a split, the same ones every time."""
        order = "exact" if self.order == "exact" else "bucket"
        return self.corpus.batches(split, self.batch_size, order, indices=rows)

    def count(self, split: str) -> int:
        return len(self.corpus.splits[split])

    @property
    def lengths(self) -> np.ndarray:
        return self.corpus.splits["train"].lengths

    def tokens(self, split: str, rows: np.ndarray) -> int:
        """Predicted tokens: words and end marks."""
        return int(self.corpus.splits[split].lengths[rows].sum()) + len(rows)

    def text(self, ids: torch.Tensor) -> str:
        return self.corpus.vocabulary.text(ids.tolist())

    def save(self, folder: Path) -> None:
        """Keep the vocabulary beside the checkpoints, so that a run decodes without its corpus."""
        folder.mkdir(parents=True, exist_ok=True)
        self.corpus.vocabulary.save(folder / "vocabulary.txt")

    def dumps(self, epoch: int) -> bool:
        """Every epoch is kept."""
        return True

    def observe(self, model: Any, latents: Latents, kept: bool) -> Observation:
        """Text has no figures and pictures of its own."""
        return Observation()

    @cached_property
    def probe(self) -> np.ndarray:
        count = self.count("valid")
        if count <= self.probe_items:
            return np.arange(count)
        chosen = np.random.default_rng(self.seed).choice(count, self.probe_items, replace=False)
        return np.sort(chosen)

    @cached_property
    def items(self) -> pl.DataFrame:
        split = self.corpus.splits["valid"]
        labels = {name: values[self.probe] for name, values in split.labels.items()}
        texts = self.corpus.texts("valid", self.probe)
        return items_table(len(texts), texts, labels, "valid", self.probe)

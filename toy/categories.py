"""K categories without features: a one-hot in, the same one-hot out (iVAE and CL-VAE, spec 2.1 and
2.2).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from lab.data import Observation
from lab.errors import UserError
from lab.generation import category_text
from lab.model import Model
from lab.runs import Latents
from lab.runs.writer import items_table
from lab.views import draws
from toy.fields import fields
from toy.measures import measures

ITEMS_PER_CATEGORY = 100
REPEATS = 64  # rows of one drawn category in a batch of the implicit methods


@dataclass(frozen=True)
class CategoryBatch:
    """Category numbers [B] and their one-hot rows [B, K], or those of a stack of models: [E, B]."""

    categories: Tensor
    count: int
    indices: np.ndarray

    @cached_property
    def one_hot(self) -> Tensor:
        every = torch.arange(self.count, device=self.categories.device)
        return (self.categories.unsqueeze(-1) == every).float()

    @property
    def size(self) -> int:
        return self.categories.shape[-1]

    def symbols(self) -> tuple[Tensor, Tensor]:
        """Row and category of every row."""
        return torch.arange(self.size, device=self.categories.device), self.categories

    def repeat(self, n: int) -> "CategoryBatch":
        """The rows n times over, [batch; batch; ...]."""
        if n == 1:
            return self
        categories = torch.cat([self.categories] * n, -1)
        return CategoryBatch(categories, self.count, np.tile(self.indices, n))

    def to(self, device: torch.device | str) -> "CategoryBatch":
        return replace(self, categories=self.categories.to(device))


@dataclass(frozen=True)
class Steps:
    """The training batches of one block of iterations, drawn as they are asked for."""

    data: "CategoryData"
    epoch: int

    def __len__(self) -> int:
        return self.data.block

    def __iter__(self) -> Iterator[CategoryBatch]:
        rng = np.random.default_rng([self.data.seed, self.epoch])
        for _ in range(self.data.block):
            yield self.draw(rng)

    def draw(self, rng: np.random.Generator) -> CategoryBatch:
        """A random batch."""
        data = self.data
        drawn = rng.integers(data.categories, size=data.batch_size // data.repeats)
        rows = torch.from_numpy(drawn).repeat_interleave(data.repeats)
        return CategoryBatch(rows, data.categories, rows.numpy())


@dataclass
class CategoryData:
    """Random categories; a block of `block` iterations counts as an epoch and ends with a dump.

    Each drawn category fills `repeats` rows of a batch. `kept` are the iterations whose latents are
    dumped, by default every block's. Raises UserError for fewer than two categories or a batch that
    `repeats` does not divide.
    """

    categories: int
    batch_size: int
    repeats: int
    block: int
    seed: int = 0
    kept: tuple[int, ...] | None = None
    anneals: bool = field(default=False, init=False)
    source: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.categories < 2:
            raise UserError(f"--categories {self.categories}: there must be at least 2")
        if self.batch_size % self.repeats:
            raise UserError(
                f"batch size {self.batch_size} is not a multiple of {self.repeats} repeats"
            )

    @property
    def unit(self) -> dict[str, Any]:
        return {"name": "iteration", "per_epoch": self.block}

    @property
    def about(self) -> dict[str, Any]:
        return {"name": f"toy-{self.categories}", "categories": self.categories}

    @property
    def settings(self) -> dict[str, Any]:
        """How batches are composed, as a run records it."""
        return {"batch_size": self.batch_size, "repeats": self.repeats, "block": self.block}

    def train(self, epoch: int) -> Steps:
        return Steps(self, epoch)

    def rows(self, split: str, rows: np.ndarray) -> list[CategoryBatch]:
        categories = torch.from_numpy(np.asarray(rows) % self.categories)
        return [CategoryBatch(categories, self.categories, np.asarray(rows))]

    def count(self, split: str) -> int:
        return self.categories * ITEMS_PER_CATEGORY

    @property
    def lengths(self) -> np.ndarray:
        """One symbol per category."""
        return np.ones(self.categories, np.int64)

    def tokens(self, split: str, rows: np.ndarray) -> None:
        """A category has no tokens, so a toy has no perplexity."""

    def text(self, ids: Tensor) -> str:
        return category_text(ids)

    def save(self, folder: Path) -> None:
        """Nothing to keep: categories are their own names."""

    def dumps(self, epoch: int) -> bool:
        return self.kept is None or epoch * self.block in self.kept

    def observe(self, model: Model, latents: Latents, kept: bool) -> Observation:
        """How well the categories part, and what the decoder and a critic say of the plane."""
        category, z = self.probe % self.categories, draws(latents, 1)[:, 0]
        predicted = model.decoder.sample(torch.as_tensor(z, dtype=torch.float32)).numpy()[:, 0]
        seen = fields(model, z) if kept and z.shape[1] == 2 else {}
        return Observation(measures(latents, category, predicted), seen)

    @property
    def probe(self) -> np.ndarray:
        return np.arange(self.count("valid"))

    @cached_property
    def items(self) -> pl.DataFrame:
        category = self.probe % self.categories
        texts = [category_text(torch.tensor([c])) for c in category]
        return items_table(len(texts), texts, {"category": category}, "valid")

"""128 items without features, each with free posterior parameters (DG-VAE appendix A, spec 2.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from lab.backbones import ItemNetwork
from lab.data import Observation
from lab.errors import UserError
from lab.methods import Method
from lab.runs import Latents
from lab.runs.writer import items_table
from lab.settings import Settings
from lab.train import Trainer
from toy.categories import CategoryBatch, CategoryData
from toy.experiment import check_options

ITEMS, GROUP = 128, 8
BLOCK = 100  # steps between two dumps
STEPS = 500
RATE = 0.1


@dataclass(frozen=True)
class Cycle:
    """The training batches of one block: groups of consecutive items in turn, from the second."""

    data: "ItemData"
    epoch: int

    def __len__(self) -> int:
        return self.data.block

    def __iter__(self) -> Iterator[CategoryBatch]:
        first = (self.epoch - 1) * self.data.block + 1
        return map(self.data.group, range(first, first + self.data.block))

    def draw(self, rng: np.random.Generator) -> CategoryBatch:
        """A random group."""
        return self.data.group(int(rng.integers(ITEMS // GROUP)))


@dataclass
class ItemData(CategoryData):
    """Every item is a category of its own, and the same 128 items make every split.

    Item n belongs to the batch n // 8 and is there the class n % 8: 8 classes x 16 batches.
    """

    categories: int = ITEMS
    batch_size: int = GROUP
    repeats: int = 1
    block: int = BLOCK

    @property
    def about(self) -> dict[str, Any]:
        return {"name": "density-gap", "items": ITEMS}

    def group(self, number: int) -> CategoryBatch:
        """Eight consecutive items; after the last group comes the first."""
        start = number * GROUP % ITEMS
        return self.rows("train", np.arange(start, start + GROUP))[0]

    def train(self, epoch: int) -> Cycle:
        return Cycle(self, epoch)

    def count(self, split: str) -> int:
        return ITEMS

    def text(self, ids: torch.Tensor) -> str:
        return f"item {int(ids[0])}"

    def observe(self, model: Any, latents: Latents, kept: bool) -> Observation:
        """Nothing beyond the figures that every run has."""
        return Observation()

    @cached_property
    def items(self) -> pl.DataFrame:
        item = self.probe
        labels = {"item": item, "batch": item // GROUP, "class": item % GROUP}
        return items_table(ITEMS, [f"item {n}" for n in item], labels, "valid")


def trainer(
    method: Method,
    folder: Path,
    steps: int = STEPS,
    seed: int = 0,
    lr: float = RATE,
    critic_lr: float | None = None,
    progress_bar: bool = True,
) -> Trainer:
    """A trainer of one run with a dump before training and one after every 100 steps.

    Adam's rate is `lr` for everything, as published; the unbounded critics of iVAE and clVAE run
    off at .1 and want a smaller `critic_lr`. Raises UserError for options without effect on items
    and for steps that do not fill the dumps.
    """
    check_options(method)
    if steps < BLOCK or steps % BLOCK:
        raise UserError(
            f"--iterations {steps}: give a multiple of {BLOCK}, as far as two dumps are apart"
        )
    rates = {"lr": lr, "critic_lr": critic_lr or lr}
    settings = Settings(epochs=steps // BLOCK, **rates, clip=None, seed=seed)
    data = ItemData(seed=seed)
    return Trainer(method, ItemNetwork(), data, settings, folder, progress_bar=progress_bar)

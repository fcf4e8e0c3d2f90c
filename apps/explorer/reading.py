"""Reading parts of runs that may be damaged, and finding the items that two runs share."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from apps.explorer.admission import sensible
from lab.errors import UserError
from lab.runs import Latents, Run
from lab.runs.layout import fields_file, latents_file
from lab.runs.planes import read_plane

LARGEST_FIELDS = 64 * 2**20  # bytes


@dataclass(frozen=True)
class RunUntil(Run):
    """A run without its records after epoch `until`: its figures and verdict are of that epoch."""

    until: float = math.inf

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        if "damage" in self.info:
            return []
        return sensible(self, [r for r in super().metrics() if r["epoch"] <= self.until])

    def metrics(self, split: str | None = None) -> list[dict[str, Any]]:
        """Records of one split or of all."""
        return [r for r in self.records if split in (None, r["split"])]


def read_fields(run: Run, epoch: int) -> dict[str, np.ndarray]:
    """Arrays of the run's own pictures. Raises UserError where they are damaged or too large."""
    path = fields_file(run.folder, epoch)
    if path.exists() and path.stat().st_size > LARGEST_FIELDS:
        raise UserError(f"{path.relative_to(run.folder)} is too large to be a picture")
    try:
        return run.fields(epoch)
    except UserError as error:
        raise UserError(f"{path.relative_to(run.folder)} is truncated or damaged") from error


def plane_of(run: Run, epoch: int, dims: tuple[int, int]) -> Latents:
    """Two dimensions of a dump, nothing else of it read. Raises UserError where it is damaged."""
    path = latents_file(run.folder, epoch)
    found, items = read_plane(path, dims, run.info.get("latent")), run.info.get("items")
    if len(found) != items:
        raise UserError(f"{path}: {len(found)} latents, but the run lists {items} items")
    return found


def partners(source: Run, other: Run) -> np.ndarray:
    """The row of each item of `source` in `other` [N], -1 of those that it doesn't hold."""
    keys = ["id", "split", "text"]
    left, right = source.items.select(keys), other.items.select(keys)
    if left.equals(right):
        return np.arange(len(left))
    try:
        right = right.with_row_index("row").unique(keys, keep="first")
        joined = left.join(right, on=keys, how="left", maintain_order="left")
    except pl.exceptions.PolarsError:
        return np.full(len(left), -1)
    return joined["row"].cast(pl.Int64).fill_null(-1).to_numpy()

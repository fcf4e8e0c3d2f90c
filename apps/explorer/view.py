"""A cached, read-only view of one folder of runs; nothing above that folder is ever opened."""

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from apps.explorer.cache import Cache
from lab import views
from lab.errors import UserError
from lab.runs import Latents, Run, list_runs
from lab.runs.layout import fields_file, latents_file
from lab.tables.evaluations import evaluation_file

SHOWN_BY_DEFAULT = 5
GRID_POINTS = 160
MEGABYTE = 2**20
MOST_CATEGORIES = 1000
LARGEST_FIELDS = 64 * MEGABYTE


@dataclass(frozen=True)
class Listing:
    """The folder at one moment; `revision` changes whenever anything in it does."""

    runs: tuple[Run, ...] = ()
    problems: tuple[str, ...] = ()
    missing: bool = False
    revision: str = ""


@dataclass(frozen=True)
class RunUntil(Run):
    """A run without its records after epoch `until`: its figures and verdict are of that epoch."""

    until: float = math.inf

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        return [r for r in super().metrics() if r["epoch"] <= self.until]

    def metrics(self, split: str | None = None) -> list[dict[str, Any]]:
        """Records of one split or of all."""
        return [r for r in self.records if split in (None, r["split"])]


class View:
    """Runs below `root`, their latents and densities, each read once while it stays in use."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.listing = Listing()
        self._seen: object = None
        self._latents = Cache(768 * MEGABYTE)
        self._densities = Cache(96 * MEGABYTE)
        self._fields = Cache(96 * MEGABYTE)
        self._small = Cache(512)
        self.refresh()

    def refresh(self) -> str:
        """The folder's revision, listed anew if a run or its evaluation changed, or if a training
        process ended.
        """
        alive = tuple((r.id, r.status) for r in self.listing.runs if r.info["status"] == "running")
        seen = (self._fingerprint(), alive)
        if seen != self._seen:
            self.listing = self._list(hashlib.sha256(repr(seen).encode()).hexdigest()[:16])
            self._seen = seen
        return self.listing.revision

    def find(self, run_id: str) -> Run:
        """The listed run of that id; an id from a URL is only ever compared with those listed."""
        for run in self.listing.runs:
            if run.id == run_id:
                return run
        raise UserError("This run is no longer in the folder.")

    def chosen(self, ids: tuple[str, ...]) -> list[Run]:
        """The runs of those ids that exist; without ids, the first few of the largest corpus."""
        known = {run.id: run for run in self.listing.runs}
        return [known[i] for i in ids if i in known] if ids else self._default()

    def at(self, run: Run, epoch: int | None = None) -> RunUntil:
        """The run with its records up to one epoch (all by default), read once."""
        until = math.inf if epoch is None else epoch
        key = ("at", run.id, run.info.get("updated"), run.info.get("epoch"), until)
        return self._small.get(key, lambda: RunUntil(run.folder, run.info, run.id, until))

    def dumped_epoch(self, run: Run, epoch: int | None) -> int:
        """The run's last dump not after `epoch`, or its first one before that."""
        if not run.epochs:
            raise UserError(waiting(run))
        earlier = [e for e in run.epochs if epoch is None or e <= epoch]
        return earlier[-1] if earlier else run.epochs[0]

    def latents(self, run: Run, epoch: int) -> Latents:
        return self._latents.get(self._key(run, epoch), lambda: run.latents(epoch), _bytes)

    def points(self, run: Run, epoch: int) -> np.ndarray:
        """The point of each item [N, D]: its centre, or of toys one draw of its posterior.

        One, so that a lasso marks what lies in it; its noise is the same at every epoch, so that
        points move.
        """
        latents = self.latents(run, epoch)
        return views.draws(latents, 1, seed=0)[:, 0] if categories(run) else latents.mean

    def fields(self, run: Run, epoch: int) -> dict[str, np.ndarray]:
        """Arrays of the run's own pictures. Raises UserError if there are none of that epoch."""
        try:
            stamp = fields_file(run.folder, epoch).stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"nothing stored of {run.time(epoch)}") from error
        return self._fields.get(
            (run.id, epoch, stamp),
            lambda: _fields(run, epoch),
            lambda found: sum(a.nbytes for a in found.values()),
        )

    def has_fields(self, run: Run) -> bool:
        """Whether a toy run stored arrays of its own pictures at any dump."""
        dumps = run.epochs if categories(run) else []
        return any(fields_file(run.folder, epoch).exists() for epoch in reversed(dumps))

    def last_fields(self, run: Run) -> dict[str, np.ndarray]:
        """The newest readable arrays of a toy run's own pictures; {} if there are none."""
        for epoch in reversed(run.epochs if categories(run) else []):
            try:
                return self.fields(run, epoch)
            except UserError:
                continue
        return {}

    def order(self, run: Run) -> np.ndarray:
        """Dimensions by activity at the last dump: an axis stays the same at every epoch."""
        epoch = self.dumped_epoch(run, None)
        key = ("order", self._key(run, epoch))
        return self._small.get(key, lambda: views.activity_order(self.latents(run, epoch)))

    def axis(self, run: Run, name: str) -> tuple[int, int]:
        """Dimension and activity rank, from 0, of "a1" (by activity) or "z5" (by index)."""
        order = self.order(run)
        number = min(int(name[1:]), len(order)) - 1
        dimension = int(order[number]) if name[0] == "a" else number
        return dimension, int(np.flatnonzero(order == dimension)[0])

    def density(
        self, run: Run, epoch: int, dims: tuple[int, int], limit: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Aggregated posterior on a square of half-width `limit`: x [P], y [P], density [y, x]."""
        key = (self._key(run, epoch), dims, limit)
        return self._densities.get(
            key,
            lambda: views.density(self.latents(run, epoch), dims, limit, GRID_POINTS),
            lambda arrays: sum(a.nbytes for a in arrays),
        )

    def dimensions(self, run: Run) -> pl.DataFrame:
        """The table of dimensions. Raises UserError when it cannot be read."""
        try:
            return run.dimensions()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise UserError(f"{run.id}/dimensions.parquet: cannot be read") from error

    def matching_rows(self, source: Run, rows: np.ndarray, other: Run) -> np.ndarray:
        """Rows of `other` that hold the items in `rows` of `source`: same id, split and text."""
        if source.id == other.id:
            return rows
        key = ("match", *((r.id, r.info.get("created"), len(r.items)) for r in (source, other)))
        partner = self._small.get(key, lambda: _partners(source, other))
        matched = partner[rows]
        return matched[matched >= 0]

    def _default(self) -> list[Run]:
        ready = [r for r in self.listing.runs if r.epochs]
        if not ready:
            return list(self.listing.runs[:SHOWN_BY_DEFAULT])
        corpus, _ = Counter(r.corpus for r in ready).most_common(1)[0]
        return [r for r in ready if r.corpus == corpus][:SHOWN_BY_DEFAULT]

    def _key(self, run: Run, epoch: int) -> tuple[str, int, int]:
        try:
            stamp = latents_file(run.folder, epoch).stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"{run.id}: the latents of {run.time(epoch)} are gone") from error
        return run.id, epoch, stamp

    def _fingerprint(self) -> tuple[object, ...]:
        described = [
            path
            for run in self.root.rglob("run.json")
            for path in (run, evaluation_file(run.parent))
        ]
        stamps = []
        for path in described:
            try:
                stamps.append((str(path), path.stat().st_mtime_ns))
            except OSError:
                continue
        return (self.root.is_dir(), *sorted(stamps))

    def _list(self, revision: str) -> Listing:
        try:
            runs, problems = list_runs(self.root)
        except UserError:
            return Listing(missing=True, revision=revision)
        known = {run.id: run for run in self.listing.runs}
        kept = [known[r.id] if r.id in known and known[r.id] == r else r for r in runs]
        kept.sort(key=lambda r: (str(r.info.get("created", "")), r.id))
        return Listing(tuple(kept), tuple(problems), revision=revision)


def waiting(run: Run) -> str:
    """Why a run has no picture yet, in one sentence."""
    if run.info.get("error"):
        return f"Failed before the first dump: {run.info['error']}"
    if run.status == "running":
        return "Training; the first picture comes with the first finished epoch."
    return "This run dumped no latents."


def categories(run: Run) -> int:
    """How many categories a toy run tells apart; 0 of any other run."""
    count = run.info["corpus"].get("categories")
    return count if type(count) is int and 2 <= count <= MOST_CATEGORIES else 0


def _fields(run: Run, epoch: int) -> dict[str, np.ndarray]:
    path = fields_file(run.folder, epoch)
    if path.exists() and path.stat().st_size > LARGEST_FIELDS:
        raise UserError(f"{path.relative_to(run.folder)} is too large to be a picture")
    try:
        return run.fields(epoch)
    except UserError as error:
        raise UserError(f"{path.relative_to(run.folder)} is truncated or damaged") from error


def _bytes(latents: Latents) -> int:
    arrays = (latents.mean, latents.log_variance, latents.samples, latents.concentration)
    return sum(a.nbytes for a in arrays if a is not None)


def _partners(source: Run, other: Run) -> np.ndarray:
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

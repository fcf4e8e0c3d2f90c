"""A cached, read-only view of one folder of runs; nothing above that folder is ever opened."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from apps.explorer.admission import admitted, outside
from apps.explorer.cache import Cache
from apps.explorer.reading import RunUntil, partners, plane_of, read_fields
from lab import views
from lab.errors import UserError
from lab.runs import Latents, Run
from lab.runs.layout import fields_file, latents_file
from lab.runs.planes import coordinates
from lab.tables.evaluations import evaluation_file

SHOWN_BY_DEFAULT = 5
GRID_POINTS = 160
KILOBYTE, MEGABYTE = 2**10, 2**20
MOST_CATEGORIES = 1000
MANY = views.EXACT_UP_TO  # items of which only the dimensions asked for are read
_PINNED = re.compile(r"(.+)@(\d{1,7})", re.ASCII)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Listing:
    """The folder at one moment; `revision` changes whenever anything in it does.

    `alike` are the ids of runs whose method's name another spec of their corpus has as well.
    """

    runs: tuple[Run, ...] = ()
    alike: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    missing: bool = False
    revision: str = ""


class View:
    """Runs below `root`, their latents and densities, each read once while it stays in use."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.listing = Listing()
        self._seen: object = None
        self._latents = Cache(768 * MEGABYTE)
        self._planes = Cache(256 * MEGABYTE)
        self._made = Cache(64 * MEGABYTE)
        self._densities = Cache(96 * MEGABYTE)
        self._fields = Cache(96 * MEGABYTE)
        self._small = Cache(512)
        self._parts = Cache(64)
        self.refresh()

    def refresh(self) -> str:
        """The folder's revision, listed anew if a run or its evaluation changed, or if a training
        process ended.
        """
        alive = tuple((r.id, r.status) for r in self.listing.runs if r.info["status"] == "running")
        try:
            seen = (self._fingerprint(), alive)
        except OSError:  # folders vanish while they are walked: the next look finds them settled
            return self.listing.revision
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
        """The runs of those ids that exist; without ids, the first few of the largest corpus.

        A run that is pinned to several epochs ("id@3") is one run.
        """
        found = (self.named(name) for name in ids)
        alone = {pair[0].id: pair[0] for pair in found if pair}
        return list(alone.values()) if ids else self._default()

    def named(self, name: str) -> tuple[Run, int | None] | None:
        """The run of an id, or of "id@3" with the epoch; None if there is none."""
        known = {run.id: run for run in self.listing.runs}
        if name in known:
            return known[name], None
        pinned = _PINNED.fullmatch(name)
        return (known[pinned[1]], int(pinned[2])) if pinned and pinned[1] in known else None

    def at(self, run: Run, epoch: int | None = None) -> RunUntil:
        """The run with its records up to one epoch (all by default), read once."""
        until = math.inf if epoch is None else epoch
        return self._small.get(("at", run.id, run.stamp, until), lambda: _until(run, until))

    def dumped_epoch(self, run: Run, epoch: int | None) -> int:
        """The run's last dump not after `epoch`, or its first one before that."""
        if not run.epochs:
            raise UserError(waiting(run))
        earlier = [e for e in run.epochs if epoch is None or e <= epoch]
        return earlier[-1] if earlier else run.epochs[0]

    def latents(self, run: Run, epoch: int) -> Latents:
        return self._latents.get(self.key(run, epoch), lambda: run.latents(epoch), _bytes)

    def remember(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """An array or a small value that is made once while it stays in use."""
        return self._made.get(key, make, lambda made: getattr(made, "nbytes", KILOBYTE))

    def shared(self, kind: Callable[["View"], Value]) -> Value:
        """What all pages have one of, made of this view when it is first asked for."""
        return self._parts.get(kind, lambda: kind(self))

    def points(self, run: Run, epoch: int) -> np.ndarray:
        """The point of each item [N, D]: its centre, or of toys one draw of its posterior.

        One, so that a lasso marks what lies in it; its noise is the same at every epoch, so that
        points move.
        """
        latents = self.latents(run, epoch)
        return views.draws(latents, 1, seed=0)[:, 0] if categories(run) else latents.mean

    def plane(self, run: Run, epoch: int, dims: tuple[int, int]) -> Latents:
        """Two dimensions of the latents; of many items nothing else is read.

        Directions, which have no coordinates of their own, whole.
        """
        if views.on_sphere(run):
            return self.latents(run, epoch)
        if run.info.get("items", 0) <= MANY:
            return coordinates(self.latents(run, epoch), dims)
        return self._planes.get(
            (self.key(run, epoch), dims),
            lambda: plane_of(run, epoch, dims),
            _bytes,
        )

    def plane_points(self, run: Run, epoch: int, dims: tuple[int, int]) -> np.ndarray:
        """Two dimensions of the `points` [N, 2]."""
        if categories(run) or views.on_sphere(run):
            return self.points(run, epoch)[:, dims]
        return self.plane(run, epoch, dims).mean

    def fields(self, run: Run, epoch: int) -> dict[str, np.ndarray]:
        """Arrays of the run's own pictures. Raises UserError if there are none of that epoch."""
        try:
            stamp = fields_file(run.folder, epoch).stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"nothing stored of {run.time(epoch)}") from error
        return self._fields.get(
            (run.id, epoch, stamp),
            lambda: read_fields(run, epoch),
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
        key = ("order", self.key(run, epoch))
        return self._small.get(key, lambda: self._order(run, epoch))

    def _order(self, run: Run, epoch: int) -> np.ndarray:
        if run.info.get("items", 0) > MANY:
            try:
                return views.recorded_order(self.dimensions(run), epoch)
            except UserError:
                pass  # a dump can do without its table
        return views.activity_order(self.latents(run, epoch))

    def axis(self, run: Run, name: str) -> tuple[int, int]:
        """Dimension and activity rank, from 0, of "a1" (by activity) or "z5" (by index)."""
        order = self.order(run)
        number = min(int(name[1:]), len(order)) - 1
        dimension = int(order[number]) if name[0] == "a" else number
        return dimension, int(np.flatnonzero(order == dimension)[0])

    def axes(self, run: Run, across: str, up: str) -> list[tuple[int, int]]:
        """Dimension and rank of the axes of a map: two, as `axis` reads them.

        Where both names mean one dimension, "z3" the second most active as well, the other axis is
        the next by activity. UserError for a run of one dimension.
        """
        order = self.order(run)
        if len(order) < 2:
            raise UserError("This run has one dimension; a map needs two.")
        (first, rank), second = self.axis(run, across), self.axis(run, up)
        if second[0] != first:
            return [(first, rank), second]
        other = rank + 1 if rank + 1 < len(order) else rank - 1
        return [(first, rank), (int(order[other]), other)]

    def dims(self, run: Run, across: str, up: str) -> tuple[int, int]:
        """The two dimensions of a map."""
        first, second = self.axes(run, across, up)
        return first[0], second[0]

    def density(
        self,
        run: Run,
        epoch: int,
        dims: tuple[int, int],
        limit: float,
        centre: tuple[float, float] = (0.0, 0.0),
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Aggregated posterior on a square of half-width `limit`: x [P], y [P], density [y, x]."""
        key = (self.key(run, epoch), dims, limit, centre)

        def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            plane = self.plane(run, epoch, dims)
            shown = dims if views.on_sphere(run) else (0, 1)
            return views.density(plane, shown, limit, GRID_POINTS, centre=centre)

        return self._densities.get(key, made, lambda arrays: sum(a.nbytes for a in arrays))

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
        key = ("match", source.items_key, other.items_key)
        partner = self._small.get(key, lambda: partners(source, other))
        matched = partner[rows]
        return matched[matched >= 0]

    def _default(self) -> list[Run]:
        ready = [r for r in self.listing.runs if r.epochs]
        if not ready:
            return list(self.listing.runs[:SHOWN_BY_DEFAULT])
        corpus, _ = Counter(r.corpus for r in ready).most_common(1)[0]
        return [r for r in ready if r.corpus == corpus][:SHOWN_BY_DEFAULT]

    def key(self, run: Run, epoch: int) -> tuple[str, int, int]:
        """Names one dump as it is now. Raises UserError when it is gone."""
        path = latents_file(run.folder, epoch)
        try:
            stamp = path.stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"{run.id}: the latents of {run.time(epoch)} are gone") from error
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise UserError(outside(path, self.root))
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
            runs, problems = admitted(self.root)
        except UserError:
            return self.listing if self.root.is_dir() else Listing(missing=True, revision=revision)
        known = {run.id: run for run in self.listing.runs}
        kept = [known[r.id] if r.id in known and known[r.id] == r else r for r in runs]
        kept.sort(key=lambda r: (str(r.info.get("created", "")), r.id))
        named = zip(kept, views.method_names(kept), strict=True)
        alike = frozenset(run.id for run, name in named if name != run.label)
        return Listing(tuple(kept), alike, tuple(problems), revision=revision)


def _until(run: Run, until: float) -> RunUntil:
    """The run up to one epoch; without any figures, and saying why, where they are damaged."""
    found = RunUntil(run.folder, run.info, run.id, run.stamp, until)
    try:
        found.records  # noqa: B018
    except UserError as error:
        damaged = {**run.info, "damage": str(error)}
        return RunUntil(run.folder, damaged, run.id, run.stamp, until)
    return found


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


def _bytes(latents: Latents) -> int:
    arrays = (latents.mean, latents.log_variance, latents.samples, latents.concentration)
    return sum(a.nbytes for a in arrays if a is not None)

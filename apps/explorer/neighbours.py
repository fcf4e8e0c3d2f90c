"""The neighbours of one item in each run, with what they are compared against; no drawing."""

from dataclasses import dataclass, replace

import numpy as np

from apps.explorer.cache import Cache
from apps.explorer.state import State
from apps.explorer.view import MEGABYTE, View
from lab import metrics
from lab import posterior_neighbours as near
from lab.errors import UserError
from lab.runs import Latents, Run
from lab.runs.figures import take
from lab.runs.layout import latents_file

LISTED = 8  # sentences that moved most


@dataclass(frozen=True)
class Dump:
    """One dump of one run, and how it is called beside the one shown."""

    run: Run
    epoch: int
    name: str


@dataclass(frozen=True)
class Moved:
    """The items that changed their neighbours most: rows of the run shown, the overlap of each and
    the mean rank of its neighbours before; over all `count` items compared the `mean` overlap and
    the one expected by `chance`.
    """

    rows: np.ndarray
    overlap: np.ndarray
    away: np.ndarray
    mean: float
    chance: float
    count: int
    total: int


class Posteriors:
    """Distances, orders and averages of a view's dumps, each computed once while in use."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._described = Cache(256 * MEGABYTE)
        self._orders = Cache(192 * MEGABYTE)
        self._kl = Cache(64)

    def described(self, run: Run, epoch: int) -> Latents:
        """The posteriors with distances in closed form. Raises UserError for a damaged dump."""
        latents = self.view.latents(run, epoch)
        return self._described.get(
            _key(run, epoch), lambda: near.described(latents), lambda made: made.mean.nbytes * 2
        )

    def average_kl(self, run: Run, epoch: int) -> np.ndarray:
        """Mean over items of `kl`."""
        latents = self.described(run, epoch)
        return self._kl.get(_key(run, epoch), lambda: kl(latents).mean(0))

    def order(self, run: Run, epoch: int, kind: str, rows: np.ndarray) -> np.ndarray:
        """Neighbours of the items in `rows` among themselves [n, n - 1]."""
        latents = self.described(run, epoch)
        return self._orders.get(
            (*_key(run, epoch), kind, rows.tobytes()),
            lambda: near.neighbour_order(take(latents, rows), kind),
            lambda made: made.nbytes,
        )

    def common(self, run: Run, other: Run) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the items that both runs hold, in each of the two."""
        every = np.arange(len(run.items))
        there = self.view.matching_rows(run, every, other)
        here, first = np.unique(
            self.view.matching_rows(other, there, run) if run.id != other.id else every,
            return_index=True,
        )
        return here, there[first]


def kl(latents: Latents) -> np.ndarray:
    """KL to the prior in nats [N, D], of directions [N, 1]; NaN where it is infinite."""
    if latents.family == "vmf":
        return metrics.vmf_kl(latents.concentration, latents.dimensions)[:, None]
    if latents.log_variance is None:
        return np.full((len(latents), 1), np.nan)
    return metrics.gaussian_kl(latents.mean, latents.log_variance)


def find(view: View, state: State) -> tuple[Run, int] | None:
    """The first run shown that dumped the item asked for (without one: any), and its row there."""
    for run in (r for r in view.chosen(state.runs) if r.epochs):
        try:
            ids = run.items["id"]
        except UserError:
            continue
        row = 0 if state.item is None else ids.cast(str).index_of(str(state.item))
        if row is not None and len(ids):
            return run, row
    return None


def row_in(view: View, state: State, run: Run) -> int:
    """The row of the item asked for in one run. Raises UserError where it has no such item."""
    found = find(view, state)
    if found is None:
        raise UserError(f"No item {state.item} here; search for a sentence above.")
    source, row = found
    rows = view.matching_rows(source, [row], run) if source.id != run.id else [row]
    if not len(rows):
        raise UserError("This run did not dump this sentence.")
    return int(rows[0])


def shown(view: View, state: State, run: Run) -> Dump:
    """The dump that the state shows of a run. Raises UserError where it has none."""
    epoch = view.dumped_epoch(run, state.epoch)
    return Dump(run, epoch, run.time(epoch))


def named(view: View, state: State, words: str) -> int | str | None:
    """The id of the first dumped item of that very text in the runs shown."""
    for run in (r for r in view.chosen(state.runs) if r.epochs):
        try:
            row = run.items["text"].index_of(words)
        except UserError:
            continue
        if row is not None:
            return run.items["id"][row]
    return None


def against(view: View, state: State, run: Run, epoch: int) -> Dump:
    """What this dump is compared with. UserError says in a sentence why there is nothing."""
    if state.against[:1] == "r":
        return _other_run(view, state, run)
    earlier = [e for e in run.epochs if e < epoch]
    if state.against == "before":
        wanted = earlier[-1] if earlier else epoch
    else:
        wanted = run.epochs[0] if state.against == "first" else int(state.against[1:])
    if wanted not in run.epochs:
        raise UserError(f"{run.time(wanted)} was not dumped; compare with another one.")
    if wanted == epoch:
        first = epoch == run.epochs[0]
        raise UserError(
            "The first dump has none before it." if first else "This is the dump compared with."
        )
    return Dump(run, wanted, run.time(wanted))


def _other_run(view: View, state: State, run: Run) -> Dump:
    other = view.find(state.against[1:])
    if other.id == run.id:
        raise UserError("This is the run compared with.")
    epoch = view.dumped_epoch(other, state.epoch)
    return Dump(other, epoch, f"{other.label}, {other.time(epoch)}")


def neighbourhood(
    posteriors: Posteriors, state: State, now: Dump, row: int, before: Dump | None
) -> tuple[near.Neighbourhood, int]:
    """The item's neighbours, rows of the run shown, and among how many others they were sought.

    With `before` they are sought among the items of both. Raises UserError if the family has no
    such distance or the item is not among them.
    """
    distance = near.distances(posteriors.described(now.run, now.epoch), row, state.near)
    if before is None:
        return near.compare(distance, distance, row, state.k), len(distance) - 1
    here, there = posteriors.common(now.run, before.run)
    place = int(np.searchsorted(here, row))
    if place == len(here) or here[place] != row:
        raise UserError(f"{before.run.label} did not dump this sentence; compare with another run.")
    known = near.distances(
        posteriors.described(before.run, before.epoch), int(there[place]), state.near
    )
    found = near.compare(distance[here], known[there], place, state.k)
    return replace(found, rows=here[found.rows]), len(here) - 1


def moved(posteriors: Posteriors, state: State, now: Dump, before: Dump) -> Moved:
    """The sentences that changed their neighbours most between two dumps; of many items, among a
    random 2,000 of them.

    Raises UserError as `neighbourhood` and where fewer than three items are common to both.
    """
    here, there = posteriors.common(now.run, before.run)
    if len(here) < 3:
        raise UserError(f"{before.run.label} dumped other sentences; compare with another run.")
    some = near.some(len(here))
    orders = (
        posteriors.order(dump.run, dump.epoch, state.near, rows[some])
        for dump, rows in ((before, there), (now, here))
    )
    found, k = near.changes(*orders, state.k), min(state.k, len(some) - 1)
    first, chance = found.ranked()[:LISTED], near.overlap_by_chance(k, len(some) - 1)
    return Moved(
        here[some][first], found.overlap[first], found.away[first], float(found.overlap.mean()),
        chance, len(some), len(here),
    )  # fmt: skip


def _key(run: Run, epoch: int) -> tuple[str, int, int]:
    try:
        stamp = latents_file(run.folder, epoch).stat().st_mtime_ns
    except OSError as error:
        raise UserError(f"{run.id}: the latents of {run.time(epoch)} are gone") from error
    return run.id, epoch, stamp

"""UMAP and t-SNE layouts of runs: made in the background, remembered, turned onto the first run.

The last dump is laid out first, every other one from the layout of the nearest dump known.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from apps.explorer.cache import Cache
from apps.explorer.jobs import Job, Jobs, Progress, Work
from apps.explorer.planes import FEWEST_SHARED, Planes
from apps.explorer.view import MEGABYTE, View
from lab.errors import UserError
from lab.layouts import NAMES, Layouter, NoLayout
from lab.projection import turn
from lab.runs import Run

MOST_ITEMS = 5_000  # of more a random part is laid out; the time grows with them


class Bench:
    """What all kinds of layouts share: one process, one queue, so that a browser waits for one kind
    at a time, and one memory.
    """

    def __init__(self) -> None:
        self.layouter = Layouter()
        self.jobs = Jobs(1, idle=self.layouter.close)
        self.known = Cache(128 * MEGABYTE)


class Layouts:
    """The layouts of one `kind`, of lab.layouts.NAMES, of a view's runs, by dump: an array [M, 2],
    or in words why there is none.
    """

    def __init__(self, view: View, planes: Planes, kind: str, bench: Bench) -> None:
        self.view, self.planes, self.kind, self.bench = view, planes, kind, bench

    def rows(self, run: Run) -> np.ndarray:
        """The items that are laid out, ascending; the same of every run of that many items."""
        count = len(run.items)
        if count <= MOST_ITEMS:
            return np.arange(count)
        return np.sort(np.random.default_rng(0).choice(count, MOST_ITEMS, replace=False))

    def known(self, run: Run, epoch: int) -> np.ndarray | str | None:
        """The layout [M, 2] of `rows`, why there is none, or None before it is made."""
        try:
            return self.bench.known.get((self.kind, *self.view.key(run, epoch)), _unknown)
        except LookupError:
            return None
        except UserError as error:
            return str(error)

    def missing(self, run: Run) -> list[int]:
        """Epochs without a layout, in the order in which they are made."""
        return [e for e in reversed(run.epochs) if self.known(run, e) is None]

    def turned(self, run: Run, epoch: int, chosen: Sequence[Run]) -> np.ndarray:
        """The layout, turned as the run's last one lies best on that of the first run shown.

        UserError where there is none.
        """
        layout = self.known(run, epoch)
        if layout is None:
            raise UserError("Not laid out yet.")
        if isinstance(layout, str):
            raise UserError(layout)
        return layout @ self._turn(run, chosen)

    def ask(self, browser: str, runs: Sequence[Run]) -> dict[str, Progress]:
        """Where the missing layouts of these runs stand, by id: all this browser waits for.

        One job a dump; the last dumps of all runs come before the others.
        """
        asked = {run.id: [(run, epoch) for epoch in self.missing(run)] for run in runs}
        turns = zip_longest(*asked.values())
        works = {self._key(*one): self._work(*one) for turn in turns for one in turn if one}
        told = self.bench.jobs.want(browser, works)
        return {
            run.id: _together([told[self._key(*one)] for one in asked[run.id]], len(run.epochs))
            for run in runs
            if asked[run.id]
        }

    def retry(self, run: Run) -> None:
        """Let jobs that failed start again."""
        for epoch in self.missing(run):
            self.bench.jobs.forget(self._key(run, epoch))

    def _key(self, run: Run, epoch: int) -> tuple[object, ...]:
        return self.kind, run.id, run.info.get("created"), epoch

    def _work(self, run: Run, epoch: int) -> Work:
        def work(job: Job) -> None:
            job.on_stop(self.bench.layouter.close)
            total = len(run.epochs)
            number = total - len(self.missing(run)) + 1
            job.report(0.0, f"{NAMES[self.kind]} of {run.time(epoch)}, {number} of {total}")
            self._make(run, epoch, job.ending.is_set)

        return work

    def _make(self, run: Run, epoch: int, stopped: Callable[[], bool]) -> None:
        key, known = (self.kind, *self.view.key(run, epoch)), self.bench.known
        try:
            points = self.view.points(run, epoch)[self.rows(run)]
            start = self._start(run, epoch)
            made = self.bench.layouter.layout(self.kind, points, start, stopped)
            known.get(key, lambda: made, lambda kept: kept.nbytes)
        except NoLayout as error:
            words = str(error)
            known.get(key, lambda: words, len)

    def _start(self, run: Run, epoch: int) -> np.ndarray | None:
        for other in sorted(run.epochs, key=lambda e: abs(e - epoch)):
            layout = self.known(run, other)
            if isinstance(layout, np.ndarray):
                return layout
        return None

    def _turn(self, run: Run, chosen: Sequence[Run]) -> np.ndarray:
        """The turn [2, 2] onto the first run that has a layout; none for that one itself."""
        for first in chosen:
            fixed = self.last(first)
            if first.id == run.id:
                break
            if fixed is not None and (moving := self.last(run)) is not None:
                return self._between(run, first, moving, fixed)
        return np.eye(2)

    def _between(self, run: Run, first: Run, moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        here, there = self.planes.common(run, first)
        of_run, of_first = (_places(self.rows(r), len(r.items)) for r in (run, first))
        here, there = of_run[here], of_first[there]
        both = (here >= 0) & (there >= 0)
        if both.sum() < FEWEST_SHARED:
            return np.eye(2)
        return turn(moving[here[both]], fixed[there[both]])[0]

    def last(self, run: Run) -> np.ndarray | None:
        """The layout of the run's last dump, if there is one."""
        layout = self.known(run, run.epochs[-1]) if run.epochs else None
        return layout if isinstance(layout, np.ndarray) else None


def _together(jobs: Sequence[Progress], total: int) -> Progress:
    """The jobs of one run as one: the liveliest, with the share of its dumps that are laid out."""
    shown = min(jobs, key=lambda p: ("running", "waiting", "failed", "done").index(p.state))
    return replace(shown, share=1 - len(jobs) / total)


def _places(rows: np.ndarray, count: int) -> np.ndarray:
    """Where each item stands among `rows`; -1 where it does not."""
    places = np.full(count, -1)
    places[rows] = np.arange(len(rows))
    return places


def _unknown() -> np.ndarray:
    raise LookupError

"""The plane of each run's principal axes, turned onto that of the first run shown, and its maps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.explorer.cache import Cache
from apps.explorer.neighbours import Posteriors
from apps.explorer.view import MEGABYTE, View
from lab import projection, views
from lab.errors import UserError
from lab.projection import Axes
from lab.runs import Run

FEWEST_SHARED = 3  # items that two runs must share to be turned onto each other
Map = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Plane:
    """Two orthonormal axes [D, 2], their `share` [2] of the variance of the means.

    Turned onto the run `onto` by `shared` items with that `disparity`; onto "" for the first run.
    """

    matrix: np.ndarray
    share: np.ndarray
    onto: str = ""
    shared: int = 0
    disparity: float = 0.0

    @property
    def names(self) -> tuple[str, str]:
        kind = "turned" if self.onto and self.shared >= FEWEST_SHARED else "principal"
        return f"{kind} axis 1", f"{kind} axis 2"


class Planes:
    """Axes, planes and densities of a view's runs, each computed once while in use."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.common = view.shared(Posteriors).common
        self._axes = Cache(64 * MEGABYTE)
        self._planes = Cache(256)
        self._maps = Cache(96 * MEGABYTE)

    def axes(self, run: Run) -> Axes:
        """The principal axes of the run's means at its last dump: the same at every epoch.

        UserError where there is no dump or it is damaged.
        """
        epoch = self.view.dumped_epoch(run, None)
        latents = self.view.latents(run, epoch)
        return self._axes.get(
            self.view.key(run, epoch),
            lambda: projection.principal_axes(latents.mean),
            lambda axes: axes.matrix.nbytes,
        )

    def pair(self, run: Run, pair: tuple[int, int]) -> Axes:
        """Two of the principal axes, counted from 0.

        UserError as `axes`, or where one is missing.
        """
        axes = self.axes(run)
        if max(pair) >= len(axes.share):
            raise UserError(f"This run has no principal axis {max(pair) + 1}.")
        return Axes(axes.matrix[:, list(pair)], axes.share[list(pair)])

    def plane(self, run: Run, first: Run | None) -> Plane:
        """The first two axes, turned within their plane onto those of another run."""
        axes = self.axes(run)
        if first is None or first.id == run.id:
            return Plane(axes.matrix[:, :2], axes.share[:2])
        key = tuple(self.view.key(r, self.view.dumped_epoch(r, None)) for r in (run, first))
        return self._planes.get(key, lambda: self._turned(run, axes, first))

    def density(self, run: Run, epoch: int, matrix: np.ndarray, limit: float, points: int) -> Map:
        """Aggregated posterior on two orthonormal axes [D, 2]: x [P], y [P], density [y, x]."""
        latents = self.view.latents(run, epoch)
        return self._map(
            (*self.view.key(run, epoch), matrix.tobytes(), limit, points),
            lambda: projection.density(latents, matrix, limit, points),
        )

    def marginal(
        self, run: Run, epoch: int, dims: tuple[int, int], limit: float, points: int
    ) -> Map:
        """Aggregated posterior of two dimensions: x [P], y [P], density [y, x]."""
        latents = self.view.latents(run, epoch)
        return self._map(
            (*self.view.key(run, epoch), dims, limit, points),
            lambda: views.density(latents, dims, limit, points),
        )

    def _map(self, key: tuple[object, ...], make: Callable[[], Map]) -> Map:
        return self._maps.get(key, make, lambda arrays: sum(a.nbytes for a in arrays))

    def first(self, chosen: Sequence[Run]) -> Run | None:
        """The run that all are turned onto: the first whose codes move, as the axes of a collapsed
        one are noise; else any.
        """
        readable = []
        for run in chosen:
            try:
                self.axes(run)
                active = views.latest(self.view.at(run), "au")
            except UserError:
                continue
            if active is None or active[0]:
                return run
            readable.append(run)
        return readable[0] if readable else None

    def _turned(self, run: Run, axes: Axes, first: Run) -> Plane:
        here, there = self.common(run, first)
        matrix, share = axes.matrix[:, :2], axes.share[:2]
        if len(here) < FEWEST_SHARED:
            return Plane(matrix, share, first.label, len(here))
        moving, fixed = self._last(run)[here] @ matrix, self._last(first)[there] @ self._two(first)
        turn, disparity = projection.turn(moving, fixed)
        return Plane(matrix @ turn, np.square(turn).T @ share, first.label, len(here), disparity)

    def _two(self, run: Run) -> np.ndarray:
        return self.axes(run).matrix[:, :2]

    def _last(self, run: Run) -> np.ndarray:
        return self.view.latents(run, self.view.dumped_epoch(run, None)).mean

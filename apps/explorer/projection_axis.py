"""The axis of each run from the code of a text A to that of another, B, and the widest besides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from apps.explorer.cache import Cache
from apps.explorer.neighbours import Posteriors
from apps.explorer.path_ends import Asked, Ends, dump, ends, sentences
from apps.explorer.places import Places
from apps.explorer.state import State
from apps.explorer.view import View, categories
from lab.errors import UserError
from lab.projection import axes_between
from lab.runs import Run

HINT = "Type or pick two sentences, A and B."
TEXT_AXES = ("A → B", "widest other")
NO_MODEL = "No checkpoint to encode A and B with; pick sentences that this run dumped."


@dataclass(frozen=True)
class TextAxes:
    """Orthonormal axes [D, 2] through the origin: along B - A, and the widest of the rest.

    `share` [2] of the variance of the means of that `epoch`; codes `z` [2, D] of the two `texts`,
    and what their reader must know of them.
    """

    matrix: np.ndarray
    share: np.ndarray
    epoch: int
    z: np.ndarray
    texts: tuple[str, str]
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> float:
        """Distance of A and B, on the plane and in all dimensions."""
        return float(np.linalg.norm(self.z[1] - self.z[0]))


class Texts:
    """The axes by run and texts, each made once."""

    def __init__(self, view: View) -> None:
        self.view, self.common = view, view.shared(Posteriors).common
        self.places = view.shared(Places)
        self._made = Cache(256)

    def axes(self, run: Run, state: State) -> TextAxes:
        """The run's axes between the texts asked for, mirrored onto those of the first run.

        UserError where a text is missing, cannot be encoded, or both have one code.
        """
        chosen = self.view.chosen(state.runs)
        texts = sentences(state, chosen)
        if not all(texts):
            raise UserError(HINT)
        found = self._find(run, texts)
        first = self._first(run, chosen, texts)
        return found if first is None else self._mirrored(run, found, first)

    def _find(self, run: Run, texts: tuple[str, str]) -> TextAxes:
        key = (run.id, run.stamp, texts)
        return self._made.get(key, lambda: self._make(run, texts))

    def _make(self, run: Run, texts: tuple[str, str]) -> TextAxes:
        epoch, found = dump(self.places, run), self._ends(run, texts)
        axes = axes_between(self.view.latents(run, epoch).mean, found.z)
        return TextAxes(axes.matrix, axes.share, epoch, found.z, texts, found.notes)

    def _ends(self, run: Run, texts: tuple[str, str]) -> Ends:
        try:
            return ends(self.places, run, Asked(*texts))
        except UserError as error:
            if run.can_decode or categories(run):
                raise
            raise UserError(NO_MODEL) from error

    def _first(self, run: Run, chosen: Sequence[Run], texts: tuple[str, str]) -> Run | None:
        """The first run that has axes; None if it is this one."""
        for other in chosen:
            if other.id == run.id:
                break
            try:
                self._find(other, texts)
            except UserError:
                continue
            return other
        return None

    def _mirrored(self, run: Run, found: TextAxes, first: Run) -> TextAxes:
        here, there = self.common(run, first)
        up = [
            self._up(r, axes)[rows]
            for r, axes, rows in (
                (run, found, here),
                (first, self._find(first, found.texts), there),
            )
        ]
        opposed = len(here) > 1 and np.cov(*up)[0, 1] < 0
        return replace(found, matrix=found.matrix * [1, -1]) if opposed else found

    def _up(self, run: Run, axes: TextAxes) -> np.ndarray:
        return self.view.latents(run, axes.epoch).mean @ axes.matrix[:, 1]

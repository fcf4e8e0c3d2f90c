"""Holes of runs, found once, and what decoders say inside and outside of them."""

from dataclasses import dataclass

import numpy as np

from apps.explorer.cache import Cache
from apps.explorer.decoding import shared
from apps.explorer.state import State
from apps.explorer.view import MEGABYTE, View, categories
from lab import holes
from lab.errors import UserError
from lab.metrics import KneserNey
from lab.metrics.arrays import Estimate
from lab.runs import Latents, Run

SAMPLED = 4
COMPARED = 100  # texts decoded inside of holes, and as many outside


@dataclass(frozen=True)
class Said:
    """Fluency of texts, their first one, and the range of the gaps (nats) they were decoded at."""

    fluency: Estimate
    example: str
    gaps: tuple[float, float]


class Places:
    """Posteriors with their holes by run and epoch, each made once; texts from the decoder."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.decoder = shared(view)
        self._summarised = Cache(256 * MEGABYTE)
        self._holes = Cache(64)
        self._models = Cache(16)

    def epoch(self, run: Run, state: State) -> int:
        """The dump asked for; without a wish that of the model that decodes."""
        best = run.best_epoch if run.best_epoch in run.epochs else None
        return self.view.dumped_epoch(run, best if state.epoch is None else state.epoch)

    def latents(self, run: Run, epoch: int) -> Latents:
        """Posteriors that have a density where there is one: samples by their moments."""
        found = self.view.latents(run, epoch)
        if found.samples is None:
            return found
        return self._summarised.get(
            _key(run, epoch), lambda: holes.summarised(found), lambda made: 2 * made.mean.nbytes
        )

    def find(self, run: Run, epoch: int) -> holes.Holes:
        """The run's holes at one epoch. UserError where codes have no density."""
        return self._holes.get(_key(run, epoch), lambda: holes.find(self.latents(run, epoch)))

    def known(self, run: Run, epoch: int) -> holes.Holes | None:
        """The run's holes if they were found before."""
        try:
            return self._holes.get(_key(run, epoch), _unknown)
        except LookupError:
            return None

    def texts(self, run: Run, z: np.ndarray) -> list[str]:
        """The most probable text of a code and four draws."""
        greedy = self.decoder.texts(run, z[None])
        return greedy + self.decoder.texts(run, np.repeat(z[None], SAMPLED, 0), greedy=False)

    def said(self, run: Run, epoch: int) -> tuple[Said, Said, int]:
        """What is said inside and outside of holes, and the sentences the scoring model is of."""
        if categories(run):
            raise UserError("Categories have no fluency; only text can be scored.")
        found = self.find(run, epoch)
        model = self._language_model(run)
        sides = [self._side(run, found, rows, model) for rows in _sides(found)]
        return *sides, model.fitted

    def _side(self, run: Run, found: holes.Holes, rows: np.ndarray, model: KneserNey) -> Said:
        texts, gap = self.decoder.texts(run, found.z[rows]), found.gap[rows]
        return Said(holes.fluency(model, texts), texts[0], (float(gap.min()), float(gap.max())))

    def _language_model(self, run: Run) -> KneserNey:
        return self._models.get(run.items_key, lambda: holes.language_model(run.items["text"]))


def _sides(found: holes.Holes) -> tuple[np.ndarray, np.ndarray]:
    return holes.inside_and_outside(found, COMPARED)


def _unknown() -> holes.Holes:
    raise LookupError


def _key(run: Run, epoch: int) -> tuple[object, ...]:
    return run.id, run.stamp, epoch


def signed(value: float, decimals: int = 1) -> str:
    """A number with a true minus sign."""
    return f"{round(float(value), decimals) + 0.0:,.{decimals}f}".replace("-", "−")

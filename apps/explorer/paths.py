"""Interpolations of a run: made by its model, or read from those stored while it trained."""

import importlib
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from apps.explorer.cache import Cache
from apps.explorer.view import View
from lab.errors import UserError
from lab.metrics import to_sphere
from lab.runs import Latents, Run

STEPS = 11
MODELS_KEPT = 4


@dataclass(frozen=True)
class Path:
    """Texts decoded at weights [L] between two sentences; z [L, D] where the codes are known."""

    weights: np.ndarray
    texts: list[str]
    epoch: int | None
    z: np.ndarray | None
    source: str


class Paths:
    """Paths by run and pair of sentences, each made once; models are loaded one at a time."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._models = Cache(MODELS_KEPT)
        self._made = Cache(256)
        self._lock = Lock()

    def find(self, run: Run, a: str, b: str) -> Path:
        """The stored path of that pair, else one decoded now. UserError says why there is none."""
        stored = [r for r in run.interpolations() if (r["a"], r["b"]) == (a, b)]
        if stored:
            return self._stored(run, stored[-1])
        if not run.can_decode:
            raise UserError(
                "No checkpoint to decode with; only this run's stored pairs can be shown."
            )
        key = (run.id, run.info.get("updated"), a, b)
        return self._made.get(key, lambda: self._decode(run, a, b))

    def _stored(self, run: Run, record: dict[str, Any]) -> Path:
        weights, epoch = np.asarray(record["weights"], float), record["epoch"]
        known = epoch in run.epochs
        z = _line(self.view.latents(run, epoch), record["pair"], weights) if known else None
        return Path(
            weights, record["texts"], epoch if known else None, z, f"stored at {run.time(epoch)}"
        )

    def _decode(self, run: Run, a: str, b: str) -> Path:
        best = run.best_epoch
        epoch = best if best in run.epochs else None
        ends = None if epoch is None else self._codes(run, epoch, (a, b))
        with self._lock:
            model = self._models.get((run.id, run.info.get("updated")), lambda: load(run))
            made = (
                model.interpolate(a, b, steps=STEPS)
                if ends is None
                else model.between(*ends, steps=STEPS)
            )
        weights, z, texts = made
        source = "decoded now" + (f" at {run.time(best)}" if best is not None else "")
        return Path(np.asarray(weights), list(texts), epoch, np.asarray(z), source)

    def _codes(self, run: Run, epoch: int, texts: tuple[str, str]) -> np.ndarray | None:
        """Means [2, D] of two dumped items; None where one of the texts was not dumped."""
        rows = [run.items["text"].index_of(t) for t in texts]
        return None if None in rows else self.view.latents(run, epoch).mean[rows]


def load(run: Run) -> Any:
    """The run's model; torch is only imported here."""
    return importlib.import_module("lab.generation").load(run)


def pairs(runs: list[Run]) -> list[tuple[str, str]]:
    """Pairs of sentences stored by any of the runs, in the order met."""
    found: dict[tuple[str, str], None] = {}
    for run in runs:
        try:
            found.update({(r["a"], r["b"]): None for r in run.interpolations()})
        except UserError:
            continue
    return list(found)


def _line(latents: Latents, pair: list[int], weights: np.ndarray) -> np.ndarray:
    a, b = latents.mean[pair]
    z = (1 - weights[:, None]) * a + weights[:, None] * b
    return to_sphere(z) if latents.family == "vmf" else z

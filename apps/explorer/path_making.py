"""Paths by run: decoded now by its model, or read from those stored while it trained."""

from typing import Any

import numpy as np

from apps.explorer.cache import Cache
from apps.explorer.path_ends import Asked, asked, dump, ends
from apps.explorer.paths import Path
from apps.explorer.places import Places
from apps.explorer.state import State
from apps.explorer.view import View, categories
from lab import holes, latent_paths
from lab.errors import UserError
from lab.metrics import interpolation_rouge
from lab.runs import Run

NO_DENSITY = "Deterministic codes have no density: no log q and no gap."
NO_MODEL = "No checkpoint to decode with; only this run's stored pairs can be shown."


class Paths:
    """Paths by run and ends, each made once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = view.shared(Places)
        self._made = Cache(256)
        self._asked = Cache(16)

    def asked(self, state: State) -> Asked:
        """What the path leads from and to. UserError if a point lies where no code is."""
        chosen = self.view.chosen(state.runs)
        on = next((r for r in chosen if r.id == state.on), None)
        if on is None:
            return asked(self.places, state, chosen)
        shown = (state.runs, state.a, state.b, state.pa, state.pb, state.fill, state.x, state.y)
        key = (on.id, on.stamp, shown)
        return self._asked.get(key, lambda: asked(self.places, state, chosen))

    def find(self, run: Run, wanted: Asked, state: State) -> Path:
        """The run's path between the ends wanted. UserError says why there is none."""
        stored = self._stored(run, wanted, state)
        if stored is not None:
            return stored
        where = None if wanted.points is None else (wanted.points.run, wanted.points.z.tobytes())
        key = (run.id, run.stamp, wanted.a, wanted.b, where, state.path, state.steps)
        return self._made.get(key, lambda: self._decode(run, wanted, state))

    def _stored(self, run: Run, wanted: Asked, state: State) -> Path | None:
        """The path stored of that pair, if the model would say the same or there is none."""
        here = wanted.points is not None and wanted.points.run == run.id
        records = [r for r in run.interpolations() if (r["a"], r["b"]) == (wanted.a, wanted.b)]
        if run.can_decode:
            records = [r for r in records if r["epoch"] == run.best_epoch]
            fits = records and len(records[-1]["weights"]) == state.steps and not categories(run)
            return self._read(run, records[-1]) if fits and not here and _straight(state) else None
        if not records or here:
            raise UserError(NO_MODEL)
        if not _straight(state):
            raise UserError(f"{NO_MODEL} Those are straight.")
        return self._read(run, records[-1])

    def _read(self, run: Run, record: dict[str, Any]) -> Path:
        weights, epoch = np.asarray(record["weights"], float), record["epoch"]
        z = None
        if epoch in run.epochs:
            latents = self.view.latents(run, epoch)
            a, b = latents.mean[record["pair"]]
            z = latent_paths.codes(a, b, weights, sphere=latents.family == "vmf")
        both = record["a"], record["b"]
        source = f"stored at {run.time(epoch)}"
        return self._measured(run, weights, record["texts"], both, source, (), z, epoch)

    def _decode(self, run: Run, wanted: Asked, state: State) -> Path:
        if not run.can_decode:
            raise UserError(NO_MODEL)
        epoch, found = dump(self.places, run), ends(self.places, run, wanted)
        weights = np.linspace(0, 1, state.steps)
        sphere = self.view.latents(run, epoch).family == "vmf"
        z = latent_paths.codes(*found.z, weights, state.path, sphere)
        texts = self.places.decoder.texts(run, z)
        points = wanted.points is not None and wanted.points.run == run.id
        both = (texts[0], texts[-1]) if points else (wanted.a, wanted.b)
        when = "" if run.best_epoch is None else f" at {run.time(run.best_epoch)}"
        source = f"decoded now{when}"
        return self._measured(run, weights, texts, both, source, found.notes, z, epoch)

    def _measured(
        self, run: Run, weights: np.ndarray, texts: list[str], both: tuple[str, str], source: str,
        notes: tuple[str, ...], z: np.ndarray | None, epoch: int,
    ) -> Path:  # fmt: skip
        rouge = None if categories(run) else interpolation_rouge(texts, *both)
        if z is None:
            gone = f"The codes of {run.time(epoch)} are no longer there: no map and no densities."
            return Path(weights, texts, both, source, (*notes, gone), rouge=rouge)
        latents = self.places.latents(run, epoch)
        log_q, log_p = None, holes.log_prior(latents, z)
        if latents.family == "point":
            notes = (*notes, NO_DENSITY)
        else:
            log_q = holes.log_posterior(latents, z)
        return Path(weights, texts, both, source, notes, epoch, z, log_q, log_p, rouge)


def _straight(state: State) -> bool:
    return state.path == latent_paths.KINDS[0]

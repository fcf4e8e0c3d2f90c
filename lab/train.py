"""The one training loop. It knows updates, players and epochs, and no method by name."""

import json
import platform
from collections.abc import Generator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from lab import checkpoint, stopping
from lab.backbones import Network, build_model, redraw
from lab.data import Data, Observation
from lab.errors import UserError
from lab.evaluation import STORED_SAMPLES, Diverged, encode, evaluate, evaluating
from lab.interpolation import interpolation_records
from lab.methods import Method
from lab.model import Model, Update
from lab.optimise import Meter, Optimisers
from lab.runs import Latents, RunWriter, open_run
from lab.runs.figures import take
from lab.runs.layout import run_file
from lab.sampling import CODE_DENSITY, CodeDensity
from lab.schedules import END
from lab.settings import Progress, Settings

CODES = 10_000  # training items that a density of codes is fitted to


Losses = dict[str, dict[str, float]]  # an epoch's mean of each weighted part, by optimiser
Session = Generator[dict[str, float], Losses, str]


class Trainer:
    """Trains one method on one data set into one run folder."""

    def __init__(
        self,
        method: Method,
        network: Network,
        data: Data,
        settings: Settings,
        folder: Path,
        device: str = "cpu",
        progress_bar: bool = True,
    ) -> None:
        self.method, self.network, self.data = method, network, data
        self.settings, self.folder = settings, Path(folder)
        self.device, self.progress_bar = torch.device(device), progress_bar
        self.parts = method.parts()
        torch.manual_seed(settings.seed)
        self.model = self._build().to(self.device)
        self.progress = Progress(lr=settings.lr, memory=self.model.memory)
        self.optimisers = Optimisers(self.model, settings, self.progress.lr)

    def _build(self) -> Model:
        """The model. Raises UserError if method, networks, data and settings do not go together."""
        try:
            model = build_model(self.parts, self.network)
            model.check(self.data.settings["batch_size"])
            if self.parts.pretraining >= self.settings.epochs:
                raise ValueError(
                    f"pretraining of {self.parts.pretraining} epochs leaves none of "
                    f"{self.settings.epochs} for the second stage; raise --epochs"
                )
        except ValueError as error:
            raise UserError(f"{self.method.spec}: {error}") from error
        model.head.prepare(torch.as_tensor(self.data.lengths))
        return model

    def run(self, resume: bool = False) -> str:
        """Train to the end and return the run's status. Ctrl-C leaves a run that `resume`
        continues.

        Raises UserError if the folder holds a run already (without `resume`) or another one (with
        it).
        """
        session = self.session(resume)
        try:
            next(session)
            with self._bar() as bar:
                while True:
                    parts = self._trained(session, bar)
                    record = session.send(parts)
                    self._show(bar, sum(parts["model"].values()), record)
        except StopIteration as end:
            return end.value

    def session(self, resume: bool = False) -> Session:
        """All of a run but the training of its epochs, for whoever trains them.

        Yields where an epoch is to be trained and wants to be sent the means of its losses' parts,
        or to be thrown what ended it; answers with the epoch's validation figures. Returns the
        run's status. Raises UserError as `run` does.
        """
        if self.finished(resume):
            return "finished"
        old = self.existing(resume)
        with RunWriter(self.folder, old | self._describe(fresh=not old)) as writer:
            try:
                record = self._start(writer, resume)
                while self.progress.epoch < self.settings.epochs and not self._exhausted():
                    parts = yield record
                    self.progress.epoch += 1
                    record = self._record(writer, parts)
                self._final(writer)
                status, error = "finished", None
            except Diverged as diverged:
                status, error = "failed", str(diverged)
            except BaseException as end:  # a signal may have become any error
                if not stopping.stops(end):
                    raise
                status, error = "stopped", None
            writer.commit(status=status, error=error)
        return status

    def finished(self, resume: bool) -> bool:
        """Whether the folder's run needs no more training. Raises UserError as `run` does."""
        old = self.existing(resume)
        if old.get("status") == "finished" and old["epochs_planned"] >= self.settings.epochs:
            return True
        if (old.get("dumped") or old.get("epoch")) and not self._last.exists():
            raise UserError(
                f"{self._last}: missing, so the run cannot go on; train it anew in another folder"
            )
        return False

    @property
    def _last(self) -> Path:
        return self.folder / "checkpoints" / "last.safetensors"

    def existing(self, resume: bool) -> dict[str, Any]:
        """The description of the run that the folder holds already, if any. Raises UserError as
        `run` does.
        """
        if not run_file(self.folder).exists():
            return {}
        if not resume:
            raise UserError(
                f"{self.folder}: already holds a run; --resume continues it, "
                "another --seed or --runs starts anew"
            )
        old, new = open_run(self.folder).info, _as_json(self._describe())
        for key in ("spec", "corpus", "settings"):
            if _without_epochs(old[key]) != _without_epochs(new[key]):
                raise UserError(
                    f"{self.folder}: its {key} differ from those given; "
                    "resume with the same options"
                )
        return old

    def _describe(self, fresh: bool = True) -> dict[str, Any]:
        """What run.json says of the run; a resumed one keeps where it stands."""
        start = {"epoch": 0, "best_epoch": None, "created": _now()} if fresh else {}
        return start | {
            "spec": self.method.spec,
            "label": self.method.label,
            "about": self.method.about,
            "corpus": self.data.about,
            "source": self.data.source,
            "seed": self.settings.seed,
            "settings": {
                "options": self.method.options,
                "network": {"kind": self.network.kind, **asdict(self.network)},
                "data": self.data.settings,
                "training": asdict(self.settings),
            },
            "epochs_planned": self.settings.epochs,
            "unit": self.data.unit,
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "hardware": {"device": str(self.device), "processor": platform.machine()},
        }

    def _start(self, writer: RunWriter, resume: bool) -> dict[str, float]:
        if resume and self._last.exists():
            tensors, state = checkpoint.load(self._last)
            self.progress = Progress(**state)
            self.model.memory = self.progress.memory
            self.optimisers = Optimisers(self.model, self.settings, self.progress.lr)
            checkpoint.unpack(tensors, self.model, self.optimisers.by_player)
            writer.keep_until(self.progress.epoch)
            writer.commit(epoch=self.progress.epoch, best_epoch=self.progress.best_epoch)
            return {}
        self.data.save(self.folder / "checkpoints")
        writer.keep_until(-1)
        writer.write_items(self.data.items)
        writer.commit()
        return self._record(writer, {})

    def _bar(self) -> tqdm:
        unit, per_epoch = self.data.unit["name"], self.data.unit["per_epoch"]
        count = "{n:.2f}" if per_epoch == 1 else "{n:.0f}"
        return tqdm(
            desc=self.method.spec,
            total=self.settings.epochs * per_epoch,
            initial=self.progress.epoch * per_epoch,
            disable=not self.progress_bar,
            bar_format="{desc}: {percentage:3.0f}%|{bar:20}| "
            f"{count}/{{total}} {unit} [{{elapsed}}<{{remaining}}]{{postfix}}",
        )

    def _trained(self, session: Session, bar: tqdm) -> Losses:
        """The losses of the next epoch; whatever ends it early ends the session."""
        try:
            return self._train_epoch(bar)
        except BaseException as end:  # what it means is the session's to say
            session.throw(end)

    def _train_epoch(self, bar: tqdm) -> Losses:
        """One pass over the batches; the mean of each update's weighted parts by optimiser."""
        torch.manual_seed(self.epoch_seed)
        if self.parts.pretraining and self.progress.epoch == self.parts.pretraining:
            self._second_stage()
        self.model.train()
        batches = self.data.train(self.progress.epoch + 1)
        rng = np.random.default_rng([self.settings.seed, self.progress.epoch])
        meters = {player: Meter() for player in self.optimisers.by_player}
        for number, batch in enumerate(batches, start=1):
            stopping.check()
            time = self.progress.step / len(batches) if self.data.anneals else END
            updates = self.model.updates(
                batch.to(self.device), time, lambda: batches.draw(rng).to(self.device)
            )
            for update in updates:
                meters[update.optimiser].add(self._step(update))
            self.progress.step += 1
            done = self.progress.epoch + number / len(batches)
            bar.update(done * self.data.unit["per_epoch"] - bar.n)
        return {player: meter.means() for player, meter in meters.items()}

    @property
    def epoch_seed(self) -> int:
        """The seed of the next epoch, so that resuming needs no state of the generator."""
        return self.settings.seed * 1_000_003 + self.progress.epoch + 1

    def _second_stage(self) -> None:
        """Keep encoder and head, redraw the decoder and start the choice of weights anew."""
        redraw(self.model.decoder, self.network)
        epoch, step, memory = self.progress.epoch, self.progress.step, self.progress.memory
        self.progress = Progress(epoch, step, lr=self.settings.lr, memory=memory)
        self.optimisers = Optimisers(self.model, self.settings, self.progress.lr)

    def _step(self, update: Update) -> dict[str, float]:
        try:
            return self.optimisers.apply(update)
        except Diverged as error:
            step, epoch = self.progress.step, self.progress.epoch + 1
            raise Diverged(f"{error} at step {step} (epoch {epoch})") from error

    def _record(self, writer: RunWriter, parts: Losses) -> dict[str, float]:
        """Evaluate, select, decay, dump and checkpoint one epoch; run.json comes last."""
        progress, settings, data = self.progress, self.settings, self.data
        rows = np.arange(data.count("valid"))
        subset = _subset(len(rows), settings.nll_items, settings.seed)
        latents, record = self._evaluate("valid", subset, settings.nll_samples)
        probe = latents and take(latents, data.probe)
        records = [{"split": "valid", **record}]
        if parts:
            loss = sum(parts["model"].values())
            records += [{"split": "train", "loss": loss, "lr": progress.lr, "weighted": parts}]
        kept, seen, paths = None, Observation(), []
        with evaluating(self.model):
            if probe:
                kept = probe if data.dumps(progress.epoch) else None
                seen = data.observe(self.model, probe, kept is not None)
                records[0] |= seen.figures
            if kept:
                paths = interpolation_records(self.model, data, kept)
        writer.write_epoch(progress.epoch, kept, records, paths, STORED_SAMPLES, seen.fields)
        first_stage = progress.epoch <= self.parts.pretraining and self.parts.pretraining
        self._select(record["reconstruction" if first_stage else "selection"])
        if progress.epoch:
            self.model.evaluated(record)
        checkpoint.save(
            self._last, checkpoint.pack(self.model, self.optimisers.by_player), asdict(progress)
        )
        writer.commit(epoch=progress.epoch, best_epoch=progress.best_epoch)
        return record

    def _evaluate(
        self, split: str, nll_rows: np.ndarray, nll_samples: int
    ) -> tuple[Latents | None, dict[str, float]]:
        rows = np.arange(self.data.count(split))
        try:
            return evaluate(
                self.model,
                self.data,
                split,
                rows,
                nll_rows,
                nll_samples,
                self.parts.selection,
                self.device,
            )
        except Diverged as error:
            raise Diverged(f"{error} after epoch {self.progress.epoch}") from error

    def _select(self, value: float) -> None:
        progress, settings = self.progress, self.settings
        best = self.folder / "checkpoints" / "best.safetensors"
        if value < progress.best:
            progress.best, progress.best_epoch, progress.stale = value, progress.epoch, 0
            (self.folder / "checkpoints" / CODE_DENSITY).unlink(missing_ok=True)
            checkpoint.save(best, self.model.state_dict())
            return
        progress.stale += 1
        if (
            settings.patience
            and progress.stale >= settings.patience
            and progress.epoch - self._stage_start() >= settings.decay_from
        ):
            progress.decays, progress.stale = progress.decays + 1, 0
            progress.lr *= settings.decay
            checkpoint.load_weights(best, self.model)
            self.optimisers = Optimisers(self.model, self.settings, self.progress.lr)

    def _stage_start(self) -> int:
        """The epoch after which the present stage began."""
        pretraining = self.parts.pretraining
        return pretraining if self.progress.epoch > pretraining else 0

    def _exhausted(self) -> bool:
        """Whether the rate has decayed for the last time, which ends training's last stage."""
        done = self.settings.patience and self.progress.decays >= self.settings.max_decays
        return bool(done) and self.progress.epoch > self.parts.pretraining

    def _final(self, writer: RunWriter) -> None:
        """The figures of the best epoch on the test split, with many importance samples."""
        checkpoint.load_weights(self.folder / "checkpoints" / "best.safetensors", self.model)
        settings = self.settings
        if self.parts.sampling != "prior":
            self._fit_codes()
        subset = _subset(self.data.count("test"), settings.final_items, settings.seed)
        _, record = self._evaluate("test", subset, settings.final_samples)
        final = {"split": "test", "final": True, **record}
        writer.write_epoch(self.progress.best_epoch, None, [final])

    def _fit_codes(self) -> None:
        """Fit the density that this method generates from to codes of the training set."""
        rows = _subset(self.data.count("train"), CODES, self.settings.seed)
        codes = encode(self.model, self.data, "train", rows, self.device)
        density = CodeDensity.fit(codes, self.parts.sampling)
        density.save(self.folder / "checkpoints" / CODE_DENSITY)

    def _show(self, bar: tqdm, loss: float, record: dict[str, float]) -> None:
        keys = {
            "KL": "kl",
            "KL (dual)": "kl_dual",
            "MI": "mi",
            "MI (moment-matched)": "mi_moment",
            "AU": "au",
        }
        figures = {name: record[key] for name, key in keys.items() if key in record}
        shown = {"loss": loss, **figures}
        bar.set_postfix({name: f"{value:.4g}" for name, value in shown.items()})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _subset(count: int, limit: int, seed: int) -> np.ndarray:
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _without_epochs(value: Any) -> Any:
    """A setting without the planned number of epochs, which a resumed run may raise."""
    if isinstance(value, dict):
        return {k: _without_epochs(v) for k, v in value.items() if k != "epochs"}
    return value

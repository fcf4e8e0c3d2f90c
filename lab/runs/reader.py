"""A run folder as it can be read at any moment, also while training writes to it."""

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import polars as pl
from safetensors import SafetensorError, safe_open

from lab.errors import UserError
from lab.runs.layout import (
    FORMAT_VERSION,
    ITEM_COLUMNS,
    LOCK,
    fields_file,
    latents_file,
    read_jsonl,
    run_file,
)
from lab.runs.records import (
    METRICS,
    check_dump,
    check_grid,
    check_values,
    checked,
    checked_paths,
)

ITEM_TABLE = {"id": pl.Int64, "split": pl.String, "text": pl.String, "length": pl.Int64}
DIMENSION_TABLE = {
    **dict.fromkeys(("epoch", "dimension"), pl.Int64),
    **dict.fromkeys(("kl", "variance_of_mean", "mean_of_variance", "marginal_kl"), pl.Float64),
}


@dataclass(frozen=True)
class Latents:
    """Posteriors of all dumped items at one epoch, in item order.

    `family` says which arrays define q(z|x): "gaussian" (mean, log_variance), "samples" (samples;
    mean is theirs), "point" (mean alone), "vmf" (mean and concentration [N]).
    """

    family: str
    mean: np.ndarray
    log_variance: np.ndarray | None = None
    samples: np.ndarray | None = None
    concentration: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def dimensions(self) -> int:
        return self.mean.shape[1]


@dataclass(frozen=True)
class Run:
    """One run folder; `info` is its run.json, everything else is read when asked for.

    `stamp` is when run.json was written, in ns: it names this state of the run.
    """

    folder: Path
    info: dict[str, Any]
    id: str
    stamp: int = 0

    @property
    def spec(self) -> str:
        return self.info["spec"]

    @property
    def label(self) -> str:
        """The method's name as the papers print it, for legends."""
        return self.info.get("label", self.spec)

    @property
    def about(self) -> str:
        """The method in a sentence, with its source, if the run recorded it; else its spec."""
        return self.info.get("about", self.spec)

    @property
    def corpus(self) -> str:
        return self.info["corpus"]["name"]

    @property
    def seed(self) -> int:
        return self.info.get("seed", 0)

    @property
    def status(self) -> str:
        """running, finished, failed or stopped; interrupted if none holds its lock."""
        status = self.info["status"]
        return "interrupted" if status == "running" and not self._being_written() else status

    @property
    def epochs(self) -> list[int]:
        """Epochs whose latents are dumped, ascending."""
        return self.info["dumped"]

    @property
    def best_epoch(self) -> int | None:
        return self.info.get("best_epoch")

    @property
    def can_decode(self) -> bool:
        return (self.folder / "checkpoints" / "best.safetensors").exists()

    @property
    def trained_on_text(self) -> bool:
        """Whether it is a text run of the lab's own: not an imported one, not a toy."""
        about = self.info["corpus"], self.info.get("settings")
        return all(isinstance(part, dict) for part in about) and (
            "fingerprint" in about[0] and "training" in about[1]
        )

    def time(self, epoch: int) -> str:
        """An epoch in the run's own unit: "epoch 3" of text, "iteration 15000" of a toy run."""
        unit = self.info.get("unit", {"name": "epoch", "per_epoch": 1})
        return f"{unit['name']} {epoch * unit['per_epoch']}"

    @cached_property
    def items(self) -> pl.DataFrame:
        """Columns id, split, text, length, then one per label or true factor.

        One row per dumped item.
        """
        self.items_key  # noqa: B018  (taken before the table is read: never newer than it)
        path = self.folder / "items.parquet"
        table = _table(path, ITEM_TABLE)
        if len(table) != self.info.get("items", len(table)):
            raise UserError(f"{path}: {len(table)} items, but run.json lists {self.info['items']}")
        return table

    @cached_property
    def items_key(self) -> tuple[str, int]:
        """Names `items` as they were when first asked for."""
        path = self.folder / "items.parquet"
        try:
            return self.id, path.stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({_line(error)})") from error

    @property
    def labels(self) -> list[str]:
        return [c for c in self.items.columns if c not in ITEM_COLUMNS]

    def latents(self, epoch: int | None = None) -> Latents:
        """Latents of one dumped epoch (the last one by default)."""
        if not self.epochs:
            raise UserError(f"{self.id}: no latents dumped yet")
        epoch = self.epochs[-1] if epoch is None else epoch
        if epoch not in self.epochs:
            raise UserError(f"{self.id}: epoch {epoch} was not dumped; there are {self.epochs}")
        latents = read_latents(latents_file(self.folder, epoch), self.info.get("latent"))
        if len(latents) != len(self.items):
            raise UserError(
                f"{latents_file(self.folder, epoch)}: {len(latents)} latents, "
                f"but items.parquet lists {len(self.items)} items"
            )
        return latents

    def fields(self, epoch: int) -> dict[str, np.ndarray]:
        """Arrays of the data's own pictures at one epoch; {} if the run wrote none."""
        path = fields_file(self.folder, epoch)
        return _tensors(path)[1] if path.exists() else {}

    def metrics(self, split: str | None = None) -> list[dict[str, Any]]:
        """Records of metrics.jsonl, of one split or of all."""
        path = self.folder / "metrics.jsonl"
        records = checked(path, read_jsonl(path), METRICS)
        return [r for r in records if split in (None, r["split"])]

    def dimensions(self) -> pl.DataFrame:
        """Columns epoch, dimension (from 0; pictures print it as z₁), kl, variance_of_mean,
        mean_of_variance, marginal_kl (nats)."""
        path = self.folder / "dimensions.parquet"
        if not path.exists():
            return pl.DataFrame()
        table = _table(path, DIMENSION_TABLE)
        latent = self.info.get("latent", {})
        check_grid(path, table, latent.get("dimensions", table["dimension"].n_unique()))
        return table

    def interpolations(self, epoch: int | None = None) -> list[dict[str, Any]]:
        """Records epoch, pair (two item rows), a, b (texts), weights, texts."""
        path = self.folder / "interpolations.jsonl"
        items = self.info["items"] if "items" in self.info else len(self.items)
        records = checked_paths(path, read_jsonl(path), items)
        return [r for r in records if epoch in (None, r["epoch"])]

    def _being_written(self) -> bool:
        path = self.folder / LOCK
        if not path.exists():
            return False
        try:
            with filelock.FileLock(path, blocking=False):
                return False
        except (filelock.Timeout, OSError):
            return True


def read_latents(path: Path, latent: Mapping[str, Any] | None = None) -> Latents:
    """Read one latents file. UserError naming it where it is truncated or foreign, its arrays don't
    fit its family or what run.json says in `latent`, or a value is not finite.
    """
    metadata, arrays = _tensors(path)
    family = metadata.get("family", "gaussian")
    check_dump(path, family, {name: array.shape for name, array in arrays.items()}, latent or {})
    check_values(path, arrays)
    return Latents(family, **arrays)


def _tensors(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Header and arrays of a safetensors file."""
    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, TypeError) as error:
        raise UserError(f"{path}: truncated or not a dump of arrays ({_line(error)})") from error


def _table(path: Path, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A table that has at least these columns."""
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{path}: truncated or not a table ({_line(error)})") from error
    absent = [name for name, kind in columns.items() if table.schema.get(name) != kind]
    if absent:
        raise UserError(f"{path}: has no column {absent[0]!r} of {columns[absent[0]]}")
    return table


def open_run(folder: str | Path, root: str | Path | None = None) -> Run:
    """Open one run folder; its id is the path below `root` (its last three parts without one)."""
    folder = Path(folder)
    path = run_file(folder)
    try:
        found = path.stat()  # before the text is read: never newer than it
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{path}: not a file, so not a run's description; delete it")
        info = json.loads(path.read_text(encoding="utf-8"))
        version = info["format"]
        info["spec"], info["status"], info["dumped"], info["corpus"]["name"]
    except FileNotFoundError as error:
        raise UserError(f"{folder}: not a run folder (it has no run.json)") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a run's description ({_line(error)})") from error
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path}: format version {version}, but this Latent Lab reads {FORMAT_VERSION}; "
            "upgrade latent-lab"
        )
    name = folder.relative_to(root) if root else Path(*folder.resolve().parts[-3:])
    return Run(folder, info, name.as_posix(), found.st_mtime_ns)


def list_runs(root: str | Path) -> tuple[list[Run], list[str]]:
    """All runs below `root`, sorted by id, and one line for each folder that cannot be read.

    Links that lead out of `root` are not followed. Raises UserError if `root` is not a folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; train something into it or name another")
    try:
        found = sorted(root.rglob("run.json"))
    except OSError as error:
        raise UserError(
            f"{root}: cannot be listed ({error.strerror}); is it being deleted?"
        ) from error
    runs, problems = [], []
    for path in found:
        if not path.resolve().is_relative_to(root.resolve()):
            continue
        try:
            runs.append(open_run(path.parent, root))
        except UserError as error:
            problems.append(str(error))
    return runs, problems


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

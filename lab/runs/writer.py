"""Writing a run folder so that a killed process loses at most the epoch in progress."""

import dataclasses
import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import filelock
import numpy as np
import polars as pl

from lab.errors import UserError
from lab.metrics import gaussian_kl, marginal_kl, variance_of_means
from lab.runs.figures import as_gaussians
from lab.runs.layout import (
    FORMAT_VERSION,
    ITEM_COLUMNS,
    LOCK,
    dumped_epochs,
    fields_file,
    latents_file,
    read_jsonl,
    run_file,
    sweep,
    write_json,
    write_jsonl,
    write_table,
    write_tensors,
)
from lab.runs.reader import Latents
from lab.runs.records import ARRAYS


class RunWriter:
    """Holds a run folder's lock and writes to it, run.json always last.

    Raises UserError if another process is writing the same folder.
    """

    def __init__(self, folder: Path, info: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.info = {
            "format": FORMAT_VERSION,
            "created": _now(),
            **info,
            "status": "running",
            "error": None,
            "dumped": list(info.get("dumped", [])),
            "process": {"pid": os.getpid(), "host": platform.node()},
        }
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / LOCK, timeout=2)  # a reader may be probing it
        try:
            self._exit.enter_context(lock)
        except filelock.Timeout as error:
            raise UserError(
                f"{self.folder}: {self._owner()} is writing this run; "
                "wait for it or choose another --seed"
            ) from error
        sweep(self.folder)
        return self

    def _owner(self) -> str:
        """The process that run.json names as the writer."""
        try:
            return f"process {json.loads(run_file(self.folder).read_text())['process']['pid']}"
        except (OSError, ValueError, KeyError):
            return "another process"

    def __exit__(self, *exception: object) -> None:
        self._exit.close()

    def write_items(self, items: pl.DataFrame) -> None:
        write_table(self.folder / "items.parquet", items)
        self.info["items"] = len(items)

    def keep_until(self, epoch: int) -> None:
        """Forget everything later than `epoch` and the final figures.

        A resumed run writes them once more.
        """
        for name in ("metrics.jsonl", "interpolations.jsonl"):
            path = self.folder / name
            kept = [r for r in read_jsonl(path) if r["epoch"] <= epoch and not r.get("final")]
            write_jsonl(path, kept)
        table = self.folder / "dimensions.parquet"
        if table.exists():
            write_table(table, pl.read_parquet(table).filter(pl.col("epoch") <= epoch))
        self.info["dumped"] = [e for e in dumped_epochs(self.folder) if e <= epoch]

    def write_epoch(
        self,
        epoch: int,
        latents: Latents | None,
        metrics: Sequence[Mapping[str, Any]],
        interpolations: Sequence[Mapping[str, Any]] = (),
        keep_samples: int | None = None,
        fields: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Write one epoch's dump, dimension table and records; `commit` then makes it visible.

        Of implicit posteriors' samples only `keep_samples` per item are stored. `fields` are arrays
        for the data's own pictures.
        """
        if latents is not None:
            latent = {"family": latents.family, "dimensions": latents.dimensions}
            if self.info["dumped"] and self.info.get("latent", latent) != latent:
                raise UserError(
                    f"{self.folder}: its latents are {self.info['latent']}, those of epoch {epoch} "
                    f"are {latent}; write them to another folder"
                )
            dump_latents(self.folder, epoch, latents, keep_samples)
            _append_dimensions(self.folder, epoch, latents)
            self.info["latent"] = latent
            self.info["dumped"] = sorted({*self.info["dumped"], epoch})
        if fields:
            write_tensors(fields_file(self.folder, epoch), fields, {"format": str(FORMAT_VERSION)})
        _append_records(self.folder / "metrics.jsonl", epoch, metrics)
        if interpolations:
            _append_records(self.folder / "interpolations.jsonl", epoch, interpolations)

    def commit(self, **changes: Any) -> None:
        """Rewrite run.json: what was written so far becomes part of the run."""
        self.info.update(changes, updated=_now())
        write_json(run_file(self.folder), self.info)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def dump_latents(
    folder: Path, epoch: int, latents: Latents, keep_samples: int | None = None
) -> None:
    """Write one epoch's latents as float32."""
    if latents.samples is not None:
        latents = dataclasses.replace(latents, samples=latents.samples[:, :keep_samples])
    arrays = {
        name: array.astype(np.float32)
        for name in ARRAYS[latents.family]
        if (array := getattr(latents, name)) is not None
    }
    metadata = {"format": str(FORMAT_VERSION), "family": latents.family, "epoch": str(epoch)}
    write_tensors(latents_file(folder, epoch), arrays, metadata)


def dimension_table(epoch: int, latents: Latents) -> pl.DataFrame:
    """Per-dimension statistics of one dump.

    Samples are summarised by their moments (an approximation).
    """
    matched = as_gaussians(latents)
    mean, log_variance = matched.mean, matched.log_variance
    columns = {"variance_of_mean": variance_of_means(mean)}
    if log_variance is not None:
        columns["kl"] = gaussian_kl(mean, log_variance).mean(0)
        columns["mean_of_variance"] = np.exp(np.asarray(log_variance, np.float64)).mean(0)
        columns["marginal_kl"] = marginal_kl(mean, log_variance)
    count = latents.dimensions
    keys = {"epoch": np.full(count, epoch), "dimension": np.arange(count)}
    missing = {
        n: [None] * count for n in ("kl", "mean_of_variance", "marginal_kl") if n not in columns
    }
    order = ["epoch", "dimension", "kl", "variance_of_mean", "mean_of_variance", "marginal_kl"]
    return pl.DataFrame({**keys, **columns, **missing}).select(
        pl.col("epoch", "dimension").cast(pl.Int64), pl.col(order[2:]).cast(pl.Float64)
    )


def _append_dimensions(folder: Path, epoch: int, latents: Latents) -> None:
    path = folder / "dimensions.parquet"
    new = dimension_table(epoch, latents)
    old = [pl.read_parquet(path).filter(pl.col("epoch") != epoch)] if path.exists() else []
    write_table(path, pl.concat([*old, new]).sort("epoch", "dimension"))


def _append_records(path: Path, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
    write_jsonl(path, [*read_jsonl(path), *({"epoch": epoch, **r} for r in records)])


def items_table(
    count: int,
    texts: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[Any]] | None = None,
    split: str | Sequence[str] = "imported",
    ids: Sequence[int] | None = None,
) -> pl.DataFrame:
    """The table of dumped items. Raises UserError for wrong counts and reserved label names."""
    labels = labels or {}
    for name, column in {"texts": texts, **labels}.items():
        if column is not None and len(column) != count:
            raise UserError(f"{name}: {len(column)} entries for {count} latents")
    if reserved := sorted(set(labels) & set(ITEM_COLUMNS)):
        raise UserError(f"label {reserved[0]!r} is a column of every run; rename it")
    texts = list(texts) if texts is not None else [f"item {i}" for i in range(count)]
    return pl.DataFrame(
        {
            "id": np.arange(count) if ids is None else np.asarray(ids),
            "split": [split] * count if isinstance(split, str) else list(split),
            "text": texts,
            "length": [len(t.split()) for t in texts],
            **{name: pl.Series(np.asarray(values).tolist()) for name, values in labels.items()},
        }
    )

"""Latents of any model as a run folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import UserError
from lab.metrics.arrays import LARGEST_LOG_VARIANCE
from lab.metrics.sphere import directions
from lab.runs.figures import latent_figures
from lab.runs.layout import run_file
from lab.runs.reader import Latents, open_run
from lab.runs.writer import RunWriter, items_table


def write_latents(
    folder: str | Path,
    *,
    mean: np.ndarray | None = None,
    log_variance: np.ndarray | None = None,
    samples: np.ndarray | None = None,
    concentration: np.ndarray | None = None,
    texts: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[Any]] | None = None,
    epoch: int = 0,
    metrics: Mapping[str, float] | None = None,
    spec: str | None = None,
    corpus: str = "imported",
    split: str = "imported",
) -> None:
    """Write latents of any model as one epoch of a run folder; call again with later epochs to
    extend it.

    Give mean [N, D] alone (deterministic codes), mean and log_variance [N, D] (diagonal Gaussians),
    samples [N, S, D] (implicit posteriors) or unit-length mean and concentration [N] (von
    Mises-Fisher). The figures of the latent space are computed and recorded beside the `metrics`
    given. Raises UserError for wrong shapes, for values that are not finite and for a count that
    differs from the folder's earlier epochs.
    """
    folder = Path(folder)
    latents = _latents(mean, log_variance, samples, concentration)
    name = folder.parent.name if folder.name.isdigit() else folder.name  # .../model/seed
    info = {"spec": spec or name, "corpus": {"name": corpus}, "settings": {}}
    if run_file(folder).exists():
        info = open_run(folder).info
        if info.get("items", len(latents)) != len(latents):
            raise UserError(
                f"{folder}: holds {info['items']} items, the new epoch has {len(latents)}"
            )
        if epoch in info["dumped"]:
            raise UserError(f"{folder}: already holds epoch {epoch}; choose another epoch or name")
    items = items_table(len(latents), texts, labels, split)
    with RunWriter(folder, info) as writer:
        if not info.get("dumped"):
            writer.write_items(items)
        record = {"split": split, **latent_figures(latents), **(metrics or {})}
        writer.write_epoch(epoch, latents, [record])
        writer.commit(status="finished", epoch=max(writer.info["dumped"]))


def _latents(mean: Any, log_variance: Any, samples: Any, concentration: Any) -> Latents:
    arrays = {
        "mean": mean,
        "log_variance": log_variance,
        "samples": samples,
        "concentration": concentration,
    }
    given = {name: _numbers(name, a) for name, a in arrays.items() if a is not None}
    if "samples" in given and given["samples"].ndim == 3:
        given.setdefault("mean", given["samples"].mean(1))
    if "mean" not in given:
        raise UserError("latents need mean [N, D] or samples [N, S, D]")
    count, width = given["mean"].shape if given["mean"].ndim == 2 else (0, 0)
    if count < 2 or not width:
        shape = list(given["mean"].shape)
        raise UserError(
            f"mean has shape {shape}; it must be [items, dimensions] with two items or more"
        )
    shapes = {
        "mean": (count, width), "log_variance": (count, width), "concentration": (count,),
        "samples": (count, *given["samples"].shape[1:2], width) if "samples" in given else None,
    }  # fmt: skip
    for name, array in given.items():
        if array.shape != shapes[name]:
            raise UserError(
                f"{name} has shape {list(array.shape)}, {list(shapes[name])} would fit mean"
            )
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise UserError(
                f"{name} holds a value that is not finite, first in item {row}; "
                "mend it and try again"
            )
    if np.abs(given.get("log_variance", 0)).max() > LARGEST_LOG_VARIANCE:
        raise UserError(
            f"log_variance must lie within ±{LARGEST_LOG_VARIANCE:g}; is it a variance?"
        )
    if "concentration" in given:
        _check_directions(given["mean"], given["concentration"])
    families = {
        "samples": "samples",
        "concentration": "vmf",
        "log_variance": "gaussian",
        "mean": "point",
    }
    return Latents(next(f for name, f in families.items() if name in given), **given)


def _check_directions(mean: np.ndarray, concentration: np.ndarray) -> None:
    try:
        directions(mean, concentration)
    except ValueError as error:
        raise UserError(str(error)) from error


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} is not an array of numbers ({error})") from error

"""Names and atomic writes inside a run folder.

run.json               what was trained and how, status, epochs dumped
                       (rewritten last: the watcher's trigger)
metrics.jsonl          one record per epoch and split
items.parquet          dumped items in dump order: id, split, text, length,
                       then one column per label
latents/epoch-0012.safetensors
fields/epoch-0012.safetensors
                       what the data's own pictures need (decision regions, critics)
dimensions.parquet     per epoch and dimension
interpolations.jsonl   decoded paths of fixed pairs, per dumped epoch
checkpoints/           weights, optimiser state, vocabulary
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from lab.errors import UserError

FORMAT_VERSION = 1
LOCK = ".lock"  # held while a process writes the run
ITEM_COLUMNS = ("id", "split", "text", "length")


def run_file(folder: Path) -> Path:
    """The run's description; a folder with one is a run."""
    return folder / "run.json"


def latents_file(folder: Path, epoch: int) -> Path:
    """The latents dumped after an epoch."""
    return folder / "latents" / f"epoch-{epoch:04d}.safetensors"


def fields_file(folder: Path, epoch: int) -> Path:
    """The arrays that the data's own pictures need, after an epoch."""
    return folder / "fields" / f"epoch-{epoch:04d}.safetensors"


def dumped_epochs(folder: Path) -> list[int]:
    """Epochs with a latents file, ascending, also those that run.json does not list yet."""
    names = (f.name for f in (folder / "latents").glob("epoch-*.safetensors"))
    return sorted(int(m[1]) for m in map(re.compile(r"epoch-(\d+)\.").match, names) if m)


def sweep(folder: Path) -> None:
    """Delete temporary files that a killed process left."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file, then move it over `path`: no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    replace(path, lambda p: p.write_text(text, encoding="utf-8"))


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    replace(path, lambda p: p.write_text(text, encoding="utf-8"))


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Write a table as Parquet."""
    replace(path, table.write_parquet)


def write_tensors(
    path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write arrays as safetensors, with strings in the header."""
    arrays = {name: np.ascontiguousarray(a) for name, a in tensors.items()}
    replace(path, lambda p: save_file(arrays, p, metadata=dict(metadata)))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All complete records of a JSON-lines file.

    A last line without its line end is still being written. Raises UserError naming a damaged line.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [_record(path, number, line) for number, line in enumerate(lines, start=1)]


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} line {number}: {error}; mend or delete that line") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} line {number}: not a record; mend or delete that line")
    return record

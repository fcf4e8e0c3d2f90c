"""A study of paths as files: a table of its steps, and one JSON with everything that it shows."""

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from apps.explorer.path_parts import Study
from apps.explorer.paths import Path
from apps.explorer.state import State
from lab.runs import Run
from lab.spreadsheets import guarded

COLUMNS = ("run", "method", "lambda", "text", "rouge_l_f1", "log_q", "log_p")
FORMAT = "latent-lab interpolation study"


def as_csv(found: Study) -> str:
    """One line per run and step: Rouge-L (F1) against both ends, log q and log p in nats."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run, path in found.made:
        writer.writerows(_rows(run, path))
    return lines.getvalue()


def _rows(run: Run, path: Path) -> Iterator[tuple[Any, ...]]:
    given = (_numbers(v) for v in (path.rouge, path.log_q, path.log_p))
    columns = ([None] * len(path.texts) if v is None else v for v in given)
    for weight, text, *measured in zip(_numbers(path.weights), path.texts, *columns, strict=True):
        yield *map(guarded, (run.id, run.label)), weight, guarded(text), *measured


def as_json(found: Study, state: State) -> str:
    """The same with the ends, the codes, where they come from, and the runs without a path."""
    points = found.asked.points
    place = None if points is None else {"run": points.run, "z": _codes(points.z)}
    study = {
        "format": FORMAT, "version": 1, "units": "nats",
        "a": found.asked.a, "b": found.asked.b, "points": place,
        "path": state.path, "steps": state.steps,
        "runs": [_run(run, path) for run, path in found.made],
        "without": [{"run": run.id, "why": why} for run, why in found.failed],
    }  # fmt: skip
    return json.dumps(study, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _run(run: Run, path: Path) -> dict[str, Any]:
    return {
        "run": run.id, "method": run.label, "spec": run.spec, "corpus": run.corpus,
        "seed": run.seed, "source": path.source, "notes": list(path.notes), "epoch": path.epoch,
        "a": path.ends[0], "b": path.ends[1], "lambda": _numbers(path.weights),
        "text": path.texts, "rouge_l_f1": _numbers(path.rouge),
        "log_q": _numbers(path.log_q), "log_p": _numbers(path.log_p), "gap": _numbers(path.gap),
        "z": None if path.z is None else _codes(path.z),
    }  # fmt: skip


def _codes(z: np.ndarray) -> list[list[float | None] | None]:
    return [_numbers(row) for row in z]


def _numbers(values: np.ndarray | None) -> list[float | None] | None:
    """Seven digits, as many as the codes have; what is not finite is none."""
    if values is None:
        return None
    return [float(f"{v:.7g}") if math.isfinite(v) else None for v in values]

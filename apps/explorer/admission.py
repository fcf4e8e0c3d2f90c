"""Which runs are shown: those whose description makes sense and whose files lie in the folder."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.errors import UserError
from lab.runs import Run, list_runs
from lab.views import QUANTITIES

MOST_EPOCHS = 100_000
LARGEST = 1e300  # beyond it a count or a figure no longer fits double precision
COUNTS = {"au", "cu", "cu_samples"}
_KEYS = {key for _, _, keys in QUANTITIES.values() for key in keys} | {"total_correlation"}
FIGURES = _KEYS | {f"{key}_stderr" for key in _KEYS}
FAMILIES = ("gaussian", "samples", "point", "vmf")


def admitted(root: Path) -> tuple[list[Run], list[str]]:
    """The runs below `root` that may be shown, and one line for each folder that is not.

    Raises UserError if `root` is no folder.
    """
    listed, problems = list_runs(root)
    runs = []
    for run in listed:
        wrong = objection(run, root)
        problems += [wrong] if wrong else []
        runs += [] if wrong else [run]
    folders = {run.folder for run in listed}
    return runs, problems + [outside(path, root) for path in _strays(root, folders)]


def objection(run: Run, root: Path) -> str | None:
    """Why a run below `root` must not be shown, in one line; None if it may be."""
    wrong = next((name for name, fits in RULES.items() if not fits(run.info)), None)
    if wrong:
        return f"{run.id}/run.json: its {wrong!r} makes no sense; mend it or delete the run"
    return stray(run.folder, root)


def sensible(run: Run, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of a run. Raises UserError if a figure that the pages show is no number, or a
    count of units no finite one.
    """
    for record in records:
        for key in FIGURES & record.keys():
            value = record[key]
            fits = value is None or type(value) is float or (type(value) is int and _finite(value))
            if not fits or (key in COUNTS and not _finite(value)):
                raise UserError(
                    f"{run.id}/metrics.jsonl: {key!r} of epoch {record['epoch']} makes no sense; "
                    "mend or delete that line"
                )
    return records


def outside(path: Path, root: Path) -> str:
    """What to say of a link that leads out of the folder."""
    return (
        f"{path.relative_to(root)}: not shown, as this link leads out of {root}; "
        "copy what it leads to, or open the folder that holds both"
    )


def stray(folder: Path, root: Path) -> str | None:
    """What is wrong with the first thing at or below `folder` that leads out of `root`, also over
    other links, or whose reading need not end: neither a file nor a folder. None if all is well.
    """
    home, to_do, seen = root.resolve(), [folder], set()
    while to_do:
        here = to_do.pop()
        seen.add(Path(os.path.realpath(here)))
        for entry in [here, *_entries(here)]:
            target = Path(os.path.realpath(entry))  # Path.resolve fails on circles of links
            if not target.is_relative_to(home):
                return outside(entry, root)
            if _endless(target):
                return (
                    f"{entry.relative_to(root)}: the run is not shown, as this is neither a file "
                    "nor a folder; delete it"
                )
            if target not in seen and target.is_dir():
                to_do.append(entry)
    return None


def _strays(root: Path, runs: set[Path]) -> list[Path]:
    """Links out of `root` that lie in no run."""
    home, found = os.path.realpath(root), []
    for name, folders, files in os.walk(root):
        here = Path(name)
        if here in runs:
            folders.clear()
            continue
        links = [p for p in map(here.joinpath, [*folders, *files]) if p.is_symlink()]
        found += [p for p in links if not Path(os.path.realpath(p)).is_relative_to(home)]
    return found


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder but plain files."""
    try:
        with os.scandir(folder) as entries:
            return [Path(e) for e in entries if not e.is_file(follow_symlinks=False)]
    except OSError:  # deleted meanwhile
        return []


def _endless(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device."""
    try:
        mode = path.stat().st_mode
    except OSError:  # deleted meanwhile
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _text(info: dict[str, Any], key: str) -> bool:
    return isinstance(info.get(key, ""), str)


def _finite(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) < LARGEST)


def _count(value: Any, most: int, least: int = 0) -> bool:
    return type(value) is int and least <= value <= most


def _latent(info: dict[str, Any]) -> bool:
    latent = info.get("latent", {})
    if not isinstance(latent, dict):
        return False
    fits = latent.get("family") in FAMILIES and _count(latent.get("dimensions"), 100_000)
    return fits if latent else not info["dumped"]


def _unit(info: dict[str, Any]) -> bool:
    unit = info.get("unit", {"name": "epoch", "per_epoch": 1})
    name, steps = (unit.get(k) if isinstance(unit, dict) else None for k in ("name", "per_epoch"))
    # Titles of axes show the name as it is, and plotly reads some HTML.
    named = isinstance(name, str) and re.fullmatch(r"[\w -]{1,24}", name)
    return bool(named) and type(steps) in (int, float) and 0 < steps < 1e12


def _dumped(info: dict[str, Any]) -> bool:
    dumped = info["dumped"]
    counted = isinstance(dumped, list) and all(_count(e, MOST_EPOCHS) for e in dumped)
    return counted and dumped == sorted(set(dumped))


RULES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "spec": lambda info: _text(info, "spec"),
    "label": lambda info: _text(info, "label") and _text(info, "about"),
    "corpus": lambda info: _text(info["corpus"], "name"),
    "status": lambda info: _text(info, "status"),
    "error": lambda info: isinstance(info.get("error") or "", str),
    "created": lambda info: _text(info, "created") and _text(info, "updated"),
    "seed": lambda info: _count(info.get("seed", 0), 2**63),
    "dumped": _dumped,
    "latent": _latent,
    "items": lambda info: _count(info.get("items", 2), 10**12, 2 if info["dumped"] else 1),
    "epoch": lambda info: all(
        _count(info.get(key) or 0, 10**12) for key in ("epoch", "best_epoch", "epochs_planned")
    ),
    "unit": _unit,
}

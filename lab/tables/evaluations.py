"""Evaluations of runs, and runs that differ in their seed alone as one group."""

import ast
import json
import math
import shlex
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.errors import UserError
from lab.printed import PARAMETERS, Printed
from lab.runs import Run
from lab.tables.columns import ACCURACY

EVALUATION_FORMAT = 1
# What reading a file that anything may have written can raise.
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)

# Options that do not make another method: schedules, and readings of one paper (D1, D17 to D20).
SAME_METHOD = {"anneal", "start", "linear", "published"}


@dataclass(frozen=True)
class Group:
    """Evaluated runs that differ in their seed alone."""

    runs: tuple[Run, ...]
    evaluations: tuple[dict[str, Any], ...]

    @property
    def run(self) -> Run:
        return self.runs[0]

    @property
    def settings(self) -> dict[str, Any]:
        return mapping(self.run.info.get("settings"))

    @property
    def splits(self) -> dict[str, Any]:
        """What the corpus records of each split; {} if nothing."""
        return mapping(self.run.info["corpus"].get("splits"))

    @property
    def method(self) -> str:
        return self.run.spec.split("(")[0]

    @cached_property
    def changed(self) -> dict[str, Any]:
        """Options that the spec names; {} where a foreign run's spec is no call."""
        try:
            node = ast.parse(self.run.spec, mode="eval").body
            given = node.keywords if isinstance(node, ast.Call) else []
            return {k.arg: ast.literal_eval(k.value) for k in given if k.arg}
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            return {}

    @cached_property
    def options(self) -> dict[str, Any]:
        return mapping(self.settings.get("options")) | self.changed

    @property
    def architecture(self) -> str:
        """ "" where the run does not say."""
        network = mapping(self.settings.get("network"))
        ends = [network.get(end, network.get("kind", "")) for end in ("encoder", "decoder")]
        return "-".join(dict.fromkeys(str(end) for end in ends if end))

    def is_of(self, row: Printed) -> bool:
        """Whether the row prints this method with these options."""
        stated = row.options()
        free = {*stated, *SAME_METHOD, PARAMETERS.get(row.method, ("", ""))[1]}
        agree = all(self.options.get(name) == value for name, value in stated.items())
        return self.method == row.method and agree and not set(self.changed) - free


def mapping(value: Any) -> dict[str, Any]:
    """A part of a foreign run.json, {} if it is none."""
    return value if isinstance(value, dict) else {}


def evaluation_file(folder: Path) -> Path:
    """Where the evaluation of the run in that folder lies."""
    return folder / "evaluation.json"


def evaluation(run: Run) -> dict[str, Any] | None:
    """A run's evaluation.json; None if it has none. Raises UserError if it is damaged or of another
    format version.
    """
    path = evaluation_file(run.folder)
    if not path.exists():
        return None
    mend = f"`{command(run)}` writes it anew"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != EVALUATION_FORMAT:
            raise UserError(f"{path}: format {found['format']}, not {EVALUATION_FORMAT}; {mend}")
        records = {_key(record): _checked(record) for record in found["records"]}
        missing: dict[tuple[str, str], list[str]] = defaultdict(list)
        for gap in found["missing"]:
            # "" stands for every estimator.
            missing[gap["quantity"], gap.get("estimator") or ""].append(gap["why"])
        reasons = {key: "; ".join(dict.fromkeys(whys)) for key, whys in missing.items()}
        known = {"split": _text(found["split"]), "settings": found["settings"]}
        epoch = found.get("epoch", run.best_epoch)
    except DAMAGED as error:
        raise UserError(f"{path}: not an evaluation ({error!r}); {mend}") from error
    if epoch != run.best_epoch:
        return None  # the run has been trained on since
    if len(records) < len(found["records"]):
        raise UserError(f"{path}: holds one estimate twice; {mend}")
    return known | {"records": records, "missing": reasons}


def command(run: Run) -> str:
    """What evaluates a run."""
    return f"latentlab evaluate {shlex.quote(str(run.folder))}"


def _key(record: dict[str, Any]) -> tuple[str, str]:
    quantity = _text(record["quantity"])
    if quantity == "accuracy":
        quantity = f"{ACCURACY}{int(record['detail']['labels'])}"
    return quantity, _text(record.get("estimator") or "")


def _checked(record: dict[str, Any]) -> tuple[float | None, int]:
    """Value (None if it is not finite) and number of items or samples."""
    value = record["value"]
    if value is not None and not math.isfinite(value):
        value = None
    return value, int(record["n"])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where a word belongs")
    return value


def grouped(
    evaluated: Iterable[tuple[Run, dict[str, Any]]],
) -> tuple[list[Group], list[str]]:
    """Evaluations by everything but the seed, their own settings included, and a line for each that
    repeats another's seed.
    """
    found: dict[str, dict[int, tuple[Run, dict[str, Any]]]] = defaultdict(dict)
    problems = []
    for run, record in evaluated:
        settings = dict(mapping(run.info.get("settings")))
        settings["training"] = dict(mapping(settings.get("training")), seed=None)
        alike = [run.spec, run.info["corpus"], settings, record["split"], record["settings"]]
        key = json.dumps(alike, sort_keys=True)
        if twin := found[key].get(seed(run)):
            problems.append(
                f"{run.id}: the same seed as {twin[0].id}; give only one of them (--only)"
            )
        else:
            found[key][seed(run)] = run, record
    return [Group(*zip(*members.values(), strict=True)) for members in found.values()], problems


def seed(run: Run) -> int:
    """A run's seed; of a foreign one the number its folder is named with."""
    if isinstance(given := run.info.get("seed"), int):
        return given
    return int(run.folder.name) if run.folder.name.isdecimal() else 0

"""What a path of one run is, the pairs that runs stored, and how a model is loaded."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.errors import UserError
from lab.runs import Run


@dataclass(frozen=True)
class Path:
    """Texts decoded at weights λ [L] between two ends; `source` says when, `notes` what to know.

    `ends` are the texts that A and B stand for. Where the codes are known: z [L, D], over the dump
    of `epoch`, with log q and log p [L] in nats if they exist. `rouge` [L] of text only.
    """

    weights: np.ndarray
    texts: list[str]
    ends: tuple[str, str]
    source: str
    notes: tuple[str, ...] = ()
    epoch: int | None = None
    z: np.ndarray | None = None
    log_q: np.ndarray | None = None
    log_p: np.ndarray | None = None
    rouge: np.ndarray | None = None

    @property
    def gap(self) -> np.ndarray | None:
        """Log q - log p [L], nats."""
        return None if self.log_q is None or self.log_p is None else self.log_q - self.log_p


def load(run: Run) -> Any:
    """The run's model; torch is only imported here. Raises UserError where it cannot be rebuilt."""
    try:
        return importlib.import_module("lab.generation").load(run)
    except UserError:
        raise
    except Exception as error:  # anything may stand in the settings that describe the networks
        kind = type(error).__name__
        raise UserError(
            f"{run.id}: its settings do not describe a model ({kind}: {error}); train it again"
        ) from error


def pairs(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Pairs of sentences stored by any of the runs, in the order met."""
    found: dict[tuple[str, str], None] = {}
    for run in runs:
        try:
            found.update({(r["a"], r["b"]): None for r in run.interpolations()})
        except UserError:
            continue
    return list(found)

"""What an evaluation consists of: figures by quantity and estimator, gaps with their reasons."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.metrics import Estimate


@dataclass(frozen=True)
class Budget:
    """What an evaluation may cost, and what it is given from outside.

    Importance samples and items, draws of priorLL and postLL, generated sentences, pairs to
    interpolate between, epochs of the LSTM critics (0: none are trained), the folder of GPT-2's
    weights, and the file or folder of sentence embeddings.
    """

    samples: int = 500
    items: int = 1000
    mixture_samples: int = 100
    sentences: int = 1280
    pairs: int = 100
    critic_epochs: int = 0
    gpt2: str | None = None
    embeddings: str | None = None


@dataclass(frozen=True)
class Figure:
    """One value of a quantity by one estimator, over `n` items or generated sentences."""

    quantity: str
    estimator: str
    value: float
    n: int
    stderr: float | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True)
class Missing:
    """A quantity that a run has not got, and why; by one estimator or by any."""

    quantity: str
    why: str
    estimator: str | None = None


@dataclass(frozen=True)
class Example:
    """Something to read rather than to compare: a decoded path, a sentence and its neighbours."""

    kind: str
    content: dict[str, Any]


Found = Iterator[Figure | Missing | Example]


def figure_of(
    quantity: str, estimator: str, found: Estimate, detail: dict[str, Any] | None = None
) -> Figure:
    """An estimate as a figure."""
    return Figure(quantity, estimator, found.value, found.n, found.stderr, detail)

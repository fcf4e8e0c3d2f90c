"""What an estimator gives beside what is true, for one seed and over seeds."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

ERRORS = 4.0  # standard errors by which a mean may leave what is claimed of it
ROUNDING = 1e-9

Claim = Literal["unbiased", "above", "below", "none"]


@dataclass(frozen=True)
class Shot:
    """One value of an estimator at one size, for one seed, and its truth; nats, or shares of 1.

    `error` is the standard error that the estimator states, None where it states none that is of
    this truth; `claim` is how its documentation puts its mean to the truth, `tolerance` the error
    of a quadrature.
    """

    case: str
    quantity: str
    estimator: str
    axis: str
    size: int
    value: float
    truth: float
    claim: Claim = "none"
    error: float | None = None
    tolerance: float = ROUNDING


@dataclass(frozen=True)
class Measured:
    """An estimator at one size over seeds.

    `truth` is a mean where each seed has items of its own; `bias` the mean difference from it and
    `sd` that difference's standard deviation; `stated` the root mean square of the stated errors.
    """

    case: str
    quantity: str
    estimator: str
    axis: str
    size: int
    claim: Claim
    tolerance: float
    seeds: int
    truth: float
    mean: float
    bias: float
    sd: float
    stated: float | None

    @property
    def error(self) -> float:
        """Standard error of the bias: from the stated ones, else from the spread over seeds."""
        return (self.sd if self.stated is None else self.stated) / math.sqrt(self.seeds)

    @property
    def holds(self) -> bool | None:
        """Whether the bias is as claimed, within ERRORS standard errors and its tolerance; None
        without a claim or for one seed that states no error.
        """
        if math.isnan(self.error):
            return None
        slack = ERRORS * self.error + self.tolerance
        low, high = self.bias >= -slack, self.bias <= slack
        return {"unbiased": low and high, "above": low, "below": high, "none": None}[self.claim]


def gather(shots: Iterable[Shot]) -> list[Measured]:
    """Shots that differ in their seed alone as one line, in the order of the first of each."""
    groups: dict[tuple[Any, ...], list[Shot]] = defaultdict(list)
    for s in shots:
        key = (s.case, s.quantity, s.estimator, s.axis, s.size, s.claim, s.tolerance)
        groups[key].append(s)
    return [Measured(*key, **_over_seeds(group)) for key, group in groups.items()]


def _over_seeds(shots: list[Shot]) -> dict[str, Any]:
    value, truth = (np.array([getattr(s, name) for s in shots]) for name in ("value", "truth"))
    errors = [s.error for s in shots if s.error is not None]
    return {
        "seeds": len(shots),
        "truth": float(truth.mean()),
        "mean": float(value.mean()),
        "bias": float((value - truth).mean()),
        "sd": float((value - truth).std(ddof=1)) if len(shots) > 1 else math.nan,
        "stated": float(np.sqrt(np.mean(np.square(errors)))) if errors else None,
    }

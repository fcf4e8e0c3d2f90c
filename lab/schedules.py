"""Weights over training time. A schedule maps epochs done so far (a float) to a weight."""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]

END = math.inf  # the time at which every schedule has reached its final value


@dataclass(frozen=True)
class Linear:
    """From `start` to `stop` in `epochs` epochs, then `stop`; at once if `epochs` is 0."""

    start: float
    stop: float
    epochs: float

    def __call__(self, time: float) -> float:
        if time >= self.epochs:
            return self.stop
        return self.start + (self.stop - self.start) * time / self.epochs

    def __str__(self) -> str:
        if self.epochs == 0 or self.start == self.stop:
            return f"{self.stop:g}"
        return f"{self.start:g} to {self.stop:g} in {self.epochs:g} epochs"


@dataclass(frozen=True)
class Cyclic:
    """The linear rise once more at the start of every `period` epochs (Fu et al. 2019)."""

    start: float
    stop: float
    rise: float
    period: float

    def __call__(self, time: float) -> float:
        if math.isinf(time):
            return self.stop
        return Linear(self.start, self.stop, self.rise)(time % self.period)

    def __str__(self) -> str:
        return f"{Linear(self.start, self.stop, self.rise)}, again every {self.period:g}"


@dataclass(frozen=True)
class Delayed:
    """Another schedule that starts after `wait` epochs; 0 until then."""

    schedule: Schedule
    wait: float

    def __call__(self, time: float) -> float:
        return self.schedule(time - self.wait) if time >= self.wait else 0.0

    def __str__(self) -> str:
        return f"0 for {self.wait:g} epochs, then {self.schedule}"


@dataclass(frozen=True)
class Ramp:
    """(1 - 1/t) `stop` in epoch t = 1, 2, ...: 0 in the first one (λ_t of CEAE A.1)."""

    stop: float

    def __call__(self, time: float) -> float:
        return self.stop if math.isinf(time) else (1 - 1 / (math.floor(time) + 1)) * self.stop

    def __str__(self) -> str:
        return f"{self.stop:g} times 1 - 1/epoch"


def constant(value: float) -> Linear:
    """The same weight at all times."""
    return Linear(value, value, 0)

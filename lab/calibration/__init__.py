"""Every estimator against known truth: on `lstm2d`, whose posteriors are sums over a grid, and on
linear Gaussian models, whose answers are closed forms.
"""

from collections.abc import Callable, Iterable

import torch
from tqdm import tqdm

from lab.calibration.budget import Budget
from lab.calibration.critics import critics
from lab.calibration.information import information
from lab.calibration.known import Known
from lab.calibration.likelihood import likelihood, mixture_likelihood
from lab.calibration.linear import LinearGaussian
from lab.calibration.measured import ERRORS, Measured, Shot, gather

__all__ = ["ERRORS", "Budget", "LinearGaussian", "Measured", "Shot", "calibrate", "gather"]

Part = Callable[[int], Iterable[Shot]]


def calibrate(budget: Budget, quiet: bool = True) -> list[Measured]:
    """All estimators at all sizes; the same budget gives the same numbers on one machine."""
    with torch.random.fork_rng(devices=[]):
        shots = [
            shot
            for part in tqdm(_parts(budget), unit="part", disable=quiet)
            for seed in range(budget.seeds)
            for shot in part(seed)
        ]
    return gather(shots)


def _parts(budget: Budget) -> list[Part]:
    known = Known(budget)
    on_lstm2d = (likelihood, mixture_likelihood, information, critics)
    models = [LinearGaussian(d) for d in budget.dimensions]
    models.append(LinearGaussian(8, correlation=0.5))
    return [
        *(lambda seed, part=part: part(known, seed) for part in on_lstm2d),
        *(lambda seed, model=model: model.shots(budget, seed) for model in models),
    ]

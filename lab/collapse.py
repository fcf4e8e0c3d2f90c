"""Collapse and holes of one run as arrays: kinds of units, counts over thresholds, parts of KL."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lab.errors import UserError
from lab.metrics import active_unit_curve, consistent_unit_curve, variance_of_means
from lab.metrics import vmf_mean_resultant as resultant
from lab.runs import Latents, Run

# Kind of unit -> its meaning (Bonheme and Grzes 2023, section 3, for the first three).
KINDS = {
    "active": "its mean moves with the sentence, its variance stays low",
    "mixed": "its mean moves with the sentence, its variance is not low on average",
    "passive": "the prior for every sentence",
    "constant": "the same for every sentence, but not the prior",
}
PARTS = {
    "mi": "mutual information",
    "total_correlation": "total correlation",
    "marginal_kl": "KL of the marginals",
    "aggregated_kl": "KL(aggregated ‖ prior), undivided",
}
ESTIMATORS = {"": "", "_moment": "moment-matched", "_dual": "dual"}

ACTIVE_THRESHOLDS = np.logspace(-6, 2, 241)  # variances of means; every 30th is a power of ten
CONSISTENT_THRESHOLDS = np.union1d(np.logspace(-5, 2, 211), 0.03)  # nats


@dataclass(frozen=True)
class Thresholds:
    """Where kinds of units part: Var[mean] from which a unit moves (Burda et al. 2016), average
    posterior variance up to which it is narrow and from which it is as wide as the prior."""

    active: float = 0.01
    narrow: float = 0.1
    wide: float = 0.9


@dataclass(frozen=True)
class Units:
    """Per dimension [D]: variance over items of the posterior mean, mean over items of the
    posterior variance, KL(p(z_i) ‖ q(z_i)) in nats (None where there is none).

    `about` says how they were found, "" for the closed form of a Gaussian.
    """

    variance_of_mean: np.ndarray
    mean_of_variance: np.ndarray
    marginal_kl: np.ndarray | None = None
    about: str = ""


@dataclass(frozen=True)
class Decomposition:
    """KL at each epoch [E] and the parts [E] it is the sum of, by their keys in PARTS; nats.

    `estimator` is "" for the closed form. `left_out` counts records whose figures are not finite.
    """

    estimator: str
    epochs: np.ndarray
    kl: np.ndarray
    parts: Mapping[str, np.ndarray]
    left_out: int = 0


def units(family: str, table: pl.DataFrame, epoch: int) -> Units:
    """The units of a family but "vmf" at one dumped epoch, from the run's table of dimensions.

    Raises UserError where the table lacks them or they are no variances.
    """
    if "epoch" not in table.columns or (rows := table.filter(pl.col("epoch") == epoch)).is_empty():
        raise UserError("dimensions.parquet holds nothing of this epoch; train or import it again")
    moving = _spreads(rows["variance_of_mean"])
    if family == "point":
        zero = "deterministic codes: variance 0 by definition, no KL to the prior"
        return Units(moving, np.zeros(len(moving)), None, zero)
    spread, marginal = rows["mean_of_variance"], rows["marginal_kl"]
    if spread.null_count() or marginal.null_count():
        raise UserError("One draw of each posterior has no variance; dump two samples or more.")
    about = "moment-matched" if family == "samples" else ""
    return Units(moving, _spreads(spread), _spreads(marginal), about)


def _spreads(column: pl.Series) -> np.ndarray:
    values = column.to_numpy()
    if not (np.isfinite(values) & (values >= 0)).all():
        raise UserError(
            f"dimensions.parquet holds a {column.name} of this epoch that is negative or not "
            "finite; train or import it again"
        )
    return values


def units_on_sphere(latents: Latents) -> Units:
    """The coordinates of von Mises-Fisher posteriors, times D, so that a uniform one is passive.

    The posterior mean is A μ with A = E[μ·z], short where posteriors are wide; active units are
    counted of the directions μ instead. A coordinate's variance is A/κ + (1 - D A/κ - A²) μ_i²
    (Mardia and Jupp 2000, section 9.6).
    """
    width = latents.dimensions
    mean = np.asarray(latents.mean, np.float64)
    concentration = np.maximum(np.asarray(latents.concentration, np.float64), 1e-6)[:, None]
    length = resultant(concentration, width)
    across = length / concentration
    variance = across + (1 - width * across - length**2) * mean**2
    about = (
        f"times D = {width}, so that a uniform direction has variance 1; the mean is E[z], not the "
        "direction μ that AU counts"
    )
    moving = width * variance_of_means(length * mean)
    return Units(moving, width * np.maximum(variance, 0).mean(0), None, about)


def unit_kinds(units: Units, thresholds: Thresholds) -> np.ndarray:
    """The kind of each unit [D], one of KINDS."""
    moves = units.variance_of_mean >= thresholds.active
    moving = np.where(units.mean_of_variance <= thresholds.narrow, "active", "mixed")
    still = np.where(units.mean_of_variance >= thresholds.wide, "passive", "constant")
    return np.where(moves, moving, still)


def unit_counts(units: Units, thresholds: Thresholds) -> dict[str, int]:
    """How many units of each kind."""
    kinds = unit_kinds(units, thresholds)
    return {kind: int((kinds == kind).sum()) for kind in KINDS}


def active_curve(units: Units) -> np.ndarray:
    """Active units at each of ACTIVE_THRESHOLDS."""
    return active_unit_curve(units.variance_of_mean, ACTIVE_THRESHOLDS)


def consistent_curve(units: Units) -> np.ndarray | None:
    """Consistent units at each of CONSISTENT_THRESHOLDS; None without marginals."""
    if units.marginal_kl is None:
        return None
    return consistent_unit_curve(units.marginal_kl, CONSISTENT_THRESHOLDS)


def kl_heat(table: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """KL [D, E] in nats, epochs [E] and the order [D] of dimensions by their KL at the last one.

    None where posteriors have no KL per dimension.
    """
    if table.is_empty() or table["kl"].max() is None:
        return None
    wide = table.sort("epoch").pivot("epoch", index="dimension", values="kl").sort("dimension")
    kl = wide.drop("dimension").to_numpy()
    return kl, table["epoch"].unique().sort().to_numpy(), np.argsort(-kl[:, -1], kind="stable")


def decomposition(run: Run) -> Decomposition | None:
    """KL of the dumped split as the sum of its parts, by the most trusted estimator recorded.

    Gaussians have three parts (Hoffman and Johnson 2016; Chen et al. 2018), posteriors without a
    total correlation two; None if the run recorded no finite KL with its information.
    """
    records = [r for r in run.metrics() if r["split"] != "train" and not r.get("final")]
    for suffix, estimator in ESTIMATORS.items():
        keys = [f"{key}{suffix}" for key in ("kl", "mi", "aggregated_kl")]
        whole = [r for r in records if all(r.get(key) is not None for key in keys)]
        found = [r for r in whole if all(math.isfinite(r[key]) for key in keys)]
        if found:
            kl, mi, joint = (np.array([r[key] for r in found], float) for key in keys)
            epochs = np.array([r["epoch"] for r in found])
            parts = {"mi": mi, **_divided(found, joint)}
            return Decomposition(estimator, epochs, kl, parts, len(whole) - len(found))
    return None


def _divided(records: list[dict], joint: np.ndarray) -> dict[str, np.ndarray]:
    correlation = [r.get("total_correlation") for r in records]
    if not all(value is not None and math.isfinite(value) for value in correlation):
        return {"aggregated_kl": joint}
    total = np.array(correlation, float)
    return {"total_correlation": total, "marginal_kl": joint - total}


def stacked(x: np.ndarray, parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict, dict]:
    """Parts [E] over x [E] as two stacks, positive and negative ones -> x', above, below.

    Points are put in where a part changes sign: everywhere between the epochs too, all of above and
    below add up to the sum of the parts drawn as straight lines.
    """
    values = np.array(list(parts.values()), float)
    before, after = values[:, :-1], values[:, 1:]
    row, step = np.nonzero(before * after < 0)
    share = before[row, step] / (before[row, step] - after[row, step])
    denser = np.union1d(x, x[step] + share * (x[step + 1] - x[step]))
    lines = {name: np.interp(denser, x, part) for name, part in parts.items()}
    above = {name: np.maximum(line, 0) for name, line in lines.items()}
    below = {name: np.minimum(line, 0) for name, line in lines.items() if np.min(line) < 0}
    return denser, above, below

"""One sentence on a run: what its latent space does, and the figures that say so."""

import math

import numpy as np
import polars as pl

from lab.errors import UserError
from lab.runs import Run
from lab.runs.figures import CONSISTENT_BELOW
from lab.views import information_ceiling, latest, on_sphere, series

HARDLY, MOSTLY = 0.1, 0.75  # shares of the dimensions that make a verdict
HOLEY = 0.05  # share of the prior in holes, beyond what so few items leave, that makes a verdict
ONE_BIT = math.log(2)  # nats; codes that carry less cannot tell one half of the items from another
CAPPED = 0.95  # share of log N from which information has reached its ceiling


def verdict(run: Run) -> str:
    """One sentence: collapsed, nearly or partly so, active but holey, or healthy, with its numbers.

    Of directions, whose KL is constant: how much of it tells sentences apart.
    """
    width = run.info.get("latent", {}).get("dimensions")
    active, consistent = latest(run, "au"), latest(run, "cu")
    if run.info.get("damage"):
        return f"Damaged: {run.info['damage']}"
    if run.info.get("error"):
        return f"Failed: {run.info['error']}"
    if not width:
        return "No latent space." if run.status == "finished" else "No latents dumped yet."
    if active is None:
        return "Latents without recorded figures."
    if on_sphere(run):
        return _verdict_on_directions(run)
    au, cu = round(active[0]), None if consistent is None else round(consistent[0])
    share = latest(run, "hole_mass")
    holes = share is not None and share[0] > HOLEY
    told = latest(run, "mi")
    mute = told is not None and told[0] < ONE_BIT
    state = _state(au, cu, width, holes, mute)
    if cu is None:
        words = f"{au} of {width} units active; deterministic codes have no consistent units."
        return words if state == "Healthy" else f"{state}: {words}"
    alive = f"{au} of {width} units active"
    if au <= HARDLY * width:
        alive = _since(run, width)
    elif mute:
        alive += f", but {max(told[0], 0):.2f} nats of information, less than one bit"
    matching = f"CU {cu} of {width}{_worst(run, width - cu) if cu < MOSTLY * width else ''}"
    joint = f"; {100 * share[0]:.0f}\u202f% of the prior in holes" if holes else ""
    if state == "Healthy":
        joint = _joint(run)
    return f"{state}: {alive}; {matching}{joint}."


def _state(au: int, cu: int | None, width: int, holes: bool, mute: bool) -> str:
    """Collapse and holes are judged apart: a few units may be active and off the prior too."""
    holey = holes or (cu is not None and cu < MOSTLY * width)
    if au <= HARDLY * width:
        return "Collapsed, but not to the prior" if holey else "Collapsed"
    if mute:
        return "Nearly collapsed and holey" if holey else "Nearly collapsed"
    if au < MOSTLY * width:
        return "Partly collapsed and holey" if holey else "Partly collapsed"
    return "Active but holey" if holey else "Healthy"


def _since(run: Run, width: int) -> str:
    """How many units were active at most since collapse, and since when."""
    curve = series(run, "au")[0]
    alive = np.flatnonzero(curve.values > HARDLY * width)
    first = 0 if not len(alive) else alive[-1] + 1
    most = round(curve.values[first:].max())
    bound = "at most " if most else ""
    return f"{bound}{most} of {width} units active since {run.time(int(curve.epochs[first]))}"


def _worst(run: Run, inconsistent: int) -> str:
    """Up to three dimensions, from 1, that miss the prior by most at the epoch of the last CU."""
    try:
        table = run.dimensions()
    except UserError:
        return ""
    if "marginal_kl" not in table.columns:
        return ""
    epoch = int(series(run, "cu")[0].epochs[-1])
    off = table.filter((pl.col("epoch") == epoch) & (pl.col("marginal_kl") >= CONSISTENT_BELOW))
    ranked = off.sort("marginal_kl", descending=True)["dimension"]
    worst = ranked.head(min(3, inconsistent)).to_list()
    if not worst:
        return ""
    plural = "s" if len(worst) > 1 else ""
    return f", worst dimension{plural} {', '.join(str(d + 1) for d in worst)}"


def _joint(run: Run) -> str:
    """What remains between q(z) and the prior though every dimension matches."""
    gap, mi = latest(run, "aggregated_kl"), latest(run, "mi")
    if gap is None or gap[0] <= 1:
        return ""
    capped = mi is not None and mi[0] > CAPPED * information_ceiling(run)
    reason = " (MI is at its ceiling log N, which adds to it)" if capped else ""
    return f", but jointly {gap[0]:.1f} nats from the prior{reason}"


def _verdict_on_directions(run: Run) -> str:
    kl, mi = latest(run, "kl"), latest(run, "mi")
    if kl is None or mi is None:
        return "Directions without recorded information."
    most = min(kl[0], information_ceiling(run))
    state = "Collapsed" if mi[0] <= HARDLY * most else "Active"
    return f"{state}: directions carry {max(mi[0], 0):.1f} of at most {most:.1f} nats."

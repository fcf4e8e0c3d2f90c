"""What one run's column of the collapse page shows in a given state, without any callback."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from apps.explorer import cards, charts, collapse_charts, panels
from apps.explorer.charts import Curve
from apps.explorer.state import State
from apps.explorer.view import View
from lab import collapse, look, verdicts, views
from lab.errors import UserError
from lab.runs import Run

Panel = tuple[go.Figure, str]
NO_KL = {
    "point": "Deterministic codes have no posterior to compare with the prior: no KL.",
    "vmf": "The KL of a direction is no sum over dimensions: there is no KL per dimension.",
}
UNDIVIDED = {
    "samples": "not divided: no total correlation is recorded of draws",
    "vmf": "not divided: coordinates of a direction depend on each other under the prior too",
}


@dataclass(frozen=True)
class Shared:
    """Limits in nats that all columns have in common: the end of the scale of heat maps, and the
    ends of the axes of the parts (by estimator) and of information."""

    heat: float
    parts: dict[str, tuple[float, float]]
    information: tuple[float, float]


def shared(view: View, chosen: Sequence[Run]) -> Shared:
    """The limits of the runs shown; what cannot be read does not count."""
    ends: dict[str, list[float]] = {}
    nats = []
    for run in chosen:
        try:
            found, curves = collapse.decomposition(view.at(run)), views.series(view.at(run), "mi")
        except UserError:
            continue
        if found:
            negative = sum(part.clip(max=0) for part in found.parts.values())
            positive = sum(part.clip(min=0) for part in found.parts.values())
            ends.setdefault(found.estimator, []).extend([negative.min(), positive.max()])
        if curves:
            nats += [*(v for c in curves for v in c.values), views.information_ceiling(run)]
    parts = {estimator: _room(values) for estimator, values in ends.items()}
    return Shared(heat_limit(view, chosen), parts, _room(nats))


def _room(values: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis for the finite ones of these values."""
    finite = [v for v in values if math.isfinite(v)]
    low, high = min([0.0, *finite]), max([0.1, *finite])
    margin = 0.1 * (high - low)
    return low - (margin if low < -0.02 * high else 0), high + margin


def heat_limit(view: View, chosen: Sequence[Run]) -> float:
    """The largest KL of any dimension at the end of any of the runs, in nats: one scale for all.

    An early peak of one run would leave the others pale; what is larger is drawn in the last
    colour.
    """
    largest = [0.1]
    for run in chosen:
        try:
            found = collapse.kl_heat(dimensions(view, run))
        except UserError:
            continue
        last = np.empty(0) if found is None else found[0][:, -1]
        largest += last[np.isfinite(last)].tolist()
    return max(largest)


def column(
    view: View, state: State, run_id: str, limits: Shared, mode: str
) -> tuple[Any, Any, str, Panel, Panel, Panel]:
    """Head, numbers, verdict and three panels of one run, each with the words below it."""
    try:
        run = view.find(run_id)
        epoch = view.dumped_epoch(run, state.epoch)
        then = view.at(run, epoch)
        head = cards.heading(view, run, panels.when(run, epoch, state))
        words = cards.numbers(then), verdicts.verdict(then)
    except UserError as error:
        return _without(view, run_id, error, mode)
    rows = (
        _panel(mode, heat, view, run, limits.heat),
        _panel(mode, parts, view, run, epoch, limits),
        _panel(mode, information, view, run, epoch, limits),
    )
    return head, *words, *rows


def _without(view: View, run_id: str, error: UserError, mode: str) -> tuple[Any, ...]:
    """The column of a run that has gone, has dumped nothing yet or cannot be read."""
    head, numbers, verdict = "", "", str(error)
    try:
        run = view.find(run_id)
        head = cards.heading(view, run, "")
        verdict = verdicts.verdict(view.at(run))
        numbers = cards.numbers(view.at(run))
    except UserError:
        pass
    blank = charts.note_figure("", mode), ""
    return head, numbers, verdict, (charts.note_figure(str(error), mode), ""), blank, blank


def _panel(mode: str, make: Any, *given: Any) -> Panel:
    try:
        return make(*given, mode)
    except UserError as error:
        return charts.note_figure(str(error), mode), ""


def heat(view: View, run: Run, top: float, mode: str) -> Panel:
    """KL per dimension over the dumps of one run, from 0 to `top` nats, as picture and words."""
    found = collapse.kl_heat(dimensions(view, run))
    if found is None:
        words = NO_KL.get(family(run), "This posterior has no KL per dimension.")
        return charts.note_figure(words, mode), ""
    kl, epochs, order = found
    last, per_epoch = kl[:, -1], _unit(run)[1]
    largest = np.max(last, where=np.isfinite(last), initial=0)
    words = f"{(last > 0.01).sum()} of {len(last)} dimensions above 0.01 nats"
    words += f"; the largest {largest:.2f}{_of_moments(run)}{_unfit(kl)}."
    figure = charts.dimensions_figure(kl[order], epochs * per_epoch, order, top, mode)
    return figure.update_xaxes(title_text=_unit(run)[0]), words


def parts(view: View, run: Run, epoch: int, limits: Shared, mode: str) -> Panel:
    """The KL of one run as the sum of its parts over the epochs, as picture and words."""
    found = collapse.decomposition(view.at(run))
    if found is None:
        words = NO_KL.get(family(run), "No finite KL is recorded with its mutual information.")
        return charts.note_figure(words, mode), ""
    name, per_epoch = _unit(run)
    room = limits.parts.get(found.estimator, (0.0, 1.0))
    figure = collapse_charts.parts_figure(found, per_epoch, room, epoch * per_epoch, mode)
    row = int((found.epochs <= epoch).sum()) - 1
    words = collapse_charts.sum_words(found, max(row, 0))
    if any(values[row] < 0 for values in found.parts.values()):
        words += "; below 0 is the error of an estimate"
    left_out = f"{found.left_out} without finite figures left out" if found.left_out else ""
    notes = [found.estimator, UNDIVIDED.get(family(run), ""), left_out]
    words = "; ".join([words, *filter(None, notes)])
    return figure.update_xaxes(title_text=name), f"{words}."


def information(view: View, run: Run, epoch: int, limits: Shared, mode: str) -> Panel:
    """Mutual information of one run over the epochs by every estimator recorded."""
    name, per_epoch = _unit(run)
    found = views.series(view.at(run), "mi")
    if not found:
        words = "No mutual information is recorded."
        if family(run) == "point":
            words = "Codes without noise that all differ carry log N nats: MI says nothing here."
        return charts.note_figure(words, mode), ""
    curves = [
        Curve(
            s.estimator or "MI", look.colour(run.spec), "solid" if s is found[0] else "dot",
            s.epochs * per_epoch, s.values, s.stderr, width=2 if s is found[0] else 1,
        )
        for s in found
    ]  # fmt: skip
    ceiling = views.information_ceiling(run)
    figure = collapse_charts.information_figure(
        curves, ceiling, per_epoch, limits.information, epoch * per_epoch, mode
    )
    words = ", ".join(_value(s, epoch) for s in found) + f" of at most {ceiling:.2f} (log N) nats."
    return figure.update_xaxes(title_text=name), words


def _value(found: views.Series, epoch: int) -> str:
    row = max(int((found.epochs <= epoch).sum()) - 1, 0)
    error = "" if found.stderr is None else f" ± {found.stderr[row]:.2g}"
    estimator = f" {found.estimator}" if found.estimator else ""
    return f"{found.values[row]:.3g}{error}{estimator}"


def dimensions(view: View, run: Run) -> pl.DataFrame:
    """The run's table of dimensions. Raises UserError that says what to do if it is damaged."""
    try:
        return view.dimensions(run)
    except UserError as error:
        words = "dimensions.parquet is damaged; delete it and resume the run, or import it again."
        raise UserError(words) from error


def family(run: Run) -> str:
    """The family of a run's posteriors, "" before the first dump."""
    return run.info.get("latent", {}).get("family", "")


def _unfit(kl: np.ndarray) -> str:
    """How much of a heat map has no colour, in words."""
    count = np.count_nonzero(~np.isfinite(kl))
    return f"; {count} of {kl.size} values infinite or missing, drawn blank" if count else ""


def _of_moments(run: Run) -> str:
    return ", of the moment-matched Gaussians" if family(run) == "samples" else ""


def _unit(run: Run) -> tuple[str, int]:
    unit = run.info.get("unit", {"name": "epoch", "per_epoch": 1})
    return unit["name"], unit["per_epoch"]

"""Units of all runs shown on the collapse page: their kinds, and their counts over thresholds."""

from collections.abc import Sequence

import plotly.graph_objects as go

from apps.explorer import cards, charts, collapse_charts
from apps.explorer.charts import Curve
from apps.explorer.collapse_charts import Room
from apps.explorer.collapse_column import Panel, dimensions, family
from apps.explorer.state import State
from apps.explorer.view import View
from lab import collapse, look, views
from lab.collapse import ACTIVE_THRESHOLDS, CONSISTENT_THRESHOLDS, Thresholds, Units
from lab.errors import UserError

NO_CU = "no consistent units: deterministic codes and directions have no marginals to compare"


def units_of(
    view: View, state: State, ids: Sequence[str], mode: str
) -> tuple[list[go.Figure], list[str]]:
    """The picture of kinds of units of each run, all on the same axes, and their counts."""
    found = [units(view, state, run_id) for run_id in ids]
    thresholds = Thresholds(state.active, state.narrow, state.wide)
    room = Room.of([those for those in found if not isinstance(those, UserError)])
    shown = [
        units_panel(view, run_id, those, thresholds, room, mode)
        for run_id, those in zip(ids, found, strict=True)
    ]
    return [figure for figure, _ in shown], [words for _, words in shown]


def units(view: View, state: State, run_id: str) -> Units | UserError:
    """The units of one run at the epoch shown, or why there are none."""
    try:
        run = view.find(run_id)
        epoch = view.dumped_epoch(run, state.epoch)
        if views.on_sphere(run):
            return collapse.units_on_sphere(view.latents(run, epoch))
        return collapse.units(family(run), dimensions(view, run), epoch)
    except UserError as error:
        return error


def units_panel(
    view: View,
    run_id: str,
    found: Units | UserError,
    thresholds: Thresholds,
    room: Room,
    mode: str,
) -> Panel:
    """The kinds of units of one run as picture and counts."""
    if isinstance(found, UserError):
        return charts.note_figure(str(found), mode), ""
    colour = look.colour(view.find(run_id).spec)
    figure = collapse_charts.units_figure(found, thresholds, room, colour, mode)
    counts = collapse.unit_counts(found, thresholds)
    words = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    both = "AU counts the active and the mixed ones" if counts["mixed"] else ""
    return figure, f"{'; '.join(filter(None, [words, both, found.about]))}."


def counts(view: View, state: State, mode: str) -> tuple[list[go.Figure], str]:
    """Active and consistent units of all runs over their thresholds, and what is missing."""
    chosen = view.chosen(state.runs)
    names = cards.run_names(chosen)
    active, consistent, without = [], [], []
    for run, name in zip(chosen, names, strict=True):
        found = units(view, state, run.id)
        if isinstance(found, UserError):
            continue
        line = {"colour": look.colour(run.spec), "dash": look.dash(run.spec)}
        label = f"{name} (moment-matched)" if found.about == "moment-matched" else name
        active.append(Curve(label, **line, x=ACTIVE_THRESHOLDS, y=collapse.active_curve(found)))
        matching = collapse.consistent_curve(found)
        if matching is None:
            without.append(name)
        else:
            consistent.append(Curve(label, **line, x=CONSISTENT_THRESHOLDS, y=matching))
    figures = [
        collapse_charts.counts_figure(active, "Var[μ]", 0.01, mode),
        collapse_charts.counts_figure(consistent, "KL(p(zᵢ) ‖ q(zᵢ)), nats", 0.03, mode),
    ]
    return figures, f"{', '.join(without)}: {NO_CU}." if without else ""

"""Where a column's maps stand: their axes, the part that is looked at, the epoch in words."""

from apps.explorer import maps, text
from apps.explorer.columns import Column
from apps.explorer.state import State
from apps.explorer.view import View
from lab import views
from lab.rasters import Window
from lab.runs import Run


def frame(
    view: View, run: Run, state: State, mode: str, zoom: Window | None = None
) -> tuple[maps.Frame, tuple[int, int]]:
    """The axes of a run's maps in this state, and the two dimensions they are.

    Raises UserError for a run of one dimension.
    """
    axes = view.axes(run, state.x, state.y)
    names = [f"{text.dimension(d)}, {text.rank(r)}" for d, r in axes]
    scale = views.density_scale(run)
    shared = maps.Frame(
        *names, state.limit, state.prior, mode, views.on_sphere(run), scale, window=zoom
    )
    return shared, (axes[0][0], axes[1][0])


def window(state: State) -> Window:
    """The part of the maps that is looked at: x from, to, y from, to."""
    return state.zoom or (-state.limit, state.limit, -state.limit, state.limit)


def when(run: Run, epoch: int, state: State) -> str:
    """The epoch of a picture, with a word where the run has no dump of the epoch asked for."""
    if state.epoch is None or epoch == state.epoch:
        return run.time(epoch)
    if epoch > state.epoch:
        return f"{run.time(epoch)}, its first"
    return f"{run.time(epoch)}, {'its last' if epoch == run.epochs[-1] else 'the dump before'}"


def when_in(shown: Column, epoch: int, state: State) -> str:
    """As `when`; of a column that stays at its epoch, that."""
    if shown.pin is None:
        return when(shown.run, epoch, state)
    return f"{shown.run.time(epoch)}, pinned"

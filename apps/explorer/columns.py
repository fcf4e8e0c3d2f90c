"""The columns of the latent page: runs that follow the epoch slider, and dumps that stay put."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError
from lab.runs import Run

ACTIONS = {
    "split": "Split into first, middle, best and last epoch",
    "pin": "Pin the epoch shown beside it",
    "join": "Join its epochs into one column",
    "drop": "Remove this column",
}


@dataclass(frozen=True)
class Column:
    """One run, at the epoch of the slider or, `pin`ned, always at the same one."""

    run: Run
    pin: int | None = None

    @property
    def id(self) -> str:
        """How the URL names it."""
        return self.run.id if self.pin is None else f"{self.run.id}@{self.pin}"

    def epoch(self, view: View, state: State) -> int:
        """The dump it shows. Raises UserError where its run has none."""
        return view.dumped_epoch(self.run, state.epoch if self.pin is None else self.pin)


def columns(view: View, state: State) -> list[Column]:
    """The columns that a state asks for, or the view's default."""
    if not state.runs:
        return [Column(run) for run in view.chosen(())]
    return [Column(*pair) for name in state.runs if (pair := view.named(name))]


def column(view: View, name: str) -> Column:
    """The column of a name. Raises UserError if its run is gone."""
    pair = view.named(name)
    if pair is None:
        raise UserError("This run is no longer in the folder.")
    return Column(*pair)


def acted(view: View, state: State, name: str, action: str) -> list[str]:
    """Names of all columns after one of ACTIONS on the column `name`."""
    shown, one = columns(view, state), column(view, name)
    if action == "join":
        first = next(c.id for c in shown if c.run.id == one.run.id)
        return [
            one.run.id if c.id == first else c.id
            for c in shown
            if c.run.id != one.run.id or c.id == first
        ]
    put = {
        "split": [Column(one.run, epoch) for epoch in landmarks(one.run)],
        "pin": [one, Column(one.run, one.epoch(view, state))],
        "drop": [],
    }[action]
    changed = [c.id for old in shown for c in (put if old.id == name else [old])]
    return list(dict.fromkeys(changed))


def landmarks(run: Run) -> Sequence[int]:
    """The first, middle, best and last of its dumped epochs, each once."""
    if not run.epochs:
        raise UserError("This run dumped no latents.")
    middle = run.epochs[(len(run.epochs) - 1) // 2]
    best = [run.best_epoch] if run.best_epoch in run.epochs else []
    return sorted({run.epochs[0], middle, *best, run.epochs[-1]})

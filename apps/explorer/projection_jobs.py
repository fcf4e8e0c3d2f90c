"""The box of each run that shows how far its layouts are, and cancels or starts them."""

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, MATCH, Dash, Input, Output, State, dcc, html
from dash import no_update as same
from dash.development.base_component import Component

from apps.explorer import cards
from apps.explorer.columns import Column
from apps.explorer.jobs import Progress
from apps.explorer.layouts import Layouts
from lab.runs import Run

CANCEL, GO_ON, AGAIN = "Cancel", "Go on", "Try again"
STOPPED = Progress("stopped", 0.0, "Cancelled. What was laid out before stays.")


def box(shown: Column) -> Component:
    """A bar, a line of words and a button; hidden once everything is laid out."""
    bar = dmc.Progress(
        id=cards.part("job-share", shown), value=0, size="xs", color="var(--accent)", animated=True
    )
    words = html.Span(id=cards.part("job-words", shown))
    button = html.Button(CANCEL, id=cards.part("job-button", shown), className="plain ask")
    return html.Div(
        [
            html.Div([bar, html.Div([words, button])], id=cards.part("job", shown), hidden=True),
            dcc.Store(id=cards.part("job-stopped", shown), data=False),
        ],
        className="job",
    )


def shown(progress: Progress | None) -> tuple[float, str, str, bool]:
    """Percentage, words, the button's words, and whether there is nothing to tell."""
    if progress is None or progress.state == "done":
        return 100.0, "", CANCEL, True
    button = {"failed": AGAIN, "stopped": GO_ON}.get(progress.state, CANCEL)
    return 100 * progress.share, progress.words, button, False


def ask(layouts: Layouts, browser: str, stopped: Mapping[str, bool]) -> dict[str, Progress]:
    """Where the layouts of columns stand, by name; of one that is gone or laid out nothing.

    Asking starts what is missing, unless the column is `stopped`.
    """
    runs = {name: run for name in stopped if (run := _find(layouts, name)) is not None}
    told = layouts.ask(browser, [run for name, run in runs.items() if not stopped[name]])
    going = {name: told[r.id] for name, r in runs.items() if r.id in told and not stopped[name]}
    halted = {name: STOPPED for name, r in runs.items() if stopped[name] and layouts.missing(r)}
    return going | halted


def _find(layouts: Layouts, name: str) -> Run | None:
    named = layouts.view.named(name)
    return named and named[0]


def found(layouts: Layouts, names: Sequence[str]) -> list[str]:
    """What changes when a column's picture may: which dumps are laid out, and turned onto which."""
    runs = [_find(layouts, name) for name in names]
    first = next((run.id for run in runs if run and layouts.last(run) is not None), "")
    return [f"{layouts.kind} {first} {run and (run.epochs, layouts.missing(run))}" for run in runs]


def register(app: Dash, every: Mapping[str, Layouts]) -> None:
    """Polls the jobs while there are any, and the button of each run; layouts come by kind."""
    some = next(iter(every.values()))

    @app.callback(
        Output({"type": "job-share", "run": ALL}, "value"),
        Output({"type": "job-words", "run": ALL}, "children"),
        Output({"type": "job-button", "run": ALL}, "children"),
        Output({"type": "job", "run": ALL}, "hidden"),
        Output({"type": "projected-found", "run": ALL}, "data"),
        Output("projections-clock", "disabled"),
        Input("projections-kind", "value"),
        Input("revision", "data"),
        Input("projections-clock", "n_intervals"),
        Input({"type": "job-stopped", "run": ALL}, "data"),
        State({"type": "job-stopped", "run": ALL}, "id"),
        State({"type": "projected-found", "run": ALL}, "id"),
        State({"type": "projected-found", "run": ALL}, "data"),
        State("projections-browser", "data"),
    )
    def poll(
        kind: str, _revision: str, _count: int, stopped: list[bool], parts: list[dict[str, str]],
        pictured: list[dict[str, str]], known: list[str | None], browser: str,
    ) -> Any:  # fmt: skip
        names = [part["run"] for part in parts]
        layouts = every.get(kind, some)
        # Asking for nothing ends what another projection began.
        told = ask(
            layouts, browser, dict(zip(names, stopped, strict=True)) if kind in every else {}
        )
        now = found(layouts, [part["run"] for part in pictured]) if names else known
        changed = [new if new != old else same for new, old in zip(now, known, strict=True)]
        busy = any(progress.state in ("waiting", "running") for progress in told.values())
        rows = [shown(told.get(name)) for name in names]
        return *([row[k] for row in rows] for k in range(4)), changed, not busy

    @app.callback(
        Output({"type": "job-stopped", "run": MATCH}, "data"),
        Input({"type": "job-button", "run": MATCH}, "n_clicks"),
        State({"type": "job-button", "run": MATCH}, "id"),
        State({"type": "job-button", "run": MATCH}, "children"),
        State("projections-kind", "value"),
        prevent_initial_call=True,
    )
    def press(_clicks: int, part: dict[str, str], words: str, kind: str) -> bool:
        layouts = every.get(kind, some)
        run = _find(layouts, part["run"])
        if words == AGAIN and run is not None:
            layouts.retry(run)
        return words == CANCEL

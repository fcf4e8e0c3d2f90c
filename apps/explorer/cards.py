"""Parts that every page is made of: columns, numbers, captions, the run picker, notices."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from apps.explorer import text, theme
from apps.explorer.captions import CAPTIONS
from apps.explorer.state import LIMITS, State
from apps.explorer.view import View
from lab import look, views
from lab.errors import UserError
from lab.runs import Run

GRID_THEME = {"function": "explorerTheme(themeQuartz)"}
GRID_COLUMN = {"sortable": True, "filter": True, "suppressHeaderMenuButton": True}
RANKS = 8  # dimensions offered by their activity
NUMBERS = ("kl", "mi", "au", "cu", "nll")


def part(kind: str, run: Run) -> dict[str, str]:
    """Id of one part of one run's column."""
    return {"type": kind, "run": run.id}


def swatch(spec: str) -> html.Span:
    """The method's colour as a dot; the spec string on hover."""
    style = {"background": look.colour(spec)}
    return html.Span(className="swatch", title=spec, style=style, **{"aria-hidden": "true"})


def caption(key: str) -> html.Button:
    """The (i) that opens what a panel draws, how to read it and what it can't show."""
    words = CAPTIONS[key]
    named = {"aria-label": f"About: {words[0]}", "aria-haspopup": "dialog"}
    return html.Button(
        "i", className="info", **named, **{"data-caption": key, "data-about": json.dumps(words)}
    )


def panel(title: str, key: str, graph: Component) -> html.Div:
    """A picture with its name above it, its caption and its files one click away."""
    named = {"aria-label": f"Save: {title}", "aria-haspopup": "menu"}
    save = html.Button("↓", className="info save", title="Save this figure", **named)
    head = html.Div([html.Span(title), save, caption(key)], className="panel-head")
    return html.Div([head, graph], className="panel")


def graph(component_id: Any, shape: str = "square", **given: Any) -> html.Div:
    """A picture of the given shape ("square" or "chart") that fills its column."""
    picture = dcc.Graph(id=component_id, config=theme.CONFIG, responsive=True, **given)
    return html.Div(picture, className=shape)


def heading(view: View, run: Run, when: str) -> list[Component]:
    """A column's head: method, where it was trained, where the picture stands."""
    spec = [run.spec] if run.id in view.listing.alike else []
    place = " · ".join([*spec, run.corpus, f"seed {run.seed}"])
    return [
        html.H3([swatch(run.spec), html.Span(run.label, title=run.about)]),
        html.Div([html.Span(place), html.Span(when), status(run)], className="where"),
    ]


def status(run: Run) -> html.Span | str:
    """Status as a word; a finished run needs none."""
    word = run.status
    return "" if word == "finished" else html.Span(word, className=f"status {word}")


def numbers(run: Run) -> html.Dl:
    """The figures that matter, each with the name of its estimator unless it is the closed form."""
    width = run.info.get("latent", {}).get("dimensions")
    return html.Dl(
        [_number(key, views.latest(run, key), width) for key in NUMBERS], className="numbers"
    )


def _number(key: str, found: tuple[float, str] | None, width: int | None) -> html.Div:
    title = views.QUANTITIES[key][0]
    if found is None:
        value, estimator = "–", ""
    else:
        value, estimator = text.figure(found[0]), found[1]
        if key in ("au", "cu"):
            value = f"{found[0]:.0f}"
    units = html.Small(f"/{width}") if key in ("au", "cu") and found and width else ""
    kind = html.Small(estimator, className="estimator") if estimator else ""
    return html.Div([html.Dt(key.upper(), title=title), html.Dd([value, units, kind])])


def columns(cards: Sequence[Component]) -> html.Div:
    """One column per run, the same rows in each."""
    return html.Div(list(cards), className="columns", style={"--columns": len(cards)})


def picker() -> dmc.Popover:
    """A button that opens the list of runs to compare; `choices` fills it."""
    button = dmc.Button(
        html.Span(id="picked-count"), variant="default", size="sm", fw=500, id="picker"
    )
    search = dmc.TextInput(
        id="picked-search", placeholder="search runs", size="sm", mb=10, debounce=150, value=""
    )
    boxes = dmc.CheckboxGroup([], id="picked", value=[])
    dropdown = dmc.PopoverDropdown([search, boxes], className="choices")
    return dmc.Popover([dmc.PopoverTarget(button), dropdown], position="bottom-end", shadow="md")


def choices(view: View, search: str | None = None) -> list[Component]:
    """A box to tick for each run whose name, id or corpus holds all the words searched for, grouped
    by corpus.
    """
    runs = sorted(view.listing.runs, key=lambda r: r.corpus)
    words = (search or "").lower().split()
    named = [
        (run, name)
        for run, name in zip(runs, views.method_names(runs), strict=True)
        if all(word in f"{name} seed {run.seed} {run.id}".lower() for word in words)
    ]
    if not named and words:
        return [html.P("No run of that name.", className="hint")]
    return [
        html.Div([html.H4(corpus), *(_choice(r, name) for r, name in members)])
        for corpus, members in groupby(named, key=lambda member: member[0].corpus)
    ]


def _choice(run: Run, name: str) -> dmc.Checkbox:
    words = html.Span([swatch(run.spec), f"{name}, seed {run.seed}"], title=run.id)
    return dmc.Checkbox(label=words, value=run.id, size="sm")


def select(component_id: str, data: list[Any], value: str, width: int) -> dmc.Select:
    """A choice of one, `width` pixels wide, whose list opens below it."""
    return dmc.Select(
        id=component_id, data=data, value=value, w=width, size="sm", allowDeselect=False,
        checkIconPosition="right", maxDropdownHeight=360,
        comboboxProps={"width": max(width, 180), "position": "bottom-start"},
    )  # fmt: skip


def segments(component_id: str, choices: dict[str, str], value: str) -> dmc.SegmentedControl:
    """A choice of one of a few, all of them in sight."""
    data = [{"value": v, "label": label} for v, label in choices.items()]
    return dmc.SegmentedControl(id=component_id, data=data, value=value, size="xs")


def axes(state: State, chosen: Sequence[Run]) -> list[dict[str, Any]]:
    """The dimensions of the runs as choices: the most active ones by their rank, all by index."""
    width = max((r.info.get("latent", {}).get("dimensions", 0) for r in chosen), default=0)
    asked = [int(name[1:]) for name in (state.x, state.y) if name[0] == "a"]
    offered = min(width, max(RANKS, *asked, 0))
    ranks = [{"value": f"a{i + 1}", "label": text.rank(i)} for i in range(offered)]
    names = [{"value": f"z{i + 1}", "label": text.dimension(i)} for i in range(width)]
    return [{"group": "By activity", "items": ranks}, {"group": "By index", "items": names}]


def limits(component_id: str, state: State) -> dmc.Select:
    """The choice of the half-width of maps."""
    offered = [{"value": f"{v:g}", "label": f"± {v:g}"} for v in LIMITS]
    return select(component_id, offered, f"{state.limit:g}", 84)


def epochs(chosen: Sequence[Run], usual: str = "last dump") -> list[dict[str, str]]:
    """The dumps of any run as choices; "" is the `usual` one of each."""
    return [{"value": "", "label": usual}, *dumps(chosen)]


def dumps(chosen: Sequence[Run], prefix: str = "") -> list[dict[str, str]]:
    """The dumps of any run by their epochs, as choices."""
    names = {epoch: run.time(epoch) for run in chosen for epoch in run.epochs}
    return [{"value": f"{prefix}{e}", "label": names[e]} for e in sorted(names)]


def control(label: str, component: Component) -> html.Label:
    """A control with its name before it."""
    return html.Label([html.Span(label), component], className="control")


def legend(entries: Iterable[Component]) -> html.Div:
    """A row of colour samples and their names."""
    return html.Div(list(entries), className="legend")


def run_legend(runs: Sequence[Run]) -> html.Div:
    """Line samples and names of the runs in a chart."""
    return legend(
        html.Span([html.I(className="line", style=_line(run)), name, status(run)], title=run.id)
        for run, name in zip(runs, run_names(runs), strict=True)
    )


def run_names(runs: Sequence[Run]) -> list[str]:
    """The runs' methods, with corpus and seed where they tell them apart."""
    places = [[run.corpus, f"seed {run.seed}"] for run in runs]
    differing = [k for k in (0, 1) if len({p[k] for p in places}) > 1]
    return [
        " · ".join([name, *(p[k] for k in differing)])
        for name, p in zip(views.method_names(runs), places, strict=True)
    ]


def _line(run: Run) -> dict[str, str]:
    return {"borderTop": f"2.5px {_css(look.dash(run.spec))} {look.colour(run.spec)}"}


def _css(dash: str) -> str:
    return {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "dashed"}[dash]


def nothing(view: View, chosen: Sequence[Run]) -> html.Div | None:
    """What to type when there is nothing to show; None when there is something."""
    if view.listing.missing:
        return _empty(
            "The runs folder is gone.", f"{view.root} will be shown again when it is back."
        )
    if not view.listing.runs:
        return _empty(
            f"No runs in {view.root} yet.", "Type one of these; the page fills by itself:", True
        )
    if not chosen:
        return _empty("No run chosen.", "Pick runs on the Runs page or with the button above.")
    return None


def _empty(title: str, words: str, commands: bool = False) -> html.Div:
    lines = ("latentlab demo", "latentlab train grammar vae") if commands else ()
    return html.Div([html.H2(title), html.P(words), *map(html.Pre, lines)], className="empty")


def notices(view: View) -> list[Component]:
    """One line for each folder that cannot be read."""
    lines = list(view.listing.problems)
    if view.listing.missing:
        lines = [
            f"{view.root}: no such folder. It was moved or deleted; waiting for it to come back."
        ]
    shown = [html.Div(line, className="notice") for line in lines[:5]]
    more = [html.Div(f"and {len(lines) - 5} more", className="notice")] if len(lines) > 5 else []
    return shown + more


def notice(error: UserError | str) -> html.Div:
    """One line that says what is wrong."""
    return html.Div(str(error), className="notice")

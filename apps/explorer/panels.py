"""What one run's column shows in a given state: figures and words, without any callback."""

from collections.abc import Sequence
from typing import Any

import dash_ag_grid as dag
import numpy as np
import plotly.graph_objects as go
import polars as pl
from dash import html
from dash.development.base_component import Component

from apps.explorer import behind, cards, charts, maps, text, theme
from apps.explorer.classes import Classes, classes, sample, single
from apps.explorer.selection import Selection
from apps.explorer.state import State
from apps.explorer.view import View, categories
from lab import look, views
from lab.errors import UserError
from lab.runs import Run

TABLE_ROWS = 500
MOST_TRACES = 20  # several layers per class, so that the class drawn last doesn't hide the others
GL_GRAPHS = 6  # a WebGL graph opens two contexts and a browser allows 16


def stamp(view: View, run_id: str) -> str:
    """Changes when the run's pictures may have changed."""
    try:
        run = view.find(run_id)
    except UserError:
        return "gone"
    return repr((run.info.get("updated"), run.epochs[-1:], run.status))


def labels(run: Run) -> list[str]:
    """Names of the run's label columns; none when its items can't be read."""
    try:
        return run.labels
    except UserError:
        return []


def colour_column(state: State, chosen: Sequence[Run]) -> str:
    """The column that colours the points: as asked for, else the first label, else the method."""
    offered = list(dict.fromkeys(c for run in chosen for c in labels(run)))
    if state.colour in (*offered, "length", "method"):
        return state.colour
    return offered[0] if offered else "method"


def shared_classes(column: str, chosen: Sequence[Run]) -> Classes | None:
    """Classes of a column over all runs that have it; None where the method colours the points."""
    having = [r for r in chosen if r.epochs and (column == "length" or column in labels(r))]
    return (
        classes(column, [r.items[column] for r in having])
        if having and column != "method"
        else None
    )


def scales(chosen: Sequence[Run]) -> list[Component]:
    """The scale of the densities, and those on spheres, each size with its own."""
    spans = {}
    for run in chosen:
        name = "density on the sphere 0" if views.on_sphere(run) else "density 0"
        limit = f"{look.DENSITY_LIMIT * views.density_scale(run):g}"
        spans[name, limit] = html.Span([name, html.I(className="scale"), limit])
    return list(spans.values())


def legend(view: View, state: State, chosen: Sequence[Run]) -> Component:
    """The scales of the densities and critics and the classes of the points, once for all."""
    scale = [*scales(chosen), *behind.scales(view, state, chosen)]
    try:
        found = shared_classes(colour_column(state, chosen), chosen)
    except UserError:
        found = None
    if found is None:
        return cards.legend(scale)
    if found.bounds:
        ramp = {"background": f"linear-gradient(to right, {', '.join(found.colours)})"}
        low, high = (f"{v:.3g}" for v in found.bounds)
        return cards.legend(
            [
                *scale,
                html.Span([f"{found.title} {low}", html.I(className="scale", style=ramp), high]),
            ]
        )
    dots = zip(found.names, found.colours, strict=True)
    shown = [
        html.Span([html.Span(className="swatch", style={"background": c}), n]) for n, c in dots
    ]
    return cards.legend([*scale, html.B(found.title), *shown])


def density_column(view: View, state: State, run_id: str, mode: str) -> tuple[Any, ...]:
    """Density figure, head, numbers and verdict of one run."""
    try:
        run = view.find(run_id)
    except UserError as error:
        return charts.note_figure(str(error), mode), "", "", ""
    try:
        epoch = view.dumped_epoch(run, state.epoch)
        figure = maps.density_figure(*map_of(view, run, epoch, state, mode))
    except UserError as error:
        now = view.at(run)
        return (
            charts.note_figure(str(error), mode),
            cards.heading(run, ""),
            cards.numbers(now),
            views.verdict(now),
        )
    then = view.at(run, epoch)
    return (
        figure,
        cards.heading(run, when(run, epoch, state)),
        cards.numbers(then),
        views.verdict(then),
    )


def map_of(view: View, run: Run, epoch: int, state: State, mode: str) -> tuple[Any, ...]:
    """Arguments of a density figure: x, y, density and the frame."""
    shared, dims = frame(view, run, state, mode)
    return *view.density(run, epoch, dims, state.limit), shared


def frame(view: View, run: Run, state: State, mode: str) -> tuple[maps.Frame, tuple[int, int]]:
    """The axes of a run's maps in this state, and the two dimensions they are."""
    axes = [view.axis(run, name) for name in (state.x, state.y)]
    names = [f"{text.dimension(d)}, {text.rank(r)}" for d, r in axes]
    scale = views.density_scale(run)
    shared = maps.Frame(*names, state.limit, state.prior, mode, views.on_sphere(run), scale)
    return shared, (axes[0][0], axes[1][0])


def readout(chosen: Sequence[Run], epoch: int) -> str:
    """Where the slider stands, in the unit of the runs: "iteration 15000 of 80000"."""
    last = last_epoch(chosen)
    having = [r for r in chosen if r.epochs]
    alike = len({(r.time(0), r.time(1)) for r in having}) == 1
    if not alike:
        return f"{epoch} of {last}"
    return f"{having[0].time(epoch)} of {having[0].time(last).split()[-1]}"


def last_epoch(chosen: Sequence[Run]) -> int:
    """The last dump of any run; 0 without one."""
    return max((r.epochs[-1] for r in chosen if r.epochs), default=0)


def when(run: Run, epoch: int, state: State) -> str:
    """The epoch of a picture, with a word where the run has no dump of the epoch asked for."""
    if state.epoch is None or epoch == state.epoch:
        return run.time(epoch)
    if epoch > state.epoch:
        return f"{run.time(epoch)}, its first"
    return f"{run.time(epoch)}, {'its last' if epoch == run.epochs[-1] else 'the dump before'}"


def centres_column(
    view: View, state: State, run_id: str, mode: str, selection: Selection | None
) -> go.Figure:
    """Centres figure of one run, with the items of the selection on top."""
    try:
        run = view.find(run_id)
        return _centres(view, state, run, mode, selection)
    except UserError:
        return charts.note_figure("", mode)


def _centres(
    view: View, state: State, run: Run, mode: str, selection: Selection | None
) -> go.Figure:
    chosen = view.chosen(state.runs)
    shared, dims = frame(view, run, state, mode)
    epoch = view.dumped_epoch(run, state.epoch)
    plane = view.points(run, epoch)[:, dims]
    found, groups = _groups(state, run, chosen)
    many = sum(len(r.items) > maps.SVG_LIMIT for r in chosen if r.epochs) > GL_GRAPHS
    rows = sample(groups, maps.SVG_LIMIT if many else maps.POINT_LIMIT)
    on_top, marked = None, _marked(view, selection, run)
    if marked is not None:
        accent = theme.TOKENS[mode]["accent"]
        on_top = _points(run, plane, marked[: maps.SVG_LIMIT], "selected", accent)
    return maps.centres_figure(
        _layered(run, plane, rows, found, groups), shared, len(rows) > maps.SVG_LIMIT, on_top,
        _outline(selection, run, state),
        *behind.layers(view, state, run, epoch, dims, _palette(run, chosen), mode),
    )  # fmt: skip


def _layered(
    run: Run, plane: np.ndarray, rows: np.ndarray, found: Classes, groups: np.ndarray
) -> list[maps.Points]:
    """The points of each class, in several layers of all classes."""
    layers = max(1, min(4, MOST_TRACES // len(found.names)))
    return [
        _points(run, plane, part[groups[part] == k], name, colour)
        for part in np.array_split(np.random.default_rng(0).permutation(rows), layers)
        for k, (name, colour) in enumerate(zip(found.names, found.colours, strict=True))
    ]


def _points(run: Run, plane: np.ndarray, rows: np.ndarray, name: str, colour: str) -> maps.Points:
    hover = [text.safe(t) for t in run.items["text"].gather(rows).to_list()]
    return maps.Points(name, colour, plane[rows, 0], plane[rows, 1], hover)


def _groups(state: State, run: Run, chosen: Sequence[Run]) -> tuple[Classes, np.ndarray]:
    """The classes that colour the points, and the number of that of each item [N]."""
    column = colour_column(state, chosen)
    found = shared_classes(column, chosen)
    if found is None or column not in run.items.columns:
        return single(look.colour(run.spec)), np.zeros(len(run.items), int)
    return found, found.assign(run.items[column])


def _palette(run: Run, chosen: Sequence[Run]) -> list[str]:
    """Colours of a toy run's categories, as its points have them when coloured by category."""
    numbers = pl.Series(range(categories(run)), dtype=pl.Int64)
    found = shared_classes("category", chosen) or single(look.colour(run.spec))
    return [found.colours[k] for k in found.assign(numbers)]


def _outline(
    selection: Selection | None, run: Run, state: State
) -> tuple[np.ndarray, np.ndarray] | None:
    """The polygon, where it was drawn in this run's panel on the axes shown now."""
    here = selection is not None and selection.run == run.id
    same_axes = here and (selection.state.x, selection.state.y) == (state.x, state.y)
    return (selection.x, selection.y) if same_axes else None


def _marked(view: View, selection: Selection | None, run: Run) -> np.ndarray | None:
    if selection is None:
        return None
    source, rows = selection.rows(view)
    return view.matching_rows(source, rows, run)


def selected_table(view: View, state: State, selection: Selection | None) -> Component:
    """Texts and labels of the selected items, and how many of them each run shares."""
    if selection is None:
        return html.P(
            "Draw around points with the lasso to read them here and mark them in every run.",
            className="hint",
        )
    try:
        source, rows = selection.rows(view)
        chosen = [r for r in view.chosen(state.runs) if r.epochs]
        strangers = [
            r.label for r in chosen if len(rows) and not len(view.matching_rows(source, rows, r))
        ]
    except UserError as error:
        return cards.notice(error)
    first = f", the first {TABLE_ROWS} listed" if len(rows) > TABLE_ROWS else ""
    words = f"{len(rows):,} of {len(source.items):,} items selected in {source.label}{first}."
    if strangers:
        words += f" Not among the items of {', '.join(strangers)}."
    return html.Div([html.P(words), _grid(source, rows[:TABLE_ROWS])])


def _grid(run: Run, rows: np.ndarray) -> dag.AgGrid:
    records = run.items[rows].to_dicts()
    order = ["text", *(c for c in run.items.columns if c not in ("id", "text"))]
    names = {f"c{k}": column for k, column in enumerate(order)}
    return dag.AgGrid(
        id="selected-rows",
        rowData=[{key: str(record[column]) for key, column in names.items()} for record in records],
        columnDefs=[
            {"field": key, "headerName": column, "flex": 5 if column == "text" else 1}
            for key, column in names.items()
        ],
        defaultColDef=cards.GRID_COLUMN,
        dashGridOptions={"theme": cards.GRID_THEME, "rowHeight": 36},
        style={"height": "260px"},
    )

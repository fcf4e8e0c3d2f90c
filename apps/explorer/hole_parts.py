"""What one run's column on the page of holes shows: figures and words, without any callback."""

import math
from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from apps.explorer import cards, charts, grounds, item, maps, panels, text, theme
from apps.explorer.looked_at import LookedAt
from apps.explorer.places import COMPARED, Places, Said, signed
from apps.explorer.state import State
from lab import holes
from lab.errors import UserError
from lab.runs import Latents, Run

UNITS = {"gaussian": "σ", "vmf": "°"}
RING = 8  # pixels
HINT = "Click anywhere on a map, or on a row of a list: every run says what is there."


def column(looked: LookedAt, state: State, run_id: str, mode: str) -> tuple[Any, ...]:
    """Map, head and the place looked at, of one run."""
    places = looked.places
    head: list[Component] = []
    try:
        run = places.view.find(run_id)
        head = cards.heading(places.view, run, "")
        epoch = places.epoch(run, state)
        head = cards.heading(places.view, run, panels.when(run, epoch, state))
        figure = _map(looked, state, run, epoch, mode)
    except (UserError, ValueError) as error:
        return charts.note_figure(str(error), mode), head, ""
    return figure, head, _place(looked, state, run, epoch)


def _map(looked: LookedAt, state: State, run: Run, epoch: int, mode: str) -> go.Figure:
    view = looked.view
    shared, dims = panels.frame(view, run, state, mode)
    grid = view.density(run, epoch, dims, state.limit)
    gap = state.ground == "gap"
    plane = grounds.plane(view, run, epoch, dims)
    values, words = grounds.values(*plane, grid, gap)
    figure = (maps.gap_figure if gap else maps.density_figure)(*grid[:2], values, shared)
    grounds.noted(figure, words, mode)
    rings = _rings(looked.places, run, epoch, dims, theme.TOKENS[mode]["muted"])
    posterior = item.traces(view, state, run, epoch, dims, mode)
    figure.add_traces([*rings, *posterior, *_cross(looked, state, run, epoch, dims, mode)])
    return figure.update_layout(hoverdistance=RING)  # else a ring takes clicks 20 pixels away


def _rings(
    places: Places, run: Run, epoch: int, dims: tuple[int, int], colour: str
) -> list[go.Scatter]:
    """The listed holes, once they are found."""
    found = places.known(run, epoch)
    if found is None:
        return []
    rows = found.listed
    words = [f"hole {k}, gap {signed(found.gap[r])} nats" for k, r in enumerate(rows, start=1)]
    return [
        go.Scatter(
            x=found.z[rows, dims[0]], y=found.z[rows, dims[1]], mode="markers",
            marker={"symbol": "circle-open", "size": RING, "color": colour},
            customdata=rows.tolist(), hovertext=words, hoverinfo="text",
        )
    ]  # fmt: skip


def _cross(
    looked: LookedAt, state: State, run: Run, epoch: int, dims: tuple[int, int], mode: str
) -> list[go.Scatter]:
    """The place looked at."""
    try:
        code = looked.code(run, epoch, state)
    except UserError:
        return []
    if code is None:
        return []
    return [item.cross(*(float(code.z[d]) for d in dims), mode)]


def ranking(places: Places, state: State, run_id: str) -> tuple[list[Component], str]:
    """The list of a run's holes, and a stamp that changes with them."""
    try:
        run = places.view.find(run_id)
        epoch = places.epoch(run, state)
        latents = places.latents(run, epoch)
        found = places.find(run, epoch)
    except (UserError, ValueError) as error:
        return [html.P(str(error), className="hint")], ""
    rows = [_row(run, found, k, state) for k in range(len(found.listed))]
    names = ("", "gap", "log q", "log p", "|z|", UNITS[latents.family], "fresh")
    table = html.Table([html.Thead(html.Tr([html.Th(n) for n in names])), html.Tbody(rows)])
    words = html.P(summary(found, latents, places.view.latents(run, epoch).family))
    listed = [html.Div(table, className="ranking")] if rows else []
    return [words, *listed], f"{panels.stamp(places.view, run_id)} {epoch}"


def summary(found: holes.Holes, latents: Latents, family: str) -> str:
    """How much of the prior lies in holes, beside what a finite number of items alone makes."""
    count, of = len(found.z), " Each posterior is read by its moments." * (family == "samples")
    if not len(found.listed):
        deepest = signed(float(found.gap.min()), 2)
        flat = found.gap.max() - found.gap.min() < 0.5 * holes.LEVEL
        why = "q(z) is nearly the prior itself, as in a collapsed run" if flat else "q covers p"
        return f"No holes: of {count:,} prior draws none has a gap below {deepest} nats; {why}.{of}"
    mass, fresh, prior = (
        f"{100 * v:.0f}\u202f%" for v in (found.mass, found.fresh.value, found.prior.value)
    )
    excess = found.prior.value - found.fresh.value
    error = math.hypot(found.prior.stderr, found.fresh.stderr)
    verdict = (
        f"The difference of the two, {100 * excess:.0f} ± {100 * error:.0f} points, is holes."
        if excess > 2 * error
        else f"So few items leave such gaps of their own in {latents.dimensions} dimensions: "
        "this says nothing about holes."
    )
    return (
        f"{mass} of {count:,} prior draws lie in a hole. To tell holes from the room between so "
        f"few items, one half of them ({found.known:,}) is asked alone: {prior} of prior draws lie "
        f"in its holes, and {fresh} of fresh draws of the other half. {verdict}{of}"
    )


def _row(run: Run, found: holes.Holes, k: int, state: State) -> html.Tr:
    row = int(found.listed[k])
    values = (found.gap[row], found.log_q[row], found.log_p[row])
    norm = math.sqrt(float((found.z[row] ** 2).sum()))
    cells = [*map(signed, values), signed(norm), signed(found.distance[k])]
    button = html.Button(
        f"{k + 1}", id={**cards.part("hole", run), "draw": row}, className="plain",
        **{"aria-label": f"Look at hole {k + 1}"},
    )  # fmt: skip
    return html.Tr(
        [html.Td(c) for c in (button, *cells, f"{100 * found.as_deep[k]:.0f}\u202f%")],
        className="here" if row == state.draw else "",
    )


def _place(looked: LookedAt, state: State, run: Run, epoch: int) -> list[Component]:
    try:
        code = looked.code(run, epoch, state)
        if code is None:
            return [html.P(HINT, className="hint")]
        latents = looked.places.latents(run, epoch)
        place = holes.describe(latents, code.z)
        nearest = _nearest(run, latents, place)
    except UserError as error:
        return [html.P(str(error), className="hint")]
    return [_numbers(place), html.P(code.words, className="hint"), nearest]


def _numbers(place: holes.Place) -> html.Dl:
    q, p = place.log_q, place.log_p
    gap = None if q is None or p is None else q - p
    named = {"gap, nats": gap, "log q": q, "log p": p, "|z|": math.sqrt(float(place.z @ place.z))}
    return html.Dl(
        [
            html.Div([html.Dt(n), html.Dd("–" if v is None else signed(v))])
            for n, v in named.items()
        ],
        className="numbers",
    )


def _nearest(run: Run, latents: Latents, place: holes.Place) -> html.Table:
    texts = run.items["text"].gather(place.rows).to_list()
    unit = UNITS.get(latents.family)
    head = ["nearest sentences", *([unit] if unit else []), "|z − μ|"]
    columns = [place.distance, place.euclidean] if unit else [place.euclidean]
    rows = [
        [
            html.Td(text.shortened(words, 110), className="words"),
            *(html.Td(signed(v, 2)) for v in values),
        ]
        for words, *values in zip(texts, *columns, strict=True)
    ]
    return _table(head, rows)


def _table(head: Iterable[str], rows: Iterable[list[Component]]) -> html.Table:
    body = html.Tbody([html.Tr(cells) for cells in rows])
    return html.Table([html.Thead(html.Tr([html.Th(n) for n in head])), body], className="found")


def texts(looked: LookedAt, state: State, run_id: str) -> Component:
    """What the run's decoder says at the place looked at."""
    places = looked.places
    try:
        run = looked.view.find(run_id)
        code = looked.code(run, places.epoch(run, state), state)
        if code is None:
            return html.Div()
        greedy, *sampled = places.texts(run, code.z)
    except UserError as error:
        return html.P(str(error), className="hint")
    rows = [[_text(greedy), _kind("greedy")], *([_text(t), _kind("sampled")] for t in sampled)]
    model = "" if run.best_epoch is None else f" (model of {run.time(run.best_epoch)})"
    return _table([f"decoded{model}", ""], rows)


def _text(words: str) -> html.Td:
    return html.Td(words or "(nothing)", className="words")


def _kind(word: str) -> html.Td:
    return html.Td(word, className="kind")


def said(places: Places, state: State, run_id: str) -> Component:
    """Fluency of what is said inside and outside of holes."""
    try:
        run = places.view.find(run_id)
        epoch = places.epoch(run, state)
        inside, outside, fitted = places.said(run, epoch)
        without = not len(places.find(run, epoch).listed)
    except UserError as error:
        return html.P(str(error), className="hint")
    rows = [_side("lowest", inside), _side("highest", outside)]
    words = f"5-gram model of {fitted:,} dumped sentences; greedy texts at {COMPARED} draws."
    words += " This run has no holes: the lines differ by chance." * without
    head = ("gap, nats", "log p per word", "for instance")
    return html.Div([_table(head, rows), html.P(words, className="hint")])


def _side(name: str, side: Said) -> list[Component]:
    low, high = (signed(g, 0 if abs(g) >= 10 else 1) for g in side.gaps)
    value = f"{signed(side.fluency.value, 2)} ± {side.fluency.stderr:.2f}"
    gaps = html.Td([name, html.Br(), f"{low} to {high}"])
    return [gaps, html.Td(value), _text(text.shortened(side.example, 80))]

"""What one run's column shows of one sentence: map, KL, decoded draws, neighbours, what moved."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from apps.explorer import charts, decoding, ellipse, item, maps, neighbours, panels, text, theme
from apps.explorer.neighbours import Dump, Moved, Posteriors
from apps.explorer.state import State
from lab import look
from lab.errors import UserError
from lab.posterior_neighbours import Neighbourhood
from lab.runs import Latents, Run
from lab.runs.figures import take

SAID = 3  # draws that are decoded
BARS = 8
FLAT = 0.5  # nats up to which the KL axis goes at least, so that a collapsed run looks it
NAMES = {"kl": "KL", "wasserstein": "Wasserstein", "euclidean": "Euclidean"}
HEADS = {"kl": "KL, nats", "wasserstein": "W₂", "euclidean": "|Δμ|"}


def picture(posteriors: Posteriors, state: State, now: Dump, row: int, mode: str) -> go.Figure:
    """The item's posterior and its neighbours' centres over the aggregated posterior."""
    view, run = posteriors.view, now.run
    posteriors.described(run, now.epoch)
    latents = view.latents(run, now.epoch)
    _, dims = panels.frame(view, run, state, mode)
    figure = maps.density_figure(*panels.map_of(view, run, now.epoch, state, mode))
    figure.update_layout(dragmode="zoom", hovermode="closest")
    figure.add_traces(_near_centres(posteriors, state, now, row, dims, mode))
    draws, axes = ellipse.posterior_draws(latents, row), ellipse.two_of(latents, dims)
    figure.add_traces(ellipse.posterior_traces(latents, row, axes, mode, draws))
    if now.epoch == run.best_epoch and run.can_decode and len(draws) > 1:
        figure.add_trace(_numbers(draws[:SAID, list(dims)], mode))
    return figure.add_traces(item.place(view, state, run, dims, mode))


def _near_centres(
    posteriors: Posteriors, state: State, now: Dump, row: int, dims: tuple[int, int], mode: str
) -> list[go.Scatter]:
    try:
        found, _ = neighbours.neighbourhood(posteriors, state, now, row, None)
    except UserError:
        return []
    plane = posteriors.view.latents(now.run, now.epoch).mean[found.rows][:, dims]
    line = {"width": 1.3, "color": theme.TOKENS[mode]["text"]}
    marker = {"size": 7, "symbol": "circle-open", "line": line, "color": line["color"]}
    words = [text.safe(t) for t in _texts(now.run, found.rows)]
    return [
        go.Scatter(
            x=plane[:, 0], y=plane[:, 1], mode="markers", marker=marker, name="neighbours",
            hovertext=words, hoverinfo="text",
        )
    ]  # fmt: skip


def _numbers(plane: np.ndarray, mode: str) -> go.Scatter:
    tokens = theme.TOKENS[mode]
    dot = {"size": 7, "color": tokens["accent"], "line": {"width": 1, "color": tokens["text"]}}
    return go.Scatter(
        x=plane[:, 0], y=plane[:, 1], mode="markers+text", marker=dot, hoverinfo="skip",
        text=[f"<b>{n}</b>" for n in range(1, len(plane) + 1)], name="decoded",
        textposition="top right", textfont={"size": 13, "color": tokens["text"]},
    )  # fmt: skip


def kl_figure(own: np.ndarray, average: np.ndarray, colour: str, mode: str) -> go.Figure:
    """The largest of the item's KL per dimension [D] as bars, the run's average as ticks."""
    first = np.argsort(-own, kind="stable")[:BARS]
    names = [text.dimension(int(d)) for d in first]
    figure = go.Figure(layout=theme.layout(mode, hovermode="y unified", uirevision="item-kl"))
    figure.add_bar(
        y=names, x=own[first], orientation="h", marker={"color": colour}, name="this sentence",
        hovertemplate="%{x:.3f} nats", width=0.62,
    )  # fmt: skip
    tick = {"symbol": "line-ns", "size": 13, "line": {"width": 2}}
    tick["line"]["color"] = theme.TOKENS[mode]["text"]
    figure.add_scatter(
        y=names, x=average[first], mode="markers", marker=tick, name="average",
        hovertemplate="%{x:.3f} nats",
    )  # fmt: skip
    end = 1.05 * max(float(own[first].max()), float(average[first].max()), FLAT)
    figure.update_xaxes(title_text="nats", range=[0, end], nticks=5)
    figure.update_yaxes(autorange="reversed", type="category", tickfont={"size": 13})
    return figure


def information(
    posteriors: Posteriors, now: Dump, row: int, mode: str
) -> tuple[go.Figure, Component]:
    """KL per dimension as a figure, and its sum in words."""
    described = posteriors.described(now.run, now.epoch)
    own, average = _kl_of(described, row), posteriors.average_kl(now.run, now.epoch)
    if np.isnan(own).any():
        words = "Codes without a spread have no KL to the prior (it is infinite)."
        return charts.note_figure(words, mode), html.Div(className="facts")
    samples = posteriors.view.latents(now.run, now.epoch).samples
    facts = html.Div(
        [
            html.B(f"{text.figure(float(own.sum()))} nats"),
            f", {text.figure(float(average.sum()))} on average ",
            html.Small("" if samples is None else f"by moments of {samples.shape[1]} draws"),
        ],
        className="facts",
    )
    if described.family == "vmf":
        words = "The KL of a von Mises-Fisher posterior is no sum over dimensions."
        return charts.note_figure(words, mode), facts
    return kl_figure(own, average, look.colour(now.run.spec), mode), facts


def _kl_of(described: Latents, row: int) -> np.ndarray:
    return neighbours.kl(take(described, np.array([row])))[0]


def said(posteriors: Posteriors, state: State, run: Run, row: int) -> Component:
    """What the run's model says at the posterior's mean and at its first draws."""
    view, best = posteriors.view, run.best_epoch
    if not run.can_decode:
        raise UserError("No checkpoint to decode with.")
    if best not in run.epochs:
        raise UserError("The checkpoint's epoch was not dumped, so its posterior is not known.")
    latents = view.latents(run, best)
    draws = ellipse.posterior_draws(latents, row, SAID)
    draws = draws if len(draws) > 1 else draws[:0]
    decoder, codes = decoding.shared(view), np.concatenate([latents.mean[[row]], draws])
    greedy = decoder.texts(run, codes)
    sampled = decoder.texts(run, codes, greedy=False)
    shown = view.dumped_epoch(run, state.epoch)
    note = html.Div(f"at {run.time(best)}, the checkpoint's", className="facts")
    return html.Div([*([note] if shown != best else []), _said(greedy, sampled)])


def _said(greedy: Sequence[str], sampled: Sequence[str]) -> Component:
    seen = [one in greedy[:k] for k, one in enumerate(greedy)]
    rows = [
        html.Tr(
            [
                html.Th("μ" if k == 0 else str(k)),
                html.Td(
                    [
                        html.Div(
                            one or "no words",
                            className="said-so same" if again else "said-so",
                            title=one,
                        ),
                        html.Div(
                            [html.Small("sampled "), other], className="said-so same", title=other
                        ),
                    ]
                ),
            ]
        )
        for k, (one, other, again) in enumerate(zip(greedy, sampled, seen, strict=True))
    ]
    return html.Table(html.Tbody(rows), className="utterances")


def neighbour_table(
    posteriors: Posteriors, state: State, now: Dump, row: int, before: Dump | str
) -> Component:
    """The nearest items with their distances, the rank each had in the dump compared with, and
    those that are no longer near; `before` is a sentence where there is nothing to compare with.
    """
    other = None if isinstance(before, str) else before
    try:
        found, others = neighbours.neighbourhood(posteriors, state, now, row, other)
    except UserError as error:
        if other is None:
            raise
        return neighbour_table(posteriors, state, now, row, str(error))
    head = [html.Th(h) for h in ("", "", HEADS[state.near], *(["was"] if other else []))]
    rows = [_near_row(now.run, found, k, other is not None) for k in range(len(found.rows))]
    table = html.Table([html.Thead(html.Tr(head)), html.Tbody(rows)], className="near")
    return html.Div([_kept(found, before, others, len(now.run.items)), table])


def _kept(found: Neighbourhood, before: Dump | str, others: int, total: int) -> Component:
    if isinstance(before, str):
        return html.Div(before, className="facts")
    stayed = 2 * found.near - len(found.rows)
    among = "" if others + 1 == total else f", among the {others + 1:,} sentences of both"
    words = f" of {found.near} shared with {before.name}: overlap {found.overlap:.2f}"
    return html.Div([html.B(str(stayed)), words, among], className="facts")


def _near_row(run: Run, found: Neighbourhood, k: int, compared: bool) -> Component:
    came = found.before[k] > found.near
    was = [html.Td(f"{found.before[k]:,}", className="came" if came else "")] if compared else []
    return html.Tr(
        [
            html.Td(f"{found.rank[k]:,}"),
            html.Td(_go(run, int(found.rows[k]), "near")),
            html.Td(_distance(float(found.distance[k]))),
            *was,
        ],
        className="gone" if k >= found.near else "",
    )


def _distance(value: float) -> str:
    return f"{value:.0e}" if 0 < value < 0.005 else text.figure(value)


def moved_list(found: Moved, run: Run, before: Dump, k: int) -> Component:
    """The sentences whose neighbours changed most, and how much they changed on average."""
    among = "" if found.count == found.total else f", of a random {found.count:,} sentences"
    facts = html.Div(
        [
            "against ", before.name, ": overlap ", html.B(f"{found.mean:.2f}"),
            f" on average, {found.chance:.3f} by chance{among}",
        ],
        className="facts",
    )  # fmt: skip
    title = f"mean rank now of the {k} that were nearest before"
    head = html.Tr([*(html.Th(h) for h in ("", "", "overlap")), html.Th("went to", title=title)])
    rows = [
        html.Tr(
            [
                html.Td(str(place + 1)),
                html.Td(_go(run, int(row), "moved")),
                html.Td(f"{shared:.2f}"),
                html.Td(f"{away:,.0f}"),
            ]
        )
        for place, (row, shared, away) in enumerate(
            zip(found.rows, found.overlap, found.away, strict=True)
        )
    ]
    return html.Div([facts, html.Table([html.Thead(head), html.Tbody(rows)], className="near")])


def _go(run: Run, row: int, place: str) -> Component:
    """A dumped sentence that opens when clicked."""
    words, item = run.items["text"][row], str(run.items["id"][row])
    part: dict[str, Any] = {"type": "sentence-go", "run": run.id, "place": place, "item": item}
    return html.Button(
        html.Span(text.shortened(words)),
        id=part,
        className="go",
        title=words[:400],
    )


def _texts(run: Run, rows: np.ndarray) -> list[str]:
    return run.items["text"].gather(rows).to_list()

"""The cards of the page of projections, one per column, before anything is drawn in them."""

from collections.abc import Sequence

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from apps.explorer import captions, cards, charts, pairs, projection_jobs, theme
from apps.explorer import state as url
from apps.explorer.columns import Column, columns
from apps.explorer.latent_card import MOST_IN_A_NARROW_ROW, MOST_IN_A_ROW
from apps.explorer.view import View, categories
from lab.layouts import NAMES

PLANES = {"pca": ("On the principal axes", "projected"), "ab": ("From A to B", "text_axes")}


def body(view: View, state: url.State) -> Component:
    """All cards, or what to type where there is nothing to show."""
    together, chosen = columns(view, state), view.chosen(state.runs)
    empty = cards.nothing(view, chosen)
    if empty is not None:
        return empty
    if state.projection == "pairs":
        size = pairs.cells(state, chosen)
        return html.Div([_row(shown, *size) for shown in together], className="pair-rows")
    words = captions.HINTS.get(state.projection)
    hint = html.P(words, className="hint") if words else None
    return html.Div([hint, _grid([_card(shown, state.projection) for shown in together])])


def _grid(made: Sequence[Component]) -> Component:
    """The columns, in rows of the same length as on the page of latent spaces."""
    wide, narrow = (
        -(-len(made) // -(-len(made) // most)) for most in (MOST_IN_A_ROW, MOST_IN_A_NARROW_ROW)
    )
    style = {"--wide": wide, "--narrow": narrow, "--rows": 5}
    return html.Div(list(made), className="columns latent", style=style)


def _card(shown: Column, kind: str) -> Component:
    title = f"Posterior {'draws' if categories(shown.run) else 'centres'}"
    graph = cards.graph(cards.part("projected-points", shown), figure=_blank())
    points = cards.panel(title, kind if kind in NAMES else f"{PLANES[kind][1]}_centres", graph)
    return html.Article(
        [
            html.Header(html.Div(id=cards.part("projections-head", shown))),
            html.Div(id=cards.part("projections-numbers", shown)),
            projection_jobs.box(shown) if kind in NAMES else _map(shown, kind),
            points,
            html.P(id=cards.part("projected-words", shown), className="basis"),
            dcc.Store(id=cards.part("projected-drawn", shown), data=""),
            dcc.Store(id=cards.part("projected-found", shown)),
        ]
    )


def _map(shown: Column, kind: str) -> Component:
    picture = cards.graph(cards.part("projected-map", shown), figure=_blank())
    mapped = dcc.Store(id=cards.part("projected-mapped", shown))
    return html.Div([cards.panel(*PLANES[kind], picture), mapped])


def _row(shown: Column, across: int, lines: int) -> Component:
    part = cards.part("pairs", shown)
    graph = dcc.Graph(id=part, config=theme.CONFIG, responsive=True, figure=_blank())
    style = {"aspectRatio": pairs.shape(across, lines), "--across": across}
    cells = html.Div(graph, style=style, className="cells")
    head = [
        html.Header(id=cards.part("projections-head", shown)),
        html.Div(id=cards.part("projections-numbers", shown)),
    ]
    drawn = dcc.Store(id=cards.part("pairs-drawn", shown), data="")
    return html.Article([html.Div(head), cards.panel("Across, up", "pairs", cells), drawn])


def _blank() -> go.Figure:
    """Nothing in either colour mode, until the first picture comes."""
    return charts.note_figure("", "light")

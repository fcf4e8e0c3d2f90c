"""The controls of the latent page."""

from collections.abc import Sequence

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from apps.explorer import behind, cards, colours, panels
from apps.explorer import state as url
from apps.explorer.view import View
from lab.runs import Run

TICK_MILLISECONDS = 80  # how often the player looks whether it may show its next frame
LAYERS = {"density": "q(z)", "gap": "gap log q/p", "centres": "centres"}


def controls(view: View, state: url.State, chosen: Sequence[Run]) -> list[Component]:
    """Everything above the maps: layers, axes, colours, zoom, the epoch slider with its player."""
    axes = cards.axes(state, chosen)
    last = panels.last_epoch(chosen)
    slider = dmc.Slider(
        id="epoch", min=0, max=last, value=panels.epoch_of(state, last),
        step=1,
        size="sm", color="gray", updatemode="drag", label=None,
    )  # fmt: skip
    player = html.Button(id="play", className="plain play")
    whole = html.Button(
        "Whole map", id="latent-whole", className="plain ask", hidden=state.zoom is None
    )
    return [
        cards.control("Show", _layers(state)),
        cards.control("Across", cards.select("axis-x", axes, state.x, 160)),
        cards.control("Up", cards.select("axis-y", axes, state.y, 160)),
        cards.control(
            "Colour",
            cards.select(
                "colour", _colour_options(chosen), colours.colour_column(state, chosen), 130
            ),
        ),
        cards.control("Range", cards.limits("limit", state)),
        whole,
        cards.control("Prior", dmc.Switch(id="prior", checked=state.prior, size="sm")),
        *behind.controls(view, state, chosen),
        html.Div([player, slider, html.Span(id="epoch-words")], className="control epoch"),
        dcc.Interval(id="clock", interval=TICK_MILLISECONDS, disabled=True),
        dcc.Store(id="dumps", data=dumps(chosen)),
    ]


def _layers(state: url.State) -> Component:
    chips = [dmc.Chip(name, value=layer, size="xs") for layer, name in LAYERS.items()]
    group = dmc.ChipGroup(
        dmc.Group(chips, gap=4), id="show-layers", multiple=True, value=list(state.show)
    )
    return html.Div(group)


def _colour_options(chosen: Sequence[Run]) -> list[dict[str, str]]:
    columns = dict.fromkeys(c for run in chosen for c in colours.labels(run))
    return [{"value": c, "label": c} for c in (*columns, "length", "method")]


def dumps(chosen: Sequence[Run]) -> list[int]:
    """Epochs that any of the runs dumped, ascending."""
    return sorted({epoch for run in chosen for epoch in run.epochs})

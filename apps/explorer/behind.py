"""Choosing what lies behind the points of toy runs: what is offered, what is shown, its control."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dash_mantine_components as dmc
import numpy as np
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import backdrops, cards
from apps.explorer import state as url
from apps.explorer.view import View, categories
from lab.errors import UserError
from lab.runs import Run

NAMES = {"nothing": "nothing", "regions": "decision regions", "critic": "critic"}
MEAN = "mean"
FINEST = 256  # nodes of a grid each way


@dataclass(frozen=True)
class Offer:
    """What the runs shown have, and which of it is shown; `maps` counts those of one critic, whose
    colours end at ± `scale` nats in every panel and at every epoch.
    """

    backdrops: tuple[str, ...]
    maps: int
    shown: str
    category: str
    scale: float

    @property
    def by_category(self) -> bool:
        return self.shown == "critic" and self.maps > 1


def offer(view: View, state: url.State, chosen: Sequence[Run]) -> Offer:
    """The backdrops of these runs; without a wish in the URL, regions where there are any."""
    fields = [view.last_fields(run) for run in chosen]
    having = [name for name in ("regions", "critic") if any(name in f for f in fields)]
    offered = ("nothing", *having) if having else ()
    usual = "regions" if "regions" in having else "nothing"
    counts = [(len(f["critic"]), run) for f, run in zip(fields, chosen, strict=True) if _maps_of(f)]
    most = max((n for n, run in counts if n <= categories(run)), default=0)
    known = state.category is not None and state.category < most
    return Offer(
        offered,
        most,
        state.behind if state.behind in offered else usual,
        str(state.category) if known else MEAN,
        backdrops.critic_scale([f["critic"] for f in fields if _drawable(f)]),
    )


def _drawable(fields: dict[str, np.ndarray]) -> bool:
    return _maps_of(fields) and fields["critic"].size > 0 and np.isfinite(fields["critic"]).all()


def _maps_of(fields: dict[str, np.ndarray]) -> bool:
    return np.ndim(fields.get("critic")) == 3


def layers(
    view: View,
    state: url.State,
    run: Run,
    epoch: int,
    dims: tuple[int, int],
    colours: Sequence[str],
    mode: str,
) -> tuple[list[go.Heatmap], str]:
    """What lies behind the points of one run, and a note where it has something but not this.

    `colours` are those of its categories.
    """
    found = offer(view, state, view.chosen(state.runs))
    if found.shown == "nothing" or not view.has_fields(run):
        return [], ""
    if sorted(dims) != [0, 1]:
        return [], f"no {NAMES[found.shown]}: put both dimensions on the axes"
    try:
        return [_heat(view.fields(run, epoch), found, dims == (1, 0), colours, mode)], ""
    except UserError as error:
        return [], f"no {NAMES[found.shown]}: {error}"


def _heat(
    fields: dict[str, np.ndarray], found: Offer, swapped: bool, colours: Sequence[str], mode: str
) -> go.Heatmap:
    def turned(grid: np.ndarray) -> np.ndarray:
        return grid.T if swapped else grid

    _check(fields, found.shown, len(colours))
    limit = float(fields["limit"].item())
    if found.shown == "critic":
        critic = turned(_critic(fields["critic"], found))
        return backdrops.critic_heat(critic, limit, found.scale, mode)
    regions, confidence = (turned(fields[name]) for name in ("regions", "confidence"))
    return backdrops.regions_heat(regions.astype(int), confidence, limit, colours, mode)


def _critic(maps: np.ndarray, found: Offer) -> np.ndarray:
    """The map of the category asked for; a critic that sees no category has only one."""
    if found.category == MEAN or len(maps) == 1:
        return maps.mean(0)
    if int(found.category) >= len(maps):
        raise UserError(f"this run has {len(maps)} categories")
    return maps[int(found.category)]


def _check(fields: dict[str, np.ndarray], name: str, count: int) -> None:
    """Raises UserError unless the arrays are a picture of `count` categories."""
    if name not in fields:
        raise UserError("this method has none")
    needed = {"critic": 3} if name == "critic" else {"regions": 2, "confidence": 2}
    found = [fields.get(key, np.empty(0)) for key in ("limit", *needed)]
    square = all(_is_square(g, n) for g, n in zip(found[1:], needed.values(), strict=True))
    if not square or found[0].size != 1 or found[1].shape[-1] != found[-1].shape[-1]:
        raise UserError("the stored arrays are incomplete")
    if name == "critic" and len(found[1]) not in (1, count):
        raise UserError("the stored arrays are of other categories")
    if not all(np.isfinite(array).all() for array in found) or found[0].item() <= 0:
        raise UserError("the stored arrays are not finite; did the run diverge?")
    if name == "regions" and not 0 <= found[1].min() <= found[1].max() < count:
        raise UserError("the stored arrays are of other categories")


def _is_square(grid: np.ndarray, axes: int) -> bool:
    return grid.ndim == axes and grid.shape[-2] == grid.shape[-1] and 1 < grid.shape[-1] <= FINEST


def scales(view: View, state: url.State, chosen: Sequence[Run]) -> list[Component]:
    """The critic's scale, where it is shown."""
    found = offer(view, state, chosen)
    if found.shown != "critic":
        return []
    limit = f"{found.scale:g}"
    bar = html.I(className="scale pale")
    return [html.Span([f"critic ν, about log q/p  −{limit}", bar, f"{limit} nats"])]


def controls(view: View, state: url.State, chosen: Sequence[Run]) -> list[Component]:
    """The selects of the toolbar; each is hidden while there is nothing to choose."""
    found = offer(view, state, chosen)
    behind, category = _select("behind", 165), _select("category", 190)
    behind.data, behind.value = _backdrops(found), found.shown
    category.data, category.value = _maps(found), found.category
    return [
        html.Div(cards.control("Behind", behind), id="behind-part", hidden=not found.backdrops),
        html.Div(cards.control("of", category), id="category-part", hidden=not found.by_category),
        dcc.Store(id="offered", data=asdict(found)),
    ]


def _select(component_id: str, width: int) -> dmc.Select:
    return dmc.Select(
        id=component_id, w=width, size="sm", allowDeselect=False, checkIconPosition="right"
    )


def _backdrops(found: Offer) -> list[dict[str, str]]:
    return [{"value": name, "label": NAMES[name]} for name in found.backdrops]


def _maps(found: Offer) -> list[dict[str, str]]:
    single = [{"value": str(k), "label": f"category {k}"} for k in range(found.maps)]
    return [{"value": MEAN, "label": "mean over categories"}, *single]


def register(app: Dash, view: View) -> None:
    """The selects follow the runs shown."""

    @app.callback(
        Output("behind", "data"),
        Output("behind", "value"),
        Output("behind-part", "hidden"),
        Output("category", "data"),
        Output("category", "value"),
        Output("category-part", "hidden"),
        Output("offered", "data"),
        Input("view", "data"),
        Input("revision", "data"),
        State("offered", "data"),
    )
    def show_offer(search: str, _revision: str, known: Any) -> Any:
        state = url.State.parse(search)
        found = offer(view, state, view.chosen(state.runs))
        # While a run plays, every frame comes by here.
        if asdict(found) == {**known, "backdrops": tuple(known["backdrops"])}:
            raise PreventUpdate
        return (
            _backdrops(found), found.shown, not found.backdrops,
            _maps(found), found.category, not found.by_category, asdict(found),
        )  # fmt: skip

"""The bar below the maps: the item and the place clicked, with links to what tells more."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import item, sentence_column, text
from apps.explorer import state as url
from apps.explorer.places import signed
from apps.explorer.state import pair_of
from apps.explorer.view import View
from lab.errors import UserError

SENTENCE, HOLES = "/sentence", "/holes"


@dataclass(frozen=True)
class Click:
    """Where in data units a picture of one column was clicked.

    `kind` is the type of the picture, `layer` which of several, `of` the name of its axes if they
    are not x and y, `span` how much of them it shows across.
    """

    kind: str
    run: str
    point: tuple[float, float]
    span: float
    layer: str = ""
    of: str = ""

    @classmethod
    def read(cls, sent: Any) -> "Click":
        """What a browser told. UserError where it makes no sense."""
        try:
            x, y, span = (float(sent[key]) for key in ("x", "y", "span"))
            kind, run, layer, of = (str(sent.get(k, "")) for k in ("type", "run", "layer", "of"))
        except (TypeError, KeyError, ValueError, OverflowError, AttributeError) as error:
            raise UserError("This is no click.") from error
        if not (math.isfinite(x) and math.isfinite(y) and 0 < span < math.inf):
            raise UserError("This click is nowhere.")
        return cls(kind, run, (x, y), span, layer, of)


def parts(page: str) -> list[Component]:
    """Where a page keeps a click and what it means, and shows it."""
    stores = [dcc.Store(id=f"{page}-{name}") for name in ("clicked", "found")]
    return [*stores, html.Div(id="clicked")]


def words(state: url.State) -> str:
    """Which place was clicked."""
    x, y = (signed(v, 2) for v in state.at or ())
    return f"The place ({x}, {y}) of {_axes(state.of)}."


def _axes(of: str) -> str:
    pair = pair_of(of)
    if pair is None:
        return {"": "the maps", "ab": "the axes A → B"}.get(of, "the principal axes")
    kind, first, second = pair
    if kind == "pc":
        return f"PC {first} and PC {second}"
    if kind == "z":
        return f"{text.dimension(first - 1)} and {text.dimension(second - 1)}"
    return f"the {text.rank(first - 1)} and the {text.rank(second - 1)} dimension"


def shown(view: View, search: str | None, path: str | None) -> Component | None:
    """The item and the place, each with a link, unless the page is about it; None for neither."""
    state, said, links = url.State.parse(search), [], []
    if state.item is not None and path != SENTENCE:
        said.append(sentence_column.item_words(view, state))
        links.append(_link("Its neighbours, KL and decodes", SENTENCE, search))
    if state.at is not None:
        said.append(html.P(words(state), className="hint"))
        links.append(_link("What every run says at this place", HOLES, search))
    if not links:
        return None
    close = html.Button("Clear", id="clicked-clear", className="plain ask")
    return html.Div([*said, html.Div([*links, close], className="after")], className="clicked")


def _link(name: str, page: str, search: str | None) -> Component:
    return dcc.Link(name, href=item.address(page, search), className="read")


def told(app: Dash, page: str, find: Callable[[url.State, Click], dict[str, str]]) -> None:
    """Puts into the URL what `find` makes of a click on a page's maps; a UserError is nothing."""

    @app.callback(
        Output(f"{page}-found", "data"),
        Input(f"{page}-clicked", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def find_it(sent: Any, search: str) -> Any:
        try:
            return find(url.State.parse(search), Click.read(sent))
        except UserError as error:
            raise PreventUpdate from error

    app.clientside_callback(
        ClientsideFunction("clicks", "found"),
        Output("view", "data", allow_duplicate=True),
        Input(f"{page}-found", "data"),
        prevent_initial_call=True,
    )


def register(app: Dash, view: View) -> None:
    """The bar's callbacks, on whichever page it is."""

    @app.callback(Output("clicked", "children"), Input("view", "data"), State("url", "pathname"))
    def show(search: str, path: str) -> Any:
        return shown(view, search, path)

    app.clientside_callback(
        ClientsideFunction("clicks", "clear"),
        Output("view", "data", allow_duplicate=True),
        Input("clicked-clear", "n_clicks"),
        State("url", "pathname"),
        prevent_initial_call=True,
    )

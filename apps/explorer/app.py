"""The shell around the pages: navigation, colour scheme, state in the URL, watching the folder."""

from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from apps.explorer import (
    cards,
    collapse,
    curves,
    holes,
    interpolation,
    latent,
    runs,
    sentence,
    tables,
    theme,
)
from apps.explorer import state as url
from apps.explorer.server import guard
from apps.explorer.view import View

PAGES = {
    "/": latent,
    "/runs": runs,
    "/curves": curves,
    "/collapse": collapse,
    "/holes": holes,
    "/sentence": sentence,
    "/interpolation": interpolation,
    "/tables": tables,
}
NAVIGATION = (
    "/runs",
    "/",
    "/curves",
    "/collapse",
    "/holes",
    "/sentence",
    "/interpolation",
    "/tables",
)
POLL_MILLISECONDS = 2_000

_PAGE = """<!DOCTYPE html>
<html data-mantine-color-scheme="light">
<head>{{%metas%}}<title>{{%title%}}</title><link rel="icon" href="data:,">{{%css%}}
<style>{variables}</style></head>
<body>{{%app_entry%}}<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer></body>
</html>"""


def create_app(root: str | Path, host: str = "127.0.0.1") -> Dash:
    """The explorer of the runs below `root` as a Dash app that answers under `host`."""
    view = View(root)
    app = Dash(
        __name__, title="Latent Lab", update_title=None, suppress_callback_exceptions=True,
        serve_locally=True,
        index_string=_PAGE.format(variables=theme.variables()),
    )  # fmt: skip
    guard(app.server, host)
    app.layout = lambda: _shell(view)
    _register(app, view)
    for page in PAGES.values():
        page.register(app, view)
    return app


def _shell(view: View) -> Component:
    links = [
        dcc.Link(PAGES[path].TITLE, href=path, id={"type": "nav", "path": path}, className="nav")
        for path in NAVIGATION
    ]
    bar = html.Nav(
        [
            html.Span(["Latent", html.B("Lab")], className="name"),
            *links,
            html.Span(str(view.root), className="root", title=str(view.root)),
            cards.picker(),
            html.Button("Copy link", id="copy", className="plain"),
            html.Button(
                "◐",
                id="scheme",
                className="plain",
                title="Light or dark",
                **{"aria-label": "Light or dark"},
            ),
        ]
    )
    return dmc.MantineProvider(
        [
            dcc.Location(id="url", refresh=False),
            dcc.Store(id="view"),
            dcc.Store(id="theme"),
            dcc.Store(id="shown-runs"),
            dcc.Store(id="revision", data=view.refresh()),
            dcc.Interval(id="poll", interval=POLL_MILLISECONDS),
            html.Div(bar, className="bar"),
            html.Div(cards.notices(view), id="notices"),
            html.Main(id="page"),
        ],
        id="mantine",
        theme={
            "fontFamily": theme.FONT,
            "primaryColor": "gray",
            "fontSizes": {"sm": "14px"},
            "defaultRadius": "sm",
        },
    )


def _register(app: Dash, view: View) -> None:
    @app.callback(
        Output("page", "children"),
        Output("view", "data"),
        Input("url", "pathname"),
        Input("url", "search"),
    )
    def show_page(path: str, search: str) -> Any:
        view.refresh()
        return PAGES.get(path, latent).layout(view, url.State.parse(search)), search or ""

    @app.callback(
        Output("revision", "data"),
        Output("notices", "children"),
        Input("poll", "n_intervals"),
        State("revision", "data"),
        prevent_initial_call=True,
    )
    def poll(_count: int, known: str) -> Any:
        revision = view.refresh()
        return (no_update, no_update) if revision == known else (revision, cards.notices(view))

    @app.callback(
        Output("picked", "children"),
        Output("picked", "value"),
        Output("picked-count", "children"),
        Output("shown-runs", "data"),
        Input("revision", "data"),
        Input("view", "data"),
    )
    def show_choices(_revision: str, search: str) -> Any:
        chosen = [r.id for r in view.chosen(url.State.parse(search).runs)]
        count = f"{len(chosen)} of {len(view.listing.runs)} runs  ▾"
        return cards.choices(view), chosen, count, chosen

    _register_browser(app)


def _register_browser(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("explorer", "scheme"),
        Output("theme", "data"),
        Output("mantine", "forceColorScheme"),
        Input("scheme", "n_clicks"),
        State("theme", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("explorer", "links"),
        Output({"type": "nav", "path": ALL}, "href"),
        Output({"type": "nav", "path": ALL}, "className"),
        Input("view", "data"),
        Input("url", "pathname"),
        State({"type": "nav", "path": ALL}, "id"),
    )
    app.clientside_callback(
        ClientsideFunction("explorer", "copy"),
        Output("copy", "children"),
        Input("copy", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("explorer", "pick"),
        Output("view", "data", allow_duplicate=True),
        Input("picked", "value"),
        State("shown-runs", "data"),
        prevent_initial_call=True,
    )

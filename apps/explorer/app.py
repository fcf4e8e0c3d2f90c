"""The shell around the pages: navigation, colour scheme, state in the URL, watching the folder."""

from functools import cache
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from apps.explorer import (
    address,
    cards,
    clicks,
    collapse,
    curves,
    exporting,
    holes,
    interpolation,
    latent,
    projections,
    runs,
    sentence,
    tables,
    theme,
)
from apps.explorer import state as url
from apps.explorer.guard import guard
from apps.explorer.view import View

PAGES = {
    "/": latent,
    "/runs": runs,
    "/curves": curves,
    "/collapse": collapse,
    "/projections": projections,
    "/holes": holes,
    "/sentence": sentence,
    "/interpolation": interpolation,
    "/tables": tables,
}
NAVIGATION = (
    "/runs",
    "/",
    "/projections",
    "/curves",
    "/collapse",
    "/holes",
    "/sentence",
    "/interpolation",
    "/tables",
)
LINK = "Copy the address of this view"
REPORT = "Save this view as one file that opens without a server"
POLL_MILLISECONDS = 2_000
LARGEST_REQUEST = 64 * 2**20  # bytes; a figure on its way to becoming a PDF

_PAGE = """<!DOCTYPE html>
<html data-mantine-color-scheme="light">
<head>{{%metas%}}<title>{{%title%}}</title><link rel="icon" href="data:,">{{%css%}}
<style>{variables}</style></head>
<body>{{%app_entry%}}<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer></body>
</html>"""


def create_app(root: str | Path, host: str = "127.0.0.1", token: str | None = None) -> Dash:
    """The explorer of the runs below `root` as a Dash app that answers under `host`, to those who
    know the token if there is one.
    """
    view = View(root)
    app = Dash(
        __name__, title="Latent Lab", update_title=None, suppress_callback_exceptions=True,
        serve_locally=True,
        index_string=_PAGE.format(variables=theme.variables()),
    )  # fmt: skip
    guard(app.server, host, token, cache(app.csp_hashes))
    app.server.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.layout = lambda: _shell(view)
    _register(app, view)
    exporting.register(app, view, PAGES)
    clicks.register(app, view)
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
            html.Button("Copy link", id="copy", className="plain", title=LINK),
            html.Button("Report", id="report", className="plain", title=REPORT),
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
            dcc.Store(id="brush", data=""),
            dcc.Store(id="brush-kept"),
            dcc.Store(id="theme"),
            dcc.Store(id="shown-runs"),
            dcc.Store(id="revision", data=view.refresh()),
            dcc.Interval(id="poll", interval=POLL_MILLISECONDS),
            html.Div(bar, className="bar"),
            html.Div([html.Div(cards.notices(view), id="notices"), html.Div(id="unread")]),
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
        Output("picked-count", "children"),
        Output("shown-runs", "data"),
        Output("unread", "children"),
        Input("revision", "data"),
        Input("view", "data"),
        Input("picked-search", "value"),
        State("url", "pathname"),
    )
    def show_choices(_revision: str, search: str, words: str, path: str) -> Any:
        chosen = [r.id for r in view.chosen(url.State.parse(search).runs)]
        count = f"{len(chosen)} of {len(view.listing.runs)} runs  ▾"
        unread = address.notice(view, path, search)
        return cards.choices(view, words), count, chosen, unread

    _register_browser(app)


def _register_browser(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("explorer", "brush"),
        Output("brush", "data"),
        Input("view", "data"),
        State("brush", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("explorer", "keep"),
        Output("brush-kept", "data"),
        Input("brush", "data"),
        prevent_initial_call=True,
    )
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
        Input("brush-kept", "data"),
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
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("explorer", "boxes"),
        Output("picked", "value"),
        Input("shown-runs", "data"),
        State("picked", "value"),
        prevent_initial_call=True,
    )

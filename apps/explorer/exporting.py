"""What leaves the explorer as a file: figures, the selected items, a whole view."""

import importlib.util
import io
from collections.abc import Mapping
from threading import Lock
from types import ModuleType
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
import polars as pl
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from flask import Response, jsonify, request

from apps.explorer import report
from apps.explorer import state as url
from apps.explorer.selection import Selection
from apps.explorer.view import View
from lab.errors import UserError
from lab.runs import Run
from lab.spreadsheets import guarded

REPORT, PDF = "/_export/report", "/_export/pdf"
NO_PDF = (
    "A PDF needs the package kaleido: pip install kaleido. "
    "Or draw the papers' figures with: latentlab figures"
)
DRAWN = {"bar", "contour", "heatmap", "histogram", "scatter", "scattergl"}
MOST_NUMBERS = 2**25  # of a selection, 128 MB
_drawing = Lock()  # kaleido drives one browser


def tools() -> Component:
    """Search in the table of selected items, and buttons that save them all."""
    search = dmc.TextInput(
        id="selected-search", placeholder="search the table", size="sm", w=240, debounce=200
    )
    about = "All selected items: ids, texts, labels and the posterior means"
    guarded = f"{about}; texts that a spreadsheet would run begin with an apostrophe"
    kinds = {"CSV": guarded, "Parquet": about}
    buttons = [
        html.Button(
            f"Save as {kind}", id=f"selection-{kind.lower()}", className="plain ask", title=t
        )
        for kind, t in kinds.items()
    ]
    return html.Div(
        [
            search,
            *buttons,
            dcc.Download(id="selection-file"),
            html.Span(id="selection-note", role="status"),
        ],
        className="toolbar",
    )  # fmt: skip


def selected_items(view: View, selection: Selection) -> tuple[Run, int, pl.DataFrame]:
    """The run and epoch of a selection and its items: the columns of the dump and z1 to zD, their
    posterior means.

    Raises UserError if the run is gone or they are too many for one file.
    """
    run, rows = selection.rows(view)
    epoch = view.dumped_epoch(run, selection.epoch)
    mean = view.latents(run, epoch).mean
    if len(rows) * mean.shape[1] > MOST_NUMBERS:
        raise UserError(f"{len(rows):,} items are too many for one file; select fewer.")
    items = run.items[rows]
    names = [f"z{k + 1}" for k in range(mean.shape[1])]
    kept = items.select([c for c in items.columns if c not in names])
    return run, epoch, kept.hstack(pl.DataFrame(mean[rows], schema=names, orient="row"))


def as_parquet(run: Run, epoch: int, items: pl.DataFrame) -> bytes:
    """The items exactly, with the run and the epoch as the file's metadata."""
    file = io.BytesIO()
    items.write_parquet(file, metadata={"run": run.id, "epoch": str(epoch)})
    return file.getvalue()


def as_csv(items: pl.DataFrame) -> bytes:
    """The items; texts that a spreadsheet would take for formulas get an apostrophe before them."""
    texts = [c for c in items.columns if items[c].dtype == pl.String]
    safe = items.with_columns(pl.col(texts).map_elements(guarded, pl.String))
    return safe.rename(guarded).write_csv().encode()


def has_kaleido() -> bool:
    """Whether the package that draws PDFs is installed."""
    return importlib.util.find_spec("kaleido") is not None


def pdf(figure: Any) -> bytes:
    """A figure, as plotly's JSON, as a PDF.

    Raises UserError without kaleido, and for anything but the pictures that the pages draw: others
    may fetch from elsewhere.
    """
    if not has_kaleido():
        raise UserError(NO_PDF)
    try:
        drawn = go.Figure({k: figure[k] for k in ("data", "layout")})
        drawn.layout.template = "none"
        width, height = (float(figure[k]) for k in ("width", "height"))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError("This is no figure.") from error
    foreign = {trace.type for trace in drawn.data} - DRAWN
    if foreign or drawn.layout.images or not all(10 <= side <= 4000 for side in (width, height)):
        raise UserError("Only figures of these pages can be saved as PDF.")
    with _drawing:
        try:
            return _printed(drawn, width, height)
        except Exception as error:  # kaleido and its browser each raise their own
            raise UserError(f"kaleido could not draw it: {str(error).splitlines()[0]}") from error


def _printed(figure: go.Figure, width: float, height: float) -> bytes:
    """What plotly's own export does, but for a library that it would fetch from another host."""
    import kaleido

    size = {"format": "pdf", "width": width, "height": height, "scale": 1}
    return kaleido.calc_fig_sync(figure.to_dict(), opts=size, kopts={"mathjax": False})


def register(app: Dash, view: View, pages: Mapping[str, ModuleType]) -> None:
    """The routes and callbacks that all pages share."""

    @app.server.get(REPORT)
    def report_frame() -> Response:
        asked = request.args
        path = asked.get("path", "/")
        page = pages.get(path, pages["/"])
        view.refresh()
        runs = view.chosen(url.State.parse(asked.get("search")).runs)
        mode = "dark" if asked.get("mode") == "dark" else "light"
        address = path + asked.get("search", "")
        return jsonify(
            report.frame(view, page.TITLE, address, runs, asked.getlist("caption"), mode)
        )

    @app.server.post(PDF)
    def draw_pdf() -> Response:
        try:
            return Response(pdf(request.get_json(silent=True)), mimetype="application/pdf")
        except UserError as error:
            return Response(str(error), mimetype="text/plain")

    @app.callback(
        Output("selection-file", "data"),
        Output("selection-note", "children"),
        Input("selection-csv", "n_clicks"),
        Input("selection-parquet", "n_clicks"),
        State("brush", "data"),
        prevent_initial_call=True,
    )
    def save_selection(csv: int | None, parquet: int | None, brush: str) -> Any:
        selection = Selection.parse(brush or "")
        if selection is None or not (csv or parquet):
            raise PreventUpdate
        try:
            run, epoch, items = selected_items(view, selection)
        except UserError as error:
            return None, str(error)
        kind = "csv" if ctx.triggered_id == "selection-csv" else "parquet"
        content = as_csv(items) if kind == "csv" else as_parquet(run, epoch, items)
        name = "-".join(["selection", *run.id.split("/"), f"epoch-{epoch}"])
        return dcc.send_bytes(content, f"{name}.{kind}"), f"{len(items):,} items saved."

    app.clientside_callback(
        ClientsideFunction("exporting", "search"),
        Output("selected-rows", "dashGridOptions"),
        Input("selected-search", "value"),
        State("selected-rows", "dashGridOptions"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("exporting", "report"),
        Output("report", "children"),
        Input("report", "n_clicks"),
        prevent_initial_call=True,
    )

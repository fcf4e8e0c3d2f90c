"""The page of runs: every run in the folder with its figures, and which of them are compared."""

from typing import Any

import dash_ag_grid as dag
from dash import ClientsideFunction, Dash, Input, Output, State, html
from dash.development.base_component import Component

from apps.explorer import cards
from apps.explorer import state as url
from apps.explorer.view import View
from lab import look, views
from lab.errors import UserError
from lab.runs import Run

TITLE = "Runs"
FIGURES = ("kl", "mi", "au", "cu", "nll", "ppl", "negative_elbo", "reconstruction", "aggregated_kl")
AFTER_VERDICT = ("reconstruction", "aggregated_kl")
_WIDTHS = {"kl": 106, "mi": 106, "au": 58, "cu": 80, "nll": 72, "ppl": 72, "negative_elbo": 86}
_SHORT = {"negative_elbo": "−ELBO", "ppl": "PPL", "aggregated_kl": "KL(q ‖ p)", "reconstruction": "Reconstr."}


def layout(view: View, state: url.State) -> Component:
    """The table of runs; ticked ones are compared on the other pages."""
    chosen = [r.id for r in view.chosen(state.runs)]
    return html.Div(
        [
            html.Div(cards.nothing(view, chosen or view.listing.runs), id="runs-empty"),
            html.P("Tick the runs to compare on the other pages.", className="hint", id="runs-hint"),
            dag.AgGrid(
                id="runs-grid", rowData=rows(view), columnDefs=_columns(), getRowId="params.data.id",
                selectedRows={"ids": chosen},
                defaultColDef={"sortable": True, "filter": True, "resizable": True, "suppressHeaderMenuButton": True},
                dashGridOptions={
                    "theme": {"function": "explorerTheme(themeQuartz)"}, "rowSelection": {"mode": "multiRow"},
                    "domLayout": "autoHeight", "animateRows": False, "tooltipShowDelay": 300,
                    "selectionColumnDef": {"pinned": "left"}, "suppressCellFocus": True,
                },
                style={"height": None},
            ),
        ],
        className="page",
    )  # fmt: skip


def rows(view: View) -> list[dict[str, Any]]:
    """One record of plain values per run."""
    return [_row(view, run) for run in view.listing.runs]


def _row(view: View, run: Run) -> dict[str, Any]:
    record = {
        "id": run.id, "label": run.label, "spec": run.spec, "colour": look.colour(run.spec), "corpus": run.corpus,
        "seed": run.seed, "status": run.status, "epoch": run.info.get("epoch") or 0, "progress": _progress(run),
    }  # fmt: skip
    try:
        now = view.at(run)
        record["verdict"] = views.verdict(now)
        found = {q: views.latest(now, q) for q in FIGURES}
    except UserError as error:
        return {**record, "verdict": str(error)}
    for quantity, value in found.items():
        if value is not None:
            record[quantity], record[f"{quantity}_estimator"] = value
    return record


def _progress(run: Run) -> str:
    planned, done = run.info.get("epochs_planned"), run.info.get("epoch") or 0
    return f"{done} of {planned}" if planned else f"{done}"


def _columns() -> list[dict[str, Any]]:
    number = {"type": "rightAligned", "filter": "agNumberColumnFilter", "cellRenderer": "Figure"}
    figures = {
        q: {
            **number, "field": q, "headerName": _SHORT.get(q, q.upper()), "headerTooltip": _tooltip(q),
            "width": _WIDTHS.get(q, 106),
        }
        for q in FIGURES
    }  # fmt: skip
    last = [figures.pop(q) for q in AFTER_VERDICT]
    return [
        {"field": "label", "headerName": "Method", "cellRenderer": "Method", "tooltipField": "spec", "pinned": "left",
         "width": 180},
        {"field": "corpus", "headerName": "Corpus", "width": 90},
        {"field": "seed", "headerName": "Seed", "width": 70, "type": "rightAligned"},
        {"field": "status", "headerName": "Status", "cellRenderer": "Status", "width": 104},
        {"field": "epoch", "headerName": "Epoch", "cellRenderer": "Progress", "width": 88, "type": "rightAligned"},
        *figures.values(),
        {"field": "verdict", "headerName": "Verdict", "flex": 1, "minWidth": 228, "tooltipField": "verdict", "cellClass": "words"},
        *last,
    ]  # fmt: skip


def _tooltip(quantity: str) -> str:
    title, unit, _ = views.QUANTITIES[quantity]
    return f"{title}, {unit}, validation split, last epoch"


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""

    @app.callback(
        Output("runs-grid", "rowData"),
        Output("runs-grid", "selectedRows"),
        Output("runs-empty", "children"),
        Input("revision", "data"),
        Input("view", "data"),
        prevent_initial_call=True,
    )
    def refresh(_revision: str, search: str) -> Any:
        chosen = [r.id for r in view.chosen(url.State.parse(search).runs)]
        empty = cards.nothing(view, chosen or view.listing.runs)
        return rows(view), {"ids": chosen}, empty

    app.clientside_callback(
        ClientsideFunction("explorer", "tick"),
        Output("view", "data", allow_duplicate=True),
        Input("runs-grid", "selectedRows"),
        State("runs-grid", "rowData"),
        prevent_initial_call=True,
    )

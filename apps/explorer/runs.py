"""The page of runs: every run in the folder with its figures, and which of them are compared."""

from typing import Any

import dash_ag_grid as dag
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from apps.explorer import cards
from apps.explorer import state as url
from apps.explorer.view import View
from lab import look, verdicts, views
from lab.errors import UserError
from lab.runs import Run

TITLE = "Runs"
FIGURES = ("kl", "mi", "au", "cu", "nll", "ppl", "negative_elbo", "reconstruction", "aggregated_kl")
AFTER_VERDICT = ("reconstruction", "aggregated_kl")
_WIDTHS = {"kl": 106, "mi": 106, "au": 58, "cu": 80, "nll": 72, "ppl": 72, "negative_elbo": 86}
_SHORT = {
    "negative_elbo": "−ELBO",
    "ppl": "PPL",
    "aggregated_kl": "KL(q ‖ p)",
    "reconstruction": "Reconstr.",
}
_OPTIONS = {
    # Four lines of a verdict.
    "theme": {"function": "explorerTheme(themeQuartz).withParams({rowHeight: 72})"},
    "rowSelection": {"mode": "multiRow"},
    "selectionColumnDef": {"pinned": "left"},
    "domLayout": "autoHeight",
    "animateRows": False,
    "tooltipShowDelay": 300,
    "suppressCellFocus": True,
}


def layout(view: View, state: url.State) -> Component:
    """The table of runs; ticked ones are compared on the other pages."""
    chosen = [r.id for r in view.chosen(state.runs)]
    return html.Div(
        [
            html.Div(cards.nothing(view, chosen or view.listing.runs), id="runs-empty"),
            html.P("Tick the runs to compare on the other pages.", className="hint"),
            dag.AgGrid(
                id="runs-grid",
                rowData=rows(view),
                columnDefs=_columns(),
                getRowId="params.data.id",
                selectedRows={"ids": chosen},
                defaultColDef={**cards.GRID_COLUMN, "resizable": True},
                dashGridOptions=_OPTIONS,
                eventListeners={"gridSizeChanged": ["runsFit(params)"]},
                style={"height": None},
            ),
            dcc.Store(id="runs-fitted"),
        ],
        className="page",
    )  # fmt: skip


def rows(view: View) -> list[dict[str, Any]]:
    """One record of plain values per run."""
    return [_row(view, run) for run in view.listing.runs]


def _row(view: View, run: Run) -> dict[str, Any]:
    record = {
        "id": run.id, "label": run.label, "about": run.about, "colour": look.colour(run.spec),
        "corpus": run.corpus,
        "seed": run.seed, "status": run.status, "epoch": run.info.get("epoch") or 0,
        "progress": _progress(run),
    }  # fmt: skip
    try:
        now = view.at(run)
        record["verdict"] = verdicts.verdict(now)
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
    figures = {q: _figure(q) for q in FIGURES}
    last = [figures.pop(q) for q in AFTER_VERDICT]
    return [
        _column("label", "Method", 180, cellRenderer="Method", tooltipField="about", pinned="left"),
        _column("corpus", "Corpus", 90),
        _column("seed", "Seed", 70, type="rightAligned"),
        _column("status", "Status", 104, cellRenderer="Status"),
        _column("epoch", "Epoch", 88, cellRenderer="Progress", type="rightAligned"),
        *figures.values(),
        _column(
            "verdict",
            "Verdict",
            228,
            flex=1,
            minWidth=228,
            cellClass="words",
            tooltipField="verdict",
        ),
        *last,
    ]


def _column(field: str, title: str, width: int, **more: Any) -> dict[str, Any]:
    return {"field": field, "headerName": title, "width": width, **more}


def _figure(quantity: str) -> dict[str, Any]:
    title, unit, _ = views.QUANTITIES[quantity]
    name, width = _SHORT.get(quantity, quantity.upper()), _WIDTHS.get(quantity, 106)
    look_of = {"type": "rightAligned", "filter": "agNumberColumnFilter", "cellRenderer": "Figure"}
    tooltip = f"{title}, {unit}, validation split, last epoch"
    return _column(quantity, name, width, headerTooltip=tooltip, **look_of)


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
    app.clientside_callback(
        ClientsideFunction("runs", "fit"),
        Output("runs-fitted", "data"),
        Input("runs-grid", "id"),
    )

"""The page of tables: a paper's table, printed numbers beside those of the folder's runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from apps.explorer import cards, table_parts
from apps.explorer import state as url
from apps.explorer.view import View
from lab.printed import PAPERS, printed_rows
from lab.tables import WRITERS, Column, Table, comparable, filled
from lab.tables.columns import metric
from lab.tables.notes import Footnotes
from lab.tables.writers import file_name

TITLE = "Tables"
DEFAULT = "clvae:1"
FORMATS = {"md": "Markdown", "tex": "LaTeX", "csv": "CSV"}


def layout(view: View, state: url.State) -> Component:
    """Toolbar, the tables, what they leave out."""
    return html.Div(
        [
            html.Div(_controls(state), className="toolbar"),
            html.Div(id="table-problems"),
            html.Div(id="table-blocks"),
            html.Button(id="table-fold", className="plain fold", hidden=True),
            html.Div(id="table-below"),
            dcc.Store(id="table-parts"),
            dcc.Store(id="table-notes"),
            dcc.Store(id="table-offered"),
            dcc.Download(id="table-file"),
        ],
        className="page tables",
    )


def _controls(state: url.State) -> list[Component]:
    select = dmc.Select(
        id="table-reference", data=_references(), value=_reference(state), w=300, size="sm",
        allowDeselect=False, checkIconPosition="right", maxDropdownHeight=420,
    )  # fmt: skip
    files = [
        html.Button(name, id=f"table-{suffix}", className="plain", title="What is shown, as a file")
        for suffix, name in FORMATS.items()
    ]
    return [
        cards.control("Table", select),
        _chooser(),
        html.Div([html.Span("Download"), *files], className="control"),
        cards.caption("table"),
    ]


def _references() -> list[dict[str, str]]:
    """The printed tables that can be filled, with the corpora they are about."""
    return [{"value": name, "label": _label(name)} for name in comparable()]


def _label(reference: str) -> str:
    paper, number = reference.split(":")
    corpora = dict.fromkeys(row.dataset for row in printed_rows(reference))
    return f"{PAPERS[paper]}, table {number}: {', '.join(corpora)}"


def _chooser() -> Component:
    """A button that opens the list of our columns."""
    count = html.Span(id="table-columns-count")
    button = dmc.Button(count, variant="default", size="sm", fw=500, id="table-chooser")
    boxes = dmc.CheckboxGroup([], id="table-columns", value=[])
    dropdown = dmc.PopoverDropdown(boxes, className="choices")
    return dmc.Popover([dmc.PopoverTarget(button), dropdown], position="bottom-start", shadow="md")


def _reference(state: url.State) -> str:
    return state.table if state.table in comparable() else DEFAULT


@dataclass(frozen=True)
class Shown:
    """The table that the URL asks for: `whole`, and `part` without what is hidden."""

    whole: Table
    part: Table

    @property
    def columns(self) -> list[Column]:
        return [column for several in self.whole.columns.values() for column in several]

    @property
    def chosen(self) -> list[Column]:
        return [column for several in self.part.columns.values() for column in several]


def shown(view: View, state: url.State) -> Shown:
    """The chosen table, filled with all runs of the folder."""
    whole = filled(view.listing.runs, _reference(state))
    columns = [column for several in whole.columns.values() for column in several]
    hidden = {column for column in columns if key(column) in state.hide}
    return Shown(whole, whole.narrowed(hidden, state.every_block))


def key(column: Column) -> str:
    """What the URL calls a column."""
    return ".".join(filter(None, [column.quantity, column.estimator]))


def _boxes(table: Table) -> list[Component]:
    """A box to tick for each of our columns, grouped by metric."""
    return [
        html.Div(
            [
                html.H4(metric(name).title),
                *(dmc.Checkbox(label=c.title, value=key(c), size="sm") for c in columns),
            ]
        )
        for name, columns in table.columns.items()
    ]


def _fold(found: Shown, every_block: bool) -> str:
    """What the button says that shows or hides blocks without numbers of ours; "" without any."""
    empty = sum(not block.ours for block in found.whole.blocks)
    if not empty:
        return ""
    several = "1 block" if empty == 1 else f"{empty} blocks"
    if every_block:
        return f"Hide {several} without numbers of yours"
    if empty == len(found.whole.blocks):
        return f"No number of yours stands in this table. Show its {several}"
    return f"{several.replace(' ', ' more ', 1)} without numbers of yours: show"


def _problems(view: View, table: Table) -> Iterable[Component]:
    if empty := cards.nothing(view, view.listing.runs):
        yield empty
    for problem in table.problems:
        yield cards.notice(f"Left out of the table: {problem}")


def register(app: Dash, view: View) -> None:
    """The page's callbacks."""

    @app.callback(
        Output("table-problems", "children"),
        Output("table-parts", "data"),
        Output("table-notes", "data"),
        Output("table-fold", "children"),
        Output("table-fold", "hidden"),
        Input("view", "data"),
        Input("revision", "data"),
    )
    def show(search: str, _revision: str) -> Any:
        state = url.State.parse(search)
        found, footnotes = shown(view, state), Footnotes()
        blocks = table_parts.blocks(found.part, footnotes)
        below = table_parts.unevaluated(found.whole.left)
        if blocks:
            below = [table_parts.footer(found.part, footnotes), *below]
        fold = _fold(found, state.every_block)
        return list(_problems(view, found.whole)), blocks, below, fold, not fold

    @app.callback(
        Output("table-columns", "children"),
        Output("table-columns", "value"),
        Output("table-columns-count", "children"),
        Output("table-offered", "data"),
        Input("view", "data"),
        Input("revision", "data"),
    )
    def offer(search: str, _revision: str) -> Any:
        found = shown(view, url.State.parse(search))
        every, chosen = ([key(c) for c in columns] for columns in (found.columns, found.chosen))
        count = f"Columns: {len(chosen)} of {len(every)}  ▾"
        return _boxes(found.whole), chosen, count, {"all": every, "shown": chosen}

    @app.callback(
        Output("table-file", "data"),
        *(Input(f"table-{suffix}", "n_clicks") for suffix in FORMATS),
        State("view", "data"),
        prevent_initial_call=True,
    )
    def download(*given: Any) -> dict[str, str]:
        *clicks, search = given
        if not any(clicks):
            raise PreventUpdate
        suffix = ctx.triggered_id.removeprefix("table-")
        part = shown(view, url.State.parse(search)).part
        return {"content": WRITERS[suffix](part), "filename": file_name(part.reference, suffix)}

    app.clientside_callback(
        ClientsideFunction("tables", "draw"),
        Input("table-parts", "data"),
        Input("table-notes", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("tables", "choose"),
        Output("view", "data", allow_duplicate=True),
        Input("table-reference", "value"),
        Input("table-columns", "value"),
        Input("table-fold", "n_clicks"),
        State("table-offered", "data"),
        prevent_initial_call=True,
    )

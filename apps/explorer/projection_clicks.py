"""What a click on the page of projections means: an item, or a place on the axes of its map."""

from apps.explorer import item
from apps.explorer.clicks import Click
from apps.explorer.columns import column
from apps.explorer.pairs import pairs_of
from apps.explorer.projection_column import LAYOUT_LIMIT, Pictures, points_of
from apps.explorer.state import State
from lab.errors import UserError
from lab.layouts import NAMES


def found(pictures: Pictures, state: State, clicked: Click) -> dict[str, str]:
    """What the URL holds of it. UserError where nothing is drawn there."""
    if clicked.kind == "projected-points":
        return {"item": _item(pictures, state, clicked)}
    if clicked.kind == "pairs":
        return _of_pair(pictures, state, clicked)
    return item.placed(clicked.point, state.projection)


def _of_pair(pictures: Pictures, state: State, clicked: Click) -> dict[str, str]:
    shown = column(pictures.view, clicked.run)
    epoch = shown.epoch(pictures.view, state)
    pairs = pairs_of(state, pictures.view.latents(shown.run, epoch).dimensions)
    if not 0 < clicked.cell <= len(pairs):
        raise UserError(f"There is no map {clicked.cell}.")
    a, b = (k + 1 for k in pairs[clicked.cell - 1])
    if state.by == "pca":
        return item.placed(clicked.point, f"pc{a}.{b}")
    kind = "a" if state.by == "activity" else "z"
    # A zoom belongs to the axes it was made on.
    return {**item.placed(clicked.point), "x": f"{kind}{a}", "y": f"{kind}{b}", "zoom": ""}


def _item(pictures: Pictures, state: State, clicked: Click) -> str:
    shown = column(pictures.view, clicked.run)
    epoch = shown.epoch(pictures.view, state)
    rows, points = points_of(pictures, shown.run, epoch, state)
    limit = LAYOUT_LIMIT if state.projection in NAMES else state.limit
    row = item.nearest(points, clicked.point, 2 * limit)
    return "" if row is None else str(shown.run.items["id"][int(rows[row])])

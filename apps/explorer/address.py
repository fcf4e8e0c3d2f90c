"""Whatever an address asks for that cannot be shown, said in one line."""

from dataclasses import fields
from urllib.parse import parse_qsl, urlencode

from dash import dcc, html
from dash.development.base_component import Component

from apps.explorer.state import State
from apps.explorer.view import View

NAMED = 3
LONGEST = 40  # characters of a value that are repeated


def unread(search: str | None) -> list[str]:
    """Keys of a query string that change nothing in the state and are no default spelled out."""
    pairs = _pairs(search)
    whole = State.parse(search)
    return [
        key
        for key in dict.fromkeys(key for key, _ in pairs)
        if State.parse(urlencode([p for p in pairs if p[0] != key])) == whole
        and not all(value in _spelled(key) for other, value in pairs if other == key)
    ]


def notice(view: View, path: str | None, search: str | None) -> Component | None:
    """What the address asks for in vain, with a link that leaves it out; None without any."""
    vain = set(unread(search))
    dropped = [p for p in _pairs(search) if p[0] in vain]
    gone = [p for p in _pairs(search) if p[0] == "run" and view.named(p[1]) is None]
    lines = []
    if dropped:
        listed = _listed([f"{key}={value}" for key, value in dropped])
        lines.append(f"This link asks for what does not exist ({listed}); the default is shown.")
    if gone and not view.listing.missing:
        lines.append(f"Not in this folder: {_listed([value for _, value in gone])}.")
    if not lines:
        return None
    kept = urlencode([p for p in _pairs(search) if p not in (*dropped, *gone)])
    forget = dcc.Link("Forget it", href=(path or "/") + (f"?{kept}" if kept else ""))
    return html.Div([*(f"{line} " for line in lines), forget], className="notice", role="status")


def _pairs(search: str | None) -> list[tuple[str, str]]:
    return parse_qsl((search or "").lstrip("?"))


def _spelled(key: str) -> set[str]:
    """How the default of a key might be written."""
    defaults = {field.name: field.default for field in fields(State)}
    value = defaults.get(key)
    if isinstance(value, tuple):
        return set(map(str, value))
    if isinstance(value, bool):
        return {"1" if value else "0"}
    return {str(value), f"{value:g}"} if isinstance(value, float) else {str(value)}


def _listed(values: list[str]) -> str:
    shown = [value[:LONGEST] + "…" * (len(value) > LONGEST) for value in values[:NAMED]]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")

"""A view as one HTML file that opens without a server: all but the body that the browser fills in.

It may run the two scripts in it and nothing else, and ask nobody for anything.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from apps.explorer import theme
from apps.explorer.captions import CAPTIONS
from apps.explorer.view import View
from lab import look
from lab.runs import Run

LONGEST = 4_000  # characters of a run's settings
ASSETS = Path(__file__).parent / "assets"
DRAW = """
const figures = JSON.parse(document.getElementById("figures").textContent);
const config = {displaylogo: false, responsive: true, showSendToCloud: false, plotlyServerURL: ""};
for (const place of document.querySelectorAll("[data-figure]")) {
    const {data, layout} = figures[place.dataset.figure];
    Plotly.newPlot(place, data, layout, config);
}
"""


def frame(
    view: View, title: str, address: str, runs: Sequence[Run], captions: Sequence[str], mode: str
) -> tuple[str, str, str]:
    """What stands before the body of a report, between it and its figures (JSON), and after them.

    All names are escaped; unknown captions are left out.
    """
    made = datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC")
    origin = f"Latent Lab, {made}, from the folder {view.root.resolve().name}"
    before = (
        f'<!DOCTYPE html>\n<html lang="en" data-mantine-color-scheme="{escape(mode)}">\n<head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        f"<title>{escape(title)}</title><style>{_style()}</style></head>\n<body class='report'>"
        f"<header><h1>{escape(title)}</h1><p>{escape(origin)}</p></header>\n<main>"
    )
    between = (
        f"</main>\n{_runs(runs)}{_captions(captions)}"
        f"<section><h2>View</h2><p><code>{escape(address)}</code></p></section>\n"
        f"<script>{get_plotlyjs()}</script>\n<script id='figures' type='application/json'>"
    )
    return before, between, f"</script>\n<script>{DRAW}</script></body>\n</html>\n"


@cache
def _policy() -> str:
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in (get_plotlyjs(), DRAW))
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; form-action 'none'; base-uri 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _style() -> str:
    sheets = [sheet.read_text(encoding="utf-8") for sheet in sorted(ASSETS.glob("*.css"))]
    return "\n".join([theme.variables(), *sheets])


def _runs(runs: Sequence[Run]) -> str:
    """Which runs the view shows and how they were trained."""
    if not runs:
        return ""
    rows = "".join(_row(run) for run in runs)
    head = "".join(f"<th>{h}</th>" for h in ("Run", "Corpus", "Seed", "Status", "Dumps"))
    return (
        "<section><h2>About the runs</h2><table class='about-runs'>"
        f"<thead><tr>{head}</tr></thead>{rows}</table></section>\n"
    )


def _row(run: Run) -> str:
    dot = f"<span class='swatch' style='background:{escape(look.colour(run.spec))}'></span>"
    span = f"{run.epochs[0]} to {run.epochs[-1]}" if run.epochs else "none"
    cells = (run.corpus, run.seed, run.status, span)
    settings = escape(_settings(run.info.get("settings")))
    return (
        f"<tbody><tr><th>{dot}{escape(run.label)}</th>"
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        + f"</tr><tr><td colspan='5'><code>{escape(run.spec)}</code><br><small>{settings}</small>"
        "</td></tr></tbody>"
    )


def _settings(settings: Any) -> str:
    """Settings as "network: encoder lstm, latent 32; training: epochs 5"."""
    if not isinstance(settings, dict):
        return ""
    words = [
        f"{group}: {', '.join(f'{k} {v}' for k, v in values.items())}"
        if isinstance(values, dict)
        else f"{group} {values}"
        for group, values in settings.items()
    ]
    written = "; ".join(words)
    return written[:LONGEST] + (" …" if len(written) > LONGEST else "")


def _captions(keys: Sequence[str]) -> str:
    """How to read the pictures; their (i) leads here."""
    known = [key for key in dict.fromkeys(keys) if key in CAPTIONS]
    if not known:
        return ""
    return (
        "<section><h2>How to read the pictures</h2>" + "".join(map(_caption, known)) + "</section>"
    )


def _caption(key: str) -> str:
    title, *paragraphs = CAPTIONS[key]
    heads = ("Drawn", "Read", "Beware")
    words = "".join(
        f"<p><b>{h}</b> {escape(p)}</p>" for h, p in zip(heads, paragraphs, strict=False)
    )
    head = f"<h3>{escape(title)}</h3>"
    return f"<article class='caption' id='about-{escape(key)}'>{head}{words}</article>"

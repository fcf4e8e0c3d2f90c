"""The look of the pages: style-sheet variables and plotly layout from the tokens of `lab.look`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.look import DARK, LIGHT

FONT = "Inter, 'Helvetica Neue', 'Segoe UI', Roboto, Arial, sans-serif"
CLEAR = "rgba(0,0,0,0)"
TOKENS = {"light": LIGHT, "dark": DARK}

# Sequential maps of even lightness steps; the background colour is put before the first entry.
_SEQUENTIAL = {
    "light": ("#d5e8ef", "#a3cfdd", "#6bb1cb", "#3c8fb8", "#226b9f", "#1b487f", "#152855"),
    "dark": ("#2b2a5a", "#56307f", "#8a3d87", "#c04f7c", "#e87462", "#f9a865", "#fde7a4"),
}
# From most negative over zero (the background) to most positive.
_DIVERGING = {
    "light": (("#2c6cb0", "#7caad6", "#c8ddef"), ("#f7d6c2", "#e2966e", "#bf5125")),
    "dark": (("#74b0ea", "#3f78b2", "#22405f"), ("#573523", "#ab633a", "#f0a06c")),
}
# The same under points.
_PALE = {
    "light": (("#8db4dd", "#c6dbee"), ("#f5d3bf", "#e39b78")),
    "dark": (("#2a5583", "#1f3750"), ("#4d3528", "#8a5133")),
}
# For points, every entry must stand out from both backgrounds.
CONTINUOUS = (
    "#3b4cc0", "#4a63d3", "#4f7fd0", "#4a98c0", "#42aca6", "#4cbb86", "#77c55f", "#a8c741",
    "#d1bf35", "#ecac33", "#f59333", "#f27838", "#e65d3f", "#d34346", "#b92c4c", "#9a1c50",
)  # fmt: skip

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "displayModeBar": "hover",
    "modeBarButtonsToRemove": ["zoomIn2d", "zoomOut2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "latent-lab"},
}


def scale(mode: str) -> list[list[Any]]:
    """The sequential plotly colour scale whose zero is the page's background."""
    return _even((TOKENS[mode]["background"], *_SEQUENTIAL[mode]))


def diverging(mode: str) -> list[list[Any]]:
    """The plotly colour scale of signed quantities; its middle is the page's background."""
    return _signed(_DIVERGING, mode)


def pale(mode: str) -> list[list[Any]]:
    """As `diverging`, for what lies behind points."""
    return _signed(_PALE, mode)


def _signed(colours: dict[str, Any], mode: str) -> list[list[Any]]:
    below, above = colours[mode]
    return _even((*below, TOKENS[mode]["background"], *above))


def _even(colours: Sequence[str]) -> list[list[Any]]:
    return [[float(p), c] for p, c in zip(np.linspace(0, 1, len(colours)), colours, strict=True)]


def mix(ground: str, colour: str, share: float) -> str:
    """`colour` laid over `ground` (both #rrggbb) with an opacity of `share`."""
    pairs = ((int(ground[i : i + 2], 16), int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def gradient(scale: Sequence[Sequence[Any]]) -> str:
    """A plotly colour scale as a style-sheet gradient, for legends."""
    return f"linear-gradient(to right, {', '.join(colour for _, colour in scale)})"


def layout(mode: str, **changes: Any) -> dict[str, Any]:
    """Plotly layout shared by every figure: transparent, no grid, thin axes, tabular 12 px text."""
    tokens = TOKENS[mode]
    axis = {
        "showgrid": False,
        "zeroline": False,
        "showline": True,
        "linecolor": tokens["rule"],
        "ticks": "outside",
        "ticklen": 3,
        "tickcolor": tokens["rule"],
        "tickfont": {"size": 12},
        "title": {"font": {"size": 12}, "standoff": 4},
    }
    label = {"family": FONT, "size": 13, "color": tokens["text"]}
    base = {
        "template": None,
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "showlegend": False,
        "font": {"family": FONT, "size": 12, "color": tokens["muted"]},
        "margin": {"l": 40, "r": 6, "t": 8, "b": 42},
        "hoverlabel": {
            "bgcolor": tokens["surface"],
            "bordercolor": tokens["rule"],
            "align": "left",
            "font": label,
        },
        "modebar": {"bgcolor": CLEAR, "color": tokens["muted"], "activecolor": tokens["accent"]},
        "xaxis": axis,
        "yaxis": axis,
    }
    for key, value in changes.items():
        base[key] = {**base[key], **value} if key in ("xaxis", "yaxis", "margin") else value
    return base


def variables() -> str:
    """Style-sheet rules that name the tokens, once for each colour scheme."""
    rules = []
    for mode, tokens in TOKENS.items():
        scales = {"scale": scale, "diverging": diverging, "pale": pale}
        ramps = {name: gradient(made(mode)) for name, made in scales.items()}
        pairs = {**tokens, **ramps}
        body = "".join(f"--{name}: {value};" for name, value in pairs.items())
        rules.append(f'[data-mantine-color-scheme="{mode}"] {{{body}}}')
    return f":root {{--font: {FONT};}}\n" + "\n".join(rules)

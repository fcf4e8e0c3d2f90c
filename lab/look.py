"""The visual language shared by the explorer and the printed figures: one colour per method."""

import colorsys
import math
import re

DENSITY_LIMIT = 0.25  # N(0, I) peaks at 1 / 2π = 0.159 in two dimensions; the rest is head room
PRIOR_RADII = (1.0, 2.0, 3.0)

LIGHT = {
    "background": "#ffffff",
    "surface": "#f7f7f8",
    "text": "#1c1e21",
    "muted": "#5c6370",
    "rule": "#dfe1e6",
    "accent": "#d6336c",
}
DARK = {
    "background": "#141517",
    "surface": "#1f2023",
    "text": "#e9eaec",
    "muted": "#a3a9b4",
    "rule": "#36393f",
    "accent": "#ff6b9d",
}

# Okabe-Ito hues first, then Tol's; the order of items is the order of classes.
CATEGORY_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#882255", "#999933",
    "#1c40b8", "#64401c", "#b870f4", "#58407c", "#e81c58", "#e8b888", "#7cdc58", "#1cdcd0",
)  # fmt: skip

# Family -> (hue, dash, the option that varies within the family and its reference value).
_FAMILIES = {
    "lstm_lm": ("#7f7f7f", "dot", None),
    "ae": ("#8c6d31", "dashdot", None),
    "rae": ("#a6761d", "dot", ("code", 0.01)),
    "vae": ("#0072b2", "solid", None),
    "vae_word_dropout": ("#1f4e79", "dashdot", ("rate", 0.5)),
    "beta_vae": ("#56b4e9", "dash", ("beta", 0.4)),
    "cyclic_vae": ("#332288", "dot", ("period", 20)),
    "fb_vae": ("#e69f00", "dash", ("target", 16)),
    "ae_fb": ("#b8860b", "dashdot", ("target", 6)),
    "delta_vae": ("#f0603a", "dash", ("rate", 0.15)),
    "bn_vae": ("#d55e00", "solid", ("gamma", 1.2)),
    "vmf_vae": ("#6a51a3", "solid", ("concentration", 13)),
    "bow_vae": ("#44aa99", "dash", ("weight", 1)),
    "skip_vae": ("#2b8cbe", "dashdot", None),
    "lagging_vae": ("#1b7f79", "solid", ("inner", 100)),
    "sa_vae": ("#4d7c0f", "solid", ("steps", 2)),
    "infovae": ("#7f8f29", "dash", ("scaling", 10)),
    "wae": ("#999933", "solid", ("weight", 1)),
    "aae": ("#6b705c", "dashdot", ("weight", 1)),
    "vae_mine": ("#c0392b", "dash", ("alpha", 5)),
    "ceae": ("#d6336c", "solid", ("entropy", 0.2)),
    "dg_vae": ("#009e73", "solid", ("aggregation", 32)),
    "dg_vmf_vae": ("#117733", "dash", ("concentration", 13)),
    "ivae": ("#cc79a7", "dash", None),
    "ivae_mi": ("#aa4499", "solid", None),
    "clvae": ("#882255", "dot", None),
    "clvae_mi": ("#661100", "dash", None),
    "clvae_plus": ("#b2182b", "dashdot", None),
    "clvae_plus_mi": ("#9e1fa0", "solid", None),
}
_UNKNOWN = ("#5c6370", "solid", None)


def colour(spec: str) -> str:
    """The method's colour as #rrggbb: its family's hue, lighter below and darker above its
    reference option.
    """
    hue, _, option = _family(spec)
    if "linear=True" in spec:
        return _shade(hue, 0.18)
    value = option and re.search(rf"\b{option[0]}=([0-9.eE+-]+)", spec)
    if not value:
        return hue
    position = math.tanh(math.log2(max(_number(value[1]), 1e-6) / option[1]) / 2)
    return _shade(hue, -0.18 * position)


def dash(spec: str) -> str:
    """The method's line style as plotly names it, so that curves differ in grey print too."""
    return _family(spec)[1]


def linestyle(spec: str) -> str:
    """The method's line style as matplotlib names it."""
    return {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}[dash(spec)]


def _family(spec: str) -> tuple[str, str, tuple[str, float] | None]:
    return _FAMILIES.get(spec.split("(")[0], _UNKNOWN)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # a foreign run's spec may hold anything
        return 1.0


def _shade(colour: str, lightness: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    h, level, s = colorsys.rgb_to_hls(red, green, blue)
    shaded = colorsys.hls_to_rgb(h, min(max(level + lightness, 0.15), 0.8), s)
    return "#" + "".join(f"{round(255 * c):02x}" for c in shaded)

"""Words on the pages: captions, names of axes, untrusted text made safe for plotly."""

import html
import textwrap
from functools import lru_cache

LONGEST_HOVER, LONGEST_TEXT = 300, 2_000  # characters

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@lru_cache(maxsize=50_000)
def safe(text: str, width: int = 56) -> str:
    """Untrusted text for plotly, which reads some HTML: escaped, cut and broken into lines."""
    short = textwrap.shorten(text, LONGEST_HOVER, placeholder=" …")
    return "<br>".join(html.escape(line) for line in textwrap.wrap(short, width)) or " "


def shortened(words: str, longest: int = LONGEST_TEXT) -> str:
    """The beginning of a text."""
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


def dimension(index: int) -> str:
    """Name of a dimension counted from 0: 16 -> z₁₇."""
    return "z" + str(index + 1).translate(_SUBSCRIPTS)


def rank(position: int) -> str:
    """Activity rank counted from 0 in words: most active, 2nd most active, 3rd most active."""
    if position == 0:
        return "most active"
    number = position + 1
    teens = 10 <= number % 100 <= 20
    suffix = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix} most active"


def figure(value: float) -> str:
    """A number for a card: two decimals below 10, one below 100, none above; a true minus sign."""
    size = abs(value)
    if size < 100:
        # Adding 0 takes the sign off a zero.
        words = f"{round(value, 2) + 0.0:.2f}" if size < 10 else f"{value:.1f}"
    else:
        words = f"{value:,.0f}" if size < 1e6 else f"{value:.1e}"
    return words.replace("-", "−", 1)

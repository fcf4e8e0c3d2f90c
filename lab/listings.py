"""The catalogue in words, for the terminal and for docs/methods.md, from the factories alone."""

import dataclasses
import functools
import json
from typing import Any

from lab import methods
from lab.methods import FAMILIES, Parts, describe
from lab.model import Model


def text() -> str:
    """One line a method, then its options with defaults and ranges, then its source."""
    lines = []
    for family, factories in FAMILIES.items():
        lines += [f"{family}:"]
        for method in (describe(f.__name__) for f in factories):
            lines += [f"  {method['name']:16} {method['about']}"]
            lines += [f"{'':20}{option}" for option in _options(method)]
            lines += [f"{'':20}{method['source']}"]
    return "\n".join(lines)


def markdown() -> str:
    """The page docs/methods.md."""
    lines = ["# Methods", "", INTRODUCTION]
    for family, factories in FAMILIES.items():
        lines += ["", f"## {family}", "", "| method | options | source |", "|---|---|---|"]
        for method in (describe(f.__name__) for f in factories):
            options = "<br>".join(f"`{o}`" for o in _options(method))
            about = f"`{method['name']}`<br>{method['about']}"
            lines += [_row(about, options or "none", method["source"])]
    return "\n".join(lines)


INTRODUCTION = (
    "`latentlab methods --markdown` prints this page. A spec string such as "
    "`dg_vae(aggregation=8)` names a method and its options; D-numbers are differences between a "
    "paper and its published code, named where one reading had to be chosen."
)


def json_text() -> str:
    """All of it as one JSON list."""
    return json.dumps([describe(name) for name in methods.METHODS], ensure_ascii=False)


METHODS = {"text": text, "markdown": markdown, "json": json_text}


def _options(method: dict[str, Any]) -> list[str]:
    return [f"{k} = {o['default']!r}  ({o['type']})" for k, o in method["options"].items()]


def _row(*cells: str) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def procedure(parts: Parts) -> str:
    """How the parts are trained, if not the plain way."""
    stages = f"decoder redrawn after epoch {parts.pretraining}" if parts.pretraining else ""
    if parts.procedure is Model:
        return stages or "plain"
    kind, options = parts.procedure, {}
    if isinstance(kind, functools.partial):
        kind, options = kind.func, kind.keywords
    given = ", ".join(f"{k}={v}" for k, v in options.items())
    return f"{kind.__name__} ({given})" if given else kind.__name__


def selection(parts: Parts) -> str:
    """The weighted sum of figures that picks the best epoch."""
    return " + ".join(k if w == 1 else f"{w:g} {k}" for k, w in parts.selection.items())


def changes(settings: Any) -> str:
    """The fields of a settings object that differ from their defaults."""
    fields = [(f, getattr(settings, f.name)) for f in dataclasses.fields(settings)]
    return ", ".join(f"{f.name}={v}" for f, v in fields if v != f.default)

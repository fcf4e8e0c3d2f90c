"""Spec strings: "name(option=value)", read strictly against the factories' signatures."""

import ast
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from lab.errors import UserError

Factories = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class Range:
    """Inclusive bounds of a number; None leaves a side open."""

    low: float
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        return self.low <= value and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Method:
    """A factory with its options resolved."""

    factory: Callable[..., Any]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return self.factory.__name__

    def parts(self) -> Any:
        """Fresh parts, with no layers built yet."""
        return self.factory(**self.options)

    @property
    def spec(self) -> str:
        """The canonical string: options unlike their defaults, in the signature's order."""
        schema = inspect.signature(self.factory).parameters
        changed = {k: v for k, v in self.options.items() if v != schema[k].default}
        given = [f"{k}={_text(v)}" for k, v in changed.items()]
        return f"{self.name}({', '.join(given)})" if given else self.name

    @property
    def label(self) -> str:
        return self.parts().label

    @property
    def about(self) -> str:
        """The spec, what the method is, and its source, for tooltips."""
        words = describe(self.factory)
        return f"{self.spec}: {words['about']} Source: {words['source']}"


def parse(spec: str, factories: Factories) -> Method:
    """Read "name" or "name(option=value, ...)". Raises UserError that lists what exists or
    names the rule that options break together.
    """
    try:
        node = ast.parse(spec.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(
            f"{spec!r} is not a method spec; write name or name(option=value)"
        ) from error
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    if not isinstance(call.func, ast.Name) or call.args:
        raise UserError(f"{spec!r} is not a method spec; write name or name(option=value)")
    name = call.func.id
    if name not in factories:
        raise UserError(f"unknown method {name!r}; there are {', '.join(factories)}")
    schema = inspect.signature(factories[name]).parameters
    given: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg not in schema:
            has = ", ".join(schema) or "none"
            raise UserError(f"{name} has no option {keyword.arg!r}; its options: {has}")
        if keyword.arg in given:
            raise UserError(f"{name}: {keyword.arg} is given twice")
        given[keyword.arg] = _value(name, schema[keyword.arg], keyword.value)
    method = Method(factories[name], {k: given.get(k, p.default) for k, p in schema.items()})
    try:
        method.parts()
    except ValueError as error:
        raise UserError(f"{method.spec}: {error}") from error
    return method


def describe(factory: Callable[..., Any]) -> dict[str, Any]:
    """A factory's first docstring paragraph, source and options, for listings."""
    paragraphs = [" ".join(p.split()) for p in inspect.getdoc(factory).split("\n\n")]
    options = {
        k: {"type": type_text(p.annotation), "default": p.default}
        for k, p in inspect.signature(factory).parameters.items()
    }
    source = paragraphs[1].removeprefix("Source: ")
    return {"about": paragraphs[0], "source": source, "options": options}


def type_text(annotation: Any) -> str:
    """An option's type and range in words."""
    if get_origin(annotation) is Annotated:
        base, bounds = get_args(annotation)
        return f"{base.__name__}, {bounds}"
    if get_origin(annotation) is Literal:
        return " or ".join(map(repr, get_args(annotation)))
    if isinstance(annotation, type):
        return annotation.__name__
    return " or ".join("None" if a is type(None) else type_text(a) for a in get_args(annotation))


def _text(value: Any) -> str:
    short = f"{value:g}" if type(value) is float else repr(value)
    return short if ast.literal_eval(short) == value else repr(value)


def _value(method: str, parameter: inspect.Parameter, node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise UserError(f"{method}: {parameter.name} must be a plain value") from error
    annotation = parameter.annotation
    choices = (
        [annotation]
        if get_origin(annotation) in (Annotated, Literal, None)
        else get_args(annotation)
    )
    for choice in choices:
        if (converted := _convert(choice, value)) is not _REFUSED:
            return converted
    raise UserError(f"{method}: {parameter.name}={value!r} must be {type_text(annotation)}")


_REFUSED = object()


def _convert(choice: Any, value: Any) -> Any:
    if get_origin(choice) is Literal:
        return value if value in get_args(choice) else _REFUSED
    base, bounds = get_args(choice) if get_origin(choice) is Annotated else (choice, None)
    if base is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    finite = not isinstance(value, float) or math.isfinite(value)
    fits = type(value) is base and finite and (bounds is None or value in bounds)
    return value if fits else _REFUSED

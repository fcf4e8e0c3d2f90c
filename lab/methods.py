"""The catalogue: how every method differs, in one file.

A factory's signature is its schema: names, types, ranges and defaults of the options. It returns
the parts of a model; a spec string such as "dg_vae(aggregation=32)" names a factory and its
options.
"""

import ast
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from lab.errors import UserError
from lab.model import Term
from lab.posteriors import (
    BatchNormHead,
    GaussianHead,
    Head,
    ImplicitHead,
    NoLatent,
    PointHead,
)
from lab.schedules import Cyclic, Linear, constant
from lab.terms import KL, DensityGap, DualKL, InfoNCE


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
class Parts:
    """What a method consists of; `label` is its name in the papers.

    `selection` is the validation figure that picks the best epoch: "objective" is the method's own
    loss at its final weights, "nll" the importance-weighted likelihood for losses that are no
    bound.
    """

    label: str
    head: Head
    terms: tuple[Term, ...] = ()
    views: int = 1
    encoder_dropout: float = 0.0
    selection: Literal["objective", "nll"] = "objective"


Weight = Annotated[float, Range(0)]
Epochs = Annotated[float, Range(0)]
Count = Annotated[int, Range(1)]
Temperature = Annotated[float, Range(1e-3)]
Dropout = Annotated[float, Range(0, 0.99)]
Contrasted = Literal["z", "h"]


def lstm_lm() -> Parts:
    """Language model without a latent code; the likelihood any VAE should at least reach.

    Source: iVAE table 2, DG-VAE section 4.
    """
    return Parts("LSTM-LM", NoLatent())


def ae(stochastic: bool = False) -> Parts:
    """Autoencoder: no regulariser; `stochastic` draws z from a learned Gaussian, as DG-VAE's code
    does.

    Source: iVAE section 5; DG-VAE appendix A.
    """
    return Parts("AE", GaussianHead() if stochastic else PointHead())


def vae(anneal: Epochs = 10, start: Annotated[float, Range(0, 1)] = 0.0) -> Parts:
    """VAE with linear KL annealing from `start` to 1 in `anneal` epochs.

    Source: Kingma and Welling 2014; Bowman et al. 2016; DG-VAE eq. 1.
    """
    return Parts("VAE", GaussianHead(), (KL(Linear(start, 1, anneal)),))


def beta_vae(beta: Weight = 0.4, anneal: Epochs = 10) -> Parts:
    """β-VAE: the KL weighs `beta` at the end of annealing.

    Source: Higgins et al. 2017; DG-VAE section 4.1.
    """
    return Parts(f"β-VAE (β = {beta:g})", GaussianHead(), (KL(Linear(0, beta, anneal)),))


def cyclic_vae(period: Annotated[float, Range(1)] = 20, rise: Epochs = 10) -> Parts:
    """VAE whose linear annealing starts again every `period` epochs.

    Source: Fu et al. 2019; DG-VAE section 4.1.
    """
    return Parts("Cyclic-VAE", GaussianHead(), (KL(Cyclic(0, 1, rise, period)),))


def fb_vae(
    target: Annotated[float, Range(0)] = 16,
    per: Literal["dimension", "sentence"] = "dimension",
    anneal: Epochs = 10,
) -> Parts:
    """Free bits: KL below `target` nats costs nothing, cut per dimension (target / D each) or per
    sentence.

    Source: Kingma et al. 2016; DG-VAE section 4.1, the published FineFB and CoarseFB.
    """
    term = KL(Linear(0, 1, anneal), free=target, per=per)
    return Parts(f"FB-VAE ({target:g})", GaussianHead(), (term,))


def bn_vae(gamma: Annotated[float, Range(0)] = 1.2, anneal: Epochs = 10) -> Parts:
    """BN-VAE: batch-normalised posterior means with frozen scale `gamma`, so that KL >= D γ² / 2.

    Source: Zhu et al. 2020; DG-VAE section 4.1. Its epsilon is 1e-10, not the code's 1e-5, below
    which an encoder can shrink its means to escape the bound.
    """
    term = KL(Linear(0, 1, anneal))
    return Parts(f"BN-VAE (γ = {gamma:g})", BatchNormHead(gamma), (term,))


def dg_vae(
    aggregation: Count | None = 32,
    marginal: bool = True,
    samples: Count = 32,
    anneal: Epochs = 10,
) -> Parts:
    """DG-VAE: KL to the prior of the posterior aggregated over `aggregation` rows (None: the whole
    batch).

    Source: DG-VAE eq. 11 (marginal) and eq. 9 (joint); `samples` is M; the papers' batch is 32
    (D6).
    """
    size = "batch" if aggregation is None else aggregation
    label = f"DG-VAE (|b| = {size})" if marginal else f"DG-VAE (joint, |b| = {size})"
    term = DensityGap(Linear(0, 1, anneal), marginal, aggregation, samples)
    return Parts(label, GaussianHead(), (term,))


def ivae(linear: bool = False, anneal: Epochs = 9) -> Parts:
    """iVAE: implicit posterior, KL by its Fenchel dual ν(x, z).

    Source: iVAE eq. 6 to 10; `linear` is the published single layer, an exact Gaussian (D1).
    """
    return _implicit("iVAE", linear, DualKL(Linear(0.1, 1, anneal), joint=True))


def ivae_mi(linear: bool = False, anneal: Epochs = 9) -> Parts:
    """iVAE with mutual information: the dual ν(z) matches the aggregated posterior to the prior.

    Source: iVAE eq. 12 to 14; `linear` as in ivae (D1).
    """
    return _implicit("iVAE-MI", linear, DualKL(Linear(0.1, 1, anneal), joint=False))


def clvae(
    linear: bool = False,
    temperature: Temperature = 0.05,
    dropout: Dropout = 0.3,
    on: Contrasted = "z",
    anneal: Epochs = 9,
) -> Parts:
    """clVAE: iVAE and a contrast between two dropout views of each sentence.

    Source: clVAE eq. 8 to 11; temperature and weight from the code (D22).
    """
    term = DualKL(Linear(0.1, 1, anneal), joint=True)
    return _contrastive("clVAE", linear, term, temperature, dropout, on)


def clvae_mi(
    linear: bool = False,
    temperature: Temperature = 0.05,
    dropout: Dropout = 0.3,
    on: Contrasted = "z",
    anneal: Epochs = 9,
) -> Parts:
    """clVAE on the aggregated posterior: iVAE-MI and the contrast.

    Source: clVAE eq. 12; D22.
    """
    term = DualKL(Linear(0.1, 1, anneal), joint=False)
    return _contrastive("clVAE-MI", linear, term, temperature, dropout, on)


def clvae_plus(
    linear: bool = False,
    temperature: Temperature = 0.05,
    dropout: Dropout = 0.3,
    on: Contrasted = "z",
    squared: bool = True,
    published: bool = False,
    anneal: Epochs = 9,
) -> Parts:
    """clVAE⁺: the critic learns by the circle loss, with L_SQ unless `squared` is off.

    Source: clVAE eq. 13, 15, 17 to 19; `published` doubles the exponential (D17, D18, D20).
    """
    term = DualKL(Linear(0.1, 1, anneal), True, "circle", squared, published)
    return _contrastive("clVAE⁺", linear, term, temperature, dropout, on)


def clvae_plus_mi(
    linear: bool = False,
    temperature: Temperature = 0.05,
    dropout: Dropout = 0.3,
    on: Contrasted = "z",
    squared: bool = True,
    mean_row: bool = False,
    published: bool = False,
    anneal: Epochs = 9,
) -> Parts:
    """clVAE⁺-MI: circle loss and L_SQ on ν(z); `mean_row` contrasts the batch mean too, as
    published (D19).

    Source: clVAE eq. 14, 16 to 19; D17 to D20.
    """
    term = DualKL(Linear(0.1, 1, anneal), False, "circle", squared, published)
    return _contrastive("clVAE⁺-MI", linear, term, temperature, dropout, on, mean_row)


def _implicit(label: str, linear: bool, *terms: Term, **options: Any) -> Parts:
    label = f"{label} (linear)" if linear else label
    return Parts(label, ImplicitHead(linear), terms, selection="nll", **options)


def _contrastive(
    label: str,
    linear: bool,
    dual: DualKL,
    temperature: float,
    dropout: float,
    on: Literal["z", "h"],
    mean_row: bool = False,
) -> Parts:
    # The published loss sums two reconstructions; in mean form the contrast weighs a half.
    contrast = InfoNCE(constant(0.5), temperature, on, mean_row)
    return _implicit(label, linear, dual, contrast, views=2, encoder_dropout=dropout)


METHODS: dict[str, Callable[..., Parts]] = {
    factory.__name__: factory
    for factory in (
        lstm_lm, ae, vae, beta_vae, cyclic_vae, fb_vae, bn_vae, dg_vae,
        ivae, ivae_mi, clvae, clvae_mi, clvae_plus, clvae_plus_mi,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Method:
    """A factory with its options resolved."""

    name: str
    options: dict[str, Any]

    def parts(self) -> Parts:
        """Fresh parts, with no layers built yet."""
        return METHODS[self.name](**self.options)

    @property
    def spec(self) -> str:
        """The canonical spec string: options that differ from their defaults, in the signature's
        order.
        """
        schema = inspect.signature(METHODS[self.name]).parameters
        changed = {k: v for k, v in self.options.items() if v != schema[k].default}
        given = [f"{k}={_text(v)}" for k, v in changed.items()]
        return f"{self.name}({', '.join(given)})" if given else self.name

    @property
    def label(self) -> str:
        return self.parts().label


def parse(spec: str) -> Method:
    """Read "name" or "name(option=value, ...)". Raises UserError that lists what exists."""
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
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}; there are {', '.join(METHODS)}")
    schema = inspect.signature(METHODS[name]).parameters
    given: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg not in schema:
            has = ", ".join(schema) or "none"
            raise UserError(f"{name} has no option {keyword.arg!r}; its options: {has}")
        if keyword.arg in given:
            raise UserError(f"{name}: {keyword.arg} is given twice")
        given[keyword.arg] = _value(name, schema[keyword.arg], keyword.value)
    return Method(name, {k: given.get(k, p.default) for k, p in schema.items()})


def describe(name: str) -> dict[str, Any]:
    """A method's label, first docstring line, source and options, for listings."""
    factory = METHODS[name]
    paragraphs = [" ".join(p.split()) for p in inspect.getdoc(factory).split("\n\n")]
    options = {
        k: {"type": type_text(p.annotation), "default": p.default}
        for k, p in inspect.signature(factory).parameters.items()
    }
    source = paragraphs[1].removeprefix("Source: ")
    return {
        "name": name,
        "label": factory().label,
        "about": paragraphs[0],
        "source": source,
        "options": options,
    }


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

"""From names and options to a trainer on text."""

import dataclasses
import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

import torch

from lab.backbones import TextNetwork
from lab.corpora import load
from lab.corpora.catalogue import SYNTHETIC
from lab.data import TextData
from lab.errors import UserError
from lab.methods import parse
from lab.presets import CUTS, PRESETS, Preset, choose
from lab.settings import Settings
from lab.train import Trainer


def text_trainer(options: Namespace) -> Trainer:
    """The trainer that the command line asks for; an option given replaces the preset's value.

    Raises UserError for anything that does not exist or does not fit.
    """
    method = parse(options.spec)
    device = resolve_device(options.device)
    if options.optimiser and not options.lr:
        raise UserError(f"--optimiser {options.optimiser}: give its learning rate too (--lr)")
    name = choose(options.preset, options.corpus, method.name)
    values = _values(PRESETS[name], options)
    corpus = load(
        options.corpus,
        data=options.data,
        minimum_count=options.minimum_count,
        limit=options.limit,
        **_chosen(values, CUTS),
    )
    if not options.quiet:
        print(_said(name, corpus.name), file=sys.stderr)
    data = TextData(corpus, seed=options.seed, **_chosen(values, _fields(TextData)))
    network = TextNetwork(len(corpus.vocabulary), **_chosen(values, _fields(TextNetwork)))
    settings = Settings(seed=options.seed, **_chosen(values, _fields(Settings)))
    folder = options.runs / corpus.name / method.spec / str(options.seed)
    return Trainer(method, network, data, settings, folder, device, not options.quiet)


def resolve_device(name: str) -> str:
    """The device of a name: "auto" is the GPU if there is one.

    Raises UserError for a device that is not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.split(":")[0] not in ("cpu", "cuda") or (
        name != "cpu" and not torch.cuda.is_available()
    ):
        raise UserError(f"--device {name}: not on this machine; use auto or cpu")
    return name


def _values(chosen: Preset, options: Namespace) -> dict[str, Any]:
    """The preset's values and, in their place, the options given; it never cuts a synthetic
    corpus.
    """
    left_out = CUTS if options.corpus in SYNTHETIC else ()
    kept = {k: v for k, v in chosen.values.items() if k not in left_out}
    return kept | {k: v for k, v in vars(options).items() if v is not None}


def _fields(target: type) -> set[str]:
    """What a preset or an option may set of it; seed, corpus and vocabulary come from elsewhere."""
    return {f.name for f in dataclasses.fields(target)} - {"seed", "corpus", "vocabulary"}


def _chosen(values: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _said(name: str, corpus: str) -> str:
    preset = PRESETS[name]
    other = f" (this corpus is {corpus})" if preset.corpus not in (None, corpus) else ""
    return f"preset {name}: {preset.about}{other}"

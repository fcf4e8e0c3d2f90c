"""From names and options to a trainer on text."""

import dataclasses
import sys
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from lab.backbones import TextNetwork
from lab.corpora import Corpus, load, names
from lab.corpora.catalogue import SYNTHETIC
from lab.data import TextData
from lab.errors import UserError
from lab.methods import parse
from lab.presets import CUTS, PRESETS, Preset, choose
from lab.runs import Run
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
    cuts = {
        "minimum_count": options.minimum_count,
        "limit": options.limit,
        **_chosen(values, CUTS),
    }
    corpus = load(options.corpus, data=options.data, **cuts)
    if not options.quiet:
        print(_said(name, corpus.name), file=sys.stderr)
    data = TextData(corpus, seed=options.seed, **_chosen(values, _fields(TextData)))
    data.source = {"corpus": _source(options.corpus), **cuts}
    network = TextNetwork(len(corpus.vocabulary), **_chosen(values, _fields(TextNetwork)))
    settings = Settings(seed=options.seed, **_chosen(values, _fields(Settings)))
    folder = options.runs / corpus.name / method.spec / str(options.seed)
    return Trainer(method, network, data, settings, folder, device, not options.quiet)


def _source(corpus: str) -> str:
    """A corpus's name, or the whole path of its folder."""
    return str(Path(corpus).resolve()) if Path(corpus).is_dir() else corpus


def text_corpus(run: Run, data: Path | None, folder: Path | None = None) -> Corpus:
    """The corpus that a run was trained on, loaded anew; `folder` is where its text lies now.

    Raises UserError for a run that does not say where it came from, and as `load` does.
    """
    source = dict(run.info.get("source") or {})
    name = source.pop("corpus", run.corpus)
    if not source and not folder and name not in dict(names()):
        raise UserError(f"{run.id}: does not say where its text is; give --corpus FOLDER")
    return load(folder or name, data=data, **source)


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
    """What a preset or an option may set of it; the rest comes from elsewhere."""
    elsewhere = {"seed", "corpus", "vocabulary", "source"}
    return {f.name for f in dataclasses.fields(target)} - elsewhere


def _chosen(values: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _said(name: str, corpus: str) -> str:
    preset = PRESETS[name]
    other = f" (this corpus is {corpus})" if preset.corpus not in (None, corpus) else ""
    return f"preset {name}: {preset.about}{other}"

"""From names and options to a trainer on text."""

import dataclasses
import sys
from argparse import Namespace
from typing import Any

import torch

from lab.backbones import LSTMNetwork
from lab.corpora import load
from lab.data import TextData
from lab.errors import UserError
from lab.methods import parse
from lab.presets import PRESETS, Preset, preset
from lab.settings import Settings
from lab.train import Trainer


def text_trainer(options: Namespace) -> Trainer:
    """The trainer that the command line asks for; an option given replaces the preset's value.

    Raises UserError for anything that does not exist or does not fit.
    """
    method = parse(options.spec)
    device = resolve_device(options.device)
    corpus = load(
        options.corpus,
        data=options.data,
        vocabulary_size=options.vocabulary_size,
        minimum_count=options.minimum_count,
        max_length=options.max_length,
        limit=options.limit,
    )
    name = options.preset or (options.corpus if options.corpus in PRESETS else "small")
    fields = _merge(preset(name), options)
    if options.optimiser and not options.lr:
        raise UserError(f"--optimiser {options.optimiser}: give its learning rate too (--lr)")
    if not options.quiet:
        print(f"preset {name}: {preset(name).about}", file=sys.stderr)
    data = TextData(corpus, seed=options.seed, **fields["data"])
    network = LSTMNetwork(len(corpus.vocabulary), **fields["network"])
    settings = Settings(seed=options.seed, **fields["training"])
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


def _merge(chosen: Preset, options: Namespace) -> dict[str, dict[str, Any]]:
    targets = {"network": LSTMNetwork, "training": Settings, "data": TextData}
    merged = {}
    for part, target in targets.items():
        names = {f.name for f in dataclasses.fields(target)} - {"seed", "corpus"}
        given = {k: v for k, v in vars(options).items() if k in names and v is not None}
        merged[part] = getattr(chosen, part) | given
    return merged

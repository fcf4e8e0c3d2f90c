"""Pretrained models from a folder on this machine: no pickle, no code, nothing from the net."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from lab.errors import UserError

WEIGHTS = "model.safetensors"
TOKENISERS = ({"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"vocab.txt"})
UNUSED = "pooler"  # a head that checkpoints of language models lack and nothing here reads


def load_local(
    folder: Path, option: str, family: str, model: str, kind: str | None = None
) -> tuple[Any, Any]:
    """Model in evaluation mode and tokeniser of a folder by the names of their `transformers`
    classes.

    `family` is the stem of configuration and tokeniser ("GPT2", "Auto"), `kind` the only model_type
    that will do. Raises UserError, naming the option, without the package or with a folder that
    lacks a file, holds another kind, is damaged, or whose weights are not all there.
    """
    try:
        import transformers
        from transformers.utils import logging
    except ImportError as error:
        message = f"{option} needs the package transformers: pip install 'latent-lab[critics]'"
        raise UserError(message) from error
    check_folder(folder, option, kind)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    configuration, network = (getattr(transformers, name) for name in (f"{family}Config", model))
    try:
        config = configuration.from_pretrained(folder, local_files_only=True)
        if hasattr(network, "from_config"):  # which of them the folder holds
            with torch.device("meta"):
                network = type(network.from_config(config))
        tokeniser = getattr(transformers, f"{family}Tokenizer").from_pretrained(
            folder, local_files_only=True
        )
        # Given weights, it looks for no other file, which might be a pickle.
        loaded, report = network.from_pretrained(
            None,
            config=config,
            state_dict=load_file(folder / WEIGHTS),
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        line = str(error).strip().split("\n")[0]
        raise UserError(f"{option} {folder}: cannot be read ({line}); download it again") from error
    if absent := sorted(name for name in report["missing_keys"] if UNUSED not in name):
        raise UserError(
            f"{option} {folder}: {WEIGHTS} lacks {absent[0]} and {len(absent) - 1} more of "
            "the weights; download it again"
        )
    return loaded.eval(), tokeniser


def check_folder(folder: Path, option: str, kind: str | None) -> None:
    """Raise UserError, naming the option, unless the folder has all that is read."""
    if not folder.is_dir():
        raise UserError(f"{option} {folder}: no such folder; give that of a downloaded model")
    names = {path.name for path in folder.iterdir() if path.is_file()}
    wrong = _other_kind(folder, kind) if "config.json" in names else "has no config.json"
    if not wrong and WEIGHTS not in names:
        pickled = sorted(name for name in names if name.endswith(".bin"))
        wrong = f"has only {pickled[0]}, a pickle, which is never opened" if pickled else "has none"
        wrong = f"needs weights in {WEIGHTS} but {wrong}"
    if not wrong and not any(names >= files for files in TOKENISERS):
        wrong = "has neither tokenizer.json, vocab.txt, nor both vocab.json and merges.txt"
    if wrong:
        raise UserError(
            f"{option} {folder}: it {wrong}; download config, tokeniser and safetensors"
        )


def _other_kind(folder: Path, kind: str | None) -> str:
    """What is wrong with a folder's config.json, if anything."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, TypeError, KeyError):
        return "has a config.json that names no kind of model"
    return "" if kind in (None, found) else f"holds a model of the kind {found}, not {kind}"

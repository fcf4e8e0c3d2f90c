"""Sizes and training settings by name: a paper's recipe at a corpus's sizes, with their sources.

The D-numbers are those of the register of differences between papers and code.
"""

import textwrap
from dataclasses import dataclass, field
from typing import Any

from lab.errors import UserError


@dataclass(frozen=True)
class Preset:
    """Values by the fields of TextNetwork, Settings, TextData and CUTS they set.

    `corpus` is the one they are meant for; None is any.
    """

    about: str
    source: str
    values: dict[str, Any]
    corpus: str | None = None


@dataclass(frozen=True)
class Recipe:
    """How a paper trains, whatever the corpus; `corpora` are those it reports, with what differs
    there.
    """

    about: str
    source: str
    values: dict[str, Any]
    corpora: dict[str, dict[str, Any]] = field(default_factory=dict)


CUTS = ("vocabulary_size", "max_length")

_LONG = {"embedding": 512, "hidden": 1024, "latent": 32}
_SHORT = {"embedding": 128, "hidden": 512, "latent": 32}

# config_<corpus>.py of BN-VAE and DG-VAE; iVAE's, clVAE's and He et al.'s scripts have the same
# where they have the corpus.
SIZES = {
    "ptb": {"embedding": 256, "hidden": 256, "latent": 32},
    "yahoo": _LONG,
    "yelp": _LONG,
    "short_yelp": _SHORT,
    "snli": _SHORT,
}

# What the scripts of all papers share: one LSTM layer each way, dropout on the decoder's inputs and
# outputs, clipping to a norm of 5, 32 sentences of one length in a batch (D8).
_SHARED = {
    "encoder": "lstm", "decoder": "lstm", "dropout": 0.5,
    "clip": 5.0, "clip_each": False, "batch_size": 32, "order": "exact",
}  # fmt: skip

# iVAE's and clVAE's train_<corpus>.py: one critic of three layers of 512, no decay.
_ADAM = _SHARED | {
    "start": "hidden", "critic_widths": (512, 512, 512),
    "epochs": 40, "optimiser": "adam", "critic_lr": 1e-5, "clip_each": True, "patience": 0,
}  # fmt: skip

# experiment.py of DG-VAE, which follows BN-VAE: halved after 5 epochs without a better validation
# figure, counted from epoch 15 on, 5 times at most.
_SGD = _SHARED | {
    "start": "cell", "init": 0.01,
    "epochs": 100, "optimiser": "sgd", "lr": 0.5,
    "decay": 0.5, "patience": 5, "decay_from": 15, "max_decays": 5,
}  # fmt: skip

# Defaults of Transformer-XL's code for PTB, to which CEAE's footnote 2 leads: width 380, 10 heads,
# attention and feed-forward dropout .2, Adam 3e-4, clip .25, 125 epochs and 50 of averaging.
_TRANSFORMER = _SHARED | {
    "encoder": "transformer", "decoder": "transformer", "layers": 6, "heads": 10,
    "positions": "rotary", "embedding": 380, "hidden": 380, "latent": 380, "dropout": 0.2,
    "epochs": 175, "optimiser": "adam", "lr": 3e-4, "clip": 0.25, "patience": 0,
}  # fmt: skip

RECIPES = {
    "dg": Recipe(
        "BN-VAE and DG-VAE as published",
        "Zhu et al. 2020 and DG-VAE section 4.1: their config_<corpus>.py and experiment.py, which "
        "never stops a cyclic VAE early as this does. Here "
        "all networks start within .01, embeddings within .1; BN-VAE's code leaves its Gaussian "
        "encoder at PyTorch's defaults (D15)",
        _SGD,
        {corpus: {} for corpus in SIZES},
    ),
    "ivae": Recipe(
        "iVAE and clVAE as published",
        "iVAE section 5.1, clVAE section 4.1: their train_<corpus>.py. For Yahoo and Yelp these "
        "start embeddings within .01 too, here .1",
        _ADAM,
        {
            "ptb": {"init": 0.1, "lr": 1e-3},
            "yahoo": {"init": 0.01, "lr": 8e-4},
            "yelp": {"init": 0.01, "lr": 8e-4},
        },
    ),
    "clvae": Recipe(
        "clVAE as published",
        "clVAE section 4.1: iVAE's script for PTB, which its launchers run for 60 epochs",
        _ADAM | {"epochs": 60, "init": 0.1, "lr": 1e-3},
        {"ptb": {}},
    ),
    "lagging": Recipe(
        "Lagging inference networks as published",
        "He et al. 2019: config_<corpus>.py and text.py, a higher rate and less patience than "
        "later papers gave it (D14)",
        _SGD | {"lr": 1.0, "patience": 2},
        {"yahoo": {}, "yelp": {}},
    ),
    "mine": Recipe(
        "VAE-MINE as far as its paper states it",
        "VAE-MINE section 5: sizes, dropout, SGD, an energy function of two layers of 512, 20,000 "
        "types, 200 words. It states neither learning rate, decay, clipping norm, initial "
        "weights, epochs nor batch; those are DG-VAE's. Its SNLI has 1.1 million sentences",
        _SGD | {
            "embedding": 128, "hidden": 512, "latent": 64, "critic_widths": (512, 512),
            "vocabulary_size": 20_000, "max_length": 200,
        },
        {"ptb": {}, "yahoo": {}, "snli": {}},
    ),
    "ceae": Recipe(
        "CEAE as published",
        "CEAE appendices A.2 and A.4, the rest as BN-VAE, from which its latent size of 512 for "
        "Yahoo and Yelp departs; --latent 32 is BN-VAE's (D35). It states no sizes for short Yelp",
        _SGD | {"lr": 0.1},
        {"yahoo": {"latent": 512}, "yelp": {"latent": 512}, "short_yelp": {}},
    ),
    "ceae_transformer": Recipe(
        "CEAE's 6 + 6 transformer layers as far as its paper states them",
        "CEAE appendices A.2 and A.4: 6 layers each way, the rest as Transformer-XL on PTB, also "
        "for Yahoo and Yelp (table 2). That code's feed-forward width of 900, relative positions, "
        "five dropout rates, warm-up, cosine decay and averaged weights do not exist here. CEAE "
        "states no latent size, here the width, and no batch, here its LSTMs'",
        _TRANSFORMER,
        {"ptb": {}, "yahoo": {}, "yelp": {}},
    ),
}  # fmt: skip


def _published(corpus: str, recipe: Recipe) -> Preset:
    values = SIZES[corpus] | recipe.values | recipe.corpora[corpus]
    return Preset(f"{recipe.about}, for {corpus}", recipe.source, values, corpus)


PRESETS = {
    "small": Preset(
        "synthetic corpora and first trials: a minute or two a run on one core",
        "this project",
        {
            "embedding": 128, "hidden": 128, "latent": 16,
            "critic_widths": (128, 128), "init": 0.1, "dropout": 0.2,
            "epochs": 15, "lr": 2e-3,
        },
    ),
    "ptb_reduced": Preset(
        "PTB within half an hour on two cores, as no paper has it",
        "this project",
        {
            "embedding": 128, "hidden": 256, "latent": 32,
            "start": "hidden", "init": 0.1, "dropout": 0.2,
            "epochs": 4, "lr": 2e-3, "batch_size": 64,
            "nll_items": 128, "nll_samples": 8, "final_items": 200, "final_samples": 50,
        },
        "ptb",
    ),
    **{
        f"{corpus}_{name}": _published(corpus, recipe)
        for corpus in SIZES
        for name, recipe in RECIPES.items()
        if corpus in recipe.corpora
    },
}  # fmt: skip

# The recipes of the method's own paper, the first that has the corpus; dg is everyone's last.
OWN_RECIPES = {
    **dict.fromkeys(("ivae", "ivae_mi", "sa_vae"), ("ivae",)),
    **dict.fromkeys(("clvae", "clvae_mi", "clvae_plus", "clvae_plus_mi"), ("clvae", "ivae")),
    **dict.fromkeys(("vae_mine", "vae_word_dropout", "infovae"), ("mine",)),
    "lagging_vae": ("lagging",),
    "ceae": ("ceae", "ceae_transformer"),
}


def choose(name: str | None, corpus: str, method: str) -> str:
    """The full name of a preset: `name`, else the corpus's own, else small.

    A corpus's name stands for the recipe of the method's paper there. Raises UserError that lists
    what exists.
    """
    name = name or (corpus if corpus in SIZES else "small")
    if name in SIZES:
        recipes = (*OWN_RECIPES.get(method, ()), "dg")
        return next(f"{name}_{r}" for r in recipes if name in RECIPES[r].corpora)
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}; there are {', '.join([*SIZES, *PRESETS])}")
    return name


def describe(name: str) -> dict[str, Any]:
    """A preset's name, one line about it, source and values."""
    p = PRESETS[name]
    return {"name": name, "about": p.about, "source": p.source, "values": p.values}


def listing() -> str:
    """Every preset with its values and source, for the terminal."""
    lines = []
    for name, chosen in PRESETS.items():
        values = ", ".join(f"{k}={_text(v)}" for k, v in chosen.values.items())
        lines += [f"{name:24} {chosen.about}", *_indented(values), *_indented(chosen.source)]
    return "\n".join(lines)


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _indented(text: str) -> list[str]:
    indent = " " * 25
    return textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent)

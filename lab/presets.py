"""Sizes and training settings by name, each value with its source."""

from dataclasses import dataclass, field
from typing import Any

from lab.errors import UserError


@dataclass(frozen=True)
class Preset:
    """Fields of LSTMNetwork, of Settings and of TextData that differ from their defaults."""

    about: str
    network: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


PRESETS = {
    "small": Preset(
        "synthetic corpora and first trials: a minute or two a run on one core",
        network={
            "embedding": 128, "hidden": 128, "latent": 16,
            "critic_widths": (128, 128), "init": 0.1, "dropout": 0.2,
        },
        training={"epochs": 15, "lr": 2e-3},
    ),
    # The published scripts of iVAE and clVAE for PTB: sizes 256/256/32, weights U(±.1), Adam 1e-3,
    # critic 1e-5, clip 5 (theirs separately on encoder and decoder, ours jointly), batches of 32
    # sentences of one length, 40 epochs, no decay.
    "ptb": Preset(
        "iVAE and clVAE on PTB as published",
        network={"embedding": 256, "hidden": 256, "latent": 32, "start": "hidden", "init": 0.1},
        training={"epochs": 40, "lr": 1e-3, "critic_lr": 1e-5},
        data={"order": "exact"},
    ),
    # The published scripts of BN-VAE and DG-VAE, at their sizes for PTB: weights U(±.01), SGD .5,
    # halved after 5 stale epochs from epoch 15 on, at most 5 times, 100 epochs, clip 5.
    "ptb_sgd": Preset(
        "BN-VAE's and DG-VAE's published training on PTB",
        network={"embedding": 256, "hidden": 256, "latent": 32, "start": "cell", "init": 0.01},
        training={"epochs": 100, "optimiser": "sgd", "lr": 0.5, "patience": 5},
        data={"order": "exact"},
    ),
    "ptb_reduced": Preset(
        "PTB within half an hour on two cores; give --preset ptb for the published setting",
        network={
            "embedding": 128, "hidden": 256, "latent": 32,
            "start": "hidden", "init": 0.1, "dropout": 0.2,
        },
        training={
            "epochs": 4, "lr": 2e-3,
            "nll_items": 128, "nll_samples": 8, "final_items": 200, "final_samples": 50,
        },
        data={"batch_size": 64},
    ),
}  # fmt: skip


def preset(name: str) -> Preset:
    """The preset of that name. Raises UserError that lists what exists."""
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]

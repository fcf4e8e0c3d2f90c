"""How a model is trained, and where its training stands."""

import math
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """How a model is trained; the defaults suit a small text corpus.

    After `patience` epochs without a better validation figure the learning rate is multiplied by
    `decay`, counting from epoch `decay_from`, and training goes on from the best weights; after
    `max_decays` it stops. A patience of 0 switches decay and early stop off. Gradients are clipped
    to the norm `clip`, over inference and generative network together or, with `clip_each`, each by
    itself.
    """

    epochs: int = 15
    optimiser: Literal["adam", "sgd"] = "adam"
    lr: float = 2e-3
    critic_lr: float = 1e-4
    clip: float | None = 5.0
    clip_each: bool = False
    decay: float = 0.5
    patience: int = 0
    decay_from: int = 15
    max_decays: int = 5
    nll_items: int = 256
    nll_samples: int = 16
    final_items: int = 1000
    final_samples: int = 100
    seed: int = 0


@dataclass
class Progress:
    """Where training stands, as kept in a checkpoint; `memory` is the procedure's own."""

    epoch: int = 0
    step: int = 0
    best: float = math.inf
    best_epoch: int | None = None
    stale: int = 0
    decays: int = 0
    lr: float = 0.0
    memory: dict[str, float] = field(default_factory=dict)

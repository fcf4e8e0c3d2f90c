"""A training step of every method against `vae`: python -m tests.benchmarks.method_cost [SPEC ...].

Same networks (PTB's published sizes: 256 hidden units, 32 dimensions, 10,000 words), same batch of
32 sentences of 21 words, one thread. Steps of both alternate in one run and their medians are
divided, so that the ratio survives a busy machine.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import torch

from lab.backbones import TextNetwork, build_model
from lab.corpora.batches import make_batch
from lab.corpora.corpus import Split
from lab.methods import METHODS, parse
from lab.model import Model
from lab.optimise import Optimisers
from lab.settings import Settings

WORDS, VOCABULARY, BATCH, STEPS = 21, 10_000, 32, 7
# Whole trainings on PTB, or on Yahoo where PTB is missing, against a VAE's: iVAE table 3.
PRINTED = {
    "beta_vae": 1.0, "sa_vae": 5.5, "lagging_vae": 2.2, "ivae": 1.4, "ivae_mi": 1.4,
}  # fmt: skip


class Stepper:
    """One method's model, which trains on the same batch again and again."""

    def __init__(self, spec: str) -> None:
        torch.manual_seed(0)
        network = TextNetwork(VOCABULARY, start="hidden", init=0.1)
        self.model: Model = build_model(parse(spec).parts(), network).train()
        self.model.head.prepare(torch.full((1000,), WORDS))
        self.optimisers = Optimisers(self.model, Settings(), lr=1e-3)
        ids = np.random.default_rng(0).integers(4, VOCABULARY, BATCH * WORDS)
        self.batch = make_batch(Split.of(ids, [WORDS] * BATCH, {}), np.arange(BATCH))

    def seconds(self) -> float:
        start = time.perf_counter()
        for update in self.model.updates(self.batch, 5.0, lambda: self.batch):
            self.optimisers.apply(update)
        return time.perf_counter() - start


def ratio(spec: str, steps: int = STEPS) -> tuple[float, float]:
    """Median seconds of a step and its ratio to `vae`'s, steps of both in turn."""
    vae, other = Stepper("vae"), Stepper(spec)
    vae.seconds(), other.seconds()
    times = [(vae.seconds(), other.seconds()) for _ in range(steps)]
    reference, own = (statistics.median(t) for t in zip(*times, strict=True))
    return own, own / reference


def main(specs: list[str]) -> None:
    torch.set_num_threads(1)
    print(f"{'method':24} {'ms':>7} {'ratio':>6} {'printed':>8}")
    for spec in specs or METHODS:
        seconds, times = ratio(spec)
        printed = PRINTED.get(parse(spec).name, "")
        print(f"{spec:24} {1000 * seconds:7.0f} {times:6.2f} {printed:>8}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

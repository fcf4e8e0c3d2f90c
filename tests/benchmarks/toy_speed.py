"""A toy's training step as one program against a plain loop: python -m tests.benchmarks.toy_speed.

The plain loop is what the published scripts do: one model, every row through the encoder, autograd
and Adam called step by step. The program is compiled, for one model and for 16. Blocks of both
alternate in one run and their medians are divided. The last column is the share of the program's
time in matrix products.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from lab.backbones import MLPNetwork, build_model
from lab.methods import parse
from lab.optimise import parameters
from lab.posteriors import Sizes
from lab.schedules import END
from lab.train import Trainer
from toy.experiment import trainer
from toy.program import Program
from toy.together import stack

CASES = (
    ("vae", 4),
    ("ivae", 4),
    ("clvae_plus(squared=False)", 4),
    ("ivae", 8),
    ("clvae_plus(squared=False)", 8),
)
MANY, STEPS, ROUNDS = 16, 20, 5
PRODUCTS = ("aten::bmm", "aten::baddbmm", "aten::mm", "aten::addmm")


class EveryRow(MLPNetwork):
    """Networks whose head sees each row of the batch."""

    def sizes(self) -> Sizes:
        return replace(super().sizes(), one_hot=False)


def toy(spec: str, categories: int, seed: int = 0) -> Trainer:
    """A trainer whose batches do not run out."""
    folder = Path(tempfile.gettempdir()) / "never-written"
    options = {"iterations": 10**6, "every": 10**6, "seed": seed}
    return trainer(parse(spec), folder, categories=categories, **options)


def plain(spec: str, categories: int) -> Callable[[], None]:
    """One training step of the plain loop."""
    one = toy(spec, categories)
    network = EveryRow(categories, activation=one.network.activation)
    torch.manual_seed(0)
    model = build_model(one.parts, network).train()
    optimisers = {"model": torch.optim.Adam(parameters(model.players()), lr=1e-5)}
    if model.critics():
        optimisers["critic"] = torch.optim.Adam(parameters(model.critics()), lr=1e-5)
    batches = iter(one.data.train(1))

    def step() -> None:
        for update in model.updates(next(batches), END, lambda: None):
            optimiser = optimisers[update.optimiser]
            optimiser.zero_grad()
            update.loss.backward(inputs=parameters(update.players))
            optimiser.step()

    return step


def program(spec: str, categories: int, members: int) -> Callable[[], None]:
    """One training step of a compiled program."""
    trainers = [toy(spec, categories, seed) for seed in range(members)]
    streams = [iter(t.data.train(1)) for t in trainers]
    first = stack([next(s) for s in streams])
    compiled = Program([t.model for t in trainers], trainers[0].settings, first, compiled=True)
    if compiled.note:
        sys.exit(f"not compiled: {compiled.note}")
    generators = [torch.Generator().manual_seed(t.settings.seed) for t in trainers]

    def step() -> None:
        compiled(stack([next(s) for s in streams]), generators)

    return step


def seconds(step: Callable[[], None], threads: int = 1) -> float:
    """Mean seconds of a step over a block of steps."""
    torch.set_num_threads(threads)
    step()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - start) / STEPS


def share_of_products(step: Callable[[], None]) -> float:
    """The share of a step's time that matrix products take."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    whole = time.perf_counter() - start
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(STEPS):
            step()
    spent = sum(e.self_cpu_time_total for e in found.key_averages() if e.key in PRODUCTS)
    return min(spent / 1e6 / whole, 1.0)


def measure(spec: str, categories: int) -> dict[str, float]:
    """Milliseconds of the plain step, and how many times quicker a model's step is otherwise."""
    loop, one, many = plain(spec, categories), *(program(spec, categories, n) for n in (1, MANY))
    rounds = [
        (seconds(loop), seconds(one), seconds(many) / MANY, seconds(many, 2) / MANY)
        for _ in range(ROUNDS)
    ]
    reference, *others = (statistics.median(times) for times in zip(*rounds, strict=True))
    quicker = dict(zip(("one", "many", "many, 2 threads"), others, strict=True))
    ratios = {name: reference / time for name, time in quicker.items()}
    return {"plain ms": 1e3 * reference} | ratios | {"products": share_of_products(one)}


def main() -> None:
    """Print one line per method and number of categories."""
    print(f"{'':28}{'plain ms':>10}{'one':>8}{MANY:>6}{f'{MANY}, 2 thr.':>12}{'products':>10}")
    for spec, categories in CASES:
        row = measure(spec, categories)
        first, *ratios, products = row.values()
        shown = f"{ratios[0]:>7.1f}x{ratios[1]:>5.1f}x{ratios[2]:>11.1f}x"
        print(
            f"{spec + f', K = {categories}':28}{first:>10.2f}{shown}{products:>10.0%}", flush=True
        )


if __name__ == "__main__":
    main()

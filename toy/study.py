"""Many toy runs from one command: methods, numbers of categories and seeds, in as few programs as
their structures allow.
"""

import os
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from lab import stopping
from lab.errors import UserError
from lab.jobs import Job, Jobs
from lab.methods import Method, parse
from lab.train import Trainer
from toy import density_gap, experiment, posterior_means
from toy.stack import Unstackable, structure
from toy.together import Together

CACHED = 4096  # rows of all members' batches; a model of a larger stack takes longer than alone
# What each experiment must not be given, because it would have no effect.
FOREIGN = {
    "categories": ("epochs",),
    "density_gap": ("categories", "every", "dumps", "epochs"),
    "posterior_means": ("categories", "every", "dumps", "iterations", "compile"),
}


def study(options: Namespace) -> list[Trainer]:
    """The trainers that the command line asks for. Raises UserError for what does not fit."""
    for name in FOREIGN[options.experiment]:
        if getattr(options, name) is not None:
            raise UserError(f"--{name}: has no effect on the experiment {options.experiment}")
    methods = list({m.spec: m for m in map(parse, options.specs)}.values())
    make = EXPERIMENTS[options.experiment]
    return [t for method in methods for seed in options.seed for t in make(method, seed, options)]


def _categories(method: Method, seed: int, options: Namespace) -> list[Trainer]:
    return [
        experiment.trainer(
            method,
            _folder(options, f"toy-{categories}", method, seed),
            categories=categories,
            iterations=options.iterations or experiment.ITERATIONS,
            seed=seed,
            lr=options.lr,
            every=options.every,
            dumps=options.dumps,
            progress_bar=not options.quiet,
        )
        for categories in options.categories or (4,)
    ]


def _density_gap(method: Method, seed: int, options: Namespace) -> list[Trainer]:
    return [
        density_gap.trainer(
            method,
            _folder(options, "density-gap", method, seed),
            steps=options.iterations or density_gap.STEPS,
            seed=seed,
            lr=options.lr or density_gap.RATE,
            progress_bar=not options.quiet,
        )
    ]


def _posterior_means(method: Method, seed: int, options: Namespace) -> list[Trainer]:
    given = {k: v for k in ("epochs", "lr") if (v := getattr(options, k)) is not None}
    folder = _folder(options, "posterior-means", method, seed)
    return [
        posterior_means.trainer(method, folder, seed=seed, progress_bar=not options.quiet, **given)
    ]


def _folder(options: Namespace, corpus: str, method: Method, seed: int) -> Path:
    return options.runs / corpus / method.spec / str(seed)


EXPERIMENTS: dict[str, Callable[[Method, int, Namespace], list[Trainer]]] = {
    "categories": _categories,
    "density_gap": _density_gap,
    "posterior_means": _posterior_means,
}


def run(trainers: Sequence[Trainer], options: Namespace) -> bool:
    """Train all of them, in several processes where there are several models and cores; whether
    these have told how their runs ended.

    Raises UserError, before anything is written, if a folder holds another run already.
    """
    for trainer in trainers:
        trainer.finished(options.resume)
    workers = min(options.threads or os.cpu_count() or 1, len(trainers))
    groups = spread(grouped(trainers), workers)
    if workers == 1:
        torch.set_num_threads(1)  # more cost small products more than they gain
        for group in groups:
            if "stopped" in together(group, options):
                break
        return False
    jobs = Jobs(options.runs, [_job(group, options) for group in groups], workers, options.quiet)
    jobs.start()
    try:
        while (
            jobs.is_alive()
        ):  # a join without an end hears no Ctrl-C where its handler restarts calls
            jobs.join(0.5)
            stopping.check()
    except KeyboardInterrupt:
        jobs.stop()
        return False
    return not options.quiet


def grouped(trainers: Sequence[Trainer]) -> list[list[Trainer]]:
    """Trainers that may share a program, in the order given."""
    groups: dict[str, list[Trainer]] = defaultdict(list)
    for trainer in trainers:
        settings = {k: v for k, v in vars(trainer.settings).items() if k != "seed"}
        key = (structure(trainer.model), trainer.network, trainer.data.settings, settings)
        groups[repr((*key, trainer.data.about))].append(trainer)
    return list(groups.values())


def spread(groups: Sequence[list[Trainer]], workers: int) -> list[list[Trainer]]:
    """The groups, the large ones in parts of some seeds each, so that no worker waits for another
    and the activations of a stack stay in the processor's cache.
    """
    share = -(-sum(map(len, groups)) // workers)
    parts = []
    for group in groups:
        rows = group[0].data.settings["batch_size"] * group[0].parts.views
        largest = min(share, max(1, CACHED // rows))
        seeds = list(dict.fromkeys(t.settings.seed for t in group))
        for chosen in np.array_split(seeds, min(-(-len(group) // largest), len(seeds))):
            parts.append([t for t in group if t.settings.seed in chosen])
    return parts


def together(trainers: Sequence[Trainer], options: Namespace) -> list[str]:
    """Train one group as a stack, or one after the other where that cannot be."""
    compiled = {None: None, "auto": None, "always": True, "never": False}[options.compile]
    stack = Together(trainers, compiled, not options.quiet)
    try:
        return stack.run(options.resume)
    except Unstackable as why:
        spec = trainers[0].method.spec
        if not options.quiet:
            print(f"{spec} trains one model at a time: {why}", file=sys.stderr)
        statuses: list[str] = []
        while len(statuses) < len(trainers) and "stopped" not in statuses:
            statuses.append(trainers[len(statuses)].run(options.resume))
        return statuses


def _job(group: Sequence[Trainer], options: Namespace) -> Job:
    """The command that trains a group alone."""
    specs = dict.fromkeys(t.method.spec for t in group)
    seeds = dict.fromkeys(str(t.settings.seed) for t in group)
    command = ["toy", *specs, "--seed", ",".join(seeds), "--experiment", options.experiment]
    if options.experiment == "categories":
        command += ["--categories", str(group[0].data.categories)]
    for name in ("iterations", "every", "epochs", "lr", "compile"):
        if (value := getattr(options, name)) is not None:
            command += [f"--{name}", str(value)]
    if options.dumps:
        command += ["--dumps", ",".join(map(str, options.dumps))]
    return Job(tuple(command), tuple(t.folder for t in group))

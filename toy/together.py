"""Many trainers whose models take their steps as one program, each into a run folder of its own."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from inspect import GEN_SUSPENDED, getgeneratorstate
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from lab import stopping
from lab.evaluation import Diverged
from lab.train import Losses, Session, Trainer
from toy.program import GRADIENT, Program
from toy.stack import Unstackable

WORTH_COMPILING = 20_000  # model steps in all, from which compiling pays
EVERY = 50  # steps between two looks at the progress bar


@dataclass
class Member:
    """A trainer, its open session, and its status once that has ended."""

    trainer: Trainer
    session: Session
    status: str | None = None

    def advance(self, outcome: Losses | BaseException | None) -> None:
        """Let the session record an epoch, or end by an exception; None opens it.

        Raises KeyboardInterrupt where that stopped the session while it was recording.
        """
        try:
            if isinstance(outcome, BaseException):
                self.session.throw(outcome)
            else:
                self.session.send(outcome)
        except StopIteration as end:
            self.status = end.value
            if self.status == "stopped" and not isinstance(outcome, KeyboardInterrupt):
                raise KeyboardInterrupt from None

    def stop(self) -> None:
        """End the session as Ctrl-C does."""
        if getgeneratorstate(self.session) == GEN_SUSPENDED:
            self.advance(KeyboardInterrupt())
        self.status = self.status or "stopped"


class Together:
    """Trains models of one structure side by side; each run is what training it alone gives.

    Random numbers, batches, checkpoints and failure are every member's own: one that diverges is
    recorded as failed and leaves the stack, and the others do not notice. `compiled` None decides
    by the length of the training.
    """

    def __init__(
        self, trainers: Sequence[Trainer], compiled: bool | None = None, progress_bar: bool = True
    ) -> None:
        self.trainers, self.progress_bar = list(trainers), progress_bar
        self.block, self.compiled = self.trainers[0].data.unit["per_epoch"], compiled
        self.programs: dict[tuple[int, ...], Program] = {}

    def program(self, trainers: Sequence[Trainer]) -> Program:
        """The program of some of the trainers. Raises Unstackable if there cannot be one."""
        key = tuple(map(id, trainers))
        if key not in self.programs:
            settings = trainers[0].settings
            if (settings.optimiser, settings.clip, settings.patience) != ("adam", None, 0):
                raise Unstackable("its optimiser is not plain Adam")
            batches = [next(iter(t.data.train(0))) for t in trainers]
            models = [t.model for t in trainers]
            self.programs.clear()
            found = Program(models, settings, stack(batches), self._compiles(trainers))
            if found.note:
                print(f"not compiled, so two to three times slower: {found.note}", file=sys.stderr)
            self.programs[key] = found
        return self.programs[key]

    def _compiles(self, trainers: Sequence[Trainer]) -> bool:
        """Whether compiling pays for the steps that are left."""
        if self.compiled is not None:
            return self.compiled
        left = sum(t.settings.epochs - t.progress.epoch for t in trainers)
        return left * self.block >= WORTH_COMPILING

    def run(self, resume: bool = False) -> list[str]:
        """Train all to their ends; their statuses.

        Raises UserError as Trainer.run does and Unstackable, both before anything is written.
        Ctrl-C stops every run as it stops one.
        """
        if pending := [t for t in self.trainers if not t.finished(resume)]:
            self.program(pending)
        members = [Member(t, t.session(resume)) for t in self.trainers]
        try:
            for member in members:
                member.advance(None)
            with self._bar(members) as bar:
                while waiting := [m for m in members if m.status is None]:
                    self._advance(waiting, bar)
        except BaseException as end:  # a signal may have become any error
            if not stopping.stops(end):
                raise
            for member in members:
                member.stop()
        return [member.status for member in members]

    def _advance(self, waiting: list[Member], bar: tqdm) -> None:
        """Train and record one block of those that are furthest behind."""
        epoch = min(m.trainer.progress.epoch for m in waiting)
        group = [m for m in waiting if m.trainer.progress.epoch == epoch]
        outcomes = self._train([m.trainer for m in group], bar)
        for member, outcome in zip(group, outcomes, strict=True):
            member.advance(outcome)

    def _train(self, trainers: list[Trainer], bar: tqdm) -> list[Losses | Diverged]:
        """One block of steps of some models that stand at the same epoch."""
        program, epoch = self.program(trainers), trainers[0].progress.epoch
        load(program, trainers)
        generators = [torch.Generator().manual_seed(t.epoch_seed) for t in trainers]
        streams = [iter(t.data.train(epoch + 1)) for t in trainers]
        total = torch.zeros(len(program.names), len(trainers))
        finite, last = torch.zeros_like(total), torch.zeros_like(total)
        for step in range(1, self.block + 1):
            stopping.check()
            parts = program(stack([next(s) for s in streams]), generators)
            last = torch.where(last.isfinite(), parts, last)
            finite += last.isfinite()
            total += parts
            if step % EVERY == 0 or step == self.block:
                bar.update(len(trainers) * (step % EVERY or EVERY))
        store(program, trainers)
        return [
            self._outcome(program, t, total[:, e], finite[:, e], last[:, e])
            for e, t in enumerate(trainers)
        ]

    def _outcome(
        self, program: Program, trainer: Trainer, total: Tensor, finite: Tensor, last: Tensor
    ) -> Losses | Diverged:
        """A member's mean losses, or where they stopped being finite."""
        begun, trainer.progress.step = trainer.progress.step, trainer.progress.step + self.block
        if (finite < self.block).any():
            row = int(finite.argmin())
            at, epoch = begun + int(finite[row]), trainer.progress.epoch + 1
            name = program.names[row][1]
            return Diverged(f"{name} became {float(last[row]):g} at step {at} (epoch {epoch})")
        losses: Losses = {}
        for (player, name), value in zip(program.names, total.tolist(), strict=True):
            if not name.startswith(GRADIENT):
                losses.setdefault(player, {})[name] = value / self.block
        return losses

    def _bar(self, members: Sequence[Member]) -> tqdm:
        trainers = [m.trainer for m in members]
        steps = sum(t.settings.epochs * self.block for t in trainers)
        done = sum(m.trainer.progress.epoch for m in members if m.status is None) * self.block
        done += sum(m.trainer.settings.epochs for m in members if m.status is not None) * self.block
        first = trainers[0].method.spec
        return tqdm(
            desc=f"{first}, {len(trainers)} models" if len(trainers) > 1 else first,
            total=steps,
            initial=done,
            disable=not self.progress_bar,
            bar_format="{desc}: {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} iterations "
            "[{elapsed}<{remaining}]",
        )


def stack(batches: Sequence[Any]) -> Any:
    """Batches of all members as one, categories [E, B]."""
    return replace(batches[0], categories=torch.stack([b.categories for b in batches]))


@torch.no_grad()
def load(program: Program, trainers: Sequence[Trainer]) -> None:
    """Copy the trainers' parameters, buffers and moments into the program."""
    for e, trainer in enumerate(trainers):
        for name, own in _own(trainer).items():
            program.tensors[name][e].view_as(own).copy_(own)
        for player, name, _, state in _states(trainer):
            for mine, key in zip(program.moments[name], ("exp_avg", "exp_avg_sq"), strict=True):
                mine[e] = state[key].view_as(mine[e]) if state else 0
            program.counts[player].fill_(float(state["step"]) if state else 0.0)


@torch.no_grad()
def store(program: Program, trainers: Sequence[Trainer]) -> None:
    """Copy them back."""
    for e, trainer in enumerate(trainers):
        for name, own in _own(trainer).items():
            own.copy_(program.tensors[name][e].view_as(own))
        for player, name, parameter, state in _states(trainer):
            first, second = (m[e].view_as(parameter).clone() for m in program.moments[name])
            state.update(step=program.counts[player].float(), exp_avg=first, exp_avg_sq=second)


def _own(trainer: Trainer) -> dict[str, Tensor]:
    """What a program holds of a model, under its names there."""
    tensors = trainer.model.state_dict(keep_vars=True)
    return {f"model.{name}": tensor for name, tensor in tensors.items()}


def _states(trainer: Trainer) -> list[tuple[str, str, Tensor, dict[str, Tensor]]]:
    """Player, name in a program, parameter and Adam's state of each parameter that is trained."""
    names = {id(tensor): name for name, tensor in _own(trainer).items()}
    return [
        (player, names[id(p)], p, optimiser.state[p])
        for player, optimiser in trainer.optimisers.by_player.items()
        for group in optimiser.param_groups
        for p in group["params"]
    ]

"""One training step of a stack of models as one program, traced once and, for long runs, compiled.

The traced step is `Model.updates` itself with the backward passes and the optimisers' steps. Its
inputs are the parameters, the optimisers' moments, the batch and the random numbers; the first two
change in place, and nothing else is kept from one step to the next.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from lab.model import Model
from lab.optimise import parameters
from lab.schedules import END
from lab.settings import Settings
from toy.stack import Unstackable, stacked
from toy.streams import Streams, requests

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of torch.optim.Adam, which trains models one by one

GRADIENT = "the gradient of "

Moments = dict[str, tuple[Tensor, Tensor]]  # Adam's, by parameter


class Step(nn.Module):
    """The updates of one batch; returns the parts of their losses and the norms of their gradients
    [P, E], named in `names`.
    """

    def __init__(self, model: Model, members: int, settings: Settings) -> None:
        super().__init__()
        self.model, self.members = model, members
        self.rates = {"model": settings.lr, "critic": settings.critic_lr}
        self.names: list[tuple[str, str]] = []

    def losses(self, batch: Any) -> None:
        """The losses alone, to see what they draw."""
        for _ in self.model.updates(batch, END, _no_more_batches):
            pass

    def forward(
        self, moments: Moments, counts: dict[str, Tensor], batch: Any, noise: list[Tensor]
    ) -> Tensor:
        name_of = {id(p): name for name, p in self.named_parameters()}
        found: dict[tuple[str, str], list[Tensor]] = {}
        with Streams(self.members, noise):
            for update in self.model.updates(batch, END, _no_more_batches):
                players = parameters(update.players)
                gradients = torch.autograd.grad(update.loss.sum(), players, materialize_grads=True)
                values = {name: part.detach() for name, part in update.parts.items()}
                values[GRADIENT + " + ".join(values)] = self._norm(gradients)
                with torch.no_grad():
                    steps = counts[update.optimiser].add_(1)
                    for player, gradient in zip(players, gradients, strict=True):
                        own = moments[name_of[id(player)]]
                        adam(player, gradient, *own, steps, self.rates[update.optimiser])
                for name, value in values.items():
                    rows = found.setdefault((update.optimiser, name), [])
                    rows.append(value.expand(self.members))
        self.names = list(found)
        return torch.stack([torch.stack(values).mean(0) for values in found.values()])

    def _norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """The norm of each member's gradient [E], which no moment shows once it has overflown."""
        norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients]
        return torch.linalg.vector_norm(torch.stack(norms), dim=0)


def adam(
    parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, steps: Tensor, rate: float
) -> None:
    """One step of Adam, in place, with the number of steps as a tensor so that it can be traced."""
    first.lerp_(gradient, 1 - BETAS[0])
    second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    correction, correction_2 = (1 - beta**steps for beta in BETAS)
    scale = (second.sqrt() / correction_2.sqrt()).add_(EPSILON)
    parameter.sub_(first * (rate / correction) / scale)


class Program:
    """The traced step of a stack, with the parameters and moments that it changes.

    `compiled` trades some 20 seconds at the start for steps two to three times as quick; where
    compiling fails, `note` says why and the steps run as traced. Raises Unstackable if the models
    cannot be traced as one.
    """

    def __init__(
        self, models: Sequence[Model], settings: Settings, batch: Any, compiled: bool
    ) -> None:
        self.step = Step(stacked(models).train(), len(models), settings)
        own = dict(self.step.named_parameters()) | dict(self.step.named_buffers())
        self.tensors = {name: tensor.detach() for name, tensor in own.items()}
        self.moments: Moments = {
            name: (torch.zeros_like(p), torch.zeros_like(p))
            for name, p in self.step.named_parameters()
        }
        # float64, for 1 - β^t loses its digits in float32.
        self.counts = {p: torch.zeros((), dtype=torch.float64) for p in self.step.rates}
        self.requests = requests(lambda: self.step.losses(batch), len(models))
        self.run = self._traced(batch, len(models))
        self.note = ""
        if compiled:
            self._compile(batch)

    def __call__(self, batch: Any, generators: Sequence[torch.Generator]) -> Tensor:
        """Train one step on a batch [E, B]; the parts of the losses [P, E]."""
        noise = [request(generators) for request in self.requests]
        with torch.no_grad():
            return self.run(self.tensors, self.moments, self.counts, batch.categories, noise)

    @property
    def names(self) -> list[tuple[str, str]]:
        """Optimiser and name of each row of losses."""
        return self.step.names

    def _traced(self, batch: Any, members: int) -> Callable[..., Tensor]:
        def run(
            tensors: dict[str, Tensor], moments: Moments, counts: Any, categories: Any, noise: Any
        ) -> Tensor:
            state = {n: t.requires_grad_(n in moments) for n, t in tensors.items()}
            drawn = replace(batch, categories=categories)
            return functional_call(self.step, state, (moments, counts, drawn, noise))

        try:
            return make_fx(run)(*self._example(batch, members))
        except RuntimeError as error:
            raise Unstackable("its step depends on the values it computes") from error

    def _compile(self, batch: Any) -> None:
        compiled = torch.compile(self.run, dynamic=False, fullgraph=True)
        try:
            with torch.no_grad(), quiet():
                compiled(*self._example(batch, self.step.members))
            self.run = compiled
        except RuntimeError as error:
            self.note = str(error).strip().splitlines()[0]

    def _example(self, batch: Any, members: int) -> tuple[Any, ...]:
        """Inputs of a step that may be changed."""
        generators = [torch.Generator().manual_seed(0)] * members
        noise = [request(generators) for request in self.requests]
        tensors = {n: t.clone() for n, t in self.tensors.items()}
        moments = {n: tuple(t.clone() for t in m) for n, m in self.moments.items()}
        counts = {n: t.clone() for n, t in self.counts.items()}
        return tensors, moments, counts, batch.categories, noise


@contextmanager
def quiet() -> Iterator[None]:
    """Without the compiler's warnings about its own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _no_more_batches() -> Any:
    raise Unstackable("it asks for further batches")

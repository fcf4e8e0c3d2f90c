"""One update: backward into its players alone, clip, step."""

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from lab.evaluation import check_finite
from lab.model import Model, Update
from lab.settings import Settings


class Optimisers:
    """One optimiser for the model and, if there are opponents, one for them, by player."""

    def __init__(self, model: Model, settings: Settings, lr: float) -> None:
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[settings.optimiser]
        self.clip = settings.clip or math.inf
        self.sides = model.sides() if settings.clip_each else None
        self.by_player = {"model": kind(parameters(model.players()), lr=lr, fused=True)}
        if critics := parameters(model.critics()):
            self.by_player["critic"] = torch.optim.Adam(critics, settings.critic_lr, fused=True)

    def apply(self, update: Update) -> dict[str, float]:
        """Step the update's players and return its parts as numbers.

        Modules that are only clipped over take part in the gradient's norm and stay as they are.
        Raises Diverged if a part or the players' gradient is not finite.
        """
        values = {name: part.item() for name, part in update.parts.items()}
        for name, value in values.items():
            check_finite(name, value)
        players = parameters(update.players)
        own = set(players)
        clipped = players if update.clip_over is None else parameters(update.clip_over)
        others = [p for p in clipped if p not in own]
        update.loss.backward(inputs=[*players, *others])
        norm = get_total_norm([p.grad for p in players if p.grad is not None])
        check_finite(f"the gradient of {' + '.join(values)}", norm.item())
        for side in self._together(update, clipped):
            clip_grad_norm_(side, self.clip)
        for parameter in others:
            parameter.grad = None
        self.by_player[update.optimiser].step()
        self.by_player[update.optimiser].zero_grad()
        return values

    def _together(self, update: Update, clipped: list[nn.Parameter]) -> list[list[nn.Parameter]]:
        """The groups of parameters whose gradients share one norm."""
        if self.sides is None or update.optimiser != "model":
            return [clipped]
        chosen = set(clipped)
        return [[p for p in parameters(side) if p in chosen] for side in self.sides]


def parameters(modules: Iterable[nn.Module]) -> list[nn.Parameter]:
    """All trainable parameters of some modules."""
    return [p for module in modules for p in module.parameters() if p.requires_grad]


class Meter:
    """Running means of named values."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, values: dict[str, float]) -> None:
        self.count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """The mean of each value over the calls of `add`."""
        return {name: total / self.count for name, total in self.sums.items()}

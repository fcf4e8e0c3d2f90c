"""Equal models as one: parameters stacked along a leading dimension, [E, B, D] in place of [B, D].

Heads, decoders and terms are the members' own; only the layers that hold parameters are replaced.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from lab.model import Model, Term
from lab.posteriors.gaussian import RECENT, AveragingBatchNorm


class Unstackable(Exception):
    """Why models cannot be trained as a stack."""


def stacked(members: Sequence[Model]) -> Model:
    """One model of E members. Raises Unstackable for a procedure, a layer or a state that cannot be
    stacked.
    """
    if type(members[0]) is not Model:
        raise Unstackable(f"{type(members[0]).__name__} is a training procedure of its own")
    return _stacked(members)


def structure(module: nn.Module) -> Any:
    """What models must have in common to be one stack: everything but tensors and the weights of
    terms.
    """
    left_out = {"training", "weight", "memory"} if isinstance(module, Term) else {"training"}
    options = {
        k: repr(v) for k, v in vars(module).items() if not k.startswith("_") and k not in left_out
    }
    shapes = [(name, tuple(p.shape)) for name, p in module.named_parameters(recurse=False)]
    children = [(name, structure(child)) for name, child in module.named_children()]
    return type(module), sorted(options.items()), shapes, children


def _stacked(members: Sequence[nn.Module]) -> Any:
    first = members[0]
    for kind, layer in LAYERS.items():
        if isinstance(first, kind):
            return layer(members)
    if any(name in first.state_dict() for name, _ in first.named_buffers(recurse=False)):
        raise Unstackable(f"{type(first).__name__} has a state of its own")
    whole = copy.copy(first)
    nn.Module.__init__(whole)
    vars(whole).update({k: v for k, v in vars(first).items() if not k.startswith("_")})
    for name, buffer in first.named_buffers(recurse=False):
        whole.register_buffer(name, buffer, persistent=False)
    for name, parameter in first.named_parameters(recurse=False):
        if parameter.dim() != 1:
            raise Unstackable(f"{type(first).__name__} cannot be stacked")
        rows = torch.stack([getattr(m, name).detach() for m in members])
        whole.register_parameter(name, nn.Parameter(rows.unsqueeze(1)))
    for name, _ in first.named_children():
        whole.add_module(name, _stacked([getattr(m, name) for m in members]))
    if isinstance(first, Term):
        whole.weight = _weights([m.weight for m in members])
    return whole


def _weights(schedules: Sequence[Callable[[float], float]]) -> Callable[[float], Any]:
    """The weights of all members at a time: one number if they are equal, else [E]."""

    def weight(time: float) -> float | Tensor:
        values = [schedule(time) for schedule in schedules]
        return values[0] if len(set(values)) == 1 else torch.tensor(values)

    return weight


class StackedLinear(nn.Module):
    """E linear layers: [..., E, B, I] -> [..., E, B, O]; rows [B, I] go through all of them."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        biases = [layer.bias for layer in layers]
        self.bias = (
            None
            if biases[0] is None
            else nn.Parameter(torch.stack([b.detach()[None] for b in biases]))
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 2:
            x = x.expand(len(self.weight), *x.shape)
        if self.bias is None:
            return x @ self.weight.mT
        if x.dim() == 3:
            return torch.baddbmm(self.bias, x, self.weight.mT)
        return x @ self.weight.mT + self.bias


class StackedBatchNorm(nn.Module):
    """E batch normalisations without affine part: [E, B, D], statistics over B."""

    def __init__(self, layers: Sequence[AveragingBatchNorm]) -> None:
        super().__init__()
        self.eps = layers[0].eps
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, torch.stack([getattr(layer, name) for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            scale = (self.running_var + self.eps).rsqrt().unsqueeze(-2)
            return (x - self.running_mean.unsqueeze(-2)) * scale
        self._count(x.detach())
        flat = batch_norm(x.movedim(-3, -2).flatten(-2), None, None, training=True, eps=self.eps)
        return flat.unflatten(-1, (x.shape[-3], x.shape[-1])).movedim(-2, -3)

    def _count(self, x: Tensor) -> None:
        """Take a minibatch into the running statistics."""
        self.num_batches_tracked += 1
        share = (1 / self.num_batches_tracked.to(x.dtype)).clamp(min=RECENT).unsqueeze(-1)
        variance, mean = torch.var_mean(x, dim=-2)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


LAYERS: dict[type[nn.Module], Callable[[Sequence[Any]], nn.Module]] = {
    nn.Linear: StackedLinear,
    AveragingBatchNorm: StackedBatchNorm,
}

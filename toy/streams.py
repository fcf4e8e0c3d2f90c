"""Random numbers of a stack: every member draws from its own generator, as if it were alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from toy.stack import Unstackable


@dataclass(frozen=True)
class Request:
    """One call of `draw` for numbers of a member's `shape`; the members lie along axis -3."""

    draw: Callable[..., Tensor]
    shape: tuple[int, ...]

    def __call__(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Draws of all members, [..., E, B, D]."""
        own = [self.draw(self.shape, generator=g) for g in generators]
        return torch.stack(own, -3) if len(own) > 1 else own[0].unsqueeze(-3)


class Streams(TorchFunctionMode):
    """Answers calls for random numbers with `given` ones; without, notes what is asked for.

    Raises Unstackable for numbers that are not one block [..., E, B, D].
    """

    def __init__(self, members: int, given: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.members, self.given = members, None if given is None else iter(given)
        self.requests: list[Request] = []

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        draw = DRAWS.get(function)
        if draw is None:
            return function(*args, **(kwargs or {}))
        if self.given is not None:
            return next(self.given)
        request = Request(draw, self._member_shape(_shape(args)))
        self.requests.append(request)
        return request([torch.Generator().manual_seed(i) for i in range(self.members)])

    def _member_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) < 3 or shape[-3] != self.members:
            raise Unstackable(f"it draws numbers of shape {list(shape)}")
        return (*shape[:-3], *shape[-2:])


def _shape(args: tuple[Any, ...]) -> tuple[int, ...]:
    first = args[0]
    if isinstance(first, Tensor):
        return tuple(first.shape)
    return tuple(args) if isinstance(first, int) else tuple(first)


DRAWS: dict[Any, Callable[..., Tensor]] = {
    torch.randn: torch.randn,
    torch.randn_like: torch.randn,
    torch.Tensor.normal_: torch.randn,
    torch.rand: torch.rand,
    torch.rand_like: torch.rand,
}


def requests(run: Callable[[], Any], members: int) -> list[Request]:
    """The random numbers that `run` asks for. Raises Unstackable if it draws any in another way."""
    before = torch.get_rng_state()
    with Streams(members) as streams:
        run()
    if not torch.equal(before, torch.get_rng_state()):
        raise Unstackable("it draws random numbers in a way of its own")
    return streams.requests

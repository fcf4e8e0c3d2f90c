"""The closed-form KL to the prior and its free-bits versions."""

from typing import Literal

from torch import Tensor

from lab.model import State, Term
from lab.schedules import Schedule


class KL(Term):
    """KL(q(z|x) ‖ p(z)) in nats, mean over the batch.

    With `free` bits, whatever lies below the floor has neither loss nor gradient: per sentence and
    dimension (floor free / D) or per sentence (floor `free`). It is a mask, as published, not
    max(floor, KL).
    """

    name = "KL"

    def __init__(
        self,
        weight: Schedule,
        free: float = 0.0,
        per: Literal["dimension", "sentence"] = "dimension",
    ) -> None:
        super().__init__(weight)
        self.free, self.per = free, per
        self.needs = frozenset({"kl per dimension" if free and per == "dimension" else "kl"})

    def forward(self, state: State) -> Tensor:
        if not self.free:
            return state.q.kl().mean(-1)
        if self.per == "sentence":
            total = state.q.kl()
            return (total * (total > self.free)).mean(-1)
        kl = state.q.kl_per_dimension()
        return (kl * (kl > self.free / kl.shape[-1])).sum(-1).mean(-1)

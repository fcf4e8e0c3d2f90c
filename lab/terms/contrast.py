"""Contrast between two views of each sentence within the batch (clVAE)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lab.model import State, Term
from lab.schedules import Schedule


class InfoNCE(Term):
    """-log softmax over the batch of cos(view 1, view 2) / τ at the matching row (clVAE eq. 8 to
    10).

    `on` contrasts the latent draw z or the features h. As the published code does (D19), `mean_row`
    adds the batch mean as one more row and `strangers` that many draws from N(0, I) per row as
    further negatives.
    """

    name = "contrast"
    least_rows = 2
    least_views = 2

    def __init__(
        self,
        weight: Schedule,
        temperature: float,
        on: Literal["z", "h"] = "z",
        mean_row: bool = False,
        strangers: int = 0,
    ) -> None:
        super().__init__(weight)
        self.temperature, self.on = temperature, on
        self.mean_row, self.strangers = mean_row, strangers

    def forward(self, state: State) -> Tensor:
        contrasted = state.z if self.on == "z" else state.h
        if state.views < 2:
            return contrasted.new_zeros(contrasted.shape[:-2])
        first, second = contrasted.chunk(2, -2)
        if self.mean_row:
            first, second = (torch.cat([v.mean(-2, True), v], -2) for v in (first, second))
        if self.strangers:
            shape = (*second.shape[:-2], self.strangers * second.shape[-2], second.shape[-1])
            drawn = torch.randn(shape, device=second.device, dtype=second.dtype)
            second = torch.cat([second, drawn], -2)
        similarity = normalize(first, dim=-1) @ normalize(second, dim=-1).mT / self.temperature
        log_softmax = similarity.log_softmax(-1)
        return -log_softmax.diagonal(dim1=-2, dim2=-1).mean(-1)

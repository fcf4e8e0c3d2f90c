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

    `on` contrasts the latent draw z or the features h; `mean_row` adds the batch mean as one more
    row, as the published code does (D19).
    """

    name = "contrast"

    def __init__(
        self,
        weight: Schedule,
        temperature: float,
        on: Literal["z", "h"] = "z",
        mean_row: bool = False,
    ) -> None:
        super().__init__(weight)
        self.temperature, self.on, self.mean_row = temperature, on, mean_row

    def forward(self, state: State) -> Tensor:
        contrasted = state.z if self.on == "z" else state.h
        if state.views < 2:
            return contrasted.new_zeros(contrasted.shape[:-2])
        first, second = contrasted.chunk(2, -2)
        if self.mean_row:
            first, second = (torch.cat([v.mean(-2, True), v], -2) for v in (first, second))
        similarity = normalize(first, dim=-1) @ normalize(second, dim=-1).mT / self.temperature
        log_softmax = similarity.log_softmax(-1)
        return -log_softmax.diagonal(dim1=-2, dim2=-1).mean(-1)

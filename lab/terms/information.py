"""Mutual information by its tangent bound (VAE-MINE)."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from lab.model import State, Term
from lab.posteriors import Sizes, mlp
from lab.schedules import Schedule


class MutualInformation(Term):
    """Minus the lower bound E f(x, z) - ξ E e^f(x, z') + log ξ + 1 of I(x; z) (VAE-MINE eq. 12).

    Encoder and energy network f([h; z]) maximise it together; z' are the batch's codes in another
    order. ξ is a constant, the batch's best one, 1 / E e^f, where eq. 13 prints its inverse, which
    `published` uses (D33); algorithm 1 lets f see the last batch's, with which it diverges on
    batches of 32. Without `gradient` f takes h as given, as the paper allows once f is optimal (eq.
    18), and the bound reaches the encoder through z alone. A batch of one counts 0.
    """

    name = "mutual information"
    least_rows = 2

    def __init__(self, weight: Schedule, gradient: bool = True, published: bool = False) -> None:
        super().__init__(weight)
        self.gradient, self.published = gradient, published

    def build(self, sizes: Sizes) -> None:
        widths = sizes.critic_widths[:2]  # two layers of 512 in the paper
        self.energy = mlp(sizes.features + sizes.latent, widths, 1, nn.ReLU)

    def energies(self, state: State) -> tuple[Tensor, Tensor]:
        """f of the pairs (x, z) and of the shuffled ones, each [..., B]."""
        order = torch.rand_like(state.z[..., :1]).argsort(-2)
        shuffled = state.z.take_along_dim(order, -2)
        joint, marginal = (
            self.energy(torch.cat([state.h, z], -1)).squeeze(-1) for z in (state.z, shuffled)
        )
        return joint, marginal

    def forward(self, state: State) -> Tensor:
        if state.z.shape[-2] < 2:
            return state.z.new_zeros(state.z.shape[:-2])
        seen = state if self.gradient else replace(state, h=state.h.detach())
        joint, marginal = self.energies(seen)
        best = -_log_mean_exp(marginal).detach()
        return -tangent_bound(joint, marginal, -best if self.published else best)

    def values(self, state: State) -> dict[str, Tensor]:
        """Donsker and Varadhan's E f - log E e^f, which small batches bias upwards."""
        if state.z.shape[-2] < 2:
            return {}
        joint, marginal = self.energies(state)
        return {"mi_mine": joint.mean(-1) - _log_mean_exp(marginal)}


def tangent_bound(joint: Tensor, marginal: Tensor, log_scope: Tensor) -> Tensor:
    """E f - ξ E e^f + log ξ + 1 of energies [..., B] -> [...], tight at ξ = 1 / E e^f."""
    return joint.mean(-1) - (marginal + log_scope.unsqueeze(-1)).exp().mean(-1) + log_scope + 1


def _log_mean_exp(x: Tensor) -> Tensor:
    return torch.logsumexp(x, -1) - math.log(x.shape[-1])

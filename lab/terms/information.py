"""Mutual information by its tangent bound (VAE-MINE)."""

import math

import torch
from torch import Tensor, nn

from lab.model import State, Term
from lab.posteriors import Sizes, mlp
from lab.schedules import Schedule


class MutualInformation(Term):
    """Minus the lower bound E f(x, z) - ξ E e^f(x, z') + log ξ + 1 of I(x; z) (VAE-MINE eq. 12).

    Encoder and energy network f([h; z]) maximise it together; z' are the batch's codes in another
    order. ξ is what the last batch says is best, 1 / E e^f, where eq. 13 prints its inverse, which
    `published` uses (D33). Without `gradient` the encoder does not see the bound, as the paper
    allows once f is optimal (eq. 18). A batch of one counts 0.
    """

    name = "mutual information"
    least_rows = 2

    def __init__(self, weight: Schedule, gradient: bool = True, published: bool = False) -> None:
        super().__init__(weight)
        self.gradient, self.published = gradient, published

    def build(self, sizes: Sizes) -> None:
        widths = sizes.critic_widths[:2]  # two layers of 512 in the paper
        self.energy = mlp(sizes.features + sizes.latent, widths, 1, nn.ReLU)
        self.register_buffer("log_scope", torch.zeros(()))

    def energies(self, state: State) -> tuple[Tensor, Tensor]:
        """f of the pairs (x, z) and of the shuffled ones, each [..., B]."""
        shuffled = state.z[..., torch.randperm(state.z.shape[-2], device=state.z.device), :]
        joint, marginal = (
            self.energy(torch.cat([state.h, z], -1)).squeeze(-1) for z in (state.z, shuffled)
        )
        return joint, marginal

    def forward(self, state: State) -> Tensor:
        if state.z.shape[-2] < 2:
            return state.z.new_zeros(state.z.shape[:-2])
        joint, marginal = self.energies(state if self.gradient else state.detach())
        # A ξ of another batch makes the estimate of a trained f noisy, which only training needs.
        scope = self.log_scope if self.training else -_log_mean_exp(marginal)
        return -tangent_bound(joint, marginal, scope)

    @torch.no_grad()
    def after(self, state: State) -> None:
        """Take the tangent where the bound touches log E e^f on this batch."""
        if state.z.shape[-2] > 1:
            _, marginal = self.energies(state)
            best = -_log_mean_exp(marginal)
            self.log_scope.copy_(-best if self.published else best)

    def values(self, state: State) -> dict[str, Tensor]:
        """The bound with its best ξ, which is Donsker and Varadhan's: E f - log E e^f."""
        if state.z.shape[-2] < 2:
            return {}
        joint, marginal = self.energies(state)
        return {"mi_mine": joint.mean(-1) - _log_mean_exp(marginal)}


def tangent_bound(joint: Tensor, marginal: Tensor, log_scope: Tensor) -> Tensor:
    """E f - ξ E e^f + log ξ + 1 of energies [..., B] -> [...], tight at ξ = 1 / E e^f."""
    return joint.mean(-1) - (marginal + log_scope).exp().mean(-1) + log_scope + 1


def _log_mean_exp(x: Tensor) -> Tensor:
    return torch.logsumexp(x, -1) - math.log(x.shape[-1])

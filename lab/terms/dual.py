"""KL by its dual: a critic tells posterior draws from prior draws (iVAE, clVAE)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lab.model import State, Term
from lab.posteriors import Sizes, mlp
from lab.schedules import Schedule


class DualKL(Term):
    """Two critics ν(x, z) and ν(z), trained side by side; the model minimises the mean of one.

    `joint` picks ν(x, z), the dual of KL(q(z|x) ‖ p(z)) (iVAE eq. 7 to 10), otherwise ν(z), that of
    the aggregated posterior (eq. 12 to 14). `circle` trains them by clVAE's eq. 18 (see `circle`)
    instead of Fenchel's bound, and `squared` adds L_SQ to the critic's loss: the squared difference
    between two views of a sentence, summed over the batch (eq. 17), and between two prior draws
    (D20). `published` follows the code: its circle, and L_SQ in the model's loss too (D17, D18).
    The logged values are lower bounds of the KL for any critic (D2).
    """

    name = "dual KL"
    critic_steps = 5

    def __init__(
        self,
        weight: Schedule,
        joint: bool,
        bound: Literal["fenchel", "circle"] = "fenchel",
        squared: bool = False,
        published: bool = False,
    ) -> None:
        super().__init__(weight)
        self.joint, self.squared, self.published = joint, squared, published
        self.least_rows = 1 if joint else 2  # ν(z) compares an aggregated posterior
        self.bound = BOUNDS[f"{bound}_published" if published else bound]

    def build(self, sizes: Sizes) -> None:
        widths, activation = sizes.critic_widths, sizes.activation
        self.joint_critic = mlp(sizes.features + sizes.latent, widths, 1, activation)
        self.marginal_critic = mlp(sizes.latent, widths, 1, activation)

    def scores(self, state: State, z: Tensor) -> tuple[Tensor, Tensor]:
        """ν(x, z) and ν(z) of rows z [..., B, D], each [..., B].

        The features are never trained through them.
        """
        pair = torch.cat([z, state.h.detach()], -1)
        return self.joint_critic(pair).squeeze(-1), self.marginal_critic(z).squeeze(-1)

    def forward(self, state: State) -> Tensor:
        score = self.scores(state, state.z)[0 if self.joint else 1]
        # The model's loss is a mean over the views, the published one their sum.
        extra = self._difference(state, score) / state.views if self.published else 0.0
        return score.mean(-1) + extra

    def dual(self, state: State) -> Tensor:
        """What both critics minimise on fresh prior draws: the bound of each view, summed."""
        posterior = self.scores(state, state.z)
        prior = self.scores(state, state.prior_sample())
        loss = sum(
            self.bound(q, p)
            for scores in zip(posterior, prior, strict=True)
            for q, p in zip(*(s.chunk(state.views, -1) for s in scores), strict=True)
        )
        chosen = 0 if self.joint else 1
        return loss + sum(self._difference(state, s[chosen]) for s in (posterior, prior))

    def values(self, state: State) -> dict[str, Tensor]:
        """Fenchel's bounds E_q ν - E_p e^ν + 1 of KL and of the aggregated KL, and their difference
        as MI.
        """
        posterior = self.scores(state, state.z)
        prior = self.scores(state, state.prior_sample())
        kl, aggregated = (
            q.mean(-1) - p.exp().mean(-1) + 1 for q, p in zip(posterior, prior, strict=True)
        )
        return {"kl_dual": kl, "aggregated_kl_dual": aggregated, "mi_dual": kl - aggregated}

    def _difference(self, state: State, score: Tensor) -> Tensor:
        if not self.squared or state.views < 2:
            return torch.zeros_like(score[..., 0])
        first, second = score.chunk(2, -1)
        return (first - second).square().sum(-1)


def fenchel(posterior: Tensor, prior: Tensor) -> Tensor:
    """E_p e^ν - E_q ν: minimal at ν = log q/p, where it is 1 - KL (iVAE eq. 7, D40)."""
    return prior.exp().mean(-1) - posterior.mean(-1)


def circle(posterior: Tensor, prior: Tensor) -> Tensor:
    """log(1 + Σ e^ν(prior)) + log(1 + Σ e^-ν(posterior)): the circle loss proper.

    clVAE's eq. 13 and 18 ask for e^ν once more inside the prior's exponential; no critic can meet
    the constraint that they derive it from, and it overflows (D18).
    """
    return softplus(torch.logsumexp(prior, -1)) + softplus(torch.logsumexp(-posterior, -1))


def circle_published(posterior: Tensor, prior: Tensor) -> Tensor:
    """The published code's circle, with e^ν in the prior's exponent (D18)."""
    return circle(posterior, prior.exp())


BOUNDS = {f.__name__: f for f in (fenchel, circle, circle_published)}

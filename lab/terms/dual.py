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
    The logged values are lower bounds of the KL for any critic (D2). Networks may do without the
    critic that the loss does not use.
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
        self.chosen = "joint" if self.joint else "marginal"
        self.trained = ("joint", "marginal") if sizes.both_critics else (self.chosen,)
        if "joint" in self.trained:
            self.joint_critic = mlp(sizes.features + sizes.latent, widths, 1, activation)
        if "marginal" in self.trained:
            self.marginal_critic = mlp(sizes.latent, widths, 1, activation)

    def score(self, critic: str, h: Tensor, z: Tensor) -> Tensor:
        """ν(x, z) of the "joint" or ν(z) of the "marginal" critic, rows z [..., B, D] -> [..., B].

        The features are never trained through them.
        """
        if critic == "joint":
            return self.joint_critic(torch.cat([z, h.detach()], -1)).squeeze(-1)
        return self.marginal_critic(z).squeeze(-1)

    def opponent(self, h: Tensor, z: Tensor) -> Tensor:
        return self.score(self.chosen, h, z)

    def scores(self, state: State) -> dict[str, tuple[Tensor, Tensor]]:
        """Of each critic the scores of posterior draws and of fresh prior draws, each [..., B]."""
        prior = state.prior_sample()
        draws = (state.z, prior)
        return {c: tuple(self.score(c, state.h, z) for z in draws) for c in self.trained}

    def forward(self, state: State) -> Tensor:
        score = self.opponent(state.h, state.z)
        # The model's loss is a mean over the views, the published one their sum.
        extra = self._difference(state, score) / state.views if self.published else 0.0
        return score.mean(-1) + extra

    def dual(self, state: State) -> Tensor:
        """What both critics minimise on fresh prior draws: the bound of each view, summed."""
        scores = self.scores(state)
        loss = sum(
            self.bound(q, p)
            for pair in scores.values()
            for q, p in zip(*(s.chunk(state.views, -1) for s in pair), strict=True)
        )
        return loss + sum(self._difference(state, s) for s in scores[self.chosen])

    def values(self, state: State) -> dict[str, Tensor]:
        """Fenchel's bounds E_q ν - E_p e^ν + 1 of KL and of the aggregated KL, and their difference
        as MI, as far as their critics exist.
        """
        keys = {"joint": "kl_dual", "marginal": "aggregated_kl_dual"}
        found = {
            keys[critic]: q.mean(-1) - p.exp().mean(-1) + 1
            for critic, (q, p) in self.scores(state).items()
        }
        if len(found) == 2:
            found["mi_dual"] = found["kl_dual"] - found["aggregated_kl_dual"]
        return found

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

"""Entropy of the codes, raised by repulsion (CEAE)."""

import copy
import math

import numpy as np
import torch
from torch import Tensor

from lab.model import Model, State, Term
from lab.posteriors import Sizes
from lab.schedules import Schedule

LEAST_SQUARED_DISTANCE = 1e-12  # nearer codes of unit variance are equal up to float32's rounding


class MomentumEntropy(Term):
    """Contrast of codes μ with those of a momentum encoder, μ†, against the batch's other codes and
    those of the last `cached` minibatches (CEAE section 3.1 and A.1, spec 1.20).

    After each step θ' <- m θ' + (1 - m) θ. The text says m = .999, A.4 that .99 gave the figures;
    the cache, r = 3, appears in A.4 alone (D36). The paper prints a sum over the training set and a
    squared error beside it; here it is the batch mean beside the tokens' cross-entropy (D37). The
    momentum encoder normalises by its own statistics. Evaluation contrasts within the batch alone,
    and a code without any other counts 0.

    N(0, I) is not its minimum: codes of heavier tails have a lower loss at the same variance, and
    without a reconstruction beside it the cache can drive it there.
    """

    name = "contrastive entropy"
    least_rows = 2

    def __init__(self, weight: Schedule, momentum: float, cached: int) -> None:
        super().__init__(weight)
        self.momentum, self.cached = momentum, cached

    def build(self, sizes: Sizes) -> None:
        self.register_buffer("codes", torch.zeros(0, sizes.latent), persistent=False)
        self.register_buffer("rows", torch.zeros(self.cached, dtype=torch.long))

    def attach(self, model: Model) -> None:
        """Start the momentum encoder as a copy of the model's encoder and head."""
        self.encoder = copy.deepcopy(model.encoder).requires_grad_(False)
        self.head = copy.deepcopy(model.head).requires_grad_(False)

    def forward(self, state: State) -> Tensor:
        with torch.no_grad():
            positive = self.head(self.encoder(state.batch)).mean
        negatives = self.codes if self.training else self.codes[:0]
        return contrastive_entropy(state.q.mean, positive, negatives)

    @torch.no_grad()
    def after(self, state: State) -> None:
        """Move the momentum encoder and take the minibatch's codes for the oldest cached ones."""
        model = state.model
        own = (*model.encoder.parameters(), *model.head.parameters())
        for slow, fast in zip(self.parameters(), own, strict=True):
            slow.lerp_(fast, 1 - self.momentum)
        if self.cached:
            codes = state.q.mean
            kept = self.codes[int(self.rows[0]) :]
            self.codes = torch.cat([kept, codes])
            self.rows.copy_(torch.cat([self.rows[1:], self.rows.new_tensor([len(codes)])]))

    def get_extra_state(self) -> Tensor:
        """The cached codes [N, D], whose number varies as a buffer's cannot."""
        return self.codes

    def set_extra_state(self, state: Tensor) -> None:
        self.codes = state.to(self.codes)


def contrastive_entropy(mean: Tensor, positive: Tensor, negatives: Tensor) -> Tensor:
    """-mean_i [⟨μ_i, μ_i†⟩ - ln Σ_{j≠i} e^⟨μ_i, μ_j⟩] of [..., B, D] -> [...] (CEAE section 3.1).

    The sum also runs over `negatives` [N, D]; the positive is not in it. Inner products are raw,
    τ = 1. One row without negatives gives 0.
    """
    rows = mean.shape[-2]
    if rows + len(negatives) < 2:
        return mean.new_zeros(mean.shape[:-2])
    itself = torch.eye(rows, dtype=torch.bool, device=mean.device)
    others = (mean @ mean.mT).masked_fill(itself, -math.inf)
    repulsion = torch.cat([others, mean @ negatives.mT], -1).logsumexp(-1)
    return (repulsion - (mean * positive).sum(-1)).mean(-1)


class NearestNeighbourEntropy(Term):
    """-D mean_i ln min_{j≠i} ‖μ_i - μ_j‖, minus the Kozachenko-Leonenko estimate of the codes'
    entropy up to constants (CEAE section 3.1).

    For language autoencoders the paper saw it fail to converge. Equal codes neither repel each
    other nor make the loss infinite; a batch of one counts 0. `values` has the whole estimate of
    the differential entropy, nats.
    """

    name = "nearest-neighbour entropy"
    least_rows = 2

    def forward(self, state: State) -> Tensor:
        mean = state.q.mean
        if mean.shape[-2] < 2:
            return mean.new_zeros(mean.shape[:-2])
        return -mean.shape[-1] * log_nearest_distance(mean).mean(-1)

    def values(self, state: State) -> dict[str, Tensor]:
        if state.q.mean.shape[-2] < 2:
            return {}
        return {"entropy": nearest_neighbour_entropy(state.q.mean)}


def log_nearest_distance(codes: Tensor) -> Tensor:
    """ln of each code's distance to its nearest other, [..., B, D] -> [..., B]."""
    with torch.no_grad():
        distances = torch.cdist(codes, codes, compute_mode="donot_use_mm_for_euclid_dist")
        distances.diagonal(dim1=-2, dim2=-1).fill_(math.inf)
        nearest = distances.argmin(-1, keepdim=True)
    squared = (codes - codes.take_along_dim(nearest, -2)).square().sum(-1)
    return 0.5 * squared.clamp(min=LEAST_SQUARED_DISTANCE).log()


def nearest_neighbour_entropy(codes: Tensor) -> Tensor:
    """Kozachenko-Leonenko estimate of the entropy that codes [..., B, D] were drawn from, nats.

    mean_i ln((B - 1) R_i^D) + ln V_D + γ with V_D the unit ball's volume (CEAE section 3.1, after
    Delattre and Fournier 2017).
    """
    rows, dimensions = codes.shape[-2:]
    log_ball = dimensions / 2 * math.log(math.pi) - math.lgamma(dimensions / 2 + 1)
    spread = dimensions * log_nearest_distance(codes).mean(-1)
    return spread + math.log(rows - 1) + log_ball + np.euler_gamma

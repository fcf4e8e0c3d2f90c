"""Posterior means of single sentences, by the model and by its encoder, over training (He et al.
2019, section 3; spec 2.4).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lab.backbones import TextNetwork
from lab.corpora.batches import TextBatch
from lab.corpora.lstm2d import Lstm2dCorpus, generate
from lab.data import Observation, TextData
from lab.errors import UserError
from lab.evaluation import posterior_arrays
from lab.methods import Method
from lab.model import Model
from lab.posteriors import StandardNormal
from lab.runs import Latents
from lab.settings import Settings
from lab.train import Trainer

# Latent dimensions -> half-width of the grid and nodes per axis. With the means of trained LSTMs
# within 2 of the origin the largest error is 1e-6 in one dimension and 2e-2 in two.
GRIDS = {1: (8.0, 161), 2: (5.0, 33)}
PAIRS = 2048  # sentences x nodes decoded at once, which bounds the memory
TRUE_GRID = 54  # within 1e-3 of 81 nodes, in 40 % of their time
RATES = {"sgd": 1.0, "adam": 1e-3}  # He et al.'s script and its option


@dataclass
class TrackedText(TextData):
    """Text whose run follows the posterior means of `tracked` fixed training sentences.

    Raises UserError for a corpus without a known posterior and for more sentences than it has.
    """

    corpus: Lstm2dCorpus
    tracked: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.corpus, Lstm2dCorpus):
            raise UserError(f"{self.corpus.name}: has no known posterior; give lstm2d")
        if not 2 < self.tracked <= self.count("train"):
            raise UserError(
                f"tracked={self.tracked}: give 3 to {self.count('train')}, the training sentences"
            )

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {"tracked": self.tracked}

    @cached_property
    def sample(self) -> np.ndarray:
        """Rows of the training split that are followed, ascending."""
        rng = np.random.default_rng([self.seed, 4])
        return np.sort(rng.choice(self.count("train"), self.tracked, replace=False))

    @cached_property
    def true_mean(self) -> np.ndarray:
        """E[z | x] of the tracked sentences under the process that wrote them [N, 2]."""
        sentences = [self.corpus.split("train")[i] for i in self.sample]
        return self.corpus.posterior(sentences, TRUE_GRID).mean

    def observe(self, model: Model, latents: Latents, kept: bool) -> Observation:
        """The tracked sentences' posterior means and how they agree."""
        batch = self.corpus.batches("train", self.tracked, "sequential", indices=self.sample)[0]
        batch = batch.to(next(model.parameters()).device)
        q = model.infer(batch).q
        fields = {
            "model_mean": posterior_mean(model, batch),
            "amortised_mean": posterior_arrays(model.head.family, q)["mean"],
            "true_mean": self.true_mean,
        }
        return Observation(agreement(*fields.values()), fields)


def nodes(dimensions: int) -> Tensor:
    """The grid of z over which posteriors are summed [G, D].

    Raises UserError for dimensions other than 1 and 2.
    """
    if dimensions not in GRIDS:
        raise UserError(f"latent={dimensions}: posterior means come from a grid; give 1 or 2")
    limit, count = GRIDS[dimensions]
    axis = torch.linspace(-limit, limit, count)
    return torch.cartesian_prod(*[axis] * dimensions).reshape(-1, dimensions)


def posterior_mean(model: Model, batch: TextBatch) -> np.ndarray:
    """Mean of the model's own posterior p(z|x) ∝ p(x|z) p(z) by quadrature over z [N, D]."""
    grid = nodes(model.decoder.latent).to(batch.tokens.device)
    joint = log_likelihood(model, batch, grid) + model.head.prior.log_prob(grid)[:, None]
    return (joint.double().softmax(0).T @ grid.double()).cpu().numpy()


def log_likelihood(model: Model, batch: TextBatch, z: Tensor) -> Tensor:
    """log p(x|z) of every sentence at every code z [G, D] -> [G, N], nats."""
    blocks = z.split(max(1, PAIRS // batch.size))
    return -torch.cat([_nll(model, batch, block) for block in blocks])


def _nll(model: Model, batch: TextBatch, z: Tensor) -> Tensor:
    codes = z.repeat_interleave(batch.size, 0)
    return model.decoder.nll(batch.repeat(len(z)), codes).unflatten(0, (len(z), -1))


def agreement(model: np.ndarray, amortised: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """How far encoder and model agree on the means [N, D], and what the model's say of the true
    ones [N, 2]: correlation, mean absolute difference, R² of the linear map.
    """
    return {
        "posterior_mean_correlation": correlation(model, amortised),
        "posterior_mean_gap": float(np.abs(model - amortised).mean()),
        "true_mean_explained": explained(true, model),
    }


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of two sets of vectors [N, D], mean over D; 0 where one is constant."""
    a, b = a - a.mean(0), b - b.mean(0)
    scale = np.sqrt(np.square(a).sum(0) * np.square(b).sum(0))
    return float(np.divide((a * b).sum(0), scale, out=np.zeros_like(scale), where=scale > 0).mean())


def explained(target: np.ndarray, source: np.ndarray) -> float:
    """R²: share of the variance of `target` [N, K] that is linear in `source` [N, D]."""
    design = np.column_stack([np.ones(len(source)), source])
    residual = target - design @ np.linalg.lstsq(design, target)[0]
    return float(1 - np.square(residual).sum() / np.square(target - target.mean(0)).sum())


def trainer(
    method: Method,
    folder: Path,
    epochs: int = 50,
    seed: int = 0,
    sentences: int = 4000,
    tracked: int = 200,
    latent: int = 1,
    optimiser: Literal["sgd", "adam"] = "sgd",
    lr: float | None = None,
    progress_bar: bool = True,
) -> Trainer:
    """A trainer of He et al.'s small LSTMs on lstm2d of so many `sentences`, of which it follows
    `tracked`.

    Theirs are 16,000, a batch of 16 and SGD of rate 1, halved after 2 stale epochs, without
    annealing (`anneal=0`); Adam of rate 1e-3 is their option. Raises UserError for a code without a
    grid: not of 1 or 2 dimensions, or on a sphere.
    """
    _check(method, latent)
    held_out = max(2, sentences // 8)
    corpus = generate(sentences=sentences, valid=held_out, test=held_out)
    data = TrackedText(corpus, batch_size=16, seed=seed, tracked=tracked)
    network = TextNetwork(len(corpus.vocabulary), embedding=50, hidden=50, latent=latent)
    rate = lr or RATES[optimiser]
    settings = Settings(epochs, optimiser, rate, patience=2, decay_from=0, seed=seed)
    return Trainer(method, network, data, settings, folder, progress_bar=progress_bar)


def _check(method: Method, latent: int) -> None:
    head = method.parts().head
    if not isinstance(head.prior, StandardNormal):
        raise UserError(f"{method.spec}: posterior means need a prior N(0, I); choose vae, say")
    if not head.width(latent):
        raise UserError(f"{method.spec}: has no code, so no posterior means; choose vae, say")
    nodes(latent)

"""`lstm2d` as a model of the lab whose decoder is the truth, and what is known of it."""

import math
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lab import metrics
from lab.calibration.budget import Budget
from lab.corpora.batches import TextBatch
from lab.corpora.latent_grid import MEANS, Grid, log_prior
from lab.corpora.lstm2d import generate
from lab.corpora.random_lstm import RandomLstm
from lab.corpora.vocabulary import SPECIALS
from lab.evaluation import decoded_nll
from lab.model import Model
from lab.posteriors import GaussianHead, Sizes

FINE, COARSE = 81, 54  # nodes an axis; the coarse grid is within 1e-3 nats in 40 % of the time
HERMITE = 20  # nodes an axis of the quadrature under q(z|x)


class FourGaussians:
    """The prior of lstm2d."""

    def sample(self, shape: tuple[int, ...], **options: Any) -> Tensor:
        """Draws of the given shape [..., 2]; `options` are torch.randn's."""
        component = torch.randint(len(MEANS), shape[:-1])
        noise = torch.randn(shape, **options)
        return MEANS.to(noise)[component] + noise

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) [..., 2] -> [...], nats."""
        return log_prior(z.double().reshape(-1, 2)).reshape(z.shape[:-1])


class GivenHead(GaussianHead):
    """A Gaussian posterior whose parameters are the features themselves."""

    prior = FourGaussians()

    def build(self, sizes: Sizes) -> None:
        """Nothing to create."""

    def parameters_of(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return h.chunk(2, -1)


class Table(nn.Module):
    """An encoder that looks its features up by the row of the split."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, batch: TextBatch) -> Tensor:
        return self.features[batch.indices]


class TrueDecoder(nn.Module):
    """p(x|z) of the LSTM that wrote the corpus."""

    def __init__(self, lstm: RandomLstm) -> None:
        super().__init__()
        self.lstm = lstm

    def nll(self, batch: TextBatch, z: Tensor) -> Tensor:
        """-log p(x|z) [B], nats; the end of a sentence is certain."""
        return -self.lstm.log_likelihood(batch.tokens[:, 1:-1] - len(SPECIALS), z.double())


class Known:
    """Sentences of lstm2d, their true posteriors on a grid, and encoders made from these.

    The "fitted" q(z|x) has the moments of p(z|x) in each dimension, the "poor" one half its
    standard deviations and a mean that is one of them off, as that of an encoder that lags.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.corpus = generate(sentences=2, valid=2, test=budget.items)
        self.rows = list(self.corpus.split("test"))
        grid = Grid.of(COARSE)
        self.weights = self.corpus.posterior_grid(self.rows, COARSE)[1]  # [N, G], sums of 1
        mean, covariance, entropy = grid.moments(torch.from_numpy(self.weights).log())
        prior_entropy = grid.moments(grid.log_mass[None])[2]
        self.information = float(prior_entropy[0] - entropy.mean())
        variance = np.diagonal(covariance, axis1=1, axis2=2)
        self.encoders = {
            "fitted": (mean, np.log(variance)),
            "poor": (mean + np.sqrt(variance), np.log(variance / 4)),
        }

    @cached_property
    def models(self) -> dict[str, Model]:
        """The true decoder with each encoder."""
        decoder = TrueDecoder(self.corpus.lstm)
        tables = {k: Table(torch.from_numpy(np.hstack(q))) for k, q in self.encoders.items()}
        return {k: Model(t, GivenHead(), decoder, (), Sizes(4, 2)) for k, t in tables.items()}

    @cached_property
    def batch(self) -> TextBatch:
        """The first sentences, whose likelihood is estimated."""
        chosen = np.arange(self.budget.decoded)
        return self.corpus.batches("test", len(chosen), "sequential", indices=chosen)[0]

    @cached_property
    def nll(self) -> float:
        """-log p(x) by quadrature over the grid, mean of the batch."""
        decoded = self.rows[: self.budget.decoded]
        return -float(self.corpus.log_likelihood(decoded, FINE).mean())

    @cached_property
    def posterior_kl(self) -> dict[str, float]:
        """KL(q(z|x) ‖ p(z|x)) by quadrature over the grid, mean of the batch, by encoder.

        Nodes that the posterior leaves out, e^-25 below its peak, are left out of the sum.
        """
        count = self.budget.decoded
        nodes, weights = self.corpus.posterior_grid(self.rows[:count], FINE)
        log_p = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
        found = {}
        for name, (mean, log_variance) in self.encoders.items():
            log_density = metrics.pairwise_log_prob(mean[:count], log_variance[:count], nodes).T
            log_q = log_density + Grid.of(FINE).log_area
            terms = np.where(weights > 0, np.exp(log_q) * (log_q - log_p), 0)
            found[name] = float(terms.sum(1).mean())
        return found

    @cached_property
    def under_posterior(self) -> dict[str, tuple[float, float]]:
        """Negative ELBO and ln E_q p(x|z) by Gauss-Hermite quadrature, means of the batch."""
        return {name: hermite(model, self.batch) for name, model in self.models.items()}


@torch.no_grad()
def hermite(model: Model, batch: TextBatch) -> tuple[float, float]:
    """Negative ELBO and ln E_q p(x|z) of a Gaussian q in 2-D, means of a batch, nats."""
    node, weight = map(torch.from_numpy, np.polynomial.hermite_e.hermegauss(HERMITE))
    weight = (torch.outer(weight, weight) / (2 * math.pi)).reshape(-1, 1)
    q = model.infer(batch).q
    z = q.mean + torch.cartesian_prod(node, node)[:, None] * (0.5 * q.log_variance).exp()
    nll = decoded_nll(model, batch, z)
    elbo = model.head.prior.log_prob(z) - q.log_prob(z) - nll
    log_mean = torch.logsumexp(weight.log() - nll, 0)
    return -float((weight * elbo).sum(0).mean()), float(log_mean.mean())

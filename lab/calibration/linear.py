"""Posteriors of linear Gaussian models, whose every figure has a closed form."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lab import metrics
from lab.calibration.budget import Budget
from lab.calibration.measured import Claim, Shot
from lab.metrics import Estimate
from lab.metrics.arrays import estimate

DRAWS = 128  # of each posterior, for figures from draws, as implicit methods have them
KERNELS = 16  # of each posterior: marginal densities of more take long
BATCH = 32
STREAM = 9  # keeps the items apart from the estimators' own noise


@dataclass(frozen=True)
class LinearGaussian:
    """N posteriors N(m, σ² I), m ~ N(0, C - σ² I), so that their population's aggregate is N(0, C).

    C has a diagonal of 1 and `correlation` elsewhere; without it the aggregate is the prior.
    """

    dimensions: int
    sigma: float = 0.5
    correlation: float = 0.0

    @property
    def case(self) -> str:
        correlated = f", correlation {self.correlation:g}" if self.correlation else ""
        return f"Gaussian, {self.dimensions}-D{correlated}"

    @property
    def covariance(self) -> np.ndarray:
        """C [D, D]."""
        identity = np.eye(self.dimensions)
        return (1 - self.correlation) * identity + self.correlation

    @property
    def truth(self) -> dict[str, float]:
        """Closed forms, nats: KL(N(0, C) ‖ N(0, I)) = -½ ln det C is all total correlation."""
        half_log_det = 0.5 * float(np.linalg.slogdet(self.covariance)[1])
        information = half_log_det - self.dimensions * math.log(self.sigma)
        truth = {"mi": information, "aggregated_kl": -half_log_det, "marginal_kl": 0.0}
        truth |= {"total_correlation": -half_log_det, "kl": information - half_log_det}
        if not self.correlation:
            truth |= {"hole_mass": 0.0, "two_sample_auc": 0.5}
        return truth

    def posteriors(self, items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log variance [N, D]."""
        noise = np.random.default_rng([seed, STREAM]).standard_normal((items, self.dimensions))
        spread = self.covariance - self.sigma**2 * np.eye(self.dimensions)
        mean = noise @ np.linalg.cholesky(spread).T
        return mean, np.full_like(mean, 2 * math.log(self.sigma))

    def shots(self, budget: Budget, seed: int) -> Iterator[Shot]:
        """All estimators at all sizes, of items drawn anew for each seed."""
        truth = self.truth
        for size in budget.populations:
            mean, log_variance = self.posteriors(size, seed)
            parts = PARTS if "hole_mass" in truth else PARTS[:-1]
            found = (f for part in parts for f in part(mean, log_variance, seed))
            for quantity, estimator, value, claim in found:
                error = None if math.isnan(value.stderr) else value.stderr
                yield Shot(
                    self.case, quantity, estimator, "items", size, value.value, truth[quantity],
                    claim, error,
                )  # fmt: skip


Found = tuple[str, str, Estimate, Claim]  # quantity, estimator, value and what is claimed of it


def _information(mean: np.ndarray, log_variance: np.ndarray, seed: int) -> Iterator[Found]:
    exact = metrics.gaussian_kl(mean, log_variance).sum(1)
    yield "kl", "closed form", estimate(exact), "unbiased"
    parts = metrics.elbo_decomposition(mean, log_variance, seed=seed)
    claims = {"kl": "unbiased", "mutual_information": "below", "aggregated_kl": "above"}
    for name, error in parts.stderr.items():
        found = Estimate(getattr(parts, name), error, parts.n)
        quantity = "mi" if name == "mutual_information" else name
        yield quantity, "whole", found, claims.get(name, "none")
    batch = metrics.minibatch_mutual_information(mean, log_variance, BATCH, seed)
    yield "mi", f"batch of {BATCH}", batch, "below"
    marginal = metrics.marginal_kl(mean, log_variance).mean()
    yield "marginal_kl", "quadrature, a dimension", _plain(marginal), "above"


def _from_draws(mean: np.ndarray, log_variance: np.ndarray, seed: int) -> Iterator[Found]:
    samples = draws(mean, log_variance, DRAWS, seed)
    moments, moment = metrics.moments(samples), f"moments of {DRAWS} draws"
    yield "kl", moment, estimate(metrics.gaussian_kl(*moments).sum(1)), "above"
    yield "mi", moment, metrics.mutual_information(*moments, seed=seed), "none"
    kernels = metrics.marginal_kl_from_samples(samples[:, :KERNELS]).mean()
    yield "marginal_kl", f"kernels on {KERNELS} draws, a dimension", _plain(kernels), "none"
    neighbours = metrics.prior_kl_neighbours(samples[:, 0])
    yield "aggregated_kl", "neighbours", _plain(neighbours), "none"
    if mean.shape[1] == 2:
        histogram = metrics.prior_kl_histogram(samples[:, 0])
        yield "aggregated_kl", "histogram", _plain(histogram), "none"


def _holes(mean: np.ndarray, log_variance: np.ndarray, seed: int) -> Iterator[Found]:
    mass = metrics.hole_mass(mean, log_variance, seed=seed)
    area = metrics.two_sample_auc(mean, log_variance, seed=seed)
    yield "hole_mass", "mixture", mass, "above"
    yield "two_sample_auc", "mixture", area, "above"
    held = metrics.held_out_holes(mean, log_variance, seed=seed)
    error = math.hypot(held.prior.stderr, held.aggregate.stderr)
    excess = Estimate(held.prior.value - held.aggregate.value, error, held.prior.n)
    yield "hole_mass", "held out, less the aggregate's", excess, "unbiased"
    yield "two_sample_auc", "held out", held.auc, "unbiased"
    one = draws(mean, log_variance, 1, seed)[:, 0]
    yield "two_sample_auc", "classifier", metrics.classifier_auc(one, seed), "unbiased"


def draws(mean: np.ndarray, log_variance: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """`samples` of each posterior [N, S, D]."""
    generator = np.random.default_rng([seed, STREAM + 1])
    noise = generator.standard_normal((len(mean), samples, mean.shape[1]))
    return mean[:, None] + noise * np.exp(0.5 * log_variance)[:, None]


def _plain(value: float) -> Estimate:
    return Estimate(float(value), math.nan, 1)


PARTS = (_information, _from_draws, _holes)

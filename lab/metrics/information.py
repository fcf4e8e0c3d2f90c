"""Mutual information of sentence and latent, and the decomposition of the ELBO's KL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import Estimate, at_least, estimate, posteriors
from lab.metrics.density import LOG_2PI, log_aggregated_posterior, standard_normal_log_prob
from lab.metrics.marginals import marginal_log_density

STREAM = 1  # keeps the noise apart from means that were themselves drawn from default_rng(seed)


@dataclass(frozen=True)
class Decomposition:
    """The parts of the mean KL(q(z|x) || p(z)) in nats; the standard error of each scalar by name.

    kl = mutual_information + aggregated_kl; aggregated_kl = total_correlation + dimension_kl.sum().
    """

    mutual_information: float
    total_correlation: float
    dimension_kl: np.ndarray
    stderr: dict[str, float]
    n: int

    @property
    def aggregated_kl(self) -> float:
        """KL(q(z) || p(z)), nats."""
        return self.total_correlation + float(self.dimension_kl.sum())

    @property
    def kl(self) -> float:
        """Mean over items of KL(q(z|x) || p(z)), nats, from the same samples as its parts."""
        return self.mutual_information + self.aggregated_kl


def mutual_information(
    mean: ArrayLike, log_variance: ArrayLike, samples: int = 1, seed: int = 0
) -> Estimate:
    """I(x; z) = E[log q(z|x) - log q(z)] in nats, q(z) the mixture of all N items given.

    `samples` draws per item. log q(z|x) is taken at the same draws as log q(z), not in closed form:
    their errors cancel (entirely, if all posteriors are equal or all lie apart), and each draw's
    value is at most log N. Unbiased for the N items taken as the population; of a wider population
    it falls short, being capped at log N (Hoffman & Johnson 2016). The standard error is over
    items. Costs `samples` N^2 pairs.
    ValueError if shapes differ, a value is not finite or samples < 1.
    """
    mean, log_variance = posteriors(mean, log_variance)
    per_item = [
        own - log_aggregated_posterior(mean, log_variance, z)
        for z, own in _draws(mean, log_variance, samples, seed)
    ]
    return estimate(np.mean(per_item, axis=0))


def minibatch_mutual_information(
    mean: ArrayLike, log_variance: ArrayLike, batch: int = 32, seed: int = 0
) -> Estimate:
    """The older estimate of I(x; z): q(z) is the mixture of only the item's own batch; nats.

    Consecutive rows form the batches (the last may be smaller), one draw per item, mean over items.
    Capped at log(batch), 3.47 for 32; kept for comparison with published tables (He et al. 2019).
    ValueError if shapes differ, a value is not finite or batch < 1.
    """
    mean, log_variance = posteriors(mean, log_variance)
    at_least(batch, 1, "batch")
    ((z, own),) = _draws(mean, log_variance, 1, seed)
    batches = [slice(first, first + batch) for first in range(0, len(mean), batch)]
    log_q = [log_aggregated_posterior(mean[rows], log_variance[rows], z[rows]) for rows in batches]
    return estimate(own - np.concatenate(log_q))


def elbo_decomposition(
    mean: ArrayLike, log_variance: ArrayLike, samples: int = 1, seed: int = 0
) -> Decomposition:
    """Split the mean KL to the prior into information, total correlation and KLs per dimension.

    Common draws for every part (`samples` per item), so the parts add up exactly; q(z) and q(z_i)
    are mixtures of all N items (Hoffman & Johnson 2016; Chen et al. 2018, equation 2). Every part
    carries Monte Carlo error, also `kl`, whose closed form is `gaussian_kl`; nats. q(z_i) is
    grouped as in `marginal_log_density`.
    ValueError if shapes differ, a value is not finite or samples < 1.
    """
    mean, log_variance = posteriors(mean, log_variance)
    draws = _draws(mean, log_variance, samples, seed)
    parts = [_parts(mean, log_variance, z, own) for z, own in draws]
    averages = [np.mean(part, axis=0) for part in zip(*parts, strict=True)]
    information, correlation, marginal = averages
    aggregated = correlation + marginal.sum(axis=1)
    per_item = {
        "mutual_information": information,
        "total_correlation": correlation,
        "aggregated_kl": aggregated,
        "kl": information + aggregated,
    }
    return Decomposition(
        mutual_information=float(information.mean()),
        total_correlation=float(correlation.mean()),
        dimension_kl=marginal.mean(axis=0),
        stderr={name: estimate(values).stderr for name, values in per_item.items()},
        n=len(mean),
    )


def _parts(mean, log_variance, z, own):
    """Per item log q(z|x) / q(z) and log q(z) / prod q(z_i), per dimension log q(z_i) / p(z_i)."""
    log_q = log_aggregated_posterior(mean, log_variance, z)
    columns = zip(mean.T, log_variance.T, z.T, strict=True)
    marginal = np.stack([marginal_log_density(*column) for column in columns], axis=1)
    return own - log_q, log_q - marginal.sum(axis=1), marginal - standard_normal_log_prob(z)


def _draws(mean, log_variance, samples, seed):
    """`samples` times (z [N, D], log q(z_n | x_n) [N]), one draw for each item."""
    at_least(samples, 1, "samples")
    generator = np.random.default_rng([seed, STREAM])
    for _ in range(samples):
        noise = generator.standard_normal(mean.shape)
        own = -0.5 * (np.square(noise) + LOG_2PI + log_variance).sum(axis=1)
        yield mean + noise * np.exp(0.5 * log_variance), own

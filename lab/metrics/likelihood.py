"""Likelihood of held-out text: importance-weighted bound and perplexity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import Estimate, at_least, estimate, finite
from lab.metrics.density import log_sum_exp


def importance_weighted_nll(log_weights: ArrayLike) -> Estimate:
    """Mean over items of -log 1/S sum_s w_sn in nats per item, from log weights [S, N].

    log w = log p(x, z) - log r(z) for z drawn from the proposal r (Burda et al. 2016, equation 8).
    In expectation an upper bound on the negative log-likelihood that tightens with S; S = 1 is the
    negative ELBO. ValueError if empty or not finite.
    """
    log_weights = finite(log_weights, "log_weights", "SN")
    return estimate(np.log(len(log_weights)) - log_sum_exp(log_weights.T.copy()))


def perplexity(total_nats: float, tokens: int) -> float:
    """exp(total_nats / tokens); tokens count words and end marks, not begin marks.

    Infinite where float64 overflows. ValueError if tokens < 1.
    """
    at_least(tokens, 1, "tokens")
    with np.errstate(over="ignore"):
        return float(np.exp(np.float64(total_nats) / tokens))

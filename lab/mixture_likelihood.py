"""DG-VAE's priorLL and postLL: what decoding from the prior, and from the posterior, gives a
sentence.
"""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from lab.evaluation import decoded_nll
from lab.model import Model, State


def mixture_log_likelihoods(
    model: Model, batch: Any, samples: int, published: bool = False
) -> tuple[Tensor, Tensor]:
    """ln E_p(z) p(x|z) and ln E_q(z|x) p(x|z) of a batch [B] each, nats (DG-VAE section 4.2, spec
    3.7).

    `samples` draws of the prior and as many of the posterior count as draws of Q = (p + q) / 2 and
    are weighted by p/Q and q/Q, which never exceed 2; the log of a mean is biased low for few of
    them. `published` draws the "prior" ones from N(μ, diag e^μ), as the published code does (D4),
    and needs a Gaussian.
    """
    state = model.infer(batch)
    prior = _wrong_prior(state, samples) if published else _prior_draws(state, samples)
    z = torch.cat([prior, state.q.rsample((samples,))])
    log_p, log_q = state.prior.log_prob(z), state.q.log_prob(z)
    log_mixture = torch.logaddexp(log_p, log_q) - torch.tensor(2.0).log()
    log_likelihood = -decoded_nll(model, batch, z)
    count = torch.tensor(float(len(z))).log()
    return tuple(
        torch.logsumexp((log_likelihood + part - log_mixture).double(), 0) - count
        for part in (log_p, log_q)
    )


def posterior_log_likelihood(model: Model, batch: Any, samples: int) -> Tensor:
    """ln E_q(z|x) p(x|z) of a batch [B], nats, by plain draws of q: for posteriors without a
    density; the log of a mean is biased low for few of them.
    """
    draws = model.infer(batch).q.rsample((samples,))
    log_likelihood = -decoded_nll(model, batch, draws).double()
    return torch.logsumexp(log_likelihood, 0) - torch.tensor(float(samples)).log()


def has_density(q: Distribution) -> bool:
    """Whether the density of draws of q(z|x) is known."""
    return hasattr(q, "pairwise_log_prob")


def _prior_draws(state: State, samples: int) -> Tensor:
    shape = (samples, *state.z.shape)
    return state.prior.sample(shape, device=state.z.device, dtype=state.z.dtype)


def _wrong_prior(state: State, samples: int) -> Tensor:
    mean = state.q.mean
    noise = torch.randn(samples, *mean.shape, device=mean.device, dtype=mean.dtype)
    return mean + noise * (0.5 * mean).exp()

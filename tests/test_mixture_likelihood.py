"""priorLL and postLL against the evidence and the posterior expectation in closed form."""

import math

import pytest
import torch

from lab.evaluation import evaluating
from lab.mixture_likelihood import mixture_log_likelihoods, posterior_log_likelihood
from lab.posteriors import GaussianHead
from tests.test_evaluation import Vectors, linear_gaussian, set_to_true_posterior


def linear_model():
    """A model with its true posterior, a little wider, and its observations [6, 3]."""
    model, batch = linear_gaussian(GaussianHead())
    set_to_true_posterior(model)
    return model, batch.x


def closed_form(model, x):
    """ln ∫ p(z) p(x|z) dz and ln ∫ q(z|x) p(x|z) dz of the linear-Gaussian model [B]."""
    decoder, q = model.decoder, model.infer(Vectors(x)).q
    weight = decoder.weight
    noise = decoder.noise**2 * torch.eye(len(weight))
    posterior = [
        torch.distributions.MultivariateNormal(
            weight @ m, weight @ torch.diag(v.exp()) @ weight.T + noise
        ).log_prob(row)
        for m, v, row in zip(q.mean, q.log_variance, x, strict=True)
    ]
    return decoder.evidence(x), torch.stack(posterior)


def test_prior_and_posterior_likelihoods_are_those_of_a_linear_gaussian_model():
    model, x = linear_model()
    with evaluating(model):
        found = mixture_log_likelihoods(model, Vectors(x), samples=20_000)
        for estimate, exact in zip(found, closed_form(model, x), strict=True):
            torch.testing.assert_close(estimate, exact.double(), atol=0.03, rtol=0)


def test_plain_draws_give_the_posteriors_likelihood_too():
    model, x = linear_model()
    with evaluating(model):
        found = posterior_log_likelihood(model, Vectors(x), 20_000)
        torch.testing.assert_close(found, closed_form(model, x)[1].double(), atol=0.03, rtol=0)


def test_the_published_proposals_overrate_the_prior_where_posteriors_are_active():
    model, x = linear_model()
    with evaluating(model):
        exact = closed_form(model, x)[0].mean()
        right, wrong = (
            mixture_log_likelihoods(model, Vectors(x), 5000, published)[0].mean()
            for published in (False, True)
        )
    assert abs(float(right - exact)) < 0.02
    assert float(wrong - exact) > 0.05


def test_one_posterior_equal_to_the_prior_gives_both_likelihoods_the_same_value():
    model, x = linear_model()
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.zero_()
    with evaluating(model):
        prior, posterior = mixture_log_likelihoods(model, Vectors(x), samples=50)
    torch.testing.assert_close(prior, posterior)
    assert math.isfinite(float(prior.sum()))


@pytest.mark.parametrize("samples", [1, 4])
def test_few_draws_are_biased_low_not_high(samples):
    model, x = linear_model()
    with evaluating(model):
        batch = Vectors(x.repeat(400, 1))
        found = mixture_log_likelihoods(model, batch, samples)[0].mean()
        assert float(found) < float(closed_form(model, x)[0].mean()) + 0.02

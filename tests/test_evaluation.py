"""Estimators against known truth: a linear-Gaussian model, quadrature, exact densities."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from lab import metrics
from lab.backbones import TextNetwork, build_model
from lab.corpora import load
from lab.data import TextData
from lab.evaluation import (
    evaluate,
    evaluating,
    importance_nll,
    log_weights,
    shared_gaussian_metrics,
)
from lab.methods import parse
from lab.model import Model
from lab.posteriors import GaussianHead, Head, ImplicitHead, PointHead, Sizes

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Vectors:
    x: torch.Tensor

    @property
    def size(self) -> int:
        return len(self.x)

    def repeat(self, n: int) -> "Vectors":
        return Vectors(self.x.repeat(n, 1))


class LinearDecoder(nn.Module):
    """p(x|z) = N(W z, s²): evidence and posterior are Gaussian in closed form."""

    def __init__(self, weight: torch.Tensor, noise: float) -> None:
        super().__init__()
        self.weight, self.noise = weight, noise

    def nll(self, batch: Vectors, z: torch.Tensor) -> torch.Tensor:
        mean = z @ self.weight.T.to(z.dtype)
        return -torch.distributions.Normal(mean, self.noise).log_prob(batch.x).sum(-1)

    def evidence(self, x: torch.Tensor) -> torch.Tensor:
        covariance = self.weight @ self.weight.T + self.noise**2 * torch.eye(len(self.weight))
        return MultivariateNormal(torch.zeros(len(self.weight)), covariance).log_prob(x)


class Read(nn.Module):
    def forward(self, batch: Vectors) -> torch.Tensor:
        return batch.x


def linear_gaussian(head: Head) -> tuple[Model, Vectors]:
    torch.manual_seed(0)
    decoder = LinearDecoder(torch.randn(3, 2), noise=0.7)
    model = Model(Read(), head, decoder, (), Sizes(features=3, latent=2))
    return model.eval(), Vectors(torch.randn(6, 3))


def set_to_true_posterior(model: Model) -> None:
    weight, noise = model.decoder.weight, model.decoder.noise
    covariance = torch.linalg.inv(torch.eye(2) + weight.T @ weight / noise**2)
    with torch.no_grad():
        layer = model.head.network[-1]
        layer.weight.zero_()
        layer.weight[:2, :3] = covariance @ weight.T / noise**2
        layer.bias.zero_()
        if isinstance(model.head, ImplicitHead):
            layer.weight[:, 3:] = torch.linalg.cholesky(covariance)
        else:
            layer.bias[2:] = covariance.diagonal().log()


@pytest.mark.parametrize(
    "head", [GaussianHead(), ImplicitHead(linear=True), ImplicitHead(), PointHead()], ids=repr
)
def test_importance_weights_average_to_the_evidence_under_any_proposal(head):
    model, batch = linear_gaussian(head)
    if isinstance(
        head, GaussianHead
    ):  # its only proposal is q itself, which must cover the posterior
        set_to_true_posterior(model)
        model.head.network[-1].bias.data[2:] += 0.7
    torch.manual_seed(1)
    with torch.no_grad():
        weights = log_weights(model, batch, 40_000)
    estimate = np.logaddexp.reduce(weights, axis=0) - np.log(len(weights))
    np.testing.assert_allclose(estimate, model.decoder.evidence(batch.x), atol=0.05)


def test_an_exact_posterior_needs_no_more_than_a_few_draws():
    model, batch = linear_gaussian(ImplicitHead(linear=True))
    set_to_true_posterior(model)
    with torch.no_grad():
        weights = log_weights(model, batch, 2000)
    # Half the proposal is the posterior, so no weight exceeds twice the evidence.
    evidence = model.decoder.evidence(batch.x).numpy()
    assert (weights <= evidence + np.log(2) + 1e-3).all()
    estimate = np.logaddexp.reduce(weights, axis=0) - np.log(len(weights))
    np.testing.assert_allclose(estimate, evidence, atol=0.1)


def test_exact_figures_of_a_shared_gaussian_match_torch_and_the_diagonal_case():
    generator = np.random.default_rng(0)
    mean, root = generator.normal(size=(200, 3)), generator.normal(size=(3, 3)) / 2
    covariance = root @ root.T + 0.05 * np.eye(3)
    figures = shared_gaussian_metrics([(mean[:120], covariance), (mean[120:], covariance)])
    prior = MultivariateNormal(
        torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    )
    q = MultivariateNormal(torch.from_numpy(mean), torch.from_numpy(covariance))
    exact = torch.distributions.kl_divergence(q, prior).mean().item()
    assert figures["kl"] == pytest.approx(exact)
    assert figures["kl"] == pytest.approx(figures["mi"] + figures["aggregated_kl"])
    diagonal = shared_gaussian_metrics([(mean, np.diag([0.5, 0.2, 0.9]))])
    log_variance = np.tile(np.log([0.5, 0.2, 0.9]), (200, 1))
    reference = metrics.mutual_information(mean, log_variance, samples=50)
    assert diagonal["mi"] == pytest.approx(reference.value, abs=4 * diagonal["mi_stderr"])
    assert diagonal["kl"] == pytest.approx(metrics.gaussian_kl(mean, log_variance).sum(1).mean())


@pytest.mark.slow
def test_on_lstm2d_the_bounds_lie_on_their_side_of_the_true_likelihood():
    corpus = load("lstm2d", sentences=600, valid=64, test=8)
    data = TextData(corpus, batch_size=32)
    network = TextNetwork(
        len(corpus.vocabulary), embedding=16, hidden=32, latent=2, init=0.1, dropout=0.0
    )
    torch.manual_seed(0)
    model = build_model(parse("vae(anneal=0)").parts(), network)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(4):
        for batch in data.train(epoch):
            (update,) = model.updates(batch, 1.0, None)
            optimiser.zero_grad()
            update.loss.backward()
            optimiser.step()
    rows = np.arange(64)
    with evaluating(model):
        bounds = [importance_nll(model, data, "valid", rows, samples, CPU) for samples in (1, 100)]
    truth = -corpus.log_likelihood([corpus.splits["valid"][i] for i in rows], grid=51).mean()
    # No model beats the true distribution on average, and more samples only tighten the bound.
    noise = 3 * bounds[1].stderr / np.sqrt(len(rows))
    assert bounds[0].value >= bounds[1].value - noise
    assert bounds[1].value > truth


@pytest.mark.parametrize("spec", ["vae", "ivae", "ivae_mi(linear=True)", "ae", "lstm_lm"])
def test_a_record_names_its_estimators(spec, text_data, text_network):
    torch.manual_seed(0)
    parts = parse(spec).parts()
    model = build_model(parts, text_network)
    rows = np.arange(40)
    latents, record = evaluate(model, text_data, "valid", rows, rows[:8], 4, parts.selection, CPU)
    expected = {
        "vae": {"kl", "mi", "mi_stderr", "aggregated_kl", "negative_elbo", "nll", "au", "cu"},
        "ivae": {
            "kl_dual",
            "mi_dual",
            "kl_moment",
            "mi_moment",
            "negative_elbo_dual",
            "nll",
            "cu_samples",
        },
        "ivae_mi(linear=True)": {"kl", "mi", "kl_dual", "mi_dual", "negative_elbo", "nll"},
        "ae": {"reconstruction", "au"},
        "lstm_lm": {"reconstruction", "nll", "ppl"},
    }[spec]
    assert expected <= record.keys()
    forbidden = {
        "ivae": {"kl", "mi", "cu", "negative_elbo"},
        "ae": {"kl", "nll"},
        "lstm_lm": {"kl", "au"},
    }
    assert not forbidden.get(spec, set()) & record.keys()
    assert (latents is None) == (spec == "lstm_lm")


def test_evaluation_neither_draws_from_nor_changes_training(text_data, text_network):
    torch.manual_seed(0)
    model = build_model(parse("bn_vae").parts(), text_network).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    rows = np.arange(40)
    first = evaluate(model, text_data, "valid", rows, rows[:8], 4, {"objective": 1}, CPU)[1]
    assert first == evaluate(model, text_data, "valid", rows, rows[:8], 4, {"objective": 1}, CPU)[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_latents_come_in_item_order_whatever_the_batches(text_data, text_network):
    torch.manual_seed(0)
    model = build_model(parse("vae").parts(), text_network).eval()
    rows = np.array([5, 31, 2, 17])
    latents, _ = evaluate(model, text_data, "valid", rows, rows, 2, {"objective": 1}, CPU)
    for position, row in enumerate(rows):
        (batch,) = text_data.rows("valid", np.array([row]))
        alone = model.infer(batch).q.mean.detach().numpy()
        np.testing.assert_allclose(latents.mean[position], alone[0], atol=1e-5)

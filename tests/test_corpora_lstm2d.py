"""The lstm2d corpus: quadrature over its latent against other ways to the truth."""

import math

import numpy as np
import pytest
import torch

from lab.corpora import load
from lab.corpora.latent_grid import MEANS, log_prior
from lab.errors import UserError

SIZES = {"sentences": 200, "valid": 10, "test": 40}


@pytest.fixture(scope="module")
def corpus():
    return load("lstm2d", **SIZES)


@pytest.fixture(scope="module")
def sentences(corpus):
    return [corpus.splits["test"][i] for i in range(6)]


def importance_sample(corpus, row, n=8000):
    """Estimate log p(x) and its standard error from a wide Gaussian around the posterior."""
    found = corpus.posterior([row], grid=51)
    proposal = torch.distributions.MultivariateNormal(
        torch.from_numpy(found.mean[0]), 2 * torch.from_numpy(found.covariance[0])
    )
    torch.manual_seed(0)
    z = proposal.sample((n,))
    x = torch.from_numpy(row.astype(np.int64) - 4).expand(n, -1)
    log_w = corpus.lstm.log_likelihood(x, z) + log_prior(z) - proposal.log_prob(z)
    w = (log_w - log_w.max()).exp()
    return (w.mean().log() + log_w.max()).item(), (w.std() / w.mean() / math.sqrt(n)).item()


def test_quadrature_agrees_with_a_finer_grid(corpus, sentences):
    coarse, fine = (corpus.log_likelihood(sentences, grid=g) for g in (81, 120))
    np.testing.assert_allclose(coarse, fine, atol=1e-4)


def test_quadrature_agrees_with_importance_sampling(corpus, sentences):
    exact = corpus.log_likelihood(sentences[:4])
    for row, log_p in zip(sentences[:4], exact, strict=True):
        estimate, stderr = importance_sample(corpus, row)
        assert stderr < 0.05
        assert abs(estimate - log_p) < 4 * stderr


def test_skipping_negligible_nodes_changes_nothing(corpus, sentences, monkeypatch):
    pruned = corpus.log_likelihood(sentences[:2], grid=51)
    monkeypatch.setattr("lab.corpora.lstm2d.NEGLIGIBLE", math.inf)
    np.testing.assert_allclose(corpus.log_likelihood(sentences[:2], grid=51), pruned, atol=1e-7)


def test_likelihoods_of_all_short_sequences_sum_to_one():
    corpus = load("lstm2d", sentences=5, valid=5, test=5, length=2, word_types=4)
    rows = [[a, b] for a in range(4, 8) for b in range(4, 8)]
    assert np.exp(corpus.log_likelihood(rows)).sum() == pytest.approx(1, abs=1e-6)


def test_prior_integrates_to_one():
    axis = torch.linspace(-9, 9, 181, dtype=torch.float64)
    assert log_prior(torch.cartesian_prod(axis, axis)).exp().sum() * 0.01 == pytest.approx(1)


def test_posterior_grid_sums_to_one_and_has_the_moments(corpus, sentences):
    nodes, weights = corpus.posterior_grid(sentences, grid=51)
    found = corpus.posterior(sentences, grid=51)
    np.testing.assert_allclose(weights.sum(1), 1)
    np.testing.assert_allclose(weights @ nodes, found.mean)
    centred = nodes[None] - found.mean[:, None]
    covariance = np.einsum("ng,ngi,ngj->nij", weights, centred, centred)
    np.testing.assert_allclose(covariance, found.covariance, atol=1e-10)
    assert np.all(np.linalg.eigvalsh(found.covariance) > 0)


def test_posterior_is_calibrated(corpus):
    split = corpus.splits["test"]
    found = corpus.posterior([split[i] for i in range(40)], grid=51)
    error = np.stack([split.labels["z1"], split.labels["z2"]], 1) - found.mean
    squared = np.einsum("ni,nij,nj->n", error, np.linalg.inv(found.covariance), error)
    assert squared.mean() == pytest.approx(2, abs=4 * squared.std(ddof=1) / math.sqrt(40))


def test_posterior_entropy_is_below_the_gaussian_of_its_covariance(corpus, sentences):
    found = corpus.posterior(sentences)
    gaussian = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * found.covariance)[1]
    assert np.all(found.entropy <= gaussian + 1e-6)
    assert np.all(found.entropy > gaussian - 0.5)


def test_mutual_information_agrees_with_its_likelihood_form(corpus):
    split = corpus.splits["test"]
    rows = [split[i] for i in range(40)]
    value, stderr = corpus.mutual_information(rows, grid=51)
    z = torch.from_numpy(np.stack([split.labels["z1"], split.labels["z2"]], 1))
    x = torch.from_numpy(np.stack(rows).astype(np.int64) - 4)
    gain = corpus.lstm.log_likelihood(x, z).numpy() - corpus.log_likelihood(rows, grid=51)
    both = math.hypot(stderr, gain.std(ddof=1) / math.sqrt(40))
    assert abs(gain.mean() - value) < 4 * both
    assert value > 2


@pytest.mark.parametrize("row", [[4] * 9, [4] * 11, [4] * 9 + [2], [4] * 9 + [204]])
def test_what_the_lstm_cannot_write_is_impossible(corpus, sentences, row):
    found = corpus.log_likelihood([row, sentences[0]], grid=51)
    assert found[0] == -math.inf
    assert math.isfinite(found[1])
    with pytest.raises(UserError, match="row 1 is no sentence"):
        corpus.posterior([sentences[0], row])


def test_nothing_but_impossible_rows_is_fine(corpus):
    assert corpus.log_likelihood([[4]]).tolist() == [-math.inf]


def test_grid_must_be_a_multiple_of_three(corpus, sentences):
    with pytest.raises(UserError, match="grid=80"):
        corpus.log_likelihood(sentences, grid=80)


def test_sequences_and_labels_are_reproducible_by_seed(corpus):
    again, other = load("lstm2d", **SIZES), load("lstm2d", **SIZES, seed=1)
    assert corpus.fingerprint == again.fingerprint != other.fingerprint


def test_splits_share_the_lstm_and_differ_in_sentences(corpus):
    longer = load("lstm2d", **(SIZES | {"sentences": 300}))
    assert longer.texts("test", range(40)) == corpus.texts("test", range(40))
    assert corpus.texts("train", range(10)) != corpus.texts("valid", range(10))


def test_sequences_have_the_length_and_types_asked_for():
    corpus = load("lstm2d", sentences=20, valid=5, test=5, length=7, word_types=1000)
    assert len(corpus.vocabulary) == 1004
    assert set(corpus.splits["train"].lengths) == {7}
    text = corpus.text("train", 0)
    np.testing.assert_array_equal(corpus.vocabulary.encode(text.split()), corpus.splits["train"][0])


def test_latents_come_from_their_component(corpus):
    labels = corpus.splits["train"].labels
    z = np.stack([labels["z1"], labels["z2"]], 1)
    standard = z - MEANS.numpy()[labels["component"]]
    assert np.all(abs(standard.mean(0)) < 4 / math.sqrt(200))
    assert np.all(abs(standard.std(0) - 1) < 0.2)
    assert set(labels["component"]) == {0, 1, 2, 3}


def test_sampled_words_follow_the_conditional_distribution(corpus):
    z = torch.zeros(4000, 2, dtype=torch.float64) + 1.0
    drawn = corpus.lstm.sample(z, 1, np.random.default_rng(0))[:, 0].numpy()
    every = torch.arange(200)[:, None]
    p = corpus.lstm.log_likelihood(every, z[:200]).exp().numpy()
    assert p.sum() == pytest.approx(1)
    counts = np.bincount(drawn, minlength=200)
    assert np.all(abs(counts - 4000 * p) < 5 * np.sqrt(4000 * p) + 5)


def test_unknown_option_lists_what_exists():
    with pytest.raises(UserError, match=r"lstm2d has no option 'words'.*word_types"):
        load("lstm2d", words=5)

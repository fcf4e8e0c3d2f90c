"""Posterior means by the model, its encoder and the true process: quadrature, dumps, picture."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from figures.posterior_means import posterior_means
from lab.backbones import TextNetwork, build_model
from lab.corpora import Corpus
from lab.corpora.batches import TextBatch
from lab.corpora.lstm2d import Lstm2dCorpus, generate
from lab.errors import UserError
from lab.evaluation import evaluating
from lab.methods import parse
from lab.model import Model
from lab.posteriors import StandardNormal
from lab.runs import Run, RunWriter, open_run, write_latents
from toy import posterior_means as toy
from toy.posterior_means import TrackedText, agreement, correlation, explained, trainer

NOISE = 0.7


class LinearDecoder:
    """x = W z + noise, whose posterior is known; x is what the batch has for tokens."""

    def __init__(self, weight: torch.Tensor) -> None:
        self.weight, self.latent = weight, weight.shape[1]

    def nll(self, batch: TextBatch, z: torch.Tensor) -> torch.Tensor:
        return (batch.tokens - z @ self.weight.T).square().sum(-1) / (2 * NOISE**2)


def linear_model(dimensions: int) -> tuple[SimpleNamespace, TextBatch, np.ndarray]:
    """A model, five observations and the closed-form means of their posteriors."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, dimensions, generator=generator)
    x = torch.randn(5, 3, generator=generator)
    precision = torch.eye(dimensions) + weight.T @ weight / NOISE**2
    mean = torch.linalg.solve(precision, weight.T @ x.T / NOISE**2).T
    head = SimpleNamespace(prior=StandardNormal())
    model = SimpleNamespace(decoder=LinearDecoder(weight), head=head)
    return model, TextBatch(x, torch.full((5,), 3), np.arange(5)), mean.numpy()


@pytest.fixture(scope="module")
def sentences() -> Lstm2dCorpus:
    return generate(sentences=60, valid=12, test=12, word_types=30, hidden=8)


def small_model(corpus: Corpus, spec: str = "vae", latent: int = 1) -> Model:
    torch.manual_seed(0)
    words = len(corpus.vocabulary)
    network = TextNetwork(words, embedding=8, hidden=8, latent=latent, init=0.5)
    return build_model(parse(spec).parts(), network)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("pairs", [3, 37, 10_000])
def test_quadrature_finds_a_linear_decoders_posterior_in_blocks_of_any_size(
    dimensions, pairs, monkeypatch
):
    monkeypatch.setattr(toy, "PAIRS", pairs)
    model, batch, mean = linear_model(dimensions)
    np.testing.assert_allclose(toy.posterior_mean(model, batch), mean, atol=1e-4)


def test_the_grid_is_fine_enough_for_an_lstm(sentences, monkeypatch):
    model = small_model(sentences)
    batch = sentences.batches("train", 20, "sequential", indices=np.arange(20))[0]
    with evaluating(model):
        mean = toy.posterior_mean(model, batch)
        monkeypatch.setitem(toy.GRIDS, 1, (12.0, 961))
        finer = toy.posterior_mean(model, batch)
    assert np.abs(finer).max() > 0.05
    np.testing.assert_allclose(mean, finer, atol=1e-5)


def test_a_decoder_that_ignores_its_code_has_the_priors_mean(sentences):
    model = small_model(sentences, latent=2)
    with torch.no_grad():
        model.decoder.start.weight.zero_()
        model.decoder.cells.weight_ih_l0[:, -2:].zero_()
    batch = sentences.batches("train", 6, "sequential", indices=np.arange(6))[0]
    with evaluating(model):
        np.testing.assert_allclose(toy.posterior_mean(model, batch), 0, atol=1e-5)


def test_agreement_has_closed_forms():
    rng = np.random.default_rng(0)
    model = rng.normal(size=(50, 1))
    true = np.column_stack([2 * model[:, 0] + 3, np.zeros(50)])
    figures = agreement(model, -0.5 * model, true)
    assert figures["posterior_mean_correlation"] == pytest.approx(-1)
    assert figures["posterior_mean_gap"] == pytest.approx(1.5 * np.abs(model).mean())
    assert figures["true_mean_explained"] == pytest.approx(1)
    noisy = rng.normal(size=(50, 2)) + true
    expected = np.corrcoef(noisy[:, 0], model[:, 0])[0, 1] ** 2
    assert explained(noisy[:, :1], model) == pytest.approx(expected)
    assert explained(noisy, np.ones((50, 1))) == pytest.approx(0)
    assert correlation(model, np.ones((50, 1))) == 0


def test_tracked_sentences_are_a_fixed_sample_of_the_training_split(sentences):
    one, same, other = (TrackedText(sentences, seed=seed, tracked=10) for seed in (0, 0, 1))
    assert one.sample.tolist() == same.sample.tolist() != other.sample.tolist()
    assert len(set(one.sample)) == 10
    assert one.settings["tracked"] == 10
    assert one.items["text"].to_list() == sentences.texts("valid", one.probe)


def test_the_true_means_are_the_corpuss_own(sentences):
    data = TrackedText(sentences, tracked=5)
    rows = [sentences.splits["train"][i] for i in data.sample]
    np.testing.assert_allclose(data.true_mean, sentences.posterior(rows).mean, atol=5e-3)


def small_run(folder: Path, spec: str = "vae", latent: int = 1) -> Run:
    options = {"epochs": 2, "sentences": 64, "tracked": 8, "latent": latent}
    assert trainer(parse(spec), folder, progress_bar=False, **options).run() == "finished"
    return open_run(folder)


@pytest.mark.parametrize(("spec", "latent"), [("vae", 2), ("lagging_vae(inner=30)", 1), ("ae", 1)])
def test_a_run_dumps_the_means_and_figures_of_every_epoch(spec, latent, tmp_path):
    run = small_run(tmp_path, spec, latent)
    assert run.info["settings"]["data"]["tracked"] == 8
    for epoch, record in enumerate(run.metrics("valid")):
        fields = run.fields(epoch)
        shapes = {"model_mean": (8, latent), "amortised_mean": (8, latent), "true_mean": (8, 2)}
        assert {name: values.shape for name, values in fields.items()} == shapes
        expected = agreement(*(fields[name].astype(float) for name in shapes))
        assert {name: record[name] for name in expected} == pytest.approx(expected, abs=1e-3)
    assert len(run.items) == 8  # validation sentences, as in every run of text


@pytest.mark.parametrize(
    ("spec", "options", "says"),
    [
        ("vae", {"latent": 3}, "latent=3: posterior means come from a grid; give 1 or 2"),
        ("lstm_lm", {}, "lstm_lm: has no code"),
        ("vmf_vae", {"latent": 2}, r"vmf_vae: posterior means need a prior N\(0, I\)"),
        ("vae", {"tracked": 100}, "tracked=100: give 3 to 64, the training sentences"),
        ("vae", {"tracked": 2}, "tracked=2"),
    ],
)
def test_what_cannot_work_is_refused(spec, options, says, tmp_path):
    with pytest.raises(UserError, match=says):
        trainer(parse(spec), tmp_path, **{"sentences": 64, "tracked": 8, **options})


def test_a_corpus_without_a_known_posterior_is_refused(corpus):
    with pytest.raises(UserError, match="grammar: has no known posterior; give lstm2d"):
        TrackedText(corpus, tracked=8)


def written(folder: Path, latent: int, epochs: int) -> Run:
    """A run whose encoder lags behind a model that follows the second true dimension."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(40, 2)).astype("f4")
    target = np.column_stack([0.1 * true[:, 0], true[:, 1]])[:, -latent:]
    write_latents(folder, mean=np.zeros((3, latent)), log_variance=np.zeros((3, latent)), epoch=0)
    with RunWriter(folder, open_run(folder).info | {"spec": "vae", "label": "VAE"}) as writer:
        latents = open_run(folder).latents()
        for epoch in range(epochs):
            share = (epoch + 1) / epochs
            fields = {"model_mean": share * target, "amortised_mean": share**2 * target}
            writer.write_epoch(epoch, latents, [], fields=fields | {"true_mean": true})
        writer.commit(status="finished")
    return open_run(folder)


@pytest.mark.parametrize(("latent", "epochs", "panels"), [(1, 6, 5), (2, 2, 3), (1, 1, 2)])
def test_the_figure_shows_epochs_and_paths_against_the_diagonal(latent, epochs, panels, tmp_path):
    sheet = posterior_means([written(tmp_path, latent, epochs)])
    *axes, bar = sheet.axes
    assert len(axes) == panels
    assert bar.get_ylabel() == "true posterior mean, $z_2$"
    assert len({(*panel.get_xlim(), *panel.get_ylim()) for panel in axes}) == 1
    x, y = axes[-2].collections[0].get_offsets().T
    np.testing.assert_allclose(x, y)  # at the end the encoder has caught up
    assert axes[0].get_title(loc="left") == "epoch 0"
    assert axes[-2].get_title(loc="left") == f"epoch {epochs - 1}"


def test_the_figure_needs_tracked_means(tmp_path):
    write_latents(tmp_path, mean=np.zeros((3, 2)), log_variance=np.zeros((3, 2)), epoch=0)
    with pytest.raises(UserError, match="tracked posterior means"):
        posterior_means([open_run(tmp_path)])

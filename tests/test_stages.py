"""What a method may do beside its loss: committed rates, words of the decoder, stages, sampling."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.backbones import build_model, redraw
from lab.corpora import load
from lab.data import TextData
from lab.errors import UserError
from lab.generation import load as load_model
from lab.methods import parse
from lab.model import State
from lab.posteriors import CommittedRateHead, Point, Sizes
from lab.posteriors.gaussian import variance_bounds
from lab.runs import open_run
from lab.sampling import CodeDensity
from lab.schedules import constant
from lab.settings import Settings
from lab.terms import BagOfWords, CodeNorm, DecoderNorm
from lab.train import Trainer

QUICK = {"nll_items": 8, "nll_samples": 2, "final_items": 8, "final_samples": 2}


@given(
    rate=st.floats(0, 3),
    features=st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_delta_vae_never_falls_under_its_committed_rate(rate, features):
    torch.manual_seed(0)
    head = CommittedRateHead(rate)
    head.build(Sizes(features=4, latent=3))
    kl = head(torch.tensor([features])).kl_per_dimension().detach()
    assert torch.isfinite(kl).all()
    assert float(kl.min()) >= rate - 1e-5 * (1 + rate)


def test_delta_vae_of_a_silent_encoder_pays_just_the_rate():
    head = CommittedRateHead(0.15)
    head.build(Sizes(features=1, latent=32, head_bias=False))
    assert float(head(torch.zeros(1, 1)).kl().detach()) == pytest.approx(4.8, abs=1e-3)
    low, high = variance_bounds(0.15)
    assert (low, high) == pytest.approx((0.4111, 1.9862), abs=1e-4)


def test_delta_vae_still_learns_where_its_bound_is_tight():
    head = CommittedRateHead(0.1)
    head.build(Sizes(features=2, latent=3))
    h = torch.randn(5, 2, requires_grad=True)
    head(h).kl().sum().backward()
    assert torch.isfinite(h.grad).all()


def test_bag_of_words_counts_every_token_and_the_end_mark(text_data, text_network):
    torch.manual_seed(0)
    batch = next(iter(text_data.train(1)))
    z = torch.randn(batch.size, text_network.latent)
    term = BagOfWords(constant(1.0))
    term.build(text_network.sizes())
    log_prob = term.network(z).log_softmax(-1)
    naive = [
        -sum(float(log_prob[row, w].detach()) for w in batch.targets[row, : batch.lengths[row]])
        for row in range(batch.size)
    ]
    drawn = State(batch, z, Point(z), z)
    assert float(term(drawn).detach()) == pytest.approx(np.mean(naive), rel=1e-5)
    term.per_token = True
    per_token = np.asarray(naive) / batch.lengths.numpy()
    assert float(term(drawn).detach()) == pytest.approx(per_token.mean(), rel=1e-5)


def test_regularised_autoencoder_pays_for_codes_and_decoder_weights(text_data, text_network):
    model = build_model(parse("rae(code=2, decoder=0.5)").parts(), text_network)
    state = model.infer(next(iter(text_data.train(1))))
    parts = model.penalties(state)
    weights = sum(float(p.detach().square().sum()) for p in model.decoder.parameters())
    assert float(parts["decoder norm"].detach()) == pytest.approx(0.5 * weights, rel=1e-5)
    norm = float(state.z.detach().square().sum(1).mean())
    assert float(parts["code norm"].detach()) == pytest.approx(norm)
    assert {type(t) for t in model.terms} == {CodeNorm, DecoderNorm}


@pytest.fixture
def trainer(text_data, text_network, tmp_path):
    def make(spec: str, **given) -> Trainer:
        chosen = Settings(**({"epochs": 2, "lr": 1e-2} | QUICK | given))
        folder = tmp_path / "run"
        return Trainer(parse(spec), text_network, text_data, chosen, folder, progress_bar=False)

    return make


def test_the_second_stage_redraws_the_decoder_and_nothing_else(trainer, text_network):
    run = trainer("ae_fb(pretrain=1)")
    run.run()
    old = copy.deepcopy(run.model)
    torch.manual_seed(7)
    run._second_stage()
    torch.manual_seed(7)
    fresh = copy.deepcopy(old.decoder)
    redraw(fresh, text_network)
    for name, parameter in run.model.decoder.named_parameters():
        assert torch.equal(parameter, dict(fresh.named_parameters())[name])
        assert not torch.equal(parameter, dict(old.decoder.named_parameters())[name])
    for part in ("encoder", "head"):
        for name, parameter in getattr(run.model, part).named_parameters():
            assert torch.equal(parameter, dict(getattr(old, part).named_parameters())[name])
    assert run.progress.best == float("inf")


def test_the_first_stage_is_a_plain_autoencoder_and_the_best_epoch_is_of_the_second(trainer):
    weight = parse("ae_fb(pretrain=3, anneal=2)").parts().terms[0].weight
    assert [weight(t) for t in (0, 2.9, 3, 4, 5)] == [0, 0, 0, 0.5, 1]
    run = trainer("ae_fb(pretrain=2)", epochs=4, lr=0.03)
    run.run()
    records = open_run(run.folder).metrics("valid")
    reconstruction = [r["reconstruction"] for r in records]
    assert reconstruction[2] < reconstruction[0]
    assert open_run(run.folder).best_epoch > 2


def test_the_first_stage_keeps_the_best_reconstruction_and_decays_from_its_own_start(
    trainer, monkeypatch
):
    monkeypatch.setattr(Trainer, "_train_epoch", lambda self, bar: {"model": {"loss": 1.0}})
    values = iter([9.0, 5.0, 4.0, 6.0, 6.0, 6.0, 6.0, 6.0])
    monkeypatch.setattr(
        "lab.train.evaluate",
        lambda *a: (None, {"reconstruction": (v := next(values)), "selection": 100 + v}),
    )
    chosen, decays, original = [], [], Trainer._select

    def select(self, value):
        chosen.append(value)
        original(self, value)
        decays.append(self.progress.decays)

    monkeypatch.setattr(Trainer, "_select", select)
    trainer("ae_fb(pretrain=3)", epochs=6, patience=1, decay_from=2).run()
    assert chosen == [9, 5, 4, 6, 106, 106, 106]
    assert decays == [0, 0, 0, 1, 1, 2, 3]  # none after epoch 4, the second stage's first


def test_a_first_stage_that_leaves_no_epoch_is_refused(trainer):
    with pytest.raises(UserError, match="pretraining of 5 epochs leaves none of 2"):
        trainer("ae_fb")


@pytest.mark.parametrize(
    ("spec", "batch_size", "says"),
    [
        ("dg_vae(aggregation=3)", 16, "aggregation=3 does not divide the batch of 16"),
        ("dg_vae", 1, "an aggregated posterior needs a batch of 2 or more"),
        ("aae", 1, "adversary needs a batch of 2 or more"),
        ("ivae_mi", 1, "dual KL needs a batch of 2 or more"),
        ("clvae", 1, "contrast needs a batch of 2 or more"),
        ("wae", 1, "MMD needs a batch of 2 or more"),
        ("vae_mine", 1, "mutual information needs a batch of 2 or more"),
        ("bn_vae", 1, "batch normalisation needs a batch of 2 or more"),
    ],
)
def test_a_batch_that_a_term_cannot_use_is_refused_before_training(
    spec, batch_size, says, corpus, text_network, tmp_path
):
    data = TextData(corpus, batch_size=batch_size)
    with pytest.raises(UserError, match=says) as caught:
        Trainer(parse(spec), text_network, data, Settings(), tmp_path / "run")
    assert str(caught.value).startswith(spec)
    assert not (tmp_path / "run").exists()


def test_word_dropout_is_refused_where_there_are_no_words(toy_data, toy_network, tmp_path):
    with pytest.raises(UserError, match="vae_word_dropout: word dropout needs a decoder"):
        Trainer(parse("vae_word_dropout"), toy_network, toy_data, Settings(), tmp_path)


def test_a_fitted_density_has_the_moments_of_the_codes(tmp_path):
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((2, 2))
    codes = rng.standard_normal((4000, 2)) @ mixing + [3.0, -1.0]
    for kind in ("gaussian", "mixture"):
        density = CodeDensity.fit(codes, kind)
        density.save(tmp_path / "codes.safetensors")
        drawn = CodeDensity.load(tmp_path / "codes.safetensors").sample(40_000)
        np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.06)
        np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.15)


def test_a_mixture_keeps_two_clusters_apart():
    rng = np.random.default_rng(0)
    codes = rng.normal(0, 0.1, (400, 2)) + np.repeat([[-3.0, 0], [3, 0]], 200, axis=0)
    drawn = CodeDensity.fit(codes, "mixture").sample(500)
    assert (np.abs(drawn[:, 0]) > 2).mean() > 0.98
    assert (np.abs(CodeDensity.fit(codes, "gaussian").sample(500)[:, 0]) > 2).mean() < 0.8


def test_a_regularised_autoencoder_samples_from_its_codes(trainer):
    run = trainer("rae")
    run.run()
    model = load_model(open_run(run.folder))
    assert model.codes is not None
    assert len(model.sample(3)) == 3
    assert load_model(open_run(run.folder)).sample(3, seed=1) == model.sample(3, seed=1)


def test_an_unfinished_regularised_autoencoder_does_not_sample_from_the_prior(trainer):
    run = trainer("rae")
    run.run()
    (run.folder / "checkpoints" / "codes.safetensors").unlink()
    with pytest.raises(UserError, match="density fitted when training has finished"):
        load_model(open_run(run.folder)).sample(2)


def test_vae_samples_from_the_prior_on_its_own_corpus(trainer):
    run = trainer("vae")
    run.run()
    assert load_model(open_run(run.folder)).codes is None


def test_grammar_has_words_for_the_bag():
    corpus = load("grammar", sentences=32, valid=8, test=8)
    batch = next(iter(TextData(corpus, batch_size=8).train(1)))
    row, symbol = batch.symbols()
    assert len(row) == len(symbol) == int(batch.lengths.sum())

"""Spec strings, and what every method must keep whatever its parts."""

import dataclasses
import math
import re
from pathlib import Path

import pytest
import torch
from catalogue import SPECS, serves_the_toy
from hypothesis import given
from hypothesis import strategies as st

import lab.train
from lab.backbones import build_model
from lab.errors import UserError
from lab.methods import METHODS, Parts, describe, parse
from lab.model import Model
from lab.posteriors import PointHead
from lab.schedules import constant
from lab.settings import Settings
from lab.specs import Method
from lab.terms import KL
from lab.train import Trainer

EVERY = pytest.mark.parametrize("name", METHODS)
EVERY_SPEC = pytest.mark.parametrize("spec", SPECS)
EVERYWHERE = pytest.mark.parametrize(
    ("spec", "world"),
    [(s, "text") for s in SPECS] + [(s, "toy") for s in SPECS if serves_the_toy(s)],
)


@pytest.fixture
def make(request, text_data, text_network, toy_data, toy_network):
    """A seeded model of a method and a batch for it, on text or on the toy."""

    def build(spec: str, world: str):
        data, network = (text_data, text_network) if world == "text" else (toy_data, toy_network)
        torch.manual_seed(0)
        model = build_model(parse(spec).parts(), network)
        return model, next(iter(data.train(1))), data, network

    return build


@EVERY
def test_spec_of_defaults_is_the_name(name):
    assert parse(name).spec == name
    assert parse(f"{name}()") == parse(name)


@given(beta=st.floats(0, 100), anneal=st.integers(0, 50))
def test_spec_round_trips(beta, anneal):
    method = Method(METHODS["beta_vae"], {"beta": beta, "anneal": float(anneal)})
    assert parse(method.spec) == method


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nothing", "unknown method 'nothing'; there are lstm_lm, ae, rae, vae"),
        ("vae(beta=1)", "vae has no option 'beta'; its options: anneal, start"),
        ("beta_vae(beta=-1)", "beta=-1 must be float, at least 0"),
        ("beta_vae(beta=1e999)", "must be float"),
        ("dg_vae(aggregation=0)", "int, at least 1 or None"),
        ("dg_vae(aggregation=1.5)", "int, at least 1 or None"),
        ("clvae(on='x')", "'z' or 'h'"),
        ("vae(anneal=__import__('os').getpid())", "plain value"),
        ("vae(anneal=1, anneal=2)", "vae"),
        ("vae(anneal={[]: 1})", "plain value"),
        ("vae(anneal=1" + "0" * 400 + ")", "must be float"),
        ("vae(3)", "not a method spec"),
        ("vae anneal", "not a method spec"),
        ("vae()()", "not a method spec"),
        ("vmf_vae(concentration=0)", "concentration=0 must be float, 0.001 to 100000"),
        ("clvae(temperature=0)", "temperature=0 must be float, at least 0.001"),
        ("dg_vmf_vae(concentration=-1)", "concentration=-1 must be"),
        ("delta_vae(rate=800)", "rate=800 must be float, 0 to 20"),
        ("ceae(momentum=2)", "momentum=2 must be float, 0 to 1"),
        ("sa_vae(steps=0)", "steps=0 must be int, at least 1"),
        ("clvae(on='h', dropout=0)", "on='h' needs dropout or swap"),
        ("clvae_plus(on='h', strangers=3)", "strangers are draws of z"),
        ("ceae(estimator='nearest', cached=1)", "no effect with estimator='nearest'"),
        ("ceae(norm='layer', every=3)", "every has no effect with norm='layer'"),
        ("ceae(noise=0.5, noise_epochs=0)", "noise and noise_epochs must both be 0 or neither"),
        ("infovae(alpha=0.2, scaling=0.3)", "alpha + scaling must be 1 or more"),
        ("cyclic_vae(period=5)", "rise=10 must not exceed period=5"),
        ("lagging_vae(inner=20)", "inner=20 must be at least twice window=15"),
        ("", "not a method spec"),
    ],
)
def test_bad_spec_says_what_would_do(spec, says):
    with pytest.raises(UserError, match=re.escape(says)) as caught:
        parse(spec)
    assert "\n" not in str(caught.value)


@EVERY
def test_every_method_names_its_source_and_options(name):
    about = describe(name)
    assert about["source"]
    assert all(option["type"] for option in about["options"].values())


def test_the_loop_names_no_method():
    source = Path(lab.train.__file__).read_text()
    assert [name for name in METHODS if re.search(rf"\b{name}\b", source)] == []


def test_a_term_that_the_posterior_cannot_serve_is_refused_at_once(toy_network):
    parts = Parts("deterministic", PointHead(), (KL(constant(1)),))
    with pytest.raises(ValueError, match="KL needs kl of PointHead"):
        build_model(parts, toy_network)


@EVERYWHERE
def test_each_update_changes_only_its_players(make, spec, world, tmp_path):
    _, batch, data, network = make(spec, world)
    trainer = Trainer(parse(spec), network, data, Settings(lr=0.1, critic_lr=0.1), tmp_path)
    model = trainer.model.train()
    for update in model.updates(batch, 0.5, lambda: batch):
        players = {p for module in update.players for p in module.parameters() if p.requires_grad}
        others = {n: p.clone() for n, p in model.named_parameters() if p not in players}
        before = {p: p.clone() for p in players}
        trainer.optimisers.apply(update)
        after = dict(model.named_parameters())
        assert all(torch.equal(after[n], old) for n, old in others.items())
        assert any(not torch.equal(p, old) for p, old in before.items())


def test_modules_that_are_only_clipped_over_stay_as_they_are(make, tmp_path):
    _, batch, data, network = make("vae", "text")
    trainer = Trainer(parse("vae"), network, data, Settings(lr=0.1), tmp_path)
    model = trainer.model
    before = {n: p.clone() for n, p in model.decoder.named_parameters()}
    (update,) = model.updates(batch, 1.0, lambda: batch)
    wide = dataclasses.replace(
        update, players=(model.encoder, model.head), clip_over=(model.encoder, model.decoder)
    )
    trainer.optimisers.apply(wide)
    assert all(torch.equal(p, before[n]) for n, p in model.decoder.named_parameters())
    assert all(p.grad is None for p in model.parameters())


@EVERY_SPEC
def test_all_parameters_are_somebodys(make, spec):
    model, _, _, _ = make(spec, "text")
    owned = {p for m in (*model.players(), *model.critics()) for p in m.parameters()}
    assert set(model.parameters()) == owned


@EVERYWHERE
def test_a_short_training_lowers_the_reconstruction(spec, world, make, tmp_path):
    _, _, data, network = make(spec, world)
    settings = Settings(
        epochs=2, lr=2e-2, nll_items=8, nll_samples=2, final_items=8, final_samples=2
    )
    trainer = Trainer(parse(spec), network, data, settings, tmp_path / "run", progress_bar=False)
    assert trainer.run() == "finished"
    from lab.runs import open_run

    values = [r["reconstruction"] for r in open_run(tmp_path / "run").metrics("valid")]
    assert len(values) == 3
    assert all(map(math.isfinite, values))
    assert values[-1] < values[0]


def test_two_views_double_the_batch_only_in_training(make):
    model, batch, _, _ = make("clvae", "text")
    assert len(model.train().infer(batch).z) == 2 * batch.size
    assert len(model.eval().infer(batch).z) == batch.size


def test_the_loss_is_the_sum_of_its_parts(make):
    model, batch, _, _ = make("beta_vae", "text")
    (update,) = model.updates(batch, 5.0, lambda: batch)
    assert isinstance(model, Model)
    assert list(update.parts) == ["reconstruction", "KL"]
    assert update.loss.item() == pytest.approx(sum(p.item() for p in update.parts.values()))


def test_batch_normalised_means_keep_their_kl_from_the_first_evaluation_on(text_network):
    model = build_model(parse("bn_vae(gamma=1)").parts(), text_network)
    h = 1e-3 * torch.randn(64, model.head.network[0].in_features)
    model.head.train()(h)
    mean = model.head.eval()(h).mean
    torch.testing.assert_close(mean.var(0), torch.ones(mean.shape[-1]), rtol=0.05, atol=0)

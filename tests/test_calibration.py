"""Calibration: its truths against other computations, every estimator against what is claimed of
it, and what random Gaussian posteriors obey under permutation, rotation, scaling and duplication.
"""

import dataclasses
import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlogy

from figures.calibration import calibration_markdown, write
from lab import metrics
from lab.calibration import Budget, LinearGaussian, Shot, gather
from lab.calibration.critics import critics, truths
from lab.calibration.information import decomposition, information
from lab.calibration.known import COARSE, FourGaussians, Known
from lab.calibration.likelihood import likelihood, mixture_likelihood
from lab.corpora.latent_grid import Grid
from lab.errors import UserError

LSTM2D = (likelihood, mixture_likelihood, information, critics)
MODELS = (LinearGaussian(2), LinearGaussian(8), LinearGaussian(8, correlation=0.5))


@pytest.fixture(scope="module")
def known():
    return Known(Budget.quick())


def shot(value, seed_error=None, claim="unbiased", **changes):
    about = {"case": "c", "quantity": "mi", "estimator": "e", "axis": "items", "size": 10}
    return Shot(**about | changes, value=value, truth=1.0, claim=claim, error=seed_error)


def wrong(measured):
    return [f"{m.case} {m.quantity} {m.estimator} {m.size}" for m in measured if m.holds is False]


# Truths


def test_elbo_less_likelihood_is_the_kl_to_the_true_posterior(known):
    for name, truth in known.posterior_kl.items():
        assert known.under_posterior[name][0] - known.nll == pytest.approx(truth, abs=1e-3)
    assert known.posterior_kl["fitted"] < 0.2 < 1 < known.posterior_kl["poor"]


def test_information_of_the_generator_is_the_mean_kl_of_posteriors_to_the_prior(known):
    log_prior = Grid.of(COARSE).log_mass.numpy()
    kl = (xlogy(known.weights, known.weights) - known.weights * log_prior).sum(1)
    assert known.information == pytest.approx(kl.mean(), abs=4 * kl.std() / math.sqrt(len(kl)))
    assert kl.std() < 1


def test_prior_of_the_model_is_that_of_the_corpus():
    prior, z = FourGaussians(), torch.tensor([[[0.0, 0.0]], [[2.0, -2.0]]])
    at_corner = (1 + 2 * math.exp(-8) + math.exp(-16)) / (8 * math.pi)
    expected = [math.exp(-4) / (2 * math.pi), at_corner]
    torch.testing.assert_close(prior.log_prob(z).exp()[:, 0], torch.tensor(expected).double())
    torch.manual_seed(0)
    draws = prior.sample((5000, 2), dtype=torch.float64)
    assert draws.abs().mean() == pytest.approx(2.017, abs=0.05)  # E|N(2, 1)|
    assert (draws > 0).double().mean() == pytest.approx(0.5, abs=0.03)


def test_quadrature_of_one_shared_gaussian_is_its_kl():
    mean, log_variance = np.tile([0.5, -1.0], (5, 1)), np.tile([-0.5, 0.2], (5, 1))
    found = decomposition(mean, log_variance)
    assert found["mutual_information"] == pytest.approx(0, abs=1e-9)
    assert found["total_correlation"] == pytest.approx(0, abs=1e-9)
    assert found["kl"] == pytest.approx(metrics.gaussian_kl(mean, log_variance)[0].sum())


def test_quadrature_sees_items_that_lie_apart_and_their_correlation():
    mean = np.array([[-3.0, -3.0], [3.0, 3.0]])
    found = decomposition(mean, np.full((2, 2), -2.0))
    assert found["mutual_information"] == pytest.approx(math.log(2))
    assert found["total_correlation"] == pytest.approx(math.log(2))


def test_truth_of_the_critics_is_that_by_draws():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(20, 2)) * 2, np.full((20, 2), -2.0)
    z = mean + rng.normal(size=(4000, 20, 2)) * math.exp(-1)
    log_p = FourGaussians().log_prob(torch.from_numpy(z)).numpy()
    entropy = 2 * (0.5 * math.log(2 * math.pi * math.e) - 1)
    found = truths(mean, log_variance)
    assert found["kl"] == pytest.approx(-entropy - log_p.mean(), abs=0.02)
    assert found["kl"] == pytest.approx(found["mi"] + found["aggregated_kl"])


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.case)
def test_closed_forms_of_linear_gaussian_models_are_those_by_draws(model):
    mean, log_variance = model.posteriors(40_000, seed=0)
    exact = metrics.gaussian_kl(mean, log_variance).sum(1)
    error = exact.std() / 200
    assert exact.mean() == pytest.approx(model.truth["kl"], abs=4 * error)
    z = np.random.default_rng(1).multivariate_normal(
        np.zeros(model.dimensions), model.covariance, size=40_000
    )
    square = np.einsum("ni,ij,nj->n", z, np.linalg.inv(model.covariance), z)
    log_ratio = 0.5 * ((z**2).sum(1) - square - np.linalg.slogdet(model.covariance)[1])
    expected = model.truth["aggregated_kl"]
    assert log_ratio.mean() == pytest.approx(expected, abs=4 * log_ratio.std() / 200 + 1e-9)
    assert model.truth["kl"] == pytest.approx(model.truth["mi"] + expected)


# Estimators


@pytest.mark.parametrize("part", LSTM2D, ids=lambda p: p.__name__)
def test_estimators_keep_their_claims_on_lstm2d(known, part):
    measured = gather(s for seed in range(2) for s in part(known, seed))
    assert measured and not wrong(measured)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.case)
def test_estimators_keep_their_claims_on_linear_gaussian_models(model):
    budget = Budget.quick()
    measured = gather(s for seed in range(2) for s in model.shots(budget, seed))
    assert measured and not wrong(measured)


def test_importance_weighting_closes_most_of_the_elbos_gap(known):
    found = {(m.estimator, m.size): m.bias for m in gather(likelihood(known, 0))}
    poor = "importance-weighted, poor q"
    assert found[poor, 64] < found[poor, 1]
    assert abs(found["importance-weighted, fitted q", 64]) < 0.05


def test_published_prior_ll_is_too_high_and_the_corrected_one_is_not(known):
    found = {(m.quantity, m.estimator): m.bias for m in gather(mixture_likelihood(known, 0))}
    assert found["prior_ll", "published"] > 0.1
    assert -0.2 < found["prior_ll", "corrected"] < 0.02


def test_information_saturates_at_the_logarithm_of_items_or_batch(known):
    for m in gather(information(known, 0)):
        if m.quantity == "mi":
            assert m.mean <= math.log(m.size) + 1e-9


def test_critics_approach_the_truth_with_training(known):
    biases = {}
    for m in gather(critics(known, 0)):
        biases.setdefault((m.quantity, m.estimator), []).append(m.bias)
    assert biases.keys() >= {("kl", "dual"), ("mi", "dual, circle loss"), ("mi", "MINE")}
    for (quantity, _), (first, last) in biases.items():
        if quantity != "aggregated_kl":  # hardly above 0 here, so that nothing is left to learn
            assert first < last < 0.1


def test_shots_follow_the_seed(known):
    first, second, other = (list(likelihood(known, seed)) for seed in (3, 3, 4))
    assert first == second != other


# Random Gaussian posteriors

SEEDS, SHAPES = st.integers(0, 2**32 - 1), st.tuples(st.integers(2, 40), st.integers(1, 4))
properties = settings(max_examples=20, deadline=None, derandomize=True)


def random_posteriors(seed, shape):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=shape) * 2, rng.normal(-1, 1, size=shape)


@properties
@given(SEEDS, SHAPES)
def test_information_ignores_shift_and_scale_of_each_dimension(seed, shape):
    rng, mean, log_variance = random_posteriors(seed, shape)
    scale, shift = np.exp(rng.normal(size=shape[1])), rng.normal(size=shape[1])
    moved = mean * scale + shift, log_variance + 2 * np.log(scale)
    for figure in (metrics.mutual_information, metrics.minibatch_mutual_information):
        expected = figure(mean, log_variance).value
        assert figure(*moved).value == pytest.approx(expected, abs=1e-6)


@properties
@given(SEEDS, SHAPES)
def test_isotropic_posteriors_rotate_with_their_space(seed, shape):
    rng, mean, _ = random_posteriors(seed, shape)
    rotation = np.linalg.qr(rng.normal(size=(shape[1], shape[1])))[0]
    log_variance = np.broadcast_to(rng.normal(-1, 1, size=(shape[0], 1)), shape)
    z, turned = rng.normal(size=(9, shape[1])), mean @ rotation
    for figure in (metrics.density_gap, metrics.posterior_distance):
        expected = figure(mean, log_variance, z)
        np.testing.assert_allclose(figure(turned, log_variance, z @ rotation), expected, atol=1e-6)
    np.testing.assert_allclose(
        metrics.gaussian_kl(turned, log_variance).sum(1),
        metrics.gaussian_kl(mean, log_variance).sum(1),
    )


@properties
@given(SEEDS, SHAPES)
def test_prior_match_by_neighbours_ignores_rotation_and_order(seed, shape):
    rng, mean, _ = random_posteriors(seed, (shape[0] + 4, shape[1]))
    rotation = np.linalg.qr(rng.normal(size=(shape[1], shape[1])))[0]
    turned = rng.permutation(mean @ rotation)
    assert metrics.prior_kl_neighbours(turned) == pytest.approx(metrics.prior_kl_neighbours(mean))


@properties
@given(SEEDS, SHAPES)
def test_order_of_items_and_of_dimensions_does_not_matter(seed, shape):
    rng, mean, log_variance = random_posteriors(seed, shape)
    items, axes = rng.permutation(shape[0]), rng.permutation(shape[1])
    moved = tuple(x[items][:, axes] for x in (mean, log_variance))
    for figure in (metrics.gaussian_kl, lambda *q: metrics.marginal_kl(*q)[None]):
        plain, other = (figure(*q).mean(0) for q in ((mean, log_variance), moved))
        np.testing.assert_allclose(other, plain[axes], rtol=1e-9)
    assert metrics.active_units(moved[0]) == metrics.active_units(mean)


@properties
@given(SEEDS, st.integers(20, 40))
def test_quadrature_ignores_order_rotation_and_duplication_as_its_estimate_does(seed, items):
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-3, 3, size=(items, 2))
    rotation = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    turned = np.tile(rng.permutation(mean @ rotation), (2, 1))
    plain, other = (decomposition(m, np.full_like(m, -1.5)) for m in (mean, turned))
    for name in ("mutual_information", "aggregated_kl", "kl"):
        assert other[name] == pytest.approx(plain[name], abs=1e-6)
    found = metrics.elbo_decomposition(turned, np.full_like(turned, -1.5), samples=20, seed=seed)
    for name in ("mutual_information", "aggregated_kl", "kl"):
        slack = 5 * found.stderr[name] + 1e-3
        assert getattr(found, name) == pytest.approx(plain[name], abs=slack)


@properties
@given(SEEDS, st.tuples(st.integers(1, 6), st.integers(2, 9)))
def test_importance_weighting_ignores_order_and_duplication(seed, shape):
    rng = np.random.default_rng(seed)
    weights = rng.normal(-50, 5, size=shape)
    expected = metrics.importance_weighted_nll(weights).value
    shuffled = rng.permuted(weights, axis=0)[:, rng.permutation(shape[1])]
    for other in (shuffled, np.tile(weights, (3, 1)), np.tile(weights, (1, 2))):
        assert metrics.importance_weighted_nll(other).value == pytest.approx(expected)


# Report


def test_a_bias_is_judged_by_stated_errors_or_by_the_spread():
    assert gather([shot(1.3, 0.1), shot(1.2, 0.1)])[0].holds  # 0.25 within 4 * 0.1 / sqrt 2
    assert not gather([shot(1.3, 0.05), shot(1.2, 0.05)])[0].holds
    spread = gather([shot(1.4), shot(0.9)])[0]
    assert (spread.stated, spread.bias) == (None, pytest.approx(0.15))
    assert spread.sd == pytest.approx(0.5 / math.sqrt(2))
    assert spread.holds
    assert not gather([shot(1.31), shot(1.3)])[0].holds


@pytest.mark.parametrize(
    ("value", "claim", "holds"),
    [(2, "above", True), (2, "below", False), (0, "above", False), (0, "below", True)],
)
def test_one_sided_claims(value, claim, holds):
    assert gather([shot(value, 0.1, claim), shot(value, 0.1, claim)])[0].holds is holds


def test_quadrature_has_a_tolerance_and_no_claim_is_no_verdict():
    near = dataclasses.replace(shot(1.0005), tolerance=1e-3)
    assert gather([near, near])[0].holds
    assert not gather([dataclasses.replace(near, value=1.01)] * 2)[0].holds
    assert gather([shot(9.0, claim="none")] * 2)[0].holds is None


def test_seeds_of_one_estimator_and_size_are_one_line():
    measured = gather([shot(1.0), shot(2.0, size=20), shot(1.5), shot(2.5, size=20)])
    assert [(m.size, m.seeds, m.mean) for m in measured] == [(10, 2, 1.25), (20, 2, 2.25)]


def test_report_names_what_does_not_hold(tmp_path):
    good, bad = shot(1.0, 0.1), shot(3.0, 0.1, estimator="q(z|x) off")
    measured = gather([good, good, bad, bad])
    text = calibration_markdown(measured)
    assert "1 of 2 claims hold: not MI (q(z|x) off, items 10; c)." in text
    assert r"| MI | q(z\|x) off | items 10 | 1.0000 | 3.0000 | +2.0000 |" in text


def test_report_is_written_with_a_picture_and_a_row_for_each_figure(tmp_path):
    budget = dataclasses.replace(Budget.quick(), populations=(100, 200))
    measured = gather(s for seed in range(2) for s in MODELS[0].shots(budget, seed))
    paths = write(measured, tmp_path / "report")
    assert [p.name for p in paths] == [f"calibration.{e}" for e in ("md", "csv", "png", "svg")]
    assert paths[2].read_bytes().startswith(b"\x89PNG")
    table = pl.read_csv(paths[1])
    assert len(table) == len(measured)
    assert table["holds"].to_list() == [m.holds for m in measured]
    np.testing.assert_allclose(table["bias"], table["mean"] - table["truth"], atol=1e-12)


def test_sizes_double_up_to_all_items():
    assert Budget(items=512).sizes == [32, 64, 128, 256, 512]
    assert Budget(items=100).sizes == [32, 64, 100]
    assert Budget.quick().sizes == [32, 64]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"seeds": 1}, "--seeds 1: a spread needs 2"), ({"items": 63}, "--items 63: give 64 or more")],
)
def test_too_few_seeds_or_items_are_refused(options, says):
    for build in (Budget, Budget.quick):
        with pytest.raises(UserError, match=says):
            build(**options)

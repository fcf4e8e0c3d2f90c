"""Mutual information and the decomposition of the KL against cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import metrics


def consistent_model(items, loading, seed=0):
    """Exact posteriors of x_d = loading_d z_d + noise, z ~ N(0, I): their mixture is the prior."""
    rng = np.random.default_rng(seed)
    loading = np.asarray(loading, dtype=float)
    z = rng.normal(size=(items, len(loading)))
    x = loading * z + rng.normal(size=z.shape)
    variance = 1 / (1 + loading**2)
    return variance * loading * x, np.broadcast_to(np.log(variance), z.shape)


def test_information_is_exactly_zero_when_all_posteriors_are_equal():
    found = metrics.mutual_information(np.full((50, 3), 0.4), np.full((50, 3), -1.0))
    assert found.value == pytest.approx(0, abs=1e-12)
    assert found.stderr == pytest.approx(0, abs=1e-12)
    assert found.n == 50


def test_information_reaches_log_n_when_posteriors_are_tight_and_far_apart():
    mean = np.random.default_rng(0).normal(size=(200, 8)) * 10
    found = metrics.mutual_information(mean, np.full_like(mean, -6.0))
    assert found.value == pytest.approx(np.log(200), abs=1e-9)


def test_information_of_a_linear_gaussian_model_is_the_known_one():
    mean, log_variance = consistent_model(6000, [1.0, 2.0])
    found = metrics.mutual_information(mean, log_variance)
    assert found.value == pytest.approx(0.5 * np.log(2.0 * 5.0), abs=4 * found.stderr)
    assert 0 < found.stderr < 0.03


def test_more_samples_agree_and_lower_the_error():
    mean, log_variance = consistent_model(800, [1.0, 0.5])
    one = metrics.mutual_information(mean, log_variance)
    many = metrics.mutual_information(mean, log_variance, samples=8)
    assert many.stderr < one.stderr
    assert many.value == pytest.approx(one.value, abs=4 * one.stderr)


def test_noise_is_independent_of_means_drawn_with_the_same_seed():
    mean = np.random.default_rng(3).standard_normal((4000, 2))
    parts = metrics.elbo_decomposition(mean, np.zeros_like(mean), seed=3)
    exact = metrics.gaussian_kl(mean, np.zeros_like(mean)).sum(axis=1).mean()
    assert parts.kl == pytest.approx(exact, abs=4 * parts.stderr["kl"])


def test_same_seed_gives_the_same_estimate_and_another_seed_another():
    mean, log_variance = consistent_model(100, [1.0])
    first, second, other = (
        metrics.mutual_information(mean, log_variance, seed=seed) for seed in (5, 5, 6)
    )
    assert first == second
    assert first != other


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 4), st.integers(1, 20))
def test_information_never_exceeds_its_ceiling(seed, items, dimensions, batch):
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(items, dimensions)) * 5
    log_variance = rng.normal(-4, 2, size=mean.shape)
    full = metrics.mutual_information(mean, log_variance)
    capped = metrics.minibatch_mutual_information(mean, log_variance, batch=batch)
    assert full.value <= np.log(items) + 1e-9
    assert capped.value <= np.log(min(batch, items)) + 1e-9


def test_minibatch_information_saturates_at_log_batch_and_weights_the_short_last_batch():
    mean = np.arange(70.0)[:, None] * 100
    found = metrics.minibatch_mutual_information(mean, np.zeros_like(mean), batch=32)
    assert found.value == pytest.approx((64 * np.log(32) + 6 * np.log(6)) / 70)


def test_one_batch_of_everything_is_the_full_estimate():
    mean, log_variance = consistent_model(90, [1.0, 2.0])
    full = metrics.mutual_information(mean, log_variance)
    assert metrics.minibatch_mutual_information(mean, log_variance, batch=90) == full


def test_information_is_unchanged_by_repetition_and_rotation_up_to_its_error():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(1500, 4)) * [2.0, 1.0, 0.5, 0.1]
    log_variance = np.full_like(mean, -1.0)
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    reference = metrics.elbo_decomposition(mean, log_variance)
    rotated = metrics.elbo_decomposition(mean @ rotation, log_variance, seed=1)
    repeated = metrics.elbo_decomposition(np.tile(mean, (2, 1)), np.tile(log_variance, (2, 1)))
    for name, error in reference.stderr.items():
        if name != "total_correlation":  # the marginals, and so this split, depend on the axes
            assert getattr(rotated, name) == pytest.approx(getattr(reference, name), abs=6 * error)
        assert getattr(repeated, name) == pytest.approx(getattr(reference, name), abs=6 * error)


@pytest.mark.parametrize("samples", [1, 3])
def test_parts_of_the_kl_add_up_exactly(samples):
    mean, log_variance = consistent_model(300, [1.0, 0.2, 3.0])
    parts = metrics.elbo_decomposition(mean, log_variance, samples=samples)
    assert parts.kl == parts.mutual_information + parts.aggregated_kl
    assert parts.aggregated_kl == parts.total_correlation + parts.dimension_kl.sum()
    exact = metrics.gaussian_kl(mean, log_variance).sum(axis=1).mean()
    assert parts.kl == pytest.approx(exact, abs=4 * parts.stderr["kl"])


def test_decomposition_shares_its_information_with_mutual_information():
    mean, log_variance = consistent_model(200, [1.0, 2.0])
    parts = metrics.elbo_decomposition(mean, log_variance)
    found = metrics.mutual_information(mean, log_variance)
    assert parts.mutual_information == pytest.approx(found.value, abs=1e-12)
    assert parts.stderr["mutual_information"] == pytest.approx(found.stderr)
    assert parts.n == 200


def test_consistent_model_has_no_aggregated_kl_and_no_correlation():
    parts = metrics.elbo_decomposition(*consistent_model(5000, [1.0, 2.0]))
    assert parts.aggregated_kl == pytest.approx(0, abs=0.02)
    assert parts.total_correlation == pytest.approx(0, abs=0.03)
    np.testing.assert_allclose(parts.dimension_kl, 0, atol=0.03)


def test_total_correlation_sees_what_the_marginals_hide():
    first = np.random.default_rng(0).choice([-1.0, 1.0], size=4000)
    mean = np.stack([first, first], axis=1)
    parts = metrics.elbo_decomposition(mean, np.full_like(mean, -6.0))
    assert parts.total_correlation == pytest.approx(np.log(2), abs=0.01)


def test_decomposition_of_one_shared_gaussian_is_its_kl_per_dimension():
    mean, log_variance = np.tile([0.5, -1.0], (4000, 1)), np.tile([-0.5, 0.2], (4000, 1))
    parts = metrics.elbo_decomposition(mean, log_variance)
    assert parts.mutual_information == pytest.approx(0, abs=1e-9)
    assert parts.total_correlation == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(
        parts.dimension_kl, metrics.gaussian_kl(mean, log_variance)[0], atol=0.08
    )

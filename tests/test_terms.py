"""Every term against a closed form or an independent computation."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from lab.backbones import build_model
from lab.methods import Parts
from lab.model import State
from lab.posteriors import (
    BatchNormHead,
    DiagonalGaussian,
    GaussianHead,
    ImplicitHead,
    LinearPushForward,
    Point,
    Sizes,
)
from lab.schedules import END, Cyclic, Linear, constant
from lab.terms import KL, DensityGap, DualKL, InfoNCE
from lab.terms.density_gap import joint_gap, marginal_gap
from lab.terms.dual import circle, circle_published, fenchel

ONE = constant(1.0)


def gaussian(*shape: int, seed: int = 0) -> DiagonalGaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return DiagonalGaussian(
        mean, 0.5 * torch.randn(*shape, generator=generator, dtype=torch.float64)
    )


def state(q, z=None, views=1, features=3) -> State:
    z = q.rsample() if z is None else z
    h = torch.zeros(*z.shape[:-1], features, dtype=z.dtype)
    return State(None, h, q, z, views)


def test_kl_is_torchs_closed_form():
    q = gaussian(5, 3)
    prior = Independent(Normal(torch.zeros(5, 3), torch.ones(5, 3)), 1)
    reference = kl_divergence(Independent(Normal(q.mean, q.stddev), 1), prior).mean()
    assert float(KL(ONE)(state(q))) == pytest.approx(float(reference), rel=1e-6)


def test_free_bits_leave_neither_loss_nor_gradient_below_the_floor():
    mean = torch.tensor([[0.1, 2.0], [0.2, 0.1]], requires_grad=True)
    q = DiagonalGaussian(mean, torch.zeros(2, 2))
    loss = KL(ONE, free=2.0)(state(q))
    loss.backward()
    assert loss.item() == pytest.approx(2.0**2 / 2 / 2)
    assert mean.grad.tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_free_bits_per_sentence_keep_a_sentence_whole():
    mean = torch.tensor([[2.0, 0.1], [0.1, 0.1]])
    q = DiagonalGaussian(mean, torch.zeros(2, 2))
    kept = float(KL(ONE, free=1.0, per="sentence")(state(q)))
    assert kept == pytest.approx((2.0**2 + 0.1**2) / 2 / 2)


def test_pairwise_log_prob_matches_one_density_at_a_time():
    q, z = gaussian(4, 3), gaussian(6, 3, seed=1).mean
    naive = torch.stack(
        [Normal(m, s).log_prob(z).sum(-1) for m, s in zip(q.mean, q.stddev, strict=True)], -1
    )
    torch.testing.assert_close(q.pairwise_log_prob(z), naive)


@pytest.mark.parametrize("gap", [joint_gap, marginal_gap])
def test_density_gap_of_one_gaussian_is_its_kl(gap):
    q = gaussian(1, 2)
    draws = q.rsample((200_000,)).squeeze(1)
    value = float(gap(q, draws))
    assert value == pytest.approx(float(q.kl_per_dimension().sum()), abs=0.02)


@pytest.mark.parametrize("gap", [joint_gap, marginal_gap])
def test_density_gap_matches_the_naive_mixture(gap):
    q, z = gaussian(4, 3), gaussian(7, 3, seed=1).mean
    log_prob = Normal(q.mean, q.stddev).log_prob(z.unsqueeze(1))  # [M, N, D]
    standard = Normal(0.0, 1.0).log_prob(z)
    if gap is joint_gap:
        naive = log_prob.sum(-1).exp().mean(1).log() - standard.sum(-1)
    else:
        naive = (log_prob.exp().mean(1).log() - standard).sum(-1)
    assert float(gap(q, z)) == pytest.approx(float(naive.mean()))


def test_aggregation_of_one_is_the_monte_carlo_kl():
    q = gaussian(4, 2)
    torch.manual_seed(0)
    value = float(DensityGap(ONE, marginal=False, aggregation=1, samples=20_000)(state(q)))
    assert value == pytest.approx(float(q.kl_per_dimension().sum(-1).mean()), abs=0.03)


@pytest.mark.parametrize("aggregation", [2, 3, 5, None, 99])
def test_subsets_are_weighted_by_their_rows(aggregation):
    q = gaussian(5, 2)
    term, drawn = DensityGap(ONE, marginal=True, aggregation=aggregation, samples=6), state(q)
    torch.manual_seed(0)
    value = term(drawn)
    torch.manual_seed(0)
    z = q.rsample((6,))
    size = min(aggregation or 5, 5)
    expected = 0.0
    for start in range(0, 5, size):
        rows = slice(start, min(start + size, 5))
        draws = z[:, rows].transpose(0, 1).flatten(0, 1)
        gap = marginal_gap(DiagonalGaussian(q.mean[rows], q.log_variance[rows]), draws)
        expected += float(gap) * (rows.stop - rows.start) / 5
    assert float(value) == pytest.approx(expected)


def test_density_gap_gradient_reaches_mean_and_variance():
    mean, log_variance = (
        torch.zeros(4, 2, requires_grad=True),
        torch.zeros(4, 2, requires_grad=True),
    )
    q = DiagonalGaussian(mean + torch.arange(4.0).unsqueeze(1), log_variance)
    DensityGap(ONE, True, None, 4)(state(q)).backward()
    assert mean.grad.abs().sum() > 0
    assert log_variance.grad.abs().sum() > 0


@given(
    gamma=st.floats(0.1, 3),
    rows=st.integers(8, 64),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_batch_norm_bounds_the_kl_for_any_encoder_output(gamma, rows, scale, seed):
    head = BatchNormHead(gamma)
    torch.manual_seed(seed)
    head.build(Sizes(features=6, latent=3))
    q = head.train()(scale * torch.randn(rows, 6))
    assert q.kl_per_dimension().sum(-1).mean().item() >= 3 * gamma**2 / 2 * (1 - 1e-3)


def test_batch_norm_survives_a_batch_of_one():
    head = BatchNormHead(1.0)
    head.build(Sizes(features=6, latent=3))
    assert torch.isfinite(head.train()(torch.randn(1, 6)).mean).all()


def critic(joint: bool = True, **options) -> DualKL:
    term = DualKL(ONE, joint, **options)
    term.build(Sizes(features=3, latent=2, critic_widths=(64, 64)))
    return term.double()


@pytest.mark.slow
def test_the_duals_optimum_is_the_analytic_kl():
    torch.manual_seed(0)
    target = Normal(
        torch.tensor([0.6, -0.4], dtype=torch.float64),
        torch.tensor([0.8, 1.1], dtype=torch.float64),
    )
    term = critic()
    optimiser = torch.optim.Adam(term.parameters(), lr=2e-3)
    for _ in range(1500):
        loss = term.dual(state(Point(target.sample((512,)))))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    values = term.values(state(Point(target.sample((100_000,)))))
    exact = float(kl_divergence(target, Normal(0.0, 1.0)).sum())
    assert values["kl_dual"].item() == pytest.approx(exact, abs=0.06)
    assert values["mi_dual"].item() == pytest.approx(0.0, abs=0.06)


def test_fenchel_is_lowest_at_the_log_ratio():
    z, prior = torch.randn(200_000) * 0.8 + 0.5, torch.randn(200_000)
    target = Normal(0.5, 0.8)

    def bound(shift: float) -> float:
        def ratio(x):
            return target.log_prob(x) - Normal(0.0, 1.0).log_prob(x) + shift

        return float(fenchel(ratio(z), ratio(prior)))

    assert bound(0.0) == pytest.approx(1 - float(kl_divergence(target, Normal(0.0, 1.0))), abs=0.02)
    assert bound(0.0) < min(bound(0.3), bound(-0.3))


def test_circle_is_log_one_plus_the_sums():
    q, p = torch.tensor([0.3, -1.0]), torch.tensor([0.2, 0.7])
    expected = math.log(1 + p.exp().sum()) + math.log(1 + (-q).exp().sum())
    assert float(circle(q, p)) == pytest.approx(expected)


def test_circle_published_doubles_the_priors_exponential():
    q, p = torch.tensor([0.3, -1.0]), torch.tensor([0.2, 0.7])
    expected = math.log(1 + p.exp().exp().sum()) + math.log(1 + (-q).exp().sum())
    assert float(circle_published(q, p)) == pytest.approx(expected)


@pytest.mark.parametrize("joint", [True, False])
def test_squared_difference_of_views_and_of_prior_draws_joins_the_critics_loss(joint):
    plain, squared = (critic(joint, bound="circle", squared=s) for s in (False, True))
    squared.load_state_dict(plain.state_dict())
    drawn = state(Point(torch.randn(3, 2)), torch.randn(6, 2, dtype=torch.float64), views=2)
    torch.manual_seed(5)
    base = plain.dual(drawn).item()
    torch.manual_seed(5)
    full = squared.dual(drawn).item()
    torch.manual_seed(5)
    scores = plain.scores(drawn)["joint" if joint else "marginal"]
    expected = sum(((s[:3] - s[3:]) ** 2).sum().item() for s in scores)
    assert expected > 1e-6
    assert full - base == pytest.approx(expected)
    assert squared(drawn).item() == pytest.approx(plain(drawn).item())


def test_the_published_model_loss_has_half_the_squared_difference_too():
    plain, published = critic(), critic(bound="circle", squared=True, published=True)
    published.load_state_dict(plain.state_dict())
    drawn = state(Point(torch.randn(3, 2)), torch.randn(6, 2, dtype=torch.float64), views=2)
    score = plain.score("joint", drawn.h, drawn.z)
    extra = ((score[:3] - score[3:]) ** 2).sum().item() / 2
    assert published(drawn).item() - plain(drawn).item() == pytest.approx(extra)


def test_each_view_has_its_own_circle():
    term = critic(bound="circle")
    drawn = state(Point(torch.randn(3, 2)), torch.randn(6, 2, dtype=torch.float64), views=2)
    torch.manual_seed(5)
    value = term.dual(drawn).item()
    torch.manual_seed(5)
    pairs = term.scores(drawn).values()
    expected = sum((circle(q[:3], p[:3]) + circle(q[3:], p[3:])).item() for q, p in pairs)
    assert value == pytest.approx(expected)


def test_info_nce_of_orthogonal_rows():
    eye = torch.eye(4)
    loss = InfoNCE(ONE, temperature=0.5)(state(Point(eye), torch.cat([eye, eye]), views=2))
    assert float(loss) == pytest.approx(math.log(1 + 3 * math.exp(-2.0)))


def test_info_nce_cannot_beat_the_number_of_equal_rows():
    same = torch.ones(6, 2)
    loss = InfoNCE(ONE, temperature=0.05)(state(Point(same), torch.cat([same, same]), views=2))
    assert float(loss) == pytest.approx(math.log(6))


def test_info_nce_contrasts_features_and_adds_the_mean_row_when_asked():
    z, h = torch.randn(6, 2), torch.randn(6, 3)
    drawn = State(None, h, Point(z), z, views=2)
    by_hand = InfoNCE(ONE, 0.1)(State(None, h, Point(h), h, views=2))
    assert float(InfoNCE(ONE, 0.1, on="h")(drawn)) == pytest.approx(float(by_hand))
    rows = torch.cat([z[:3].mean(0, True), z[:3], z[3:].mean(0, True), z[3:]])
    with_mean = InfoNCE(ONE, 0.1)(State(None, rows, Point(rows), rows, views=2))
    assert float(InfoNCE(ONE, 0.1, mean_row=True)(drawn)) == pytest.approx(float(with_mean))


def test_info_nce_is_silent_on_one_view():
    assert float(InfoNCE(ONE, 0.05)(state(Point(torch.randn(1, 2))))) == 0.0


def terms() -> dict[str, object]:
    return {
        "kl": KL(ONE),
        "free bits": KL(ONE, free=0.4),
        "contrast": InfoNCE(ONE, 0.1),
        "dual": critic(),
        "circle": critic(False, bound="circle", squared=True),
    }


@pytest.mark.parametrize("name", terms())
def test_a_term_of_a_stack_is_the_stack_of_its_terms(name):
    term, stack = terms()[name], gaussian(3, 8, 2)
    whole = term(state(stack, stack.mean, views=2))
    single = [
        term(state(DiagonalGaussian(m, v), m, views=2))
        for m, v in zip(stack.mean, stack.log_variance, strict=True)
    ]
    torch.testing.assert_close(whole, torch.stack(single))


@pytest.mark.parametrize("gap", [joint_gap, marginal_gap])
def test_a_gap_of_a_stack_is_the_stack_of_its_gaps(gap):
    stack, z = gaussian(3, 8, 2), gaussian(3, 5, 2, seed=1).mean
    each = zip(stack.mean, stack.log_variance, z, strict=True)
    single = [gap(DiagonalGaussian(m, v), x) for m, v, x in each]
    torch.testing.assert_close(gap(stack, z), torch.stack(single))


def test_density_gap_accepts_a_stack():
    stack = gaussian(3, 8, 2)
    assert DensityGap(ONE, True, 4, 5)(state(stack)).shape == (3,)


def test_linear_implicit_head_is_the_gaussian_it_says():
    torch.manual_seed(0)
    head = ImplicitHead(linear=True)
    head.build(Sizes(features=3, latent=2))
    q = head(torch.randn(1, 3))
    assert isinstance(q, LinearPushForward)
    draws = q.rsample((200_000,)).squeeze(1).detach().double()
    exact = q.density()
    torch.testing.assert_close(draws.mean(0), exact.mean[0].detach(), atol=0.02, rtol=0)
    torch.testing.assert_close(
        draws.T.cov(), exact.covariance_matrix[0].detach(), atol=0.02, rtol=0
    )
    assert isinstance(exact, MultivariateNormal)


def test_default_implicit_head_is_not_linear_in_its_noise():
    torch.manual_seed(0)
    head = ImplicitHead()
    head.build(Sizes(features=3, latent=2))
    network, h = head.network, torch.zeros(1, 3)

    def at(noise):
        return network(torch.cat([h, noise], -1))

    a, b = torch.tensor([[5.0, -5.0]]), torch.tensor([[-5.0, 1.0]])
    assert not torch.allclose(at(a) + at(b), at(a + b) + at(torch.zeros(1, 2)), atol=1e-3)


def test_gaussian_head_without_bias_maps_zero_to_the_prior():
    head = GaussianHead()
    head.build(Sizes(features=3, latent=2, head_bias=False))
    assert head(torch.zeros(1, 3)).kl_per_dimension().sum().item() == 0.0


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        (Linear(0, 1, 10), {0: 0, 2.5: 0.25, 10: 1, 99: 1, END: 1}),
        (Linear(0.1, 1, 0), {0: 1, END: 1}),
        (Cyclic(0, 1, 10, 20), {0: 0, 5: 0.5, 10: 1, 19.9: 1, 20: 0, 25: 0.5, END: 1}),
    ],
)
def test_schedules_pass_their_points(schedule, points):
    for time, weight in points.items():
        assert schedule(time) == pytest.approx(weight)


def test_strangers_are_further_negatives_in_every_direction():
    torch.manual_seed(0)
    first, second = torch.randn(2, 4, 3).double()
    z = torch.cat([first, second])
    drawn = state(Point(z), z, views=2)
    term = InfoNCE(ONE, 0.5, strangers=3)
    torch.manual_seed(1)
    value = term(drawn)
    torch.manual_seed(1)
    rows = torch.nn.functional.normalize(
        torch.cat([second, torch.randn(12, 3, dtype=torch.float64)]), dim=-1
    )
    scores = torch.nn.functional.normalize(first, dim=-1) @ rows.T / 0.5
    torch.testing.assert_close(value, -scores.log_softmax(-1)[:, :4].diagonal().mean())


@pytest.mark.parametrize("marginal", [True, False])
def test_density_gap_of_a_batch_that_matches_the_prior_is_near_zero(marginal):
    torch.manual_seed(0)
    spread = 0.6
    mean = math.sqrt(1 - spread**2) * torch.randn(2000, 2)
    q = DiagonalGaussian(mean, torch.full_like(mean, 2 * math.log(spread)))
    gap = float(DensityGap(ONE, marginal, None, 2)(state(q)))
    assert abs(gap) < 0.02
    assert float(q.kl().mean()) > 0.6


def test_a_contrast_needs_two_views(text_network):
    parts = Parts("one view", GaussianHead(), (InfoNCE(ONE, 0.1, "h"),))
    with pytest.raises(ValueError, match="contrast needs 2 views, there is 1"):
        build_model(parts, text_network)


@given(
    posterior=st.lists(st.floats(-50, 50), min_size=1, max_size=8),
    prior=st.lists(st.floats(-50, 4), min_size=1, max_size=8),
)
@settings(deadline=None)
def test_the_circle_is_never_negative_whatever_the_critic_says(posterior, prior):
    q, p = (torch.tensor(x, dtype=torch.float64) for x in (posterior, prior))
    assert float(circle(q, p)) >= 0
    assert float(circle_published(q, p)) >= math.log(2)

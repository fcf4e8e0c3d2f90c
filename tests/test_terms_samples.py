"""Terms that know the posterior by its draws: MMD, the adversary, the tangent bound of MI."""

import math

import pytest
import torch
from torch import nn

from lab.model import State
from lab.posteriors import DiagonalGaussian, Point, Sizes
from lab.schedules import constant
from lab.terms import MMD, Adversary, MutualInformation
from lab.terms.discrepancy import KERNELS, gaussian_kernel, squared_mmd
from lab.terms.information import tangent_bound

ONE = constant(1.0)
SIZES = Sizes(features=1, latent=1, critic_widths=(32, 32))


def state(z: torch.Tensor, h: torch.Tensor | None = None) -> State:
    return State(None, z if h is None else h, Point(z), z)


@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_of_equal_distributions_is_zero_on_average_and_takes_both_signs(kernel):
    torch.manual_seed(0)
    values = torch.stack([MMD(ONE, kernel)(state(torch.randn(16, 3))) for _ in range(2000)])
    assert abs(float(values.mean())) < 4 * float(values.std()) / math.sqrt(2000)
    assert values.min() < 0 < values.max()


def test_mmd_of_two_gaussians_is_its_closed_form():
    """With kernel exp(-d²/2D) between N(m, I) and N(0, I) in one dimension, both variances 1."""
    torch.manual_seed(0)
    shift, draws = 1.5, 4000
    a, b = shift + torch.randn(draws, 1).double(), torch.randn(draws, 1).double()

    def expected(mean: float) -> float:  # E exp(-(mean + √2 ε)² / 2), ε ~ N(0, 1)
        return math.exp(-(mean**2) / 6) / math.sqrt(3)

    closed = 2 * expected(0) - 2 * expected(shift)
    assert float(squared_mmd(a, b, gaussian_kernel)) == pytest.approx(closed, abs=0.02)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_mmd_is_the_plain_sum_over_distinct_pairs(kernel):
    torch.manual_seed(0)
    a, b = torch.randn(2, 5, 3).double()

    def mean(x, y, same):
        pairs = [(i, j) for i in range(5) for j in range(5) if not (same and i == j)]
        return sum(kernel((x[i] - y[j]).square().sum(), 3) for i, j in pairs) / len(pairs)

    plain = mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)
    torch.testing.assert_close(squared_mmd(a, b, kernel), plain)


def test_mmd_sees_a_collapsed_code_but_has_nothing_to_say_of_one_row():
    assert MMD(ONE, "imq")(state(torch.zeros(32, 3))) > 0.05
    assert MMD(ONE, "imq", samples=4)(state(torch.zeros(1, 3))) == 0


def test_more_samples_of_wide_posteriors_lower_the_variance_of_mmd():
    torch.manual_seed(0)
    q = DiagonalGaussian(torch.zeros(16, 2), torch.zeros(16, 2))
    wide = State(None, q.mean, q, q.rsample())

    def spread(samples: int) -> float:
        return float(torch.stack([MMD(ONE, "imq", samples)(wide) for _ in range(200)]).std())

    assert spread(16) < 0.5 * spread(1)


def test_mmd_of_a_stack_is_the_stack_of_mmds():
    a, b = torch.randn(2, 3, 6, 2).double()
    single = torch.stack([squared_mmd(x, y, gaussian_kernel) for x, y in zip(a, b, strict=True)])
    torch.testing.assert_close(squared_mmd(a, b, gaussian_kernel), single)


def trained(term: nn.Module, loss, steps: int) -> None:
    optimiser = torch.optim.Adam(term.parameters(), lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def test_a_trained_adversary_measures_the_jensen_shannon_divergence():
    torch.manual_seed(0)
    term = Adversary(ONE)
    term.build(SIZES)
    shift = 2.0

    def posterior(rows: int) -> State:
        return state(shift + torch.randn(rows, 1))

    trained(term, lambda: term.dual(posterior(256)), 400)
    loss = float(term.dual(posterior(50_000)).detach())
    x = torch.linspace(-8, 10, 20_001).double()
    p, q = (torch.exp(-0.5 * (x - m) ** 2) / math.sqrt(2 * math.pi) for m in (0.0, shift))
    best = -torch.trapezoid(p * (p / (p + q)).log() + q * (q / (p + q)).log(), x)
    assert float(best) - 0.01 < loss < float(best) + 0.05


def test_an_adversary_that_cannot_tell_costs_two_logs_of_two():
    term = Adversary(ONE)
    term.build(SIZES)
    nn.init.zeros_(term.critic[-1].weight)
    nn.init.zeros_(term.critic[-1].bias)
    drawn = state(torch.randn(8, 1))
    assert float(term.dual(drawn).detach()) == pytest.approx(2 * math.log(2))
    assert float(term(drawn).detach()) == pytest.approx(math.log(2))


CORRELATION = 0.9


def information(dimensions: int) -> float:
    return -0.5 * dimensions * math.log(1 - CORRELATION**2)


def correlated(rows: int, dimensions: int) -> State:
    x, noise = torch.randn(2, rows, dimensions)
    return state(CORRELATION * x + math.sqrt(1 - CORRELATION**2) * noise, x)


@pytest.mark.parametrize(("dimensions", "least"), [(1, 0.8), (4, 0.45)])
def test_the_bound_stays_under_the_true_information_and_gets_close(dimensions, least):
    """Trained on batches of 32, as the papers do."""
    torch.manual_seed(0)
    term = MutualInformation(ONE)
    term.build(Sizes(features=dimensions, latent=dimensions, critic_widths=(64, 64)))
    optimiser = torch.optim.Adam(term.parameters(), lr=2e-3)
    for _ in range(1500):
        optimiser.zero_grad()
        term(correlated(32, dimensions)).backward()
        optimiser.step()
    with torch.no_grad():
        bounds = torch.stack([-term(correlated(20_000, dimensions)) for _ in range(4)])
    true = information(dimensions)
    assert least * true < float(bounds.mean()) < 1.02 * true


def test_the_tangent_touches_donsker_and_varadhan_at_the_inverse_mean():
    torch.manual_seed(0)
    joint, marginal = torch.randn(2, 50).double()
    log_mean = marginal.exp().mean().log()
    best = tangent_bound(joint, marginal, -log_mean)
    torch.testing.assert_close(best, joint.mean() - log_mean)
    for away in (-0.5, 0.5):
        assert tangent_bound(joint, marginal, -log_mean + away) < best
    as_printed = tangent_bound(joint, marginal, log_mean)  # eq. 13, D33
    assert as_printed < best


def test_without_gradient_the_bound_reaches_the_encoder_through_z_alone():
    for gradient in (True, False):
        term = MutualInformation(ONE, gradient)
        term.build(SIZES)
        h, z = (torch.randn(8, 1, requires_grad=True) for _ in range(2))
        term(state(z, h)).backward()
        assert z.grad.abs().sum() > 0
        assert (h.grad is not None) == gradient


def test_as_printed_the_tangent_lies_below_the_best_one():
    torch.manual_seed(0)
    drawn, losses = correlated(64, 1), []
    for published in (False, True):
        torch.manual_seed(1)
        term = MutualInformation(ONE, published=published)
        term.build(SIZES)
        torch.manual_seed(2)
        losses.append(float(term(drawn).detach()))
    assert losses[1] > losses[0]


def test_a_batch_of_one_has_no_information():
    term = MutualInformation(ONE)
    term.build(SIZES)
    assert term(state(torch.randn(1, 1))) == 0

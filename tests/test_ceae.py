"""CEAE: normalised codes with dying noise, and the two terms that raise their entropy."""

import gzip
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from scipy.stats import kstest
from torch import Tensor, nn

from lab import checkpoint
from lab.data import TextData
from lab.methods import Parts
from lab.model import Model, State
from lab.optimise import parameters
from lab.posteriors import DiagonalGaussian, Point, Sizes
from lab.posteriors.normalised import GlobalBatchNorm, NormalisedHead, log_capacity_noise
from lab.runs import open_run
from lab.schedules import END, Ramp, constant
from lab.settings import Settings
from lab.specs import Method
from lab.terms.entropy import (
    MomentumEntropy,
    NearestNeighbourEntropy,
    contrastive_entropy,
    nearest_neighbour_entropy,
)
from lab.train import Trainer

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ONE = constant(1.0)
GAUSSIAN_ENTROPY = 0.5 * math.log(2 * math.pi * math.e)  # of N(0, 1), nats


@dataclass(frozen=True)
class Rows:
    """Items of a table, as an encoder of free codes reads them."""

    rows: Tensor

    @property
    def size(self) -> int:
        return len(self.rows)

    def repeat(self, n: int) -> "Rows":
        return Rows(self.rows.repeat(n))


class Table(nn.Module):
    """Free features, one row for each item."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = nn.Parameter(features.clone())

    def forward(self, batch: Rows) -> Tensor:
        return self.features[batch.rows]


def two_clusters(items: int, dimensions: int) -> Tensor:
    side = torch.arange(items).remainder(2).mul(2).sub(1).unsqueeze(1)
    return side + 0.2 * torch.randn(items, dimensions)


def free_model(term, items: int = 12, latent: int = 4, every: int = 0) -> Model:
    """Codes without a decoder: a table of two clusters, batch norm and one term."""
    torch.manual_seed(0)
    head = NormalisedHead("batch", 0.0, 0, every)
    encoder = Table(two_clusters(items, latent))
    model = Model(encoder, head, nn.Identity(), (term,), Sizes(latent, latent))
    term.attach(model)
    return model.train()


def head_of(norm="batch", noise=0.5, noise_epochs=3, every=0, latent=4) -> NormalisedHead:
    torch.manual_seed(0)
    head = NormalisedHead(norm, noise, noise_epochs, every)
    head.build(Sizes(features=6, latent=latent, head_bias=False))
    return head.train()


def state_of(mean: Tensor) -> State:
    return State(None, mean, Point(mean), mean)


def test_the_weight_is_zero_in_the_first_epoch_and_then_rises_by_one_over_the_epoch():
    ramp = Ramp(6.0)
    assert [ramp(time) for time in (0, 0.99, 1, 1.5, 2, END)] == [0, 0, 3, 3, 4, 6]
    assert str(ramp) == "6 times 1 - 1/epoch"


@given(rows=st.integers(8, 64), scale=st.floats(1e-2, 1e3), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_every_dimension_has_mean_0_and_variance_1_over_the_batch(rows, scale, seed):
    head = head_of()
    torch.manual_seed(seed)
    mean = head(scale * torch.randn(rows, 6)).mean.double()
    torch.testing.assert_close(mean.mean(0), torch.zeros(4).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(mean.var(0, correction=0), torch.ones(4).double(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_layer_norm_puts_every_code_on_the_sphere_of_radius_root_d(scale):
    head = head_of("layer", latent=9)
    norms = head(scale * torch.randn(5, 6)).mean.norm(dim=-1)
    torch.testing.assert_close(norms, torch.full((5,), 3.0), rtol=1e-3, atol=0)


def test_the_noise_shrinks_by_the_epoch_and_ends():
    head, h = head_of(noise=0.6, noise_epochs=3), torch.randn(8, 6)
    for time, scale in [(0, 0.6), (0.9, 0.6), (1, 0.3), (2.5, 0.2)]:
        q = head(h, time)
        assert isinstance(q, DiagonalGaussian)
        torch.testing.assert_close(q.stddev, torch.full((8, 4), scale))
    for time in (3, 7.5, END):
        q = head(h, time)
        assert isinstance(q, Point)
        assert torch.equal(q.rsample(), q.mean)


def test_the_noise_is_independent_of_the_code_and_the_draw_is_reparameterised():
    head = head_of(noise=0.6)
    q = head(torch.randn(8, 6), 0)
    noise = (q.rsample((20_000,)) - q.mean).detach()
    torch.testing.assert_close(noise.std(0), torch.full((8, 4), 0.6), rtol=0.05, atol=0)
    direction = torch.randn(8, 4)
    through_z, through_mean = (
        torch.autograd.grad((x * direction).sum(), head.network[0].weight, retain_graph=True)[0]
        for x in (q.rsample(), q.mean)
    )
    torch.testing.assert_close(through_z, through_mean)


def test_without_noise_the_code_is_deterministic_from_the_start():
    assert isinstance(head_of(noise=0.0)(torch.randn(8, 6), 0), Point)


@given(
    latent=st.integers(1, 2048),
    lengths=st.lists(st.integers(0, 10**6) | st.integers(10**8, 10**9), min_size=1, max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_the_first_noise_leaves_the_channel_five_times_the_subsentences(latent, lengths):
    subsentences = sum(max(n * (n - 1) // 2, 1) for n in lengths)
    log_noise = log_capacity_noise(torch.tensor(lengths), latent)
    capacity = latent / 2 * np.logaddexp(0, -2 * log_noise)
    assert capacity == pytest.approx(math.log(5 * subsentences), rel=1e-9)


def test_the_head_takes_its_first_noise_from_the_training_set_unless_it_is_given():
    lengths = torch.tensor([3, 1, 10])
    derived, given_ = head_of(noise=None), head_of(noise=0.7)
    for head in (derived, given_):
        head.prepare(lengths)
    h = torch.randn(8, 6)
    expected = ((5 * (3 + 1 + 45)) ** (2 / 4) - 1) ** -0.5
    assert derived(h, 0).stddev[0, 0].item() == pytest.approx(expected)
    assert given_(h, 0).stddev[0, 0].item() == pytest.approx(0.7)


def test_a_loaded_head_knows_its_first_noise():
    trained, loaded, h = head_of(noise=None), head_of(noise=None), torch.randn(8, 6)
    trained.prepare(torch.tensor([3, 1, 10]))
    loaded.load_state_dict(trained.state_dict())
    assert torch.equal(loaded(h, 0).stddev, trained(h, 0).stddev)


@pytest.mark.parametrize(("latent", "expected"), [(32, 0.587), (512, 3.36)])
def test_the_first_noise_of_yelp_from_its_published_moments(latent, expected):
    words, deviation = 98.01 - 2, 48.86  # DG-VAE table 1 counts both sentence marks
    lengths = torch.tensor([words - deviation, words + deviation]).repeat(50_000)
    assert math.exp(log_capacity_noise(lengths, latent)) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("corpus", "expected"), [("yahoo", 0.595), ("short_yelp", 0.732)])
def test_the_first_noise_of_the_papers_corpora(corpus, expected):
    path = DATA / corpus / "valid.txt.gz"
    if not path.exists():
        pytest.skip(f"no {corpus} here")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lengths = torch.tensor([len(line.split("\t")[-1].split()) for line in file])
    # The validation files are a tenth of the training files, which are not to be had.
    assert math.exp(log_capacity_noise(lengths.repeat(10), 32)) == pytest.approx(expected, abs=1e-3)


def test_every_third_minibatch_is_normalised_by_the_running_statistics():
    torch.manual_seed(0)
    norm = GlobalBatchNorm(2, every=3).train()
    seen = []
    for number in range(1, 8):
        x = torch.randn(16, 2) * number + number
        normalised = norm(x)
        seen.append(x)
        share = 1 / len(seen)
        if number == 1:
            mean, variance = x.mean(0), x.var(0)
        else:
            mean, variance = mean.lerp(x.mean(0), share), variance.lerp(x.var(0), share)
        expected = (
            (x - mean) / variance.sqrt()
            if number % 3 == 0
            else (x - x.mean(0)) / x.std(0, correction=0)
        )
        torch.testing.assert_close(normalised, expected)


def test_the_running_statistics_forget_after_ten_minibatches():
    norm = GlobalBatchNorm(1, every=0).train()
    for _ in range(30):
        norm(torch.tensor([[-1.0], [1.0]]))
    before = norm.running_mean.item()
    norm(torch.tensor([[4.0], [6.0]]))
    assert before == pytest.approx(0)
    assert norm.running_mean.item() == pytest.approx(0.1 * 5)


@pytest.mark.parametrize(("every", "reached"), [(1, 1), (0, 8)])
def test_the_gradient_takes_running_statistics_as_constants(every, reached):
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    GlobalBatchNorm(2, every).train()(x)[0, 0].backward()
    assert int(x.grad[:, 0].ne(0).sum()) == reached
    assert not x.grad[:, 1].any()


def test_a_later_minibatch_does_not_spoil_the_gradient_of_an_earlier_one():
    norm, x = GlobalBatchNorm(2, every=1).train(), torch.randn(8, 2, requires_grad=True)
    y, variance = norm(x), norm.running_var.clone()
    norm(torch.randn(8, 2))
    y.sum().backward()
    torch.testing.assert_close(x.grad, variance.rsqrt().expand(8, 2))


def test_a_minibatch_of_one_is_normalised_by_the_running_statistics_and_leaves_them():
    head = head_of(every=2)
    head(torch.randn(8, 6))
    before = {k: v.clone() for k, v in head.state_dict().items()}
    one = torch.randn(1, 6)
    alone = head(one).mean
    assert all(torch.equal(v, before[k]) for k, v in head.state_dict().items())
    assert torch.equal(alone, head.eval()(one).mean)


def test_batches_and_latents_that_cannot_be_normalised_are_refused():
    with pytest.raises(ValueError, match="batch of 2 or more"):
        head_of().check(1)
    head_of("layer").check(1)
    with pytest.raises(ValueError, match="norm='layer' needs 3 or more dimensions"):
        head_of("layer", latent=2)
    for term in (MomentumEntropy(ONE, 0.99, 3), NearestNeighbourEntropy(ONE)):
        with pytest.raises(ValueError, match="entropy needs a batch of 2 or more"):
            term.check(1)


@pytest.mark.parametrize("cached", [0, 6])
def test_the_contrast_is_the_double_loop(cached):
    torch.manual_seed(0)
    mean, positive, negatives = (torch.randn(n, 3).double() for n in (5, 5, cached))
    naive = 0.0
    for i in range(5):
        below = sum(math.exp(mean[i] @ mean[j]) for j in range(5) if j != i)
        below += sum(math.exp(mean[i] @ code) for code in negatives)
        naive -= math.log(math.exp(mean[i] @ positive[i]) / below) / 5
    assert contrastive_entropy(mean, positive, negatives).item() == pytest.approx(naive)


def test_a_stack_of_batches_has_the_losses_of_its_members():
    torch.manual_seed(0)
    mean, positive, negatives = torch.randn(3, 5, 2), torch.randn(3, 5, 2), torch.randn(4, 2)
    stacked = contrastive_entropy(mean, positive, negatives)
    each = [contrastive_entropy(*pair, negatives) for pair in zip(mean, positive, strict=True)]
    torch.testing.assert_close(stacked, torch.stack(each))
    term = NearestNeighbourEntropy(ONE)
    torch.testing.assert_close(term(state_of(mean)), torch.stack([term(state_of(m)) for m in mean]))


def test_a_row_without_others_counts_nothing():
    one = torch.randn(1, 4)
    assert contrastive_entropy(one, one, one[:0]).item() == 0
    assert contrastive_entropy(one, one, one).item() == pytest.approx(0, abs=1e-6)
    assert NearestNeighbourEntropy(ONE)(state_of(one)).item() == 0
    assert NearestNeighbourEntropy(ONE).values(state_of(one)) == {}


def test_the_momentum_encoder_lags_by_the_power_of_the_momentum():
    term = MomentumEntropy(ONE, momentum=0.9, cached=0)
    model = free_model(term)
    own = (*model.encoder.parameters(), *model.head.parameters())
    first = [p.detach().clone() for p in own]
    for p in own:
        p.data.add_(torch.randn_like(p))
    state = model.infer(Rows(torch.arange(6)))
    for steps in range(1, 4):
        term.after(state)
        for slow, start, now in zip(term.parameters(), first, own, strict=True):
            torch.testing.assert_close(slow, now + 0.9**steps * (start - now))


def test_neither_gradient_nor_optimiser_moves_the_momentum_encoder():
    term = MomentumEntropy(ONE, momentum=0.9, cached=2)
    model = free_model(term)
    before = [p.clone() for p in term.parameters()]
    term(model.infer(Rows(torch.arange(6)))).backward()
    assert parameters((term,)) == []
    assert all(p.grad is None for p in term.parameters())
    assert any(p.grad.any() for p in model.encoder.parameters())
    torch.optim.SGD(parameters(model.players()), lr=1.0).step()
    assert all(torch.equal(p, old) for p, old in zip(term.parameters(), before, strict=True))


def test_the_momentum_encoder_normalises_by_its_own_statistics():
    term = MomentumEntropy(ONE, momentum=0.9, cached=0)
    model = free_model(term)
    state = model.infer(Rows(torch.arange(6)))
    before = term(state).item()
    term.encoder.features.data.mul_(50)
    assert term(state).item() == pytest.approx(before, rel=1e-4)


def test_the_contrast_draws_nothing_from_the_training_generator():
    model = free_model(MomentumEntropy(ONE, 0.9, 2))
    state = model.infer(Rows(torch.arange(6)))
    before = torch.get_rng_state()
    model.terms[0](state)
    model.terms[0].after(state)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_cache_holds_the_codes_of_the_last_minibatches_whatever_their_sizes():
    term = MomentumEntropy(ONE, momentum=0.9, cached=2)
    model = free_model(term)
    seen = []
    for size in (3, 5, 2, 4):
        state = model.infer(Rows(torch.randperm(12)[:size]))
        seen.append(state.q.mean.detach())
        expected = contrastive_entropy(
            seen[-1],
            term.head(term.encoder(state.batch)).mean,
            torch.cat([seen[-1][:0], *seen[-3:-1]]),
        )
        assert term(state).item() == pytest.approx(expected.item())
        term.after(state)
        assert torch.equal(term.codes, torch.cat(seen[-2:]))
        assert not term.codes.requires_grad


def test_evaluation_contrasts_within_the_batch_alone():
    term = MomentumEntropy(ONE, momentum=0.9, cached=2)
    model = free_model(term)
    term.after(model.infer(Rows(torch.arange(6))))
    model.eval()
    state = model.infer(Rows(torch.arange(6, 10)))
    positive = term.head(term.encoder(state.batch)).mean
    expected = contrastive_entropy(state.q.mean, positive, positive[:0])
    assert term(state).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("whole", [True, False], ids=["last", "best"])
def test_cache_and_momentum_encoder_survive_a_checkpoint_bit_for_bit(whole, tmp_path):
    model, loaded = (free_model(MomentumEntropy(ONE, 0.9, 3)) for _ in range(2))
    for size in (3, 5):
        model.encoder.features.data.add_(torch.randn(12, 4))
        model.terms[0].after(model.infer(Rows(torch.randperm(12)[:size])))
    if whole:
        checkpoint.save(tmp_path / "file", checkpoint.pack(model, {}))
        checkpoint.unpack(checkpoint.load(tmp_path / "file")[0], loaded, {})
    else:
        checkpoint.save(tmp_path / "file", model.state_dict())
        checkpoint.load_weights(tmp_path / "file", loaded)
    for held in (3 + 5, 3 + 5 + 7, 5 + 7 + 7):
        assert len(model.terms[0].codes) == held
        assert same(loaded.state_dict(), model.state_dict())
        state, again = (m.infer(Rows(torch.arange(7))) for m in (model, loaded))
        assert torch.equal(model.terms[0](state), loaded.terms[0](again))
        model.terms[0].after(state)
        loaded.terms[0].after(again)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("dimensions", [1, 2, 4])
def test_the_nearest_neighbour_estimate_of_a_gaussian_is_its_entropy(dimensions):
    torch.manual_seed(0)
    codes = torch.randn(2000, dimensions)
    expected = dimensions * GAUSSIAN_ENTROPY
    assert nearest_neighbour_entropy(codes).item() == pytest.approx(expected, abs=0.1)
    assert nearest_neighbour_entropy(3 * codes).item() == pytest.approx(
        expected + dimensions * math.log(3), abs=0.1
    )


def test_the_nearest_neighbour_loss_is_minus_the_estimate_up_to_a_constant():
    torch.manual_seed(0)
    term = NearestNeighbourEntropy(ONE)
    sums = [
        term(state_of(codes)) + term.values(state_of(codes))["entropy"]
        for codes in (torch.randn(20, 3), torch.rand(20, 3))
    ]
    assert sums[0].item() == pytest.approx(sums[1].item(), abs=1e-5)


def test_the_nearest_neighbour_loss_pushes_the_nearest_pair_apart():
    codes = torch.tensor([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0]], requires_grad=True)
    NearestNeighbourEntropy(ONE)(state_of(codes)).backward()
    descent = -codes.grad
    assert descent[0, 0] < 0 < descent[1, 0]
    moved = (codes + 1e-3 * descent).detach()
    assert (moved[1] - moved[0]).norm() > 0.1


def test_equal_codes_leave_loss_and_gradient_finite():
    codes = torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0 + 1e-7], [5.0, 5.0]])
    codes.requires_grad_()
    loss = NearestNeighbourEntropy(ONE)(state_of(codes))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(codes.grad).all()
    assert codes.grad.norm() < 1e6


def normalised(codes: Tensor) -> Tensor:
    return (codes - codes.mean(-2, keepdim=True)) / codes.std(-2, correction=0, keepdim=True)


def distance_to_normal(model: Model) -> float:
    """Mean Kolmogorov-Smirnov distance of the normalised codes' dimensions to N(0, 1)."""
    with torch.no_grad():
        codes = normalised(model.head.network(model.encoder.features)).T.numpy()
    return float(np.mean([kstest(column, "norm").statistic for column in codes]))


@pytest.mark.parametrize(
    "term",
    [
        MomentumEntropy(ONE, 0.99, 0),
        MomentumEntropy(ONE, 0.99, 3),
        NearestNeighbourEntropy(ONE),
    ],
    ids=["contrast", "contrast with cache", "nearest neighbour"],
)
def test_entropy_alone_moves_two_clusters_towards_the_prior(term):
    model = free_model(term, items=256, latent=4, every=5)
    optimiser = torch.optim.Adam(parameters(model.players()), lr=1e-2)
    before = distance_to_normal(model)
    for _ in range(600):
        state = model.infer(Rows(torch.randperm(256)[:32]))
        term(state).backward()
        optimiser.step()
        optimiser.zero_grad()
        term.after(state)
    assert before > 0.2
    assert distance_to_normal(model) < 0.4 * before


def test_only_the_nearest_neighbour_loss_prefers_the_prior_to_heavier_tails():
    torch.manual_seed(0)
    gaussian = torch.randn(100, 32, 32)
    spread = torch.distributions.Gamma(0.25, 0.25).sample((100, 32, 1)).sqrt()
    prior, heavy = (normalised(codes) for codes in (gaussian, spread * gaussian))
    contrast = [
        torch.stack([contrastive_entropy(c, c, c[:0]) for c in batches]).mean()
        for batches in (prior, heavy)
    ]
    nearest = [NearestNeighbourEntropy(ONE)(state_of(c)).mean() for c in (prior, heavy)]
    assert contrast[0] > contrast[1] + 1
    assert nearest[0] < nearest[1] - 1


def ceae(noise_epochs: int = 2) -> Parts:
    """CEAE as published, over short noisy training.

    Source: CEAE A.4.
    """
    head = NormalisedHead("batch", None, noise_epochs, every=5)
    return Parts("CEAE", head, (MomentumEntropy(Ramp(6e-3), 0.99, 3),))


def entropic(noise_epochs: int = 0) -> Parts:
    """Codes on a sphere, repelled by their nearest neighbours.

    Source: CEAE section 3.1.
    """
    head = NormalisedHead("layer", None, noise_epochs, every=0)
    return Parts("entropic", head, (NearestNeighbourEntropy(constant(1e-2)),))


@pytest.fixture
def trainer(corpus, text_network, tmp_path):
    """A trainer of a factory's defaults on batches of one length, into its own folder."""

    def make(factory, folder: str, epochs: int) -> Trainer:
        quick = {"nll_items": 8, "nll_samples": 2, "final_items": 8, "final_samples": 2}
        chosen = Settings(epochs=epochs, lr=1e-2, **quick)
        data = TextData(corpus, batch_size=16, order="exact")
        method = Method(factory, {})
        return Trainer(method, text_network, data, chosen, tmp_path / folder, progress_bar=False)

    return make


@pytest.mark.parametrize("factory", [ceae, entropic])
def test_a_longer_run_continues_a_shorter_one_bit_for_bit(factory, trainer):
    whole = trainer(factory, "whole", 4)
    assert whole.run() == "finished"
    trainer(factory, "part", 2).run()
    part = trainer(factory, "part", 4)
    assert part.run(resume=True) == "finished"
    for name in ("last", "best"):
        left, right = (
            load_file(run.folder / "checkpoints" / f"{name}.safetensors") for run in (whole, part)
        )
        assert same(left, right)
    left, right = (open_run(run.folder) for run in (whole, part))
    assert left.metrics() == right.metrics()
    assert left.latents(4).mean.shape == (40, 4)
    np.testing.assert_array_equal(left.latents(4).mean, right.latents(4).mean)


def test_a_run_logs_the_contrast_at_its_weight_and_the_entropy(trainer):
    run = trainer(ceae, "run", 2)
    run.run()
    weighted = [r["weighted"]["model"] for r in open_run(run.folder).metrics("train")]
    assert weighted[0]["contrastive entropy"] == 0
    assert weighted[1]["contrastive entropy"] != 0
    other = trainer(entropic, "other", 1)
    other.run()
    assert all(math.isfinite(r["entropy"]) for r in open_run(other.folder).metrics("valid"))

"""Lagging and semi-amortised inference against their definitions and exact derivatives."""

import json
import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lab.backbones import build_model
from lab.evaluation import evaluating
from lab.methods import Parts
from lab.model import Model, Update
from lab.optimise import Optimisers
from lab.posteriors import DiagonalGaussian, GaussianHead, PointHead, Sizes
from lab.procedures import Descent, Lagging, Refinement, SemiAmortised, seeded
from lab.schedules import constant
from lab.settings import Settings
from lab.specs import Method
from lab.terms import KL
from lab.train import Trainer

QUICK = {"nll_items": 8, "nll_samples": 2, "final_items": 8, "final_samples": 2}


def gaussian(procedure, weight: float = 1.0) -> Parts:
    return Parts("test", GaussianHead(), (KL(constant(weight)),), procedure)


@pytest.fixture
def model(text_network):
    """A model of a procedure on the tiny grammar's networks, in training mode."""

    def make(procedure, weight: float = 1.0, **changes) -> Model:
        torch.manual_seed(0)
        return build_model(gaussian(procedure, weight), replace(text_network, **changes)).train()

    return make


def copies(module: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """The names of the parts (encoder, head, decoder) whose weights differ."""
    now = module.state_dict()
    return {k.split(".")[0] for k, v in before.items() if not torch.equal(v, now[k])}


def test_while_aggressive_only_encoder_and_head_move_until_one_step_of_the_decoder(
    model, text_data
):
    lagging = model(partial(Lagging, inner=4))
    optimisers = Optimisers(lagging, Settings(), 1e-2)
    batch, *others = text_data.train(0)
    moved, before = [], copies(lagging)
    for update in lagging.updates(batch, 0.0, iter(others).__next__):
        optimisers.apply(update)
        moved.append(changed(lagging, before))
        before = copies(lagging)
    assert moved == [{"encoder", "head"}] * 4 + [{"decoder"}]


def test_encoder_steps_start_and_the_decoders_step_is_on_the_current_batch(model, text_data):
    lagging = model(partial(Lagging, inner=3))
    seen = []
    lagging.encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].indices))
    batch, *others = text_data.train(0)
    list(lagging.updates(batch, 0.0, iter(others).__next__))
    expected = [b.indices for b in (batch, *others[:2], batch)]
    assert [i.tolist() for i in seen] == [i.tolist() for i in expected]


@dataclass(frozen=True)
class Counted:
    """A batch of which only the numbers of sentences and symbols matter."""

    size: int
    count: int

    def symbols(self) -> tuple[Tensor, Tensor]:
        return torch.zeros(self.count), torch.zeros(self.count)


def encoder_steps(lagging: Lagging, monkeypatch, losses: list[float], counts: list[int]) -> int:
    """How many steps the encoder takes if they have these losses on batches of so many symbols."""
    values, batches = iter(losses), iter([Counted(2, count) for count in counts])

    def scripted(self, batch, time, draw):
        yield Update(torch.tensor(next(values)), (self,))

    monkeypatch.setattr(Model, "updates", scripted)
    updates = list(lagging.updates(next(batches), 0.0, batches.__next__))
    assert updates[-1].players == (lagging.decoder,)
    return len(updates) - 1


@pytest.mark.parametrize(
    ("losses", "counts", "steps"),
    [
        ([5, 5, 4, 4, 4, 4.1, 3, 3, 0], [2] * 8, 6),
        ([5, 5, 4, 4, 3, 3, 2, 2, 0], [2] * 8, 8),
        ([5, 5, 4, 4, 4, 4, 3, 4, 0], [2] * 8, 8),
        ([5, 5, 6, 6, 7, 7, 8, 8, 0], [2, 2, 4, 4, 8, 8, 9, 9], 8),
        ([5, 5, 4, 4, 3, 3, 2, 2, 0], [8, 8, 2, 2, 2, 2, 2, 2], 4),
    ],
    ids=["rise", "fall", "level", "rise per sentence only", "rise per symbol only"],
)
def test_the_encoder_stops_when_its_loss_per_symbol_rises_between_windows(
    losses, counts, steps, model, monkeypatch
):
    lagging = model(partial(Lagging, inner=8, window=2))
    assert encoder_steps(lagging, monkeypatch, losses, counts) == steps


def test_aggressive_training_ends_for_good_when_the_information_falls_even_through_json(
    model, text_data
):
    lagging = model(partial(Lagging, inner=3))
    batch = next(iter(text_data.train(0)))

    def players() -> list[set[str]]:
        names = {module: name for name, module in lagging.named_children()}
        updates = lagging.updates(batch, 0.0, lambda: batch)
        return [{names.get(p) for p in u.players} & {"encoder", "decoder"} for u in updates]

    for mi, aggressive in ((0.5, True), (0.5, True), (0.8, True), (0.7, False), (0.9, False)):
        lagging.evaluated({"mi": mi})
        lagging.memory = json.loads(json.dumps(lagging.memory))
        apart = [{"encoder"}] * 3 + [{"decoder"}]
        assert players() == (apart if aggressive else [{"encoder", "decoder"}])


def test_information_below_zero_ends_aggressive_training_at_once(model):
    lagging = model(Lagging)
    lagging.evaluated({"mi": -0.01})
    assert not lagging.memory["aggressive"]


class LinearDecoder(nn.Module):
    """p(x|z) = N(W z, s²) with orthogonal columns, so that the true posterior is diagonal."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.tensor([[1.0, 0.5], [-1.0, 0.5], [0.0, 1.0]])
        self.noise = 0.7

    def nll(self, batch: "Vectors", z: Tensor) -> Tensor:
        return -torch.distributions.Normal(z @ self.weight.T, self.noise).log_prob(batch.x).sum(-1)

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        precision = 1 + self.weight.square().sum(0) / self.noise**2
        mean = x @ self.weight / self.noise**2 / precision
        return DiagonalGaussian(mean, -precision.log().expand_as(mean))

    def bound(self, batch: "Vectors", q: DiagonalGaussian) -> Tensor:
        """The exact negative ELBO [B]."""
        spread = (q.variance * self.weight.square().sum(0)).sum(-1) / self.noise**2 / 2
        return self.nll(batch, q.mean) + spread + q.kl()


@dataclass(frozen=True)
class Vectors:
    x: Tensor

    @property
    def size(self) -> int:
        return len(self.x)

    def repeat(self, n: int) -> "Vectors":
        return Vectors(self.x.repeat(n, 1))


class Read(nn.Module):
    def forward(self, batch: Vectors) -> Tensor:
        return batch.x


def linear_gaussian(**options) -> tuple[SemiAmortised, Vectors]:
    torch.manual_seed(0)
    terms, sizes = (KL(constant(1.0)),), Sizes(features=3, latent=2)
    model = SemiAmortised(Read(), GaussianHead(), LinearDecoder(), terms, sizes, **options)
    return model.eval(), Vectors(torch.randn(6, 3))


def test_refinement_finds_the_true_posterior_of_a_linear_gaussian_model():
    model, batch = linear_gaussian(steps=400, lr=0.02)
    found, truth = model.infer(batch).q, model.decoder.posterior(batch.x)
    torch.testing.assert_close(found.mean, truth.mean, atol=0.1, rtol=0)
    torch.testing.assert_close(found.log_variance, truth.log_variance, atol=0.15, rtol=0)
    evidence = model.decoder.bound(batch, truth)
    assert (model.decoder.bound(batch, found) - evidence).max() < 0.02


@pytest.mark.parametrize("options", [{}, {"steps": 10, "lr": 1 / 32}])
def test_a_few_steps_lower_the_bound_of_every_sentence(options):
    model, batch = linear_gaussian(**options)
    before = model.decoder.bound(batch, Model.infer(model, batch).q)
    assert (model.decoder.bound(batch, model.infer(batch).q) < before).all()


def objective_of(model: Model, batch, q: DiagonalGaussian, draws: int = 100) -> float:
    noise = torch.randn(draws, *q.mean.shape, generator=torch.Generator().manual_seed(1))
    nll = [model.decoder.nll(batch, q.mean + q.stddev * n).mean() for n in noise]
    return float(torch.stack(nll).mean() + model.terms[0].weight(math.inf) * q.kl().mean())


def test_refinement_lowers_the_objective_of_a_trained_text_model(model, text_data):
    trained = model(SemiAmortised, weight=0.1)
    optimisers = Optimisers(trained, Settings(), 1e-2)
    for epoch in range(5):
        for batch in text_data.train(epoch):
            (update,) = trained.updates(batch, 0.0, iter(()).__next__)
            optimisers.apply(update)
    with evaluating(trained):
        for batch in text_data.rows("valid", np.arange(40)):
            amortised, refined = Model.infer(trained, batch).q, trained.infer(batch).q
            assert amortised.kl().mean() > 0.5
            gain = objective_of(trained, batch, amortised) - objective_of(trained, batch, refined)
            assert gain > 0


def test_a_sentences_posterior_does_not_depend_on_its_batch(model, text_data):
    refined = model(partial(SemiAmortised, clip=0.3), weight=0.1, init=0.5).eval()
    (batch,) = text_data.rows("valid", np.arange(16))
    together, amortised = refined.infer(batch).q, Model.infer(refined, batch).q
    assert (together.mean - amortised.mean).abs().max() > 0.05
    for row in range(0, 16, 5):
        (one,) = text_data.rows("valid", batch.indices[[row]])
        alone = refined.infer(one).q
        torch.testing.assert_close(alone.mean[0], together.mean[row], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            alone.log_variance[0], together.log_variance[row], atol=1e-5, rtol=1e-4
        )


def test_evaluation_without_gradients_refines_alike_and_leaves_none(model, text_data):
    refined = model(SemiAmortised)
    (batch,) = text_data.rows("valid", np.arange(16))
    with evaluating(refined):
        without, again = refined.infer(batch), refined.infer(batch)
    assert not without.z.requires_grad
    assert all(p.grad is None for p in refined.parameters())
    assert torch.equal(without.q.mean, again.q.mean)
    torch.testing.assert_close(refined.eval().infer(batch).q.mean, without.q.mean)


def test_dropout_repeats_in_backward_and_leaves_the_generator_alone(model, text_data):
    refined = model(partial(SemiAmortised, steps=3))
    batch = next(iter(text_data.train(0)))
    masks = []
    refined.decoder.dropout.register_forward_hook(lambda _, __, out: masks.append(out == 0))
    (update,) = refined.updates(batch, 0.0, lambda: batch)
    state = torch.get_rng_state()
    update.loss.backward()
    assert torch.equal(torch.get_rng_state(), state)
    per_pass = len(masks) // 7  # three steps, the loss, three steps back
    passes = [masks[i : i + per_pass] for i in range(0, len(masks), per_pass)]
    for forward, back in zip(passes[:3], passes[:3:-1], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(forward, back, strict=True))
    assert not torch.equal(passes[0][0], passes[1][0])
    assert not torch.equal(passes[0][0], passes[3][0])


def unrolled(start: Tensor, descent: Descent) -> Tensor:
    """The descent written out for double backward."""
    point, velocity = start, torch.zeros_like(start)
    for step in range(descent.steps):
        with seeded(descent.seed + step, start.device):
            value = descent.objective(point, step)
        (gradient,) = torch.autograd.grad(value, point, create_graph=True)
        norm = gradient.square().sum(-1, keepdim=True).sqrt()
        limited = torch.where(norm > descent.clip, gradient * descent.clip / norm, gradient)
        velocity = descent.momentum * velocity - limited
        point = point + descent.lr * velocity
    return point


@pytest.mark.parametrize("clip", [100.0, 2.0], ids=["free", "clipped"])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_gradients_through_a_refinement_are_those_of_exact_double_backward(
    momentum, clip, model, text_data
):
    refined = model(SemiAmortised, init=0.5).double()
    batch = next(iter(text_data.train(0)))
    start = torch.randn(2, batch.size, 4, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(4, batch.size, 4, dtype=torch.float64)

    def objective(point: Tensor, step: int) -> Tensor:
        q = DiagonalGaussian(*point)
        return (refined.decoder.nll(batch, q.mean + q.stddev * noise[step]) + q.kl()).sum()

    descent = Descent(objective, 4, 0.1, momentum, clip)
    (first,) = descent.gradients(start, 0)
    assert bool((first.norm(dim=-1) > clip).any()) == (clip == 2.0)
    weights = tuple(refined.decoder.parameters())
    target = torch.randn(start.shape, dtype=torch.float64)
    ends = Refinement.apply(start, descent, *weights), unrolled(start, descent)
    torch.testing.assert_close(*ends)
    found, exact = (
        torch.autograd.grad((end * target).sum(), (start, *weights), materialize_grads=True)
        for end in ends
    )
    for ours, truth in zip(found, exact, strict=True):
        assert (ours - truth).norm() <= 1e-6 * truth.norm()


def test_the_decoders_gradient_through_the_path_can_be_left_out(model, text_data):
    batch = next(iter(text_data.train(0)))

    def gradients(**options) -> dict[str, Tensor]:
        refined = model(partial(SemiAmortised, **options), init=0.5)
        torch.manual_seed(1)
        (update,) = refined.updates(batch, 0.0, lambda: batch)
        update.loss.backward()
        return {n: p.grad for n, p in refined.named_parameters()}

    whole, partly = gradients(), gradients(through_decoder=False)
    for name, gradient in whole.items():
        same = torch.allclose(gradient, partly[name], rtol=0.02, atol=1e-6)
        assert same == (not name.startswith("decoder"))


@pytest.mark.parametrize(
    ("procedure", "head", "message"),
    [
        (partial(Lagging, window=0), GaussianHead(), "inner and window must be 1 or more"),
        (Lagging, PointHead(), "watches the MI, which PointHead lacks"),
        (partial(SemiAmortised, momentum=1.0), GaussianHead(), "momentum below 1"),
        (SemiAmortised, PointHead(), "needs a Gaussian, not PointHead"),
    ],
)
def test_options_and_posteriors_that_do_not_fit_are_refused(procedure, head, message, text_network):
    with pytest.raises(ValueError, match=message):
        build_model(Parts("test", head, procedure=procedure), text_network)


class Falling(Lagging):
    """Lagging that remembers more information than there is, so that it ends after an epoch."""

    def __init__(self, *parts) -> None:
        super().__init__(*parts, inner=4, window=2)
        self.memory["mi"] = 1e9


def lagging() -> Parts:
    """Few encoder steps.

    Source: none.
    """
    return gaussian(partial(Lagging, inner=4, window=2))


def falling() -> Parts:
    """Ends after an epoch.

    Source: none.
    """
    return gaussian(Falling)


def semi_amortised() -> Parts:
    """With its defaults.

    Source: none.
    """
    return gaussian(SemiAmortised)


@pytest.mark.parametrize("factory", [lagging, falling, semi_amortised])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    factory, text_data, text_network, tmp_path
):
    def run(folder: str, epochs: int, resume: bool = False) -> Trainer:
        settings = Settings(epochs=epochs, lr=1e-2, **QUICK)
        method, place = Method(factory, {}), tmp_path / folder
        trainer = Trainer(method, text_network, text_data, settings, place, progress_bar=False)
        assert trainer.run(resume) == "finished"
        return trainer

    whole = run("whole", 2)
    run("part", 1)
    resumed = run("part", 2, resume=True)
    assert resumed.model.memory == whole.model.memory
    assert (factory is not falling) or not whole.model.memory["aggressive"]
    left, right = (
        load_file(t.folder / "checkpoints" / "last.safetensors") for t in (whole, resumed)
    )
    assert left.keys() == right.keys()
    assert all(torch.equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize("factory", [lagging, semi_amortised])
def test_the_procedures_train_on_the_toy(factory, toy_data, toy_network, tmp_path):
    settings = Settings(epochs=1, **QUICK)
    trainer = Trainer(
        Method(factory, {}), toy_network, toy_data, settings, tmp_path / "run", progress_bar=False
    )
    before = copies(trainer.model)
    assert trainer.run() == "finished"
    assert changed(trainer.model, before) == {"head", "decoder"}

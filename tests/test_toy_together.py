"""Stacks of toy models: what a program of many gives is what each model alone gives."""

import gc
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from lab.backbones import MLPNetwork, build_model
from lab.errors import UserError
from lab.methods import METHODS, parse
from lab.runs import open_run
from lab.schedules import constant
from toy.experiment import trainer
from toy.program import GRADIENT, Program
from toy.stack import Unstackable, stacked, structure
from toy.study import grouped, spread
from toy.together import Together, load, stack, store

ALONE = {"vmf_vae", "dg_vmf_vae", "lagging_vae", "sa_vae", "ceae"}
NOT_SERVED = {"ae_fb", "vae_word_dropout"}
# The whole batch of 500 rows, dg_vae's default, takes too long here.
QUICK = {"dg_vae": "dg_vae(aggregation=20)"}
STACKED = [QUICK.get(name, name) for name in METHODS if name not in ALONE | NOT_SERVED]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(spec, folder, seed=0, **options):
    options = {"iterations": 32, "lr": 1e-3, "progress_bar": False} | options
    return trainer(parse(spec), folder / spec / str(seed), seed=seed, **options)


def alone(one, batches):
    """The losses of plain training steps of a trainer's own model and optimisers."""
    torch.manual_seed(one.epoch_seed)
    one.model.train()
    steps = []
    for batch in batches:
        parts = {}
        for update in one.model.updates(batch, np.inf, None):
            for name, value in one.optimisers.apply(update).items():
                parts.setdefault((update.optimiser, name), []).append(value)
        steps.append({key: np.mean(values) for key, values in parts.items()})
    return steps


@pytest.mark.parametrize("spec", STACKED)
def test_a_stacked_step_is_every_members_own_step(spec, tmp_path):
    trainers = [make(spec, tmp_path, seed, categories=3) for seed in (0, 5)]
    streams = [iter(t.data.train(1)) for t in trainers]
    batches = [[next(s) for s in streams] for _ in range(2)]
    program = Program([t.model for t in trainers], trainers[0].settings, stack(batches[0]), False)
    generators = [torch.Generator().manual_seed(t.epoch_seed) for t in trainers]
    together = [program(stack(pair), generators) for pair in batches]
    for e, one in enumerate(trainers):
        expected = alone(one, [pair[e] for pair in batches])
        for losses, found in zip(expected, together, strict=True):
            got = dict(zip(program.names, found[:, e].tolist(), strict=True))
            norms = {k: got.pop(k) for k in list(got) if k[1].startswith(GRADIENT)}
            assert got == pytest.approx(losses, rel=1e-3, abs=1e-5)
            assert len(norms) == len({player for player, _ in losses})
        moved = torch.cat([p.detach().flatten() for p in one.model.parameters()])
        program_of = dict(program.tensors)
        mine = torch.cat(
            [program_of[f"model.{n}"][e].flatten() for n, _ in one.model.named_parameters()]
        )
        # Adam's first steps are of one size; a rounding error may turn the sign of a null gradient.
        assert (mine - moved).abs().quantile(0.99) < 1e-5


@pytest.mark.parametrize("spec", sorted(ALONE))
def test_methods_that_cannot_be_stacked_say_why(spec, tmp_path):
    trainers = [make(spec, tmp_path, seed) for seed in (0, 1)]
    with pytest.raises(Unstackable, match=r"\w"):
        Together(trainers, compiled=False).program(trainers)


def test_runs_of_a_stack_are_those_of_single_trainings(tmp_path):
    for seed in (0, 1):
        make("vae", tmp_path / "alone", seed).run()
    trainers = [make("vae", tmp_path / "together", seed) for seed in (0, 1)]
    assert Together(trainers, compiled=False, progress_bar=False).run() == ["finished"] * 2
    for seed in (0, 1):
        one, other = (open_run(tmp_path / way / "vae" / str(seed)) for way in ("alone", "together"))
        assert one.epochs == other.epochs
        np.testing.assert_allclose(one.latents().mean, other.latents().mean, atol=1e-4)
        for a, b in zip(one.metrics("train"), other.metrics("train"), strict=True):
            assert a["loss"] == pytest.approx(b["loss"], abs=1e-4)


def test_a_stack_resumes_to_the_same_result_also_where_one_member_lags_behind(tmp_path):
    whole = Together([make("vae", tmp_path / "a", s) for s in (0, 1)], False, False)
    whole.run()
    short = Together([make("vae", tmp_path / "b", s, iterations=16, every=2) for s in (0, 1)])
    short.progress_bar = False
    short.run()
    shutil.rmtree(tmp_path / "b" / "vae" / "1")
    rest = [make("vae", tmp_path / "b", s, every=2) for s in (0, 1)]
    assert Together(rest, False, False).run(resume=True) == ["finished"] * 2
    for seed in (0, 1):
        first, second = (open_run(tmp_path / way / "vae" / str(seed)) for way in "ab")
        np.testing.assert_allclose(first.latents().mean, second.latents().mean, atol=1e-5)


def test_a_diverging_member_is_recorded_and_its_neighbours_do_not_notice(tmp_path):
    def poisoned(seed):
        one = make("vae", tmp_path / "b", seed)
        if seed == 1:
            with torch.no_grad():
                one.model.decoder.network[0].bias.fill_(torch.finfo(torch.float32).max)
                one.model.head.network[-1].bias.fill_(60.0)
        return one

    Together([make("vae", tmp_path / "a", s) for s in (0, 2)], False, False).run()
    group = [poisoned(seed) for seed in (0, 1, 2)]
    assert Together(group, False, False).run() == ["finished", "failed", "finished"]
    failed = open_run(tmp_path / "b" / "vae" / "1")
    assert "became" in failed.info["error"]
    for seed in (0, 2):
        alone, beside = (open_run(tmp_path / way / "vae" / str(seed)) for way in "ab")
        np.testing.assert_allclose(alone.latents().mean, beside.latents().mean, atol=1e-5)


def test_divergence_names_the_step_at_which_the_loss_went(tmp_path):
    one = make("vae", tmp_path, iterations=32, every=16)
    together = Together([one], False, False)
    program = together.program([one])
    step, taken = program.run, iter(range(100))

    def broken(*inputs):
        return step(*inputs) * (float("nan") if next(taken) >= 20 else 1.0)

    program.run = broken
    assert together.run() == ["failed"]
    assert open_run(one.folder).info["error"] == "reconstruction became nan at step 20 (epoch 2)"


def test_weights_of_terms_differ_between_members_and_structures_do_not(tmp_path):
    specs = ["beta_vae(beta=0.1)", "beta_vae(beta=2.0)", "vae", "fb_vae", "ivae"]
    trainers = [make(spec, tmp_path) for spec in specs]
    assert [len(group) for group in grouped(trainers)] == [3, 1, 1]
    whole = stacked([t.model for t in trainers[:3]])
    assert whole.terms[0].weight(np.inf).tolist() == pytest.approx([0.1, 2.0, 1.0])


def test_runs_of_other_sizes_or_rates_are_other_groups(tmp_path):
    trainers = [make("vae", tmp_path, s, categories=k) for k in (4, 8) for s in (0, 1)]
    trainers.append(make("vae", tmp_path, 2, lr=1e-2))
    assert [len(group) for group in grouped(trainers)] == [2, 2, 1]


def test_large_groups_are_shared_out_by_seeds(tmp_path):
    specs = ("vae", "beta_vae(beta=0.1)")
    group = grouped([make(spec, tmp_path, seed) for spec in specs for seed in range(5)])
    parts = spread(group, 2)
    assert sorted(len(part) for part in parts) == [4, 6]
    for part in parts:
        pairs = {(t.method.spec, t.settings.seed) for t in part}
        specs_of, seeds = ({p[i] for p in pairs} for i in (0, 1))
        assert len(pairs) == len(specs_of) * len(seeds)


def test_structure_sees_options_but_neither_tensors_nor_weights():
    def model(spec):
        return build_model(parse(spec).parts(), MLPNetwork(4))

    assert structure(model("vae")) == structure(model("vae"))
    assert structure(model("bn_vae(gamma=0.5)")) != structure(model("bn_vae(gamma=0.6)"))
    assert structure(model("clvae(temperature=0.1)")) != structure(model("clvae"))
    other = model("vae")
    other.terms[0].weight = constant(3)
    assert structure(other) == structure(model("vae"))


def test_what_a_program_is_given_it_gives_back(tmp_path):
    trainers = [make("aae", tmp_path, seed) for seed in (0, 1)]
    program = Together(trainers, compiled=False).program(trainers)
    for one in trainers:
        alone(one, [next(iter(one.data.train(1)))])
    before = [
        [t.clone() for p in o.param_groups[0]["params"] for t in (p.detach(), *o.state[p].values())]
        for one in trainers
        for o in one.optimisers.by_player.values()
    ]
    load(program, trainers)
    for one in trainers:
        with torch.no_grad():
            for p in one.model.parameters():
                p.zero_()
        for o in one.optimisers.by_player.values():
            o.state.clear()
    store(program, trainers)
    after = [
        [t for p in o.param_groups[0]["params"] for t in (p.detach(), *_adam(o.state[p]))]
        for one in trainers
        for o in one.optimisers.by_player.values()
    ]
    for old, new in zip(before, after, strict=True):
        for a, b in zip(old, new, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def _adam(state):
    return (state["step"], state["exp_avg"], state["exp_avg_sq"])


@pytest.mark.slow
def test_a_compiled_program_takes_the_same_steps(tmp_path):
    one, other = (make("vae", tmp_path / way, categories=2) for way in "ab")
    batch = stack([next(iter(one.data.train(1)))])
    programs = [Program([t.model], t.settings, batch, c) for t, c in ((one, False), (other, True))]
    assert programs[1].note == ""
    losses = [
        torch.stack([p(batch, [torch.Generator().manual_seed(3)]) for _ in range(3)])
        for p in programs
    ]
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)


def test_memory_of_a_program_does_not_grow_with_its_steps(tmp_path):
    one = make("ivae", tmp_path)
    program = Together([one], compiled=False).program([one])
    batch = stack([next(iter(one.data.train(1)))])
    generators = [torch.Generator().manual_seed(0)]

    def held_after(steps):
        for _ in range(steps):
            program(batch, generators)
        gc.collect()
        return sum(x.numel() for x in gc.get_objects() if issubclass(type(x), torch.Tensor))

    first = held_after(2)
    assert held_after(20) <= first  # less where what other tests left has been collected


@pytest.mark.parametrize("spec", ["lstm_lm", "bn_vae", "ivae"])
def test_a_stack_of_any_kind_trains_into_its_runs(spec, tmp_path):
    trainers = [make(spec, tmp_path, seed) for seed in (0, 1)]
    assert Together(trainers, False, False).run() == ["finished", "finished"]


def test_ctrl_c_while_training_stops_every_member_and_resuming_gives_the_same(tmp_path):
    whole = [make("vae", tmp_path / "a", seed) for seed in (0, 1)]
    Together(whole, False, False).run()
    trainers = [make("vae", tmp_path / "b", seed) for seed in (0, 1)]
    together = Together(trainers, False, False)
    program = together.program(trainers)
    step, taken = program.run, iter(range(1000))

    def interrupted(*inputs):
        if next(taken) == 7:
            raise KeyboardInterrupt
        return step(*inputs)

    program.run = interrupted
    assert together.run() == ["stopped", "stopped"]
    again = [make("vae", tmp_path / "b", seed) for seed in (0, 1)]
    assert Together(again, False, False).run(resume=True) == ["finished", "finished"]
    for seed in (0, 1):
        one, other = (open_run(tmp_path / way / "vae" / str(seed)) for way in "ab")
        np.testing.assert_array_equal(one.latents().mean, other.latents().mean)


def test_ctrl_c_while_one_member_records_stops_all(tmp_path, monkeypatch):
    trainers = [make("vae", tmp_path, seed) for seed in (0, 1, 2)]
    observe, seen = type(trainers[0].data).observe, iter(range(1000))

    def interrupted(*arguments):
        if next(seen) == 4:
            raise KeyboardInterrupt
        return observe(*arguments)

    monkeypatch.setattr(type(trainers[0].data), "observe", interrupted)
    assert Together(trainers, False, False).run() == ["stopped"] * 3
    assert [open_run(t.folder).status for t in trainers] == ["stopped"] * 3


def test_a_gradient_that_overflows_is_recorded_as_it_is_of_one_model(tmp_path):
    def poisoned(folder):
        one = make("vae", folder)
        with torch.no_grad():
            one.model.head.network[-1].bias[2:].fill_(55.0)
        return one

    alone, beside = (poisoned(tmp_path / way) for way in "ab")
    assert alone.run() == "failed"
    assert Together([beside], False, False).run() == ["failed"]
    errors = [open_run(one.folder).info["error"] for one in (alone, beside)]
    assert errors[0] == errors[1]
    assert errors[0].startswith("the gradient of reconstruction + KL became")


def test_a_run_that_lost_its_checkpoint_stops_a_study_before_anything_is_written(tmp_path):
    make("vae", tmp_path, 1, iterations=16, every=2, dumps=(16,)).run()
    (tmp_path / "vae" / "1" / "checkpoints" / "last.safetensors").unlink()
    trainers = [make("vae", tmp_path, seed, every=2, dumps=(16,)) for seed in (0, 1)]
    with pytest.raises(UserError, match=r"last\.safetensors: missing"):
        Together(trainers, False, False).run(resume=True)
    assert not (tmp_path / "vae" / "0").exists()


def test_a_failed_compilation_is_said_and_training_goes_on(tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: refuse)
    assert Together([make("vae", tmp_path)], True, False).run() == ["finished"]
    assert "not compiled, so two to three times slower: no C++ compiler" in capsys.readouterr().err


def test_the_records_of_a_stack_are_plain_json(tmp_path):
    one = make("ivae", tmp_path)
    Together([one], False, False).run()
    lines = (one.folder / "metrics.jsonl").read_text().splitlines()
    weighted = [json.loads(x)["weighted"] for x in lines if '"weighted"' in x]
    assert set(weighted[-1]) == {"model", "critic"}
    assert set(weighted[-1]["critic"]) == {"dual KL critic"}


def test_categories_of_batches_stay_their_own(tmp_path):
    batches = [next(iter(make("vae", tmp_path, seed).data.train(1))) for seed in (0, 1)]
    both = stack(batches)
    assert both.size == 500
    assert both.one_hot.shape == (2, 500, 4)
    doubled = replace(both).repeat(2)
    assert torch.equal(doubled.categories[:, 500:], both.categories)

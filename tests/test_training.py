"""The loop: resuming, stopping, diverging, selecting, and writing a run that others can read."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from catalogue import SPECS
from safetensors.torch import load_file

from lab.errors import UserError
from lab.interpolation import decode, interpolation_records, path
from lab.methods import parse
from lab.model import Model
from lab.runs import Run, RunWriter, open_run
from lab.runs.figures import take
from lab.schedules import END
from lab.settings import Settings
from lab.terms import KL
from lab.train import Trainer

QUICK = {"nll_items": 8, "nll_samples": 2, "final_items": 8, "final_samples": 2}


@pytest.fixture
def trainer(text_data, text_network, tmp_path):
    """A trainer of a spec on the tiny grammar, into its own folder."""

    def make(spec: str = "vae", folder: str = "run", data=text_data, **settings) -> Trainer:
        chosen = Settings(**({"epochs": 2, "lr": 1e-2} | QUICK | settings))
        return Trainer(
            parse(spec), text_network, data, chosen, tmp_path / folder, progress_bar=False
        )

    return make


def weights(run: Trainer, name: str = "last") -> dict[str, torch.Tensor]:
    return load_file(run.folder / "checkpoints" / f"{name}.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(trainer):
    first, again, other = trainer(), trainer(folder="again"), trainer(folder="other", seed=1)
    assert [t.run() for t in (first, again, other)] == ["finished"] * 3
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))
    assert open_run(first.folder).metrics() == open_run(again.folder).metrics()


@pytest.mark.parametrize("spec", SPECS)
def test_a_longer_run_continues_a_shorter_one_bit_for_bit(spec, trainer):
    whole, part = trainer(spec, epochs=3), trainer(spec, "part", epochs=2)
    whole.run()
    part.run()
    assert trainer(spec, "part", epochs=3).run(resume=True) == "finished"
    assert same(weights(whole), weights(part))
    assert same(weights(whole, "best"), weights(part, "best"))
    left, right = (open_run(t.folder) for t in (whole, part))
    assert left.metrics() == right.metrics()
    assert left.epochs == right.epochs == ([0, 1, 2, 3] if "latent" in left.info else [])
    for epoch in left.epochs:
        for one, other in zip(arrays(left, epoch), arrays(right, epoch), strict=True):
            np.testing.assert_array_equal(one, other)
    assert left.dimensions().equals(right.dimensions())
    assert left.interpolations() == right.interpolations()


def arrays(run: Run, epoch: int) -> list[np.ndarray]:
    return [a for a in vars(run.latents(epoch)).values() if isinstance(a, np.ndarray)]


@pytest.mark.parametrize("spec", SPECS)
def test_every_method_records_why_it_failed_and_keeps_its_last_good_epoch(spec, trainer):
    run = trainer(spec, epochs=3)
    nll = run.model.decoder.nll
    run.model.decoder.nll = lambda batch, z: (
        nll(batch, z) * (float("nan") if run.progress.step >= 6 and run.model.training else 1)
    )
    assert run.run() == "failed"
    written = open_run(run.folder)
    assert "became nan at step 6 (epoch 2)" in written.info["error"]
    assert written.info["epoch"] == 1
    assert all(torch.isfinite(w).all() for w in weights(run, "best").values())


ARRAYS = {
    "gaussian": {"mean", "log_variance"},
    "samples": {"mean", "samples"},
    "point": {"mean"},
    "vmf": {"mean", "concentration"},
}


@pytest.mark.parametrize("spec", [s for s in SPECS if parse(s).parts().head.family != "none"])
def test_a_dump_holds_what_defines_the_posterior(spec, trainer):
    run = trainer(spec, epochs=2)
    run.run()
    latents = open_run(run.folder).latents()
    assert latents.family == parse(spec).parts().head.family
    given = {k for k, v in vars(latents).items() if isinstance(v, np.ndarray)}
    assert given == ARRAYS[latents.family]
    assert latents.mean.shape == (len(run.data.probe), 4)


def test_an_interrupt_stops_cleanly_and_resumes_to_the_same_result(trainer, monkeypatch):
    whole = trainer(epochs=3)
    whole.run()
    stopped = trainer(folder="stopped", epochs=3)
    updates, calls = Model.updates, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 9:  # in the second epoch of six batches
            raise KeyboardInterrupt
        return updates(self, *arguments)

    monkeypatch.setattr(Model, "updates", interrupted)
    assert stopped.run() == "stopped"
    assert open_run(stopped.folder).epochs == [0, 1]
    monkeypatch.undo()
    assert trainer(folder="stopped", epochs=3).run(resume=True) == "finished"
    assert same(weights(whole), weights(stopped))
    assert open_run(whole.folder).metrics() == open_run(stopped.folder).metrics()


@pytest.mark.slow
def test_a_killed_process_loses_at_most_its_epoch(tmp_path):
    def command(runs: str) -> list[str]:
        options = ["--epochs", "5", "--limit", "320", "--hidden", "16", "--threads", "1", "--quiet"]
        return [
            sys.executable,
            "-m",
            "lab",
            "train",
            "grammar",
            "vae",
            "--runs",
            str(tmp_path / runs),
            *options,
        ]

    subprocess.run(command("whole"), check=True, capture_output=True)
    process = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL)
    folder = tmp_path / "killed" / "grammar" / "vae" / "0"
    wait_for(lambda: (folder / "run.json").exists() and open_run(folder).info["epoch"] >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = open_run(folder)
    assert left.status == "interrupted"
    assert [r["epoch"] for r in left.metrics("valid")][:3] == [0, 1, 2]
    left.latents(2)
    subprocess.run([*command("killed"), "--resume"], check=True, capture_output=True)
    whole = open_run(tmp_path / "whole" / "grammar" / "vae" / "0")
    assert open_run(folder).metrics() == whole.metrics()


def wait_for(condition) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")


@pytest.mark.parametrize("crash_before", ["write_epoch", "commit"])
def test_a_crash_between_two_files_leaves_a_run_that_resumes(trainer, monkeypatch, crash_before):
    whole = trainer(epochs=2)
    whole.run()
    crashed = trainer(folder="crashed", epochs=2)
    original, calls = getattr(RunWriter, crash_before), []

    def crash(self, *arguments, **named):
        calls.append(1)
        if len(calls) == (3 if crash_before == "commit" else 2):
            raise OSError("disk full")
        return original(self, *arguments, **named)

    monkeypatch.setattr(RunWriter, crash_before, crash)
    with pytest.raises(OSError, match="disk full"):
        crashed.run()
    monkeypatch.undo()
    assert trainer(folder="crashed", epochs=2).run(resume=True) == "finished"
    assert open_run(crashed.folder).metrics() == open_run(whole.folder).metrics()
    assert open_run(crashed.folder).epochs == [0, 1, 2]


def test_a_loss_that_is_not_finite_names_its_term_and_keeps_the_last_good_epoch(
    trainer, monkeypatch
):
    run = trainer(epochs=3)
    run.model.terms[0].weight = lambda time: float("nan") if 1 <= time < END else 1.0
    assert run.run() == "failed"
    written = open_run(run.folder)
    assert written.info["error"] == "KL became nan at step 6 (epoch 2)"
    assert written.epochs == [0, 1]
    assert all(torch.isfinite(w).all() for w in weights(run, "best").values())


def test_a_gradient_that_is_not_finite_stops_the_run(trainer):
    run = trainer()
    run.model.encoder.embedding.weight.register_hook(lambda g: g * float("inf"))
    assert run.run() == "failed"
    assert "the gradient of reconstruction + KL became" in open_run(run.folder).info["error"]


def test_a_folder_with_a_run_is_not_overwritten(trainer):
    trainer().run()
    with pytest.raises(UserError, match="already holds a run; --resume"):
        trainer().run()
    with pytest.raises(UserError, match="its settings differ"):
        trainer(lr=1.0).run(resume=True)


def test_a_second_process_is_refused_while_the_first_writes(trainer):
    run = trainer()
    with RunWriter(run.folder, {}), pytest.raises(UserError, match="is writing"):
        run.run()
    assert run.run() == "finished"


def test_stale_epochs_halve_the_rate_from_the_best_weights_and_then_stop(trainer, monkeypatch):
    run = trainer(epochs=50, patience=2, decay_from=0, max_decays=2)
    monkeypatch.setattr(Trainer, "_train_epoch", lambda self, bar: {"model": {"loss": 1.0}})
    assert run.run() == "finished"
    written = open_run(run.folder)
    assert written.info["epoch"] == 4
    assert run.progress.lr == pytest.approx(1e-2 / 4)
    assert run.progress.best_epoch == 0


def test_the_best_epoch_has_the_lowest_validation_objective(trainer):
    run = trainer(epochs=4, lr=0.3)
    run.run()
    written = open_run(run.folder)
    values = {r["epoch"]: r["selection"] for r in written.metrics("valid")}
    assert written.best_epoch == min(values, key=values.get)


def test_a_run_tells_everything_needed_to_repeat_it(trainer):
    run = trainer("beta_vae(beta=0.5)")
    run.run()
    written = open_run(run.folder)
    settings = written.info["settings"]
    assert settings["options"] == {"beta": 0.5, "anneal": 10.0}
    assert settings["network"]["kind"] == "text"
    assert settings["training"]["lr"] == 1e-2
    assert written.info["corpus"]["fingerprint"]
    assert written.info["versions"]["torch"] == torch.__version__
    assert written.labels == ["topic", "sentiment", "tense", "number", "length_class"]
    assert json.loads((run.folder / "run.json").read_text())["status"] == "finished"


def test_annealing_follows_the_clock_of_text_and_is_over_at_once_on_the_toy(
    trainer, toy_data, toy_network, tmp_path, monkeypatch
):
    seen = []
    monkeypatch.setattr(KL, "forward", lambda self, state: state.z.sum() * 0)
    original = Model.updates
    monkeypatch.setattr(
        Model, "updates", lambda s, b, time, d: (seen.append(time), original(s, b, time, d))[1]
    )
    trainer(epochs=1).run()
    assert seen == pytest.approx([i / 6 for i in range(6)])
    seen.clear()
    settings = Settings(epochs=1, **QUICK)
    Trainer(
        parse("vae"), toy_network, toy_data, settings, tmp_path / "toy", progress_bar=False
    ).run()
    assert set(seen) == {float("inf")}


GOLDEN = Path(__file__).parent / "golden.json"


@pytest.mark.parametrize("spec", SPECS)
def test_a_tiny_training_gives_the_recorded_figures(spec, trainer):
    """Recorded figures change only on purpose: LATENTLAB_GOLDEN=write records them anew."""
    run = trainer(spec)
    run.run()
    final = next(r for r in open_run(run.folder).metrics("test"))
    figures = {k: v for k, v in final.items() if isinstance(v, float)}
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("LATENTLAB_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(golden | {spec: figures}, indent=1, sort_keys=True) + "\n")
    else:
        assert figures == pytest.approx(golden[spec], rel=2e-3, abs=2e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("spec", SPECS)
def test_every_method_trains_on_a_gpu(spec, text_data, text_network, tmp_path):
    settings = Settings(epochs=2, lr=1e-2, **QUICK)
    run = Trainer(parse(spec), text_network, text_data, settings, tmp_path, "cuda", False)
    assert run.run() == "finished"


def test_resuming_a_finished_run_changes_nothing(trainer):
    trainer().run()
    run = trainer()
    files = {p: p.stat().st_mtime_ns for p in run.folder.rglob("*") if p.is_file()}
    assert run.run(resume=True) == "finished"
    assert {p: p.stat().st_mtime_ns for p in run.folder.rglob("*") if p.is_file()} == files


MOMENTS = ("process", "created", "updated")


def described(run: Trainer) -> dict:
    return {k: v for k, v in open_run(run.folder).info.items() if k not in MOMENTS}


def test_a_stop_during_the_final_evaluation_loses_nothing(trainer, monkeypatch):
    whole, stopped = trainer(), trainer(folder="stopped")
    whole.run()

    def interrupted(self, writer):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_final", interrupted)
    assert stopped.run() == "stopped"
    monkeypatch.undo()
    assert trainer(folder="stopped").run(resume=True) == "finished"
    assert described(stopped) == described(whole)


def test_a_run_resumed_after_a_decay_goes_on_with_its_rate_and_patience(trainer, monkeypatch):
    monkeypatch.setattr(Trainer, "_train_epoch", lambda self, bar: {"model": {"loss": 1.0}})
    settings = {"patience": 2, "decay_from": 0, "max_decays": 3}
    whole, part = trainer(epochs=9, **settings), trainer(folder="part", epochs=3, **settings)
    whole.run()
    part.run()
    resumed = trainer(folder="part", epochs=9, **settings)
    resumed.run(resume=True)
    assert resumed.progress == whole.progress
    assert whole.progress.decays == 3


def test_a_missing_checkpoint_stops_a_resume_and_keeps_the_record(trainer):
    run = trainer()
    run.run()
    (run.folder / "checkpoints" / "last.safetensors").unlink()
    before = open_run(run.folder).metrics()
    with pytest.raises(UserError, match=r"last\.safetensors: missing"):
        trainer(epochs=3).run(resume=True)
    assert open_run(run.folder).metrics() == before


def test_a_figure_that_first_breaks_in_evaluation_is_recorded_as_the_cause(trainer):
    run = trainer("ae(stochastic=True)", epochs=3)
    original = type(run.model.head).forward
    epoch = run.progress

    def broken(h, time=END):
        q = original(run.model.head, h)
        if epoch.epoch == 1 and not run.model.training:
            q.log_variance += 400
        return q

    run.model.head.forward = broken
    assert run.run() == "failed"
    error = open_run(run.folder).info["error"]
    assert error == "the posterior's log variance left ±300 after epoch 1"
    assert open_run(run.folder).epochs == [0]


def test_training_records_hold_the_loss_and_its_weighted_parts_by_optimiser(trainer):
    run = trainer("ivae", epochs=1)
    run.run()
    (record,) = open_run(run.folder).metrics("train")
    assert record["weighted"].keys() == {"model", "critic"}
    assert record["loss"] == pytest.approx(sum(record["weighted"]["model"].values()))


def test_stored_paths_are_decoded_as_each_would_be_alone(trainer):
    run = trainer(epochs=1)
    run.run()
    latents = open_run(run.folder).latents()
    records = interpolation_records(run.model, run.data, latents)
    assert (
        len(records) == 8 and interpolation_records(run.model, run.data, take(latents, [0])) == []
    )
    for record in records:
        weights, codes = path(*(latents.mean[row] for row in record["pair"]))
        assert record["weights"] == weights.round(3).tolist()
        assert record["texts"] == decode(run.model, run.data.text, codes)

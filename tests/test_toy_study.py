"""Studies from the command line: several methods, sizes and seeds, with one command."""

import json
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from lab.cli import main
from lab.options import parser
from lab.runs import list_runs, open_run
from toy import posterior_means, study

QUICK = ("--iterations", "16", "--lr", "1e-3", "--quiet")


def toy(tmp_path, *arguments):
    return main(["toy", *arguments, "--runs", str(tmp_path)])


def trainers(tmp_path, *arguments):
    options = parser().parse_args(["toy", *arguments, "--runs", str(tmp_path), *QUICK])
    return study.study(options)


def test_a_study_is_every_method_with_every_size_and_seed(tmp_path):
    found = trainers(tmp_path, "vae", "ivae", "--categories", "3,5", "--seed", "0-2,7")
    folders = {t.folder.relative_to(tmp_path).as_posix() for t in found}
    assert folders == {
        f"toy-{k}/{spec}/{seed}"
        for k in (3, 5)
        for spec in ("vae", "ivae")
        for seed in (0, 1, 2, 7)
    }


def test_a_method_or_a_number_given_twice_is_one_run(tmp_path):
    found = trainers(tmp_path, "vae", "vae()", "--categories", "4,4", "--seed", "1,1")
    assert len(found) == 1


def test_one_core_trains_group_after_group_and_reports_every_run(tmp_path, capsys):
    assert toy(tmp_path, "vae", "vmf_vae", "--seed", "0,1", *QUICK, "--threads", "1", "--json") == 0
    reports = json.loads(capsys.readouterr().out)
    assert [r["status"] for r in reports] == ["finished"] * 4
    assert {r.status for r in list_runs(tmp_path)[0]} == {"finished"}


@pytest.mark.slow
def test_several_cores_train_in_processes_and_resume_what_is_missing(tmp_path, capsys):
    arguments = (
        "vae",
        "ae",
        *QUICK,
        "--threads",
        "2",
        "--json",
        "--dumps",
        "0,8,16",
        "--every",
        "8",
    )
    assert toy(tmp_path, *arguments) == 0
    assert [r.epochs for r in list_runs(tmp_path)[0]] == [[0, 1, 2]] * 2
    before = (tmp_path / "toy-4" / "vae" / "0" / "run.json").stat().st_mtime_ns
    capsys.readouterr()
    assert toy(tmp_path, *arguments, "--seed", "0,1", "--resume") == 0
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert (tmp_path / "toy-4" / "vae" / "0" / "run.json").stat().st_mtime_ns == before


def test_the_density_gap_toy_runs_by_its_name(tmp_path, capsys):
    specs = ("vae", "dg_vae(aggregation=8, samples=8)")
    options = ("--experiment", "density_gap", "--iterations", "100", "--threads", "1", "--quiet")
    assert toy(tmp_path, *specs, *options) == 0
    assert open_run(tmp_path / "density-gap" / specs[1] / "0").time(1) == "iteration 100"


def test_posterior_means_train_one_by_one_into_runs_with_their_fields(
    tmp_path, monkeypatch, capsys
):
    small = partial(posterior_means.trainer, sentences=48, tracked=4)
    monkeypatch.setattr(posterior_means, "trainer", small)
    options = ("--experiment", "posterior_means", "--epochs", "1", "--threads", "1")
    assert toy(tmp_path, "vae(anneal=0)", *options) == 0
    assert "one model at a time: its optimiser is not plain Adam" in capsys.readouterr().err
    run = open_run(tmp_path / "posterior-means" / "vae(anneal=0)" / "0")
    assert run.fields(1)["true_mean"].shape == (4, 2)


def test_a_stopped_group_ends_the_study(tmp_path, monkeypatch):
    options = parser().parse_args(["toy", "vae", "ae", "--threads", "1", *QUICK])
    options.runs = tmp_path
    started = []
    monkeypatch.setattr(study, "together", lambda g, o: started.append(g) or ["stopped"])
    study.run(study.study(options), options)
    assert len(started) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("vae", "--experiment", "density_gap", "--categories", "4"),
            "--categories: has no effect",
        ),
        (("vae", "--experiment", "posterior_means", "--iterations", "16"), "--iterations: has no"),
        (("vae", "--epochs", "3"), "--epochs: has no effect on the experiment categories"),
        (("vae", "nonsense"), "unknown method 'nonsense'"),
        (
            ("vae", "--iterations", "64", "--dumps", "65"),
            "--dumps 65: the run ends at iteration 64",
        ),
        (("vae", "--seed", "5-2"), "'5-2' is not a range from low to high of up to 1000 numbers"),
        (
            ("vae", "--seed", "0-1000"),
            "'0-1000' is not a range from low to high of up to 1000 numbers",
        ),
        (("vae", "--categories", "1,4"), "1 is not within 2 to 1000"),
        (("vae", "ivae", "--categories", "501"), "a batch of 500 rows cannot hold them"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(arguments, says, tmp_path, capsys):
    try:
        assert toy(tmp_path, *arguments) == 2
    except SystemExit as end:
        assert end.code == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_one_folder_that_is_taken_stops_a_study_before_anything_is_trained(tmp_path, capsys):
    assert toy(tmp_path, "vae", *QUICK) == 0
    assert toy(tmp_path, "vae", *QUICK, "--seed", "0,1", "--threads", "1") == 2
    assert "--resume continues it" in capsys.readouterr().err
    assert not (tmp_path / "toy-4" / "vae" / "1").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_study_of_several_processes_stops_all_of_them(sent, tmp_path):
    command = [sys.executable, "-m", "lab", "toy", "vae", "ae", "--threads", "2", "--quiet"]
    with subprocess.Popen([*command, "--runs", str(tmp_path)], stderr=subprocess.PIPE) as process:
        while len(list_runs(tmp_path)[0]) < 2:
            time.sleep(0.2)
        process.send_signal(sent)
        process.wait(60)
    assert {run.status for run in list_runs(tmp_path)[0]} == {"stopped"}


@pytest.mark.slow
def test_trainings_do_not_outlive_the_command_that_launched_them(tmp_path):
    command = [sys.executable, "-m", "lab", "toy", "vae", "ae", "--threads", "2", "--quiet"]
    with subprocess.Popen([*command, "--runs", str(tmp_path)]) as process:
        while len(list_runs(tmp_path)[0]) < 2:
            time.sleep(0.2)
        process.kill()
    for _ in range(300):
        if {run.status for run in list_runs(tmp_path)[0]} == {"stopped"}:
            break
        time.sleep(0.2)
    assert {run.status for run in list_runs(tmp_path)[0]} == {"stopped"}

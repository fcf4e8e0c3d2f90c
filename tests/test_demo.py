"""The demonstration trains its plan and reuses what is there; its runs open in the explorer."""

import pytest

from apps.demo import PLAN, Training, jobs
from apps.explorer.path_making import Paths
from apps.explorer.state import State
from apps.explorer.view import View
from lab.methods import parse
from lab.options import parser
from lab.runs import list_runs

TINY = ("--epochs", "1", "--limit", "64", "--hidden", "8", "--embedding", "8", "--latent", "2")


@pytest.mark.parametrize("command", PLAN, ids=" ".join)
def test_every_planned_command_parses(command):
    assert parser().parse_args([*command, "--quiet"]).command == command[0]


def test_the_planned_specs_are_the_names_of_their_folders(tmp_path):
    for job in jobs(tmp_path):
        spec = job.folders[0].parent.name
        assert parse(spec).spec == spec


@pytest.mark.slow
def test_training_fills_the_folder_once_and_typed_sentences_decode(tmp_path, capsys):
    plan = [("train", "grammar", "vae", *TINY), ("toy", "ae", "--iterations", "16")]
    Training(tmp_path, jobs(tmp_path, plan), workers=2).run()
    runs, problems = list_runs(tmp_path)
    assert [(r.spec, r.status) for r in runs] == [("vae", "finished"), ("ae", "finished")]
    assert problems == []
    written = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
    Training(tmp_path, jobs(tmp_path, plan), workers=2).run()
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")} == written
    paths = Paths(View(tmp_path))
    state = State(runs=(runs[0].id,), a="the cook likes soup", b="a fan hates the match")
    path = paths.find(runs[0], paths.asked(state), state)
    assert len(path.texts) == len(path.weights) == len(path.z) == 11


@pytest.mark.slow
def test_stopping_ends_the_trainings_cleanly(tmp_path):
    training = Training(tmp_path, jobs(tmp_path, [("toy", "vae", "--iterations", "160000")]), 1)
    training.start()
    while not list_runs(tmp_path)[0]:
        training.join(0.1)
    training.stop()
    assert [r.status for r in list_runs(tmp_path)[0]] == ["stopped"]

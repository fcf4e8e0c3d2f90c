"""The command line: light, scriptable, one line for every mistake."""

import json
import socket
import subprocess
import sys

import numpy as np
import pytest

from lab.cli import main
from lab.methods import METHODS
from lab.presets import PRESETS
from lab.runs import open_run, write_latents

SMALL = [
    "--epochs",
    "1",
    "--limit",
    "64",
    "--hidden",
    "8",
    "--embedding",
    "8",
    "--latent",
    "3",
    "--quiet",
]
UNREADABLE = [
    ["train"],
    ["--nothing"],
    ["train", "grammar", "vae", "--epochs", "0"],
    ["train", "grammar", "vae", "--seed", "-1"],
    ["train", "grammar", "vae", "--seed", "9" * 20],
    ["train", "grammar", "vae", "--lr", "nan"],
    ["train", "grammar", "vae", "--dropout", "1"],
    ["train", "grammar", "vae", "--clip", "0"],
    ["train", "grammar", "vae", "--init", "small"],
    ["train", "grammar", "vae", "--encoder", "rnn"],
    ["toy", "vae", "--categories", "1"],
    ["toy", "vae", "--categories", "100000000"],
    ["explore", ".", "--port", "99999"],
]
HEAVY = ("torch", "dash", "plotly", "polars", "scipy", "matplotlib", "transformers", "umap")


@pytest.mark.parametrize("code", ["import lab", "import lab.cli; lab.cli.parser().format_help()"])
def test_starting_up_imports_nothing_heavy(code):
    check = f"import sys; {code}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_runs_and_metrics_needs_no_torch():
    rooms = "lab.runs, lab.metrics, lab.views, lab.look, lab.exchange, figures"
    check = f"import sys, {rooms}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_train_reports_json_and_writes_where_the_architecture_says(tmp_path, capsys):
    argv = [
        "train",
        "grammar",
        "bn_vae(gamma=0.9)",
        "--runs",
        str(tmp_path),
        "--seed",
        "3",
        "--json",
        *SMALL,
    ]
    assert main(argv) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["status"] == "finished"
    assert report["nll"] > 0
    run = open_run(tmp_path / "grammar" / "bn_vae(gamma=0.9)" / "3")
    assert run.seed == 3
    assert run.info["settings"]["network"]["latent"] == 3


def test_training_seeds_share_one_corpus(tmp_path):
    for seed in ("0", "1"):
        assert (
            main(["train", "grammar", "lstm_lm", "--runs", str(tmp_path), "--seed", seed, *SMALL])
            == 0
        )
    prints = [
        open_run(tmp_path / "grammar" / "lstm_lm" / s).info["corpus"]["fingerprint"] for s in "01"
    ]
    assert prints[0] == prints[1]


def test_train_on_a_folder_of_labelled_text(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}.txt").write_text(
            "good\ta fine day\nbad\ta very long and rainy day\n" * 8
        )
    assert main(["train", str(folder), "vae", "--runs", str(tmp_path / "runs"), *SMALL]) == 0
    run = open_run(tmp_path / "runs" / "mine" / "vae" / "0")
    assert set(run.items["label"]) == {"good", "bad"}


@pytest.fixture
def folder(tmp_path):
    """A folder of text; every third training sentence has 201 words."""
    made = tmp_path / "tiny"
    made.mkdir()
    for split in ("train", "valid", "test"):
        (made / f"{split}.txt").write_text("a fine day\na very long and rainy day\n" * 8)
    with (made / "train.txt").open("a") as file:
        file.write(("rain " * 201 + "\n") * 8)
    return made


def test_options_replace_a_presets_values_and_another_corpus_is_said(folder, tmp_path, capsys):
    argv = ["train", str(folder), "vae", "--preset", "snli_mine", "--runs", str(tmp_path / "runs")]
    assert main([*argv, "--lr", "0.25", *(a for a in SMALL if a != "--quiet")]) == 0
    said = capsys.readouterr().err.splitlines()[0]
    assert said.startswith("preset snli_mine: ")
    assert said.endswith("(this corpus is tiny)")
    info = open_run(tmp_path / "runs" / "tiny" / "vae" / "0").info
    network, training = info["settings"]["network"], info["settings"]["training"]
    assert (network["hidden"], network["dropout"]) == (8, 0.5)
    assert (training["lr"], training["optimiser"], training["patience"]) == (0.25, "sgd", 5)
    assert info["settings"]["data"]["order"] == "exact"
    assert info["corpus"]["splits"]["train"]["dropped"] == 8


def test_a_preset_never_cuts_a_synthetic_corpus(tmp_path):
    argv = ["train", "grammar", "vae", "--preset", "snli_mine", "--runs", str(tmp_path)]
    assert main([*argv, *SMALL]) == 0
    assert open_run(tmp_path / "grammar" / "vae" / "0").status == "finished"


def test_every_network_option_reaches_the_run(folder, tmp_path):
    given = {
        "encoder": "gru", "decoder": "transformer", "layers": 2, "heads": 2,
        "positions": "rotary", "dropout": 0.25, "init": 0.05,
    }  # fmt: skip
    trained = {"critic_lr": 1e-3, "clip": 1.5, "patience": 0}
    options = [f"--{k.replace('_', '-')}={v}" for k, v in (given | trained).items()]
    argv = ["train", str(folder), "vae", "--runs", str(tmp_path / "runs"), "--max-length", "10"]
    assert main([*argv, *options, *SMALL]) == 0
    settings = open_run(tmp_path / "runs" / "tiny" / "vae" / "0").info["settings"]
    assert settings["network"].items() >= given.items()
    assert settings["training"].items() >= trained.items()


def test_toy_trains_categories(tmp_path):
    argv = [
        "toy",
        "ivae",
        "--categories",
        "3",
        "--iterations",
        "16",
        "--runs",
        str(tmp_path),
        "--quiet",
    ]
    assert main(argv) == 0
    assert open_run(tmp_path / "toy-3" / "ivae" / "0").epochs == list(range(17))


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["train", "nowhere", "vae"], "no corpus or folder 'nowhere'"),
        (["train", "grammar", "vea"], "unknown method 'vea'"),
        (["train", "grammar", "vae", "--preset", "huge"], "unknown preset 'huge'"),
        (["train", "grammar", "vae", "--device", "tpu"], "--device tpu"),
        (["toy", "vae(anneal=3)"], "anneal has no effect on the toy"),
        (["toy", "clvae(on='h')"], "on has no effect on the toy"),
        (["train", "grammar", "vae", "--optimiser", "sgd"], "--lr"),
        (["show", "vae(x=1)"], "vae has no option 'x'"),
        (["export", "nowhere", "--to", "npz", "--out", "x"], "not a run folder"),
        (["import", "nowhere.npz"], "nowhere.npz"),
        (["explore", "nowhere", "--no-browser"], "no such folder"),
        (["figures", "--runs", "nowhere"], "no such folder"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(argv, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argv", UNREADABLE)
def test_options_that_cannot_be_read_are_status_two(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert "error" in capsys.readouterr().err


def test_a_second_training_of_the_same_run_is_refused(tmp_path, capsys):
    argv = ["train", "grammar", "lstm_lm", "--runs", str(tmp_path), *SMALL]
    assert main(argv) == 0
    assert main(argv) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*argv, "--resume"]) == 0


def test_a_port_in_use_is_named(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["explore", str(tmp_path), "--port", port, "--no-browser"]) == 2
    assert port in capsys.readouterr().err


def test_listings_name_every_method_and_corpus(capsys):
    assert main(["methods", "--json"]) == 0
    assert [m["name"] for m in json.loads(capsys.readouterr().out)] == list(METHODS)
    assert main(["corpora", "--json"]) == 0
    assert {"grammar", "lstm2d", "ptb"} <= json.loads(capsys.readouterr().out).keys()
    assert main(["methods"]) == 0
    assert "dg_vae" in capsys.readouterr().out


def test_presets_are_listed_with_their_values(capsys):
    assert main(["presets", "--json"]) == 0
    listed = {p["name"]: p for p in json.loads(capsys.readouterr().out)}
    assert listed["yahoo_dg"]["values"]["lr"] == 0.5
    assert list(listed) == list(PRESETS)
    assert main(["presets"]) == 0
    assert "snli_mine" in capsys.readouterr().out


def test_show_tells_head_terms_and_source(capsys):
    assert main(["show", "beta_vae(beta=0.2)", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["head"] == "GaussianHead"
    assert shown["terms"] == {"KL": "weight 0 to 0.2 in 10 epochs"}
    assert main(["show", "clvae_plus"]) == 0
    assert "critic steps" in capsys.readouterr().out


def test_import_and_export_round_trip(tmp_path, capsys):
    mean = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.savez(tmp_path / "codes.npz", mu=mean)
    runs = tmp_path / "runs"
    assert main(["import", str(tmp_path / "codes.npz"), "--runs", str(runs), "--json"]) == 0
    (folder,) = json.loads(capsys.readouterr().out)
    np.testing.assert_array_equal(open_run(folder).latents().mean, mean)
    assert main(["export", folder, "--to", "csv", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.strip().endswith(".csv")


def test_figures_draws_what_fits(tmp_path, capsys):
    rng = np.random.default_rng(0)
    write_latents(
        tmp_path / "runs" / "a", mean=rng.normal(size=(50, 4)), log_variance=np.zeros((50, 4))
    )
    argv = [
        "figures",
        "posterior_panels",
        "--runs",
        str(tmp_path / "runs"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(argv) == 0
    assert sorted(p.suffix for p in (tmp_path / "out").iterdir()) == [".pdf", ".png"]


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["toy", "vae", "--runs", str(tmp_path / "file"), "--quiet"]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_split_of_one_sentence_is_refused_before_anything_is_written(tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    for split, count in (("train", 8), ("valid", 1), ("test", 8)):
        (folder / f"{split}.txt").write_text("hello world\n" * count)
    assert main(["train", str(folder), "vae", "--runs", str(tmp_path / "runs"), *SMALL]) == 2
    assert "valid has one sentence" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()

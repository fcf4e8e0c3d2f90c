"""Evaluating finished runs: one file per run, every figure with its estimator and number."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lab.assessment import EXPECTED, FILE, Figure, Missing
from lab.assessment.paths import _of_one_length
from lab.assessment.report import markdown
from lab.backbones import build_model
from lab.cli import main
from lab.evaluation import encode
from lab.methods import parse
from lab.runs import list_runs, open_run

SMALL = ("--epochs", "1", "--limit", "120", "--hidden", "8", "--embedding", "8", "--latent", "3")
QUICK = ("--samples", "4", "--items", "20", "--sentences", "40", "--pairs", "3")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for spec in ("vae(anneal=1)", "ivae", "ae", "vmf_vae", "rae"):
        assert main(["train", "grammar", spec, *SMALL, "--runs", str(root), "--quiet"]) == 0
    return root


@pytest.fixture(scope="module")
def evaluated(runs):
    assert main(["evaluate", str(runs), *QUICK, "--json"]) == 0
    return {r.spec: json.loads((r.folder / FILE).read_text()) for r in list_runs(runs)[0]}


def values(content):
    return {(r["quantity"], r["estimator"]): r for r in content["records"]}


def test_every_family_is_evaluated_with_its_own_estimators(evaluated):
    gaussian, implicit, point = (values(evaluated[s]) for s in ("vae(anneal=1)", "ivae", "ae"))
    assert {("kl", "exact"), ("mi", "batch"), ("prior_ll", "corrected")} <= gaussian.keys()
    assert {("kl", "dual"), ("kl", "moment"), ("ppl", "dual")} <= implicit.keys()
    assert {k for k in point if k[0] in ("nll", "ppl")} == {("nll", "kernel"), ("ppl", "kernel")}
    assert not {q for q, _ in point} & {"kl", "mi"}
    assert {("prior_ll", "iw"), ("post_ll", "draws"), ("au", "samples")} <= implicit.keys()
    assert {("aggregated_kl", "dual"), ("kn5_reverse_ppl", "sampled")} <= implicit.keys()
    assert point["post_ll", "exact"]["value"] < 0
    assert ("two_sample_auc", "classifier") in point.keys() & implicit.keys()


def test_no_estimate_is_given_twice_and_none_without_its_number(evaluated):
    for content in evaluated.values():
        keys = [(r["quantity"], r["estimator"]) for r in content["records"]]
        assert len(keys) == len(set(keys))
        assert all(r["n"] > 0 and math.isfinite(r["value"]) for r in content["records"])


def test_figures_belong_together_by_their_definitions(evaluated):
    found = values(evaluated["vae(anneal=1)"])
    rec, kl, bound = (found[q, "exact"]["value"] for q in ("rec", "kl", "neg_elbo"))
    assert bound == pytest.approx(rec + kl)
    ppl = found["ppl", "elbo"]
    assert ppl["value"] == pytest.approx(math.exp(bound * ppl["n"] / ppl["detail"]["tokens"]))
    whole, aggregated = (found[q, "whole"]["value"] for q in ("mi", "aggregated_kl"))
    assert kl == pytest.approx(whole + aggregated)
    assert found["nll", "iw"]["n"] == 20
    assert found["nll", "iw"]["detail"] == {"samples": 4}


def test_settings_that_only_the_training_data_knew_do_not_hinder(runs, evaluated, tmp_path):
    source = next(r for r in list_runs(runs)[0] if r.spec == "vae(anneal=1)")
    shutil.copytree(source.folder, tmp_path / "tracked")
    info = json.loads((tmp_path / "tracked" / "run.json").read_text())
    info["settings"]["data"]["tracked"] = 4
    (tmp_path / "tracked" / "run.json").write_text(json.dumps(info))
    assert main(["evaluate", str(tmp_path / "tracked"), *QUICK, "--json"]) == 0
    again = json.loads((tmp_path / "tracked" / FILE).read_text())
    assert again["records"] == evaluated["vae(anneal=1)"]["records"]


def test_what_a_run_has_not_got_is_said_with_its_reason(evaluated):
    missing = {m["quantity"]: m["why"] for m in evaluated["ae"]["missing"]}
    assert "kernel" in missing["prior_ll"]
    assert missing["cu"] == "counted of Gaussian and implicit posteriors only"
    assert "--gpt2" in missing["gpt2_forward_ppl"]
    assert "--embeddings" in missing["pearson"]
    implicit = {m["quantity"]: m["why"] for m in evaluated["ivae"]["missing"]}
    assert "diagonal" in implicit["hole_mass"]


def test_the_parts_of_the_kl_add_up_exactly(evaluated):
    found = values(evaluated["vae(anneal=1)"])
    parts = [("mi", "whole"), ("total_correlation", "whole"), ("marginal_kl", "whole")]
    total = sum(found[key]["value"] for key in parts)
    assert total == pytest.approx(found["kl", "exact"]["value"], abs=1e-9)


def test_curves_pass_through_the_counts_that_are_reported(evaluated):
    found = values(evaluated["vae(anneal=1)"])
    for name, threshold in (("au", 0.01), ("cu", 0.03)):
        detail = found[name, "exact"]["detail"]
        curve = dict(zip(detail["thresholds"], detail["curve"], strict=True))
        assert curve[threshold] == found[name, "exact"]["value"]


def test_sentences_and_paths_are_kept_to_be_read(evaluated):
    for content in evaluated.values():
        kinds = {e["kind"]: e["content"] for e in content["examples"]}
        assert {"path", "neighbours", "greedy", "sampled"} == kinds.keys()
        path = kinds["path"]
        assert len(path["texts"]) == len(path["weights"]) == 11
        assert len(path["a"].split()) == len(path["b"].split())
        assert len(kinds["neighbours"]["neighbours"]) == 3


def test_pairs_are_disjoint_rows_of_one_length():
    lengths = np.random.default_rng(0).integers(1, 6, 101)
    pairs = _of_one_length(lengths)
    assert len(np.unique(pairs)) == pairs.size == 2 * sum(c // 2 for c in np.bincount(lengths))
    assert (lengths[pairs[:, 0]] == lengths[pairs[:, 1]]).all()


def test_labels_of_two_classes_are_scored_along_paths(evaluated):
    found = values(evaluated["vae(anneal=1)"])
    for way in ("0 to 0", "0 to 1", "1 to 1"):
        detail = found["classifier_score", f"code, {way}"]["detail"]
        assert len(detail["curve"]) == 11 and all(0 <= score <= 1 for score in detail["curve"])
        assert detail["scored"] == detail["texts"] == 33


def test_what_a_family_has_not_got_is_a_gap_and_never_silence(evaluated):
    for content in evaluated.values():
        named = {r["quantity"] for r in content["records"] + content["missing"]}
        assert named >= set(EXPECTED)
    sphere = {m["quantity"] for m in evaluated["vmf_vae"]["missing"]}
    assert {"total_correlation", "hole_mass", "nearest_posterior"} <= sphere
    fitted = {m["quantity"]: m["why"] for m in evaluated["rae"]["missing"]}
    assert fitted["prior_ll"] == "no prior to draw from" and "two_sample_auc" in fitted


def test_labels_are_classified_as_far_as_there_are_enough(evaluated):
    content = evaluated["vae(anneal=1)"]
    gaps = {(m["quantity"], m["estimator"]) for m in content["missing"]}
    assert gaps >= {("accuracy@500", "linear"), ("accuracy@10000", "mlp")}
    found = [r for r in content["records"] if r["quantity"] == "accuracy"]
    assert {r["estimator"] for r in found} == {"linear", "mlp"}
    for record in found:
        assert record["detail"]["labels"] == 100 and record["n"] == 1000
        assert 0 < record["value"] < 100


def test_tables_are_written_from_evaluations(runs, evaluated, tmp_path):
    assert (
        main(["tables", "--runs", str(runs), "--reference", "dgvae:2", "--out", str(tmp_path)]) == 0
    )
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"table_dgvae_2.md", "table_dgvae_2.tex", "table_dgvae_2.csv"}
    text = (tmp_path / "table_dgvae_2.md").read_text()
    assert "grammar" in text and "(not in the paper's table)" in text
    printed = values(evaluated["vae(anneal=1)"])["prior_ll", "corrected"]["value"]
    assert f"{printed:.1f}".replace("-", "−") in text


def test_codes_come_in_the_order_of_their_rows(text_data, text_network):
    model = build_model(parse("ae").parts(), text_network)
    rows = np.array([3, 7, 20, 31])
    together = encode(model, text_data, "train", rows, torch.device("cpu"))
    each = [
        encode(model, text_data, "train", rows[i : i + 1], torch.device("cpu")) for i in range(4)
    ]
    np.testing.assert_allclose(together, np.concatenate(each), atol=1e-5)


def test_evaluating_again_gives_the_same_figures(runs, evaluated):
    run = next(r for r in list_runs(runs)[0] if r.spec == "ivae")
    assert main(["evaluate", str(run.folder), *QUICK, "--json"]) == 0
    again = json.loads((run.folder / FILE).read_text())
    assert again["records"] == evaluated["ivae"]["records"]


def test_another_text_than_the_runs_is_refused_and_nothing_is_written(runs, tmp_path, capsys):
    assert main(["train", "grammar", "vae", *SMALL, "--runs", str(tmp_path), "--quiet"]) == 0
    (run,) = list_runs(tmp_path)[0]
    info = json.loads((run.folder / "run.json").read_text())
    info["source"]["limit"] = 60
    (run.folder / "run.json").write_text(json.dumps(info))
    assert main(["evaluate", str(run.folder), *QUICK]) == 2
    assert "is not the one that it was trained on" in capsys.readouterr().err
    assert not (run.folder / FILE).exists()


def test_one_damaged_run_does_not_stop_the_others(runs, tmp_path, capsys):
    for run in list_runs(runs)[0][:2]:
        shutil.copytree(run.folder, tmp_path / run.spec)
    damaged, whole = list_runs(tmp_path)[0]
    (damaged.folder / "checkpoints" / "best.safetensors").unlink()
    for run in (damaged, whole):
        (run.folder / FILE).unlink(missing_ok=True)
    assert main(["evaluate", str(tmp_path), *QUICK]) == 1
    assert "no checkpoint" in capsys.readouterr().out
    assert not (damaged.folder / FILE).exists()
    assert (whole.folder / FILE).exists()


def test_a_model_that_diverged_does_not_stop_the_others_either(runs, tmp_path, capsys):
    for run in list_runs(runs)[0]:
        if run.spec in ("ae", "vae(anneal=1)"):
            shutil.copytree(run.folder, tmp_path / run.spec)
    path = tmp_path / "vae(anneal=1)" / "checkpoints" / "best.safetensors"
    weights = {name: 1e30 * value for name, value in load_file(path).items()}
    save_file(weights, path)
    assert main(["evaluate", str(tmp_path), *QUICK]) == 1
    assert "of no use" in capsys.readouterr().out


def test_runs_that_are_not_evaluated_are_named(runs, tmp_path, capsys):
    for name, changes in (("foreign", {"format": 99}), ("begun", {"status": "stopped"})):
        folder = shutil.copytree(list_runs(runs)[0][0].folder, tmp_path / name)
        info = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(info | changes))
    assert main(["evaluate", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "foreign/run.json: format version 99" in told and "skipped begun: stopped" in told


def test_an_imported_run_is_refused_in_words(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", mean=np.eye(4))
    assert main(["import", str(tmp_path / "x.npz"), "--runs", str(tmp_path / "runs")]) == 0
    (run,) = list_runs(tmp_path / "runs")[0]
    assert main(["evaluate", str(run.folder), "--corpus", str(tmp_path)]) == 2
    assert "not a text run trained here" in capsys.readouterr().err


def test_one_sentence_and_one_item_leave_gaps_and_no_nan(runs, tmp_path):
    run = next(r for r in list_runs(runs)[0] if r.spec == "vae(anneal=1)")
    folder = shutil.copytree(run.folder, tmp_path / "vae")
    few = ("--samples", "2", "--items", "1", "--sentences", "1", "--pairs", "1")
    assert main(["evaluate", str(folder), *few]) == 0
    content = json.loads((folder / FILE).read_text(), parse_constant=pytest.fail)
    assert "self_bleu_4" in {m["quantity"] for m in content["missing"]}


def test_critics_judge_what_a_run_says(runs, tmp_path):
    run = next(r for r in list_runs(runs)[0] if r.spec == "ae")
    folder = shutil.copytree(run.folder, tmp_path / "ae")
    options = (*QUICK[:4], "--sentences", "120", "--pairs", "1", "--critic-epochs", "1")
    assert main(["evaluate", str(folder), *options]) == 0
    content = json.loads((folder / FILE).read_text())
    found, words = values(content), run.info["corpus"]["splits"]["test"]["words"]
    assert found["lstm_reverse_ppl", "sampled"]["detail"]["tokens"] == words
    assert found["lstm_forward_ppl", "greedy"]["detail"]["tokens"] != words


def test_a_folder_without_a_model_is_refused_before_anything_is_computed(runs, tmp_path, capsys):
    for option in ("--gpt2", "--embeddings"):
        assert main(["evaluate", str(runs), option, str(tmp_path)]) == 2
        assert f"{option} {tmp_path}: it has no config.json" in capsys.readouterr().err


def test_resuming_leaves_alone_what_the_same_settings_have_given(runs, evaluated, tmp_path):
    run = next(r for r in list_runs(runs)[0] if r.spec == "ae")
    folder = shutil.copytree(run.folder, tmp_path / "ae")
    path = folder / FILE
    first = path.read_bytes()
    assert main(["evaluate", str(folder), *QUICK, "--resume"]) == 0
    assert path.read_bytes() == first
    assert main(["evaluate", str(folder), *QUICK[:-1], "2", "--resume"]) == 0
    assert json.loads(path.read_text())["settings"]["pairs"] == 2


def test_embeddings_of_the_test_sentences_are_correlated_with_the_codes(runs, tmp_path):
    run = next(r for r in list_runs(runs)[0] if r.spec == "ae")
    folder, count = shutil.copytree(run.folder, tmp_path / "ae"), run.info["corpus"]["splits"]
    rows = count["test"]["sentences"]
    np.savez(tmp_path / "e.npz", np.random.default_rng(0).normal(size=(rows, 5)))
    assert main(["evaluate", str(folder), *QUICK, "--embeddings", str(tmp_path / "e.npz")]) == 0
    found = values(json.loads((folder / FILE).read_text()))
    assert abs(found["pearson", "cosine"]["value"]) < 0.2
    assert found["kendall", "inner"]["n"] == rows * (rows - 1) // 2


def test_what_was_measured_can_be_read_without_its_texts_being_markup(runs, evaluated):
    run = next(r for r in list_runs(runs)[0] if r.spec == "vae(anneal=1)")
    text = (run.folder / "evaluation.md").read_text()
    assert "| neg\\_elbo | exact |" in text
    assert "## Not measured" in text and "## Nearest training sentences" in text
    hostile = evaluated["vae(anneal=1)"] | {
        "examples": [{"kind": "greedy", "content": {"text": "<b>|*x*"}}]
    }
    assert "\\<b>\\|\\*x\\*" in markdown(run, hostile)


def test_a_run_without_a_checkpoint_and_a_folder_without_runs_are_named(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "no finished text run" in capsys.readouterr().err
    assert main(["train", "grammar", "vae", *SMALL, "--runs", str(tmp_path), "--quiet"]) == 0
    (run,) = list_runs(tmp_path)[0]
    (run.folder / "checkpoints" / "best.safetensors").unlink()
    assert main(["evaluate", str(run.folder)]) == 2
    assert "no checkpoint" in capsys.readouterr().err


def test_a_language_model_has_its_likelihood_and_no_latent_figures(tmp_path):
    assert main(["train", "grammar", "lstm_lm", *SMALL, "--runs", str(tmp_path), "--quiet"]) == 0
    (run,) = list_runs(tmp_path)[0]
    assert main(["evaluate", str(run.folder), *QUICK]) == 0
    found = values(json.loads((open_run(run.folder).folder / FILE).read_text()))
    assert found["nll", "exact"]["value"] == found["rec", "exact"]["value"]
    assert found["ppl", "exact"]["n"] == 1000


def test_a_figure_and_a_gap_are_plain_records():
    assert Figure("kl", "exact", 1.0, 3).stderr is None
    assert Missing("nll", "why").why == "why"

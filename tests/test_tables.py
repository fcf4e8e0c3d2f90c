"""Tables of the papers: printed numbers as in the reference, and no comparison without its mark."""

import csv
import io
import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from lab import tables
from lab.errors import UserError
from lab.methods import METHODS, parse
from lab.presets import PRESETS
from lab.printed import NAMES, numbers, printed, printed_rows
from lab.runs import Run, open_run, write_latents
from lab.runs.layout import write_json
from lab.settings import Settings
from lab.tables.evaluations import evaluation

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"
ITEMS = 3761


def as_published(preset: str = "ptb_ivae", **changes) -> dict:
    """The settings that a run of a preset records."""
    values = json.loads(json.dumps(PRESETS[preset].values | changes))
    training = {k: v for k, v in values.items() if k in asdict(Settings())}
    data = {k: values[k] for k in ("batch_size", "order")}
    network = {k: v for k, v in values.items() if k not in training | data} | {"layers": 1}
    return {"network": network, "data": data, "training": asdict(Settings()) | training}


def make(root: Path, spec: str, seed: int = 0, corpus: str = "ptb", settings=None) -> Run:
    folder = root / corpus / spec / str(seed)
    write_latents(folder, mean=np.eye(3), spec=spec, corpus=corpus)
    info = json.loads((folder / "run.json").read_text())
    splits = {"train": {"sentences": 42068}, "test": {"sentences": ITEMS}}
    info["corpus"] |= {"splits": splits, "vocabulary": 10002, "fingerprint": "f"}
    settings = as_published() if settings is None else settings
    write_json(folder / "run.json", info | {"settings": settings, "seed": seed})
    return open_run(folder, root)


def evaluated(run: Run, values: dict, n: int = ITEMS, missing=(), **changes) -> Run:
    """The run with an evaluation of some (quantity, estimator) values."""
    records = [
        {"quantity": q, "estimator": e, "value": v, "stderr": None, "n": n, "detail": {}}
        for (q, e), v in values.items()
    ]
    gaps = [{"quantity": q, "why": why} for q, why in missing]
    file = {"format": 1, "split": "test", "created": "", "settings": {}}
    file |= {"records": records, "missing": gaps} | changes
    write_json(run.folder / "evaluation.json", file)
    return run


def seeds(root: Path, spec: str, values: dict, several=(-0.1, 0.0, 0.1)) -> list[Run]:
    return [
        evaluated(make(root, spec, i), {key: v + shift for key, v in values.items()})
        for i, shift in enumerate(several)
    ]


def row(shown: tables.Table, name: str) -> tables.Row:
    (found,) = [r for b in shown.blocks for r in b.rows if name in (r.name, r.spec)]
    return found


def cell(shown: tables.Table, name: str, quantity: str, estimator: str) -> tables.Cell:
    cells = row(shown, name).cells
    return next(v for c, v in cells.items() if (c.quantity, c.estimator) == (quantity, estimator))


EXACT, DUAL = ("neg_elbo", "exact"), ("neg_elbo", "dual")


@pytest.mark.skipif(not REFERENCE.exists(), reason="needs ../shared/reference")
def test_every_printed_number_is_the_references():
    columns = ["paper", "table", "dataset", "architecture", "method", "variant", "metric"]
    figures = ["value", "std", "ci_low", "ci_high"]
    theirs = []
    for path in REFERENCE.glob("*_table*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            theirs += [[r[c] for c in [*columns, *figures]] for r in csv.DictReader(file)]
    shipped = numbers().with_columns(value="text")
    ours = [
        ["" if v is None else str(v) for v in line]
        for line in shipped.select(columns + figures).iter_rows()
    ]
    spreads = len(columns) + 1  # from here on numbers may be written in another way
    key = [[*line[:spreads], *map(_number, line[spreads:])] for line in ours]
    assert sorted(key) == sorted(
        [*line[:spreads], *map(_number, line[spreads:])] for line in theirs
    )
    assert len(ours) == 1032


def _number(text: str) -> float:
    return float(text) if text else -1.0


@pytest.mark.skipif(not REFERENCE.exists(), reason="needs ../shared/reference")
def test_every_cell_that_the_reference_doubts_is_doubtful():
    doubted = set()
    for path in REFERENCE.glob("*_table*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            doubted |= {tuple(r.values())[:7] for r in csv.DictReader(file) if "doubt" in r["note"]}
    ours = {tuple(map(str, r[:7])) for r in numbers().iter_rows() if r[11]}
    assert doubted
    assert doubted <= ours


def test_a_table_is_read_with_its_numbers_as_printed():
    table = printed("clvae:1")
    assert len(table) == 50
    assert table.row(3, named=True) | {"doubtful": ""} == {
        "paper": "clvae", "table": 1, "dataset": "ptb", "architecture": "lstm", "method": "vae",
        "variant": "", "metric": "mi", "value": 0.8, "std": None, "ci_low": None, "ci_high": None,
        "doubtful": "", "text": "0.8",
    }  # fmt: skip


def test_an_unknown_table_is_refused_with_those_that_exist():
    with pytest.raises(UserError, match=r"no printed table 'clvae:9'; there are clvae:1, clvae:2"):
        printed("clvae:9")


def test_a_table_that_no_evaluation_measures_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"ivae:7 holds accuracy.*choose from clvae:1"):
        tables.table([make(tmp_path, "vae")], "ivae:7")


@pytest.mark.parametrize("reference", tables.comparable())
def test_rows_of_every_table_name_methods_and_options_that_exist(reference):
    for printed_row in printed_rows(reference):
        assert printed_row.method in NAMES
        options = printed_row.options()
        if printed_row.method in METHODS:
            given = ", ".join(f"{k}={_whole(v)!r}" for k, v in options.items())
            assert parse(f"{printed_row.method}({given})").options.items() >= options.items()


def _whole(value):
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_our_values_stand_beside_the_printed_ones(tmp_path):
    shown = tables.table(seeds(tmp_path, "vae", {EXACT: 101.5}))
    found = cell(shown, "VAE", *EXACT)
    assert found.summary.mean == pytest.approx(101.5)
    assert found.summary.std == pytest.approx(0.1)
    assert (found.summary.n, found.printed.value) == (3, 102.6)
    assert found.difference == pytest.approx(-1.1)
    assert row(shown, "VAE").unlike == ()
    assert "| VAE | `vae` | 102.6 | 101.5 ± 0.1 (3), −1.1 |" in tables.markdown(shown)


def test_each_estimator_has_a_column_that_names_it(tmp_path):
    runs = [
        *seeds(tmp_path, "ivae", {DUAL: 88.0, EXACT: 120.0, ("nll", "iw"): 101.0}),
        *seeds(tmp_path, "vae", {EXACT: 101.5}),
    ]
    shown = tables.table(runs)
    titles = [column.title for column in shown.columns["neg_elbo"]]
    assert titles == ["−ELBO (exact)", "−ELBO (dual)", "NLL (iw)"]
    assert cell(shown, "iVAE", *DUAL).difference == pytest.approx(0.4)
    assert cell(shown, "iVAE", "nll", "iw").difference == pytest.approx(13.4)
    assert cell(shown, "VAE", *DUAL).why == "its posteriors are measured by the other estimators"


@pytest.mark.parametrize(
    ("reference", "corpus", "spec", "name"),
    [
        ("clvae:1", "ptb", "beta_vae(beta=0.5)", "β-VAE (β = 0.5)"),
        ("clvae:3", "ptb", "clvae(on='h')", "clVAE (contrast on = h)"),
        ("clvae:4", "ptb", "beta_vae(beta=0)", "β-VAE (β = 0)"),
        ("clvae:7", "ptb", "clvae_plus_mi(dropout=0, swap=0.1)", "clVAE⁺-MI (augmentation = swap)"),
        ("dgvae:2", "yahoo", "dg_vae(aggregation=32)", "DG-VAE (|b| = 32)"),
        ("dgvae:2", "yahoo", "dg_vae", "DG-VAE (|b| = default)"),
        ("ceae:1", "yahoo", "bn_vae(gamma=0.7)", "BN-VAE (γ = 0.7)"),
        ("ceae:1", "yelp", "fb_vae(target=4)", "FB-VAE (λ = 4)"),
        ("ceae:1", "yelp_sub", "fb_vae(target=4)", "FB-VAE (λ = 4)"),
        ("vae_mine:2", "snli", "vae_word_dropout(rate=0.5)", "VAE with word dropout (rate = 0.5)"),
    ],
)
def test_runs_find_their_printed_row(tmp_path, reference, corpus, spec, name):
    run = evaluated(make(tmp_path, spec, corpus=corpus), {EXACT: 1.0})
    shown = tables.table([run], reference)
    (found,) = [(b, r) for b in shown.blocks for r in b.rows if r.group]
    assert (found[0].dataset, found[1].name) == (corpus.removesuffix("_sub"), name)


def test_options_recorded_by_training_are_those_of_the_defaults(tmp_path):
    settings = as_published() | {"options": {"concentration": 13.0}}
    run = make(tmp_path, "vmf_vae", corpus="yahoo", settings=settings)
    shown = tables.table([evaluated(run, {("rec", ""): 325.0})], "ceae:1")
    assert cell(shown, "vmf_vae", "rec", "").printed.value == 325.4


def test_other_options_are_a_row_of_their_own(tmp_path):
    shown = tables.table(seeds(tmp_path, "clvae(temperature=1)", {EXACT: 80.0}))
    found = row(shown, "clvae(temperature=1)")
    assert found.printed is None
    assert cell(shown, "clVAE", *EXACT).why == tables.NO_RUN


def test_another_schedule_is_the_same_row_with_a_mark(tmp_path):
    runs = seeds(tmp_path, "vae(anneal=1)", {EXACT: 101.5}) + seeds(tmp_path, "vae", {EXACT: 101.6})
    shown = tables.table(runs)
    assert row(shown, "vae(anneal=1)").unlike == ("anneal = 1",)
    assert row(shown, "vae(anneal=1)").name == row(shown, "vae").name == "VAE"
    assert cell(shown, "vae", *EXACT).summary.n == 3


def test_other_sizes_are_marked_and_named(tmp_path):
    settings = as_published(hidden=128, epochs=4)
    run = evaluated(make(tmp_path, "vae", settings=settings), {EXACT: 101.5})
    shown = tables.table([run])
    (note,) = row(shown, "VAE").unlike
    assert note == "unlike preset ptb_ivae (in brackets): epochs 4 (40), hidden 128 (256)"
    assert "101.5 (1), −1.1 †§" in tables.markdown(shown)


def test_runs_of_other_settings_are_not_pooled(tmp_path):
    small = make(tmp_path / "small", "vae", 0, settings=as_published(hidden=128))
    large = make(tmp_path / "large", "vae", 1)
    shown = tables.table([evaluated(small, {EXACT: 1.0}), evaluated(large, {EXACT: 2.0})])
    found = [r for r in shown.blocks[0].rows if r.group]
    assert [r.cells[tables.Column("neg_elbo", *EXACT)].values for r in found] == [(1.0,), (2.0,)]


def test_a_foreign_run_says_that_its_settings_are_unknown(tmp_path):
    run = evaluated(make(tmp_path, "vae", settings={}), {EXACT: 101.5})
    assert row(tables.table([run]), "VAE").unlike == (
        "settings not recorded (the paper's: ptb_ivae)",
    )


def test_another_corpus_of_the_same_name_is_marked(tmp_path):
    run = make(tmp_path, "vae")
    info = json.loads((run.folder / "run.json").read_text())
    info["corpus"]["splits"]["train"]["sentences"] = 5000
    write_json(run.folder / "run.json", info)
    run = evaluated(open_run(run.folder, tmp_path), {EXACT: 101.5})
    assert row(tables.table([run]), "VAE").unlike == ("num_train 5,000 (printed 42,000)",)


def test_a_corpus_the_paper_lacks_is_compared_with_nothing(tmp_path):
    run = evaluated(make(tmp_path, "vae", corpus="grammar"), {EXACT: 44.0})
    shown = tables.table([run])
    assert shown.blocks[-1].title == "grammar, lstm (not in the paper's table)"
    assert cell(shown, "vae", *EXACT).difference is None


def test_fewer_items_than_the_split_are_marked_with_their_number(tmp_path):
    run = evaluated(make(tmp_path, "vae"), {EXACT: 101.5}, n=200)
    shown = tables.table([run])
    assert cell(shown, "VAE", *EXACT).fewer == "200 of 3,761 sentences"
    assert "‡ VAE, vae: 200 of 3,761 sentences (−ELBO (exact))." in tables.markdown(shown)


def test_fewer_samples_than_the_papers_are_marked(tmp_path):
    run = evaluated(make(tmp_path, "vae"), {("kn5_forward_ppl", "greedy"): 900.0}, n=1000)
    shown = tables.table([run], "clvae:4")
    assert cell(shown, "VAE", "kn5_forward_ppl", "greedy").fewer == "1,000 of 1,280 samples"


def test_one_seed_is_marked_and_has_no_spread(tmp_path):
    shown = tables.table([evaluated(make(tmp_path, "vae"), {EXACT: 101.5})])
    assert "101.5 (1), −1.1 §" in (text := tables.markdown(shown))
    assert "§ One seed, which has no spread." in text


def test_doubtful_cells_are_marked_with_the_reason(tmp_path):
    shown = tables.table([make(tmp_path, "vae")], "vae_mine:2")
    text = tables.markdown(shown)
    assert "| 335.40¶ |" in text
    assert "¶ Cyclic-VAE, yahoo, lstm: doubtful in print (NLL, PPL): NLL and PPL imply" in text


def test_significant_bests_are_bold(tmp_path):
    runs = seeds(tmp_path, "vae", {EXACT: 101.5}) + seeds(tmp_path, "ivae", {EXACT: 120.0})
    runs.append(evaluated(make(tmp_path, "sa_vae"), {EXACT: 50.0}))
    shown = tables.table(runs)
    assert tables.markdown(shown).count("**") == 2
    assert "**101.5** ± 0.1 (3)" in tables.markdown(shown)
    assert r"\textbf{101.5} $\pm$ 0.1 (3)" in tables.latex(shown)


def test_close_methods_are_not_bold(tmp_path):
    runs = seeds(tmp_path, "vae", {EXACT: 101.5}) + seeds(tmp_path, "ivae", {EXACT: 101.6})
    assert "**" not in tables.markdown(tables.table(runs))


def test_the_reason_of_another_estimator_is_not_a_columns_own(tmp_path):
    runs = [evaluated(make(tmp_path, "vae"), {("kn5_forward_ppl", "greedy"): 50.0})]
    path = runs[0].folder / "evaluation.json"
    content = json.loads(path.read_text())
    content["missing"] = [
        {"quantity": "kn5_reverse_ppl", "estimator": "published", "why": "no vocabulary"},
        {"quantity": "kn5_reverse_ppl", "estimator": "greedy", "why": "too few sentences"},
    ]
    content["records"].append(content["records"][0] | {"estimator": "published"})
    path.write_text(json.dumps(content))
    found = evaluation(runs[0])
    assert found["missing"]["kn5_reverse_ppl", "greedy"] == "too few sentences"
    assert found["missing"]["kn5_reverse_ppl", "published"] == "no vocabulary"


def test_a_missing_value_is_a_dash_with_its_reason(tmp_path):
    why = "no folder of weights given (--gpt2)"
    values = {("rec", ""): 328.0, ("lstm_forward_ppl", ""): float("inf")}
    run = make(tmp_path, "vae", corpus="yahoo")
    shown = tables.table([evaluated(run, values, missing=[("gpt2_forward_ppl", why)])], "ceae:1")
    text = tables.markdown(shown)
    assert cell(shown, "vae", "gpt2_forward_ppl", "").why == why
    assert cell(shown, "vae", "lstm_forward_ppl", "").why == "the estimate is not finite"
    number = re.search(rf"<sup>(\d+)</sup> {re.escape(why)}\.", text)[1]
    assert f"| 118.2 | —<sup>{number}</sup> |" in text
    assert not re.search(r"\| *\|", text)


def test_a_value_that_one_seed_lacks_is_said(tmp_path):
    runs = [
        evaluated(make(tmp_path, "vae", 0), {EXACT: 101.5}),
        evaluated(make(tmp_path, "vae", 1), {}, missing=[("neg_elbo", "out of time")]),
    ]
    found = cell(tables.table(runs), "VAE", *EXACT)
    assert (found.summary.n, found.why) == (1, "seed 1: out of time")


def test_accuracies_are_columns_of_their_labels(tmp_path):
    settings = as_published("short_yelp_ceae")
    run = evaluated(make(tmp_path, "ceae", corpus="short_yelp", settings=settings), {})
    file = json.loads((run.folder / "evaluation.json").read_text())
    file["records"] = [
        {"quantity": "accuracy", "estimator": "", "value": v, "n": 9, "detail": {"labels": labels}}
        for labels, v in ((100, 80.0), (1000, 85.0))
    ]
    write_json(run.folder / "evaluation.json", file)
    shown = tables.table([run], "ceae:3")
    assert "Accuracy, 1,000 labels" in tables.markdown(shown)
    assert cell(shown, "CEAE", "accuracy@100", "").summary.mean == 80
    assert cell(shown, "CEAE", "accuracy@500", "").summary is None


def test_how_a_paper_estimates_is_said_where_the_table_has_it(tmp_path):
    runs = [make(tmp_path, "vae")]
    assert "As printed: KL and MI" in tables.markdown(tables.table(runs, "clvae:1"))
    text = tables.markdown(tables.table(runs, "clvae:4"))
    assert "As printed: 5-gram" in text
    assert "KL and MI" not in text


def test_runs_without_an_evaluation_are_listed_with_what_mends_it(tmp_path):
    run = make(tmp_path, "vae(anneal=1)")
    told = f"latentlab evaluate '{run.folder}'"
    shown = tables.table([run])
    assert f"Not evaluated: `{told}`" in tables.markdown(shown)
    assert told in tables.csv(shown)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not an evaluation"),
        ("[]", "not an evaluation"),
        ('{"format": 1}', "not an evaluation"),
        ('{"format": 2}', "format 2, not 1"),
    ],
)
def test_a_damaged_evaluation_is_named(tmp_path, text, message):
    run = make(tmp_path, "vae")
    (run.folder / "evaluation.json").write_text(text)
    (problem,) = tables.table([run]).problems
    assert re.search(rf"evaluation\.json: {message}.*latentlab evaluate", problem)


def test_an_estimate_held_twice_is_refused(tmp_path):
    record = {"quantity": "kl", "estimator": "exact", "value": 1.0, "n": 5}
    run = evaluated(make(tmp_path, "vae"), {}, records=[record, record])
    (problem,) = tables.table([run]).problems
    assert re.search("one estimate twice", problem)


def test_one_seed_given_twice_is_refused(tmp_path):
    runs = [evaluated(make(tmp_path / name, "vae"), {EXACT: 1.0}) for name in "ab"]
    (problem,) = tables.table(runs).problems
    assert re.search("same seed", problem)


def test_a_filled_table_leaves_out_what_is_damaged_and_says_so(tmp_path):
    runs = [*seeds(tmp_path, "vae", {EXACT: 101.5}), make(tmp_path, "ivae"), make(tmp_path, "ae")]
    (runs[3].folder / "evaluation.json").write_text("{")
    shown = tables.filled(runs, "clvae:1")
    assert cell(shown, "VAE", *EXACT).summary.n == 3
    (problem,) = shown.problems
    assert str(runs[3].folder / "evaluation.json") in problem
    assert shown.left == (runs[4],)


def test_a_filled_table_takes_the_first_of_two_runs_of_one_seed(tmp_path):
    runs = [evaluated(make(tmp_path / name, "vae"), {EXACT: ord(name)}) for name in "ab"]
    shown = tables.filled(runs, "clvae:1")
    assert cell(shown, "VAE", *EXACT).values == (ord("a"),)
    assert [p.partition(":")[0] for p in shown.problems] == [runs[1].id]


def test_corpora_that_the_paper_lacks_count_only_with_a_value(tmp_path):
    runs = [
        evaluated(make(tmp_path, "vae", corpus="grammar"), {EXACT: 44.0}),
        evaluated(make(tmp_path, "vae", corpus="toys"), {}),
        evaluated(make(tmp_path, "vae"), {}),
    ]
    blocks = tables.filled(runs, "clvae:1").blocks
    assert {b.dataset: b.ours for b in blocks} == {"ptb": True, "grammar": True, "toys": False}


def test_a_filled_table_of_no_runs_holds_the_printed_numbers():
    shown = tables.filled([], "ivae:2")
    assert [block.ours for block in shown.blocks] == [False] * 3
    assert shown.blocks[0].rows[0].printed.numbers["neg_elbo"].value > 0


@pytest.mark.parametrize(
    "record",
    [
        {"quantity": "kl", "estimator": ["exact"], "value": 1.0, "n": 5},
        {"quantity": "kl", "estimator": "exact", "value": 10**400, "n": 5},
        {"quantity": "kl", "estimator": "exact", "value": 1.0, "n": float("inf")},
        {"quantity": 3, "estimator": "exact", "value": 1.0, "n": 5},
        ["kl", "exact", 1.0],
    ],
)
def test_records_that_make_no_sense_are_damage(tmp_path, record):
    run = evaluated(make(tmp_path, "vae"), {}, records=[record])
    (problem,) = tables.table([run]).problems
    assert re.search(r"evaluation\.json: not an evaluation", problem)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": ["none"]},
        {"settings": {"network": 3, "options": "x", "training": []}},
        {"seed": [1]},
        {"unit": "epoch"},
        {"spec": "vae({[]: 1}, x=" + "-" * 100_000 + "1)"},
        {"corpus": {"name": "ptb", "splits": None}},
        {"corpus": {"name": "ptb", "splits": {"test": 7, "train": {"sentences": "many"}}}},
    ],
)
def test_foreign_runs_of_any_shape_make_a_table(tmp_path, changes):
    run = make(tmp_path, "vae")
    info = json.loads((run.folder / "run.json").read_text())
    write_json(run.folder / "run.json", info | changes)
    odd = evaluated(open_run(run.folder, tmp_path), {EXACT: 101.5})
    shown = tables.filled([odd, *seeds(tmp_path, "ivae", {EXACT: 120.0})], "clvae:1")
    assert shown.problems == ()
    assert cell(shown, "iVAE", *EXACT).summary.n == 3
    assert all(write(shown) for write in tables.WRITERS.values())


def test_a_narrowed_table_lacks_what_is_hidden_and_keeps_its_figures(tmp_path):
    runs = seeds(tmp_path, "vae", {EXACT: 101.5, ("nll", "iw"): 100.0})
    whole = tables.table(runs, "ivae:2")
    part = whole.narrowed({tables.Column("neg_elbo", "nll", "iw")}, every_block=False)
    assert [block.title for block in part.blocks] == ["ptb, lstm"]
    assert "NLL" not in tables.markdown(part)
    assert tables.markdown(part).splitlines()[6].count("101.5 ± 0.1 (3)") == 1
    assert tables.markdown(whole.narrowed((), every_block=True)) == tables.markdown(whole)
    assert part.decimals == whole.decimals


def test_no_runs_are_refused():
    with pytest.raises(UserError, match="no runs"):
        tables.table([])


def test_latex_has_as_many_cells_in_every_line(tmp_path):
    runs = seeds(tmp_path, "ivae", {DUAL: 88.0, EXACT: 120.0})
    text = tables.latex(tables.table(runs, "clvae:2"))
    columns = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1])
    lines = [line for line in text.splitlines() if " & " in line and "multicolumn" not in line]
    assert len(lines) == 1 + 14 + 1  # headings, the paper's rows, ours on a corpus it lacks
    assert {line.count(" & ") + 1 for line in lines} == {columns}
    assert all(line.endswith(r" \\") for line in lines)
    assert text.isascii()


def test_csv_holds_every_cell_with_full_precision(tmp_path):
    text = tables.csv(tables.table(seeds(tmp_path, "vae", {EXACT: 101.23456})))
    rows = list(csv.DictReader(io.StringIO(text)))
    (found,) = [r for r in rows if (r["spec"], r["metric"]) == ("vae", "neg_elbo")]
    assert float(found["mean"]) == pytest.approx(101.23456)
    assert found["printed"] == "102.6"
    assert float(found["difference"]) == pytest.approx(101.23456 - 102.6)
    assert [r["missing"] for r in rows if not r["mean"] and not r["missing"]] == []


def test_writing_gives_the_same_three_files_each_time(tmp_path):
    runs = seeds(tmp_path / "runs", "vae", {EXACT: 101.5})
    paths = tables.write(runs, "clvae:1", tmp_path / "out")
    assert [p.name for p in paths] == [f"table_clvae_1.{end}" for end in ("md", "tex", "csv")]
    first = [p.read_bytes() for p in paths]
    assert [p.read_bytes() for p in tables.write(runs, "clvae:1", tmp_path / "out")] == first
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)

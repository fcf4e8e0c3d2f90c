"""The run folder: what is written is read back, and whatever is damaged is named."""

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab import look, verdicts, views
from lab.errors import UserError
from lab.metrics import to_sphere
from lab.runs import Latents, RunWriter, list_runs, open_run, write_latents
from lab.runs.figures import latent_figures, take
from lab.runs.layout import latents_file, read_jsonl, run_file, write_jsonl, write_tensors
from lab.runs.planes import read_plane
from lab.runs.writer import dump_latents, items_table

GAUSSIAN = Latents("gaussian", np.eye(6, 3, dtype="f4"), np.zeros((6, 3), "f4"))
numbers = st.floats(-50, 50, width=32)
words = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)


def write_run(folder: Path, epochs: int = 3, **info) -> Path:
    """A run with AU 0, 1, 2, ... and one interpolation per epoch."""
    base = {"spec": "vae", "corpus": {"name": "tiny"}, "items": 6}
    with RunWriter(folder, {**base, **info}) as writer:
        writer.write_items(items_table(6))
        write_epochs(writer, range(epochs))
        writer.commit(status="finished", epoch=epochs - 1)
    return folder


def write_epochs(writer: RunWriter, epochs: range) -> None:
    for epoch in epochs:
        record = {"split": "valid", "au": epoch, "kl": 0.5 * epoch, "kl_stderr": 0.1}
        path = {"pair": [0, 1], "a": "x", "b": "y", "weights": [0.0, 1.0], "texts": ["x", "y"]}
        writer.write_epoch(epoch, GAUSSIAN, [record], [path])


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    count=st.integers(2, 6),
    width=st.integers(1, 4),
    family=st.sampled_from(["gaussian", "point", "samples", "vmf"]),
)
def test_written_latents_are_read_back_bit_for_bit(tmp_path_factory, data, count, width, family):
    width += family == "vmf"  # on a sphere, which one dimension has not
    shapes = {
        "gaussian": {"mean": (count, width), "log_variance": (count, width)},
        "point": {"mean": (count, width)},
        "samples": {"samples": (count, data.draw(st.integers(1, 3)), width)},
        "vmf": {"mean": (count, width), "concentration": (count,)},
    }[family]
    given_arrays = {
        n: data.draw(arrays(np.float32, s, elements=numbers)) for n, s in shapes.items()
    }
    if family == "vmf":
        axis = np.abs(given_arrays["mean"]).argmax(1)
        given_arrays["mean"] = np.eye(width, dtype=np.float32)[axis]
        given_arrays["concentration"] = np.abs(given_arrays["concentration"])
    texts = data.draw(st.lists(words, min_size=count, max_size=count))
    folder = tmp_path_factory.mktemp("run")
    write_latents(folder, **given_arrays, texts=texts, labels={"k": list(range(count))}, spec="s")
    run = open_run(folder)
    latents = run.latents()
    assert latents.family == family
    for name, array in given_arrays.items():
        assert np.array_equal(getattr(latents, name), array)
    assert run.items["text"].to_list() == texts
    assert run.labels == ["k"]
    assert run.dimensions().height == width


@given(st.lists(st.dictionaries(words, words)))
@settings(max_examples=30, deadline=None)
def test_jsonl_keeps_every_character_of_its_records(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("jsonl") / "records.jsonl"
    write_jsonl(path, records)
    assert read_jsonl(path) == records


def test_line_separators_inside_a_text_do_not_break_its_record(tmp_path):
    write_jsonl(tmp_path / "r.jsonl", [{"text": "a\u2028b\x85c"}])
    assert read_jsonl(tmp_path / "r.jsonl") == [{"text": "a\u2028b\x85c"}]


def test_later_epochs_extend_a_written_run(tmp_path):
    for epoch in (3, 1):
        write_latents(tmp_path / "r", mean=np.full((4, 2), epoch), epoch=epoch, spec="mine")
    run = open_run(tmp_path / "r")
    assert (run.epochs, run.spec, run.info["epoch"]) == ([1, 3], "mine", 3)
    assert run.latents(1).mean[0, 0] == 1
    assert run.dimensions()["epoch"].to_list() == [1, 1, 3, 3]


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({}, "need mean"),
        ({"mean": np.zeros(3)}, r"mean has shape \[3\]"),
        ({"mean": np.zeros((1, 2))}, "two items"),
        ({"mean": np.zeros((3, 2)), "log_variance": np.zeros((2, 2))}, "log_variance has shape"),
        ({"mean": np.array([[0, 1], [np.nan, 1]])}, "not finite, first in item 1"),
        ({"mean": np.zeros((3, 2)), "log_variance": np.full((3, 2), 400)}, "within ±300"),
        ({"mean": np.full((3, 2), "x")}, "not an array of numbers"),
        ({"mean": np.ones((3, 2)), "concentration": np.ones(3)}, "unit length, not 1.41"),
        ({"mean": np.ones((3, 1)), "concentration": np.ones(3)}, "dimensions must be at least 2"),
        ({"mean": np.eye(3), "concentration": -np.ones(3)}, "concentration must lie between 0"),
        ({"mean": np.zeros((3, 2)), "texts": ["a"]}, "texts: 1 entries for 3"),
        ({"mean": np.zeros((3, 2)), "labels": {"k": [1, 2]}}, "k: 2 entries for 3"),
        ({"mean": np.zeros((3, 2)), "labels": {"text": [1, 2, 3]}}, "column of every run"),
    ],
)
def test_unfit_latents_are_refused_before_anything_is_written(tmp_path, arrays, complaint):
    with pytest.raises(UserError, match=complaint):
        write_latents(tmp_path / "r", **arrays)
    assert not (tmp_path / "r").exists()


def test_an_epoch_with_another_item_count_is_refused_and_the_run_kept(tmp_path):
    write_latents(tmp_path / "r", mean=np.zeros((4, 2)))
    with pytest.raises(UserError, match="holds 4 items, the new epoch has 5"):
        write_latents(tmp_path / "r", mean=np.zeros((5, 2)), epoch=1)
    assert open_run(tmp_path / "r").epochs == [0]


@pytest.mark.parametrize("kept", [0, 20, 150])
def test_a_truncated_latents_file_is_named(tmp_path, kept):
    path = latents_file(write_run(tmp_path / "r"), 2)
    path.write_bytes(path.read_bytes()[:kept])
    run = open_run(tmp_path / "r")
    with pytest.raises(UserError, match=r"epoch-0002\.safetensors: truncated"):
        run.latents(2)
    assert len(run.latents(1)) == 6


def test_epochs_that_were_not_dumped_are_named(tmp_path):
    with pytest.raises(UserError, match="epoch 7 was not dumped"):
        open_run(write_run(tmp_path / "r")).latents(7)
    with pytest.raises(UserError, match="no latents dumped"):
        open_run(write_run(tmp_path / "empty", epochs=0)).latents()


def test_a_count_of_items_other_than_of_latents_is_named(tmp_path):
    folder = write_run(tmp_path / "r")
    dump_latents(folder, 2, take(GAUSSIAN, np.arange(5)))
    with pytest.raises(UserError, match=r"5 latents, but items\.parquet lists 6"):
        open_run(folder).latents()
    items_table(5).write_parquet(folder / "items.parquet")
    with pytest.raises(UserError, match=r"items\.parquet: 5 items, but run\.json lists 6"):
        open_run(folder).latents()


def spoiled(name: str, value: float, shape: tuple[int, ...] = (6, 3)) -> dict[str, np.ndarray]:
    """One array of a dump whose item 4 holds a value that it should not."""
    array = np.zeros(shape, "f4")
    array[4] = value
    return {name: array}


MEAN, FLAT = {"mean": np.eye(6, 3, dtype="f4")}, {"log_variance": np.zeros((6, 3), "f4")}
UNFIT = {
    "NaN": ("gaussian", MEAN | spoiled("log_variance", np.nan), "log_variance of item 4 is not"),
    "infinite": ("gaussian", FLAT | spoiled("mean", np.inf), "mean of item 4 is not finite"),
    "infinite draws": (
        "samples", MEAN | spoiled("samples", -np.inf, (6, 2, 3)), "samples of item 4 is not finite",
    ),
    "variance": ("gaussian", MEAN | spoiled("log_variance", 400), "or beyond ±300"),
    "whole": ("point", {"mean": np.ones((6, 3), "i4")}, "(dump it as float32|'I32')"),
    "no spread": ("gaussian", MEAN, "holds mean, which is no family 'gaussian'"),
    "no draws": ("samples", MEAN, "holds mean, which is no family 'samples'"),
    "no concentration": ("vmf", MEAN, "holds mean, which is no family 'vmf'"),
    "too much": ("point", MEAN | FLAT, "holds log_variance, mean, which is no family 'point'"),
    "unknown": ("cauchy", MEAN, "no family 'cauchy'"),
    "nothing": ("gaussian", {}, "holds nothing"),
    "shapes": (
        "gaussian", MEAN | {"log_variance": np.zeros((6, 2), "f4")},
        r"log_variance has shape \[6, 2\], not \[6, 3\]",
    ),
    "flat": ("point", {"mean": np.zeros(6, "f4")}, r"mean has shape \[6\]"),
    "no draw": ("samples", MEAN | {"samples": np.zeros((6, 0, 3), "f4")}, "samples has shape"),
    "alone": ("point", {"mean": np.zeros((1, 3), "f4")}, r"shape \[1, 3\], not \[2, 3\]"),
    "family": ("point", MEAN, "of family 'point' in 3 dimensions, but run.json says 'gaussian'"),
    "width": (
        "gaussian", {name: a[:, :2] for name, a in (MEAN | FLAT).items()},
        "in 2 dimensions, but run.json says 'gaussian' in 3",
    ),
    "directions": (
        "vmf", MEAN | {"concentration": np.ones(6, "f4")}, "'vmf' in 3 dimensions, but run.json",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_a_dump_that_contradicts_itself_or_its_run_is_named(tmp_path, name):
    family, arrays, complaint = UNFIT[name]
    run = open_run(write_run(tmp_path / "r"))
    path, latent = latents_file(run.folder, 1), run.info["latent"]
    write_tensors(path, arrays, {"family": family})
    if "run.json" not in complaint:
        latent["family"] = family
    for read in (lambda: run.latents(1), lambda: read_plane(path, (0, 1), latent)):
        with pytest.raises(UserError, match=rf"epoch-0001\.safetensors: .*{complaint}"):
            read()


def test_directions_that_are_none_are_named(tmp_path):
    write_latents(tmp_path / "r", mean=np.eye(6), concentration=np.ones(6))
    arrays = {"mean": 2 * np.eye(6, dtype="f4"), "concentration": np.ones(6, "f4")}
    write_tensors(latents_file(tmp_path / "r", 0), arrays, {"family": "vmf"})
    with pytest.raises(UserError, match=r"epoch-0000.*unit length, not 2 as in item 0"):
        open_run(tmp_path / "r").latents()


def test_a_plane_is_checked_for_what_is_read_of_it_alone(tmp_path):
    run = open_run(write_run(tmp_path / "r"))
    arrays = MEAN | {"log_variance": np.full((6, 3), [0, 0, np.nan], "f4")}
    write_tensors(latents_file(run.folder, 1), arrays, {"family": "gaussian"})
    assert len(read_plane(latents_file(run.folder, 1), (0, 1))) == 6
    with pytest.raises(UserError, match="log_variance of item 0"):
        read_plane(latents_file(run.folder, 1), (0, 2))


def test_an_epoch_of_another_width_is_refused_and_the_run_kept(tmp_path):
    write_latents(tmp_path / "r", mean=np.eye(4, 2))
    with pytest.raises(UserError, match=r"epoch 1 .* write them to another folder"):
        write_latents(tmp_path / "r", mean=np.eye(4, 3), epoch=1)
    assert open_run(tmp_path / "r").latents().dimensions == 2


def test_a_run_says_when_it_was_made_and_goes_on_saying_so(tmp_path):
    write_latents(tmp_path / "r", mean=np.eye(4, 2))
    made = datetime.fromisoformat(open_run(tmp_path / "r").info["created"])
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=10)
    with RunWriter(tmp_path / "r", open_run(tmp_path / "r").info | {"created": "then"}) as writer:
        writer.commit()
    write_latents(tmp_path / "r", mean=np.eye(4, 2), epoch=1)
    assert open_run(tmp_path / "r").info["created"] == "then"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: pl.concat([table, table.head(1)]),
        lambda table: table.tail(-1),
        lambda table: table.with_columns(dimension=pl.col("dimension") + 1),
        lambda table: table.with_columns(epoch=pl.lit(None, pl.Int64)),
    ],
)
def test_a_table_without_each_dimension_once_is_named(tmp_path, spoil):
    path = write_run(tmp_path / "r") / "dimensions.parquet"
    spoil(pl.read_parquet(path)).write_parquet(path)
    with pytest.raises(UserError, match=r"dimensions\.parquet: .* each of 3 dimensions once"):
        open_run(tmp_path / "r").dimensions()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pair", [0, 6]), ("pair", [0]), ("pair", [-1, 0]), ("texts", ["x"]), ("texts", []),
        ("weights", [0.0, float("nan")]), ("weights", [0, 10**400]), ("weights", []),
    ],
)  # fmt: skip
def test_a_stored_path_that_cannot_be_one_is_named(tmp_path, key, value):
    path = write_run(tmp_path / "r") / "interpolations.jsonl"
    first, *others = read_jsonl(path)
    write_jsonl(path, [first, *({**record, key: value} for record in others)])
    with pytest.raises(UserError, match=rf"interpolations\.jsonl line 2: '({key}|texts)' makes"):
        open_run(tmp_path / "r").interpolations()


def test_a_description_that_is_no_file_is_not_waited_for(tmp_path):
    write_run(tmp_path / "a")
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b" / "run.json")
    found = []
    reader = threading.Thread(target=lambda: found.append(list_runs(tmp_path)), daemon=True)
    reader.start()
    reader.join(timeout=10)
    ((runs, problems),) = found
    assert [run.id for run in runs] == ["a"]
    assert "b/run.json: not a file" in problems[0]


@pytest.mark.parametrize("name", ["items", "dimensions"])
def test_a_damaged_table_is_named(tmp_path, name):
    folder = write_run(tmp_path / "r")
    (folder / f"{name}.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(UserError, match=rf"{name}\.parquet: truncated"):
        run = open_run(folder)
        run.items if name == "items" else run.dimensions()


def test_a_torn_last_line_is_passed_over_and_a_broken_line_is_named(tmp_path):
    folder = write_run(tmp_path / "r")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "spl')
    assert [r["epoch"] for r in open_run(folder).metrics("valid")] == [0, 1, 2]
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl line 4: .*mend or delete"):
        open_run(folder).metrics()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "spec": "vae"}'])
def test_a_broken_description_is_named(tmp_path, text):
    run_file(write_run(tmp_path / "r")).write_text(text)
    with pytest.raises(UserError, match=r"run\.json: not a run's description"):
        open_run(tmp_path / "r")


def test_a_newer_format_is_refused_with_a_way_out(tmp_path):
    path = run_file(write_run(tmp_path / "r"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(UserError, match=r"format version 99.*upgrade"):
        open_run(tmp_path / "r")


def test_a_folder_without_a_run_is_said_to_be_none(tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        open_run(tmp_path)


def test_two_processes_cannot_write_one_run(tmp_path):
    info = {"spec": "vae", "corpus": {"name": "tiny"}}
    with RunWriter(tmp_path / "r", info):
        code = (
            "import sys; from lab.runs import write_latents; from lab.errors import UserError\n"
            "try: write_latents(sys.argv[1], mean=[[0.0], [1.0]])\n"
            "except UserError as error: print(error)"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "r")]
        told = subprocess.run(
            command, capture_output=True, text=True, cwd=Path(__file__).parents[1]
        )
        with pytest.raises(UserError, match="another process"), RunWriter(tmp_path / "r", info):
            pass
    assert "is writing this run" in told.stdout
    write_latents(tmp_path / "r", mean=[[0.0], [1.0]])
    assert open_run(tmp_path / "r").status == "finished"


def test_what_is_not_committed_is_not_yet_part_of_the_run(tmp_path):
    info = {"spec": "vae", "corpus": {"name": "tiny"}}
    with RunWriter(tmp_path / "r", info) as writer:
        writer.write_items(items_table(6))
        writer.commit()
        writer.write_epoch(0, GAUSSIAN, [{"split": "valid", "au": 3}])
        assert open_run(tmp_path / "r").epochs == []
        writer.commit()
        assert open_run(tmp_path / "r").epochs == [0]
    assert not list((tmp_path / "r").rglob("*.tmp"))


def test_keep_until_forgets_later_epochs_and_writing_them_again_restores_the_run(tmp_path):
    folder = write_run(tmp_path / "r")
    whole = open_run(folder)
    before = [whole.metrics(), whole.interpolations(), whole.dimensions().rows(), whole.epochs]
    with RunWriter(folder, whole.info) as writer:
        writer.keep_until(0)
        writer.commit()
        run = open_run(folder)
        assert {r["epoch"] for r in [*run.metrics(), *run.interpolations()]} == {0}
        assert (run.epochs, run.dimensions()["epoch"].unique().to_list()) == ([0], [0])
        write_epochs(writer, range(1, 3))
        writer.commit()
    again = open_run(folder)
    after = [again.metrics(), again.interpolations(), again.dimensions().rows(), again.epochs]
    assert after == before


def test_runs_are_listed_with_one_line_for_each_that_cannot_be_read(tmp_path):
    root = tmp_path / "runs"
    write_run(root / "b" / "vae" / "0")
    write_run(root / "a" / "vae" / "1")
    run_file(write_run(root / "c" / "vae" / "0")).write_text("{")
    runs, problems = list_runs(root)
    assert [run.id for run in runs] == ["a/vae/1", "b/vae/0"]
    assert len(problems) == 1
    assert "c/vae/0/run.json" in problems[0]


def test_links_out_of_the_runs_folder_are_not_followed(tmp_path):
    outside = write_run(tmp_path / "outside")
    root = tmp_path / "runs"
    write_run(root / "in")
    (root / "folder").symlink_to(outside)
    (root / "file").mkdir()
    (root / "file" / "run.json").symlink_to(outside / "run.json")
    assert [run.id for run in list_runs(root)[0]] == ["in"]


def test_a_missing_runs_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        list_runs(tmp_path / "nowhere")


def test_a_running_run_is_interrupted_once_nobody_holds_its_lock(tmp_path):
    folder = write_run(tmp_path / "r")
    with RunWriter(folder, open_run(folder).info) as writer:
        writer.commit()
        check = f"from lab.runs import open_run; print(open_run({str(folder)!r}).status)"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
        assert done.stdout.strip() == "running"
    assert open_run(folder).status == "interrupted"


def test_time_is_in_the_runs_own_unit(tmp_path):
    unit = {"name": "iteration", "per_epoch": 5000}
    assert open_run(write_run(tmp_path / "t", unit=unit)).time(3) == "iteration 15000"
    assert open_run(write_run(tmp_path / "r")).time(3) == "epoch 3"


@pytest.mark.parametrize("family", ["gaussian", "samples", "point", "vmf"])
def test_the_density_of_every_family_integrates_to_one(family):
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(400, 3)).astype("f4")
    mean[:, 1] /= 2
    latents = {
        "gaussian": Latents("gaussian", mean, np.full((400, 3), -2, "f4")),
        "samples": Latents(
            "samples", mean, samples=mean[:, None] + rng.normal(size=(400, 4, 3)) / 4
        ),
        "point": Latents("point", mean),
        "vmf": Latents("vmf", to_sphere(mean * [2, 1, 1]), concentration=np.full(400, 99, "f4")),
    }[family]
    x, y, density = views.density(latents, (0, 1), limit=6.0, points=100)
    mass = density * (x[1] - x[0]) * (y[1] - y[0])
    assert density.min() >= 0
    assert mass.sum() == pytest.approx(1, abs=0.02)
    spread = np.sqrt([(mass * x[None, :] ** 2).sum(), (mass * y[:, None] ** 2).sum()])
    assert spread[0] > 1.5 * spread[1]


def test_the_binned_density_is_near_the_exact_one():
    rng = np.random.default_rng(0)
    latents = Latents("gaussian", rng.normal(size=(500, 2)), rng.normal(-1, 0.2, (500, 2)))
    exact, binned = (views.density(latents, points=100, method=m)[2] for m in ("exact", "binned"))
    assert np.abs(exact - binned).max() < 0.05 * exact.max()


def test_dimensions_are_ordered_by_activity():
    mean = np.random.default_rng(0).normal(size=(200, 3)) * [0.1, 2, 1]
    assert views.activity_order(Latents("point", mean)).tolist() == [1, 2, 0]


def test_series_put_the_standard_estimator_first_and_leave_out_the_final_record(tmp_path):
    with RunWriter(tmp_path / "r", {"spec": "ivae", "corpus": {"name": "tiny"}}) as writer:
        for epoch, record in enumerate(
            [{"kl_dual": -3.0}, {"kl_dual": 1.0, "kl": 2.0, "kl_stderr": 0.5}]
        ):
            writer.write_epoch(epoch, None, [{"split": "valid", **record}])
        writer.write_epoch(2, None, [{"split": "valid", "kl": 9.0, "final": True}])
        writer.commit(status="finished")
    run = open_run(tmp_path / "r")
    exact, dual = views.series(run, "kl")
    assert (exact.estimator, exact.values.tolist(), exact.stderr.tolist()) == ("", [2.0], [0.5])
    assert (dual.estimator, dual.epochs.tolist(), dual.stderr) == ("dual", [0, 1], None)
    assert views.latest(run, "kl") == (2.0, "")
    assert views.latest(run, "mi") is None


@pytest.mark.parametrize(
    ("units", "opening"),
    [
        ([(3, 3), (0, 3)], "Collapsed: 0 of 3 units active since epoch 1; CU 3 of 3."),
        ([(0, 0)], "Collapsed, but not to the prior: 0 of 3 units active since epoch 0; CU 0 of 3"),
        ([(3, 0)], "Active but holey: 3 of 3 units active; CU 0 of 3."),
        ([(1, 3)], "Partly collapsed: 1 of 3 units active; CU 3 of 3."),
        ([(1, 2)], "Partly collapsed and holey: 1 of 3 units active; CU 2 of 3."),
        ([(3, 3)], "Healthy: 3 of 3 units active; CU 3 of 3."),
        ([(3, None)], "3 of 3 units active; deterministic"),
        ([(0, None)], "Collapsed: 0 of 3 units active; deterministic"),
    ],
)
def test_the_verdict_names_what_happened(tmp_path, units, opening):
    with RunWriter(tmp_path / "r", {"spec": "vae", "corpus": {"name": "tiny"}}) as writer:
        writer.write_items(items_table(6))
        for epoch, (au, cu) in enumerate(units):
            record = {"split": "valid", "au": au} | ({} if cu is None else {"cu": cu})
            writer.write_epoch(epoch, GAUSSIAN, [record])
        writer.commit(status="finished")
    assert verdicts.verdict(open_run(tmp_path / "r")).startswith(opening)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"mi": 0.4}, "Nearly collapsed: 3 of 3 units active, but 0.40 nats of information, less "
         "than one bit; CU 3 of 3."),
        ({"mi": 0.7}, "Healthy: 3 of 3 units active; CU 3 of 3."),
        ({"mi": 2.0, "hole_mass": 0.09}, "Active but holey: 3 of 3 units active; CU 3 of 3; "
         "9\u202f% of the prior in holes."),
        ({"mi": 2.0, "hole_mass": 0.04}, "Healthy: 3 of 3 units active; CU 3 of 3."),
        ({"mi_moment": -0.1, "hole_mass_moment": 0.5}, "Nearly collapsed and holey: 3 of 3 units "
         "active, but 0.00 nats of information, less than one bit; CU 3 of 3; 50\u202f% of the "
         "prior in holes."),
    ],
)  # fmt: skip
def test_the_verdict_asks_for_a_bit_of_information_and_for_the_joint_prior(
    tmp_path, figures, words
):
    with RunWriter(tmp_path / "r", {"spec": "vae", "corpus": {"name": "tiny"}}) as writer:
        writer.write_items(items_table(6))
        writer.write_epoch(0, GAUSSIAN, [{"split": "valid", "au": 3, "cu": 3} | figures])
        writer.commit(status="finished")
    assert verdicts.verdict(open_run(tmp_path / "r")) == words


def test_a_few_units_that_were_alive_since_collapse_are_not_denied(tmp_path):
    with RunWriter(tmp_path / "r", {"spec": "vae", "corpus": {"name": "tiny"}}) as writer:
        writer.write_items(items_table(6))
        wide = Latents("gaussian", np.zeros((6, 30)), np.zeros((6, 30)))
        for epoch, au in enumerate((30, 2, 0)):
            writer.write_epoch(epoch, wide, [{"split": "valid", "au": au, "cu": 30}])
        writer.commit(status="finished")
    words = verdicts.verdict(open_run(tmp_path / "r"))
    assert words.startswith("Collapsed: at most 2 of 30 units active since epoch 1")


def test_the_verdict_names_the_dimensions_that_miss_the_prior_by_most(tmp_path):
    centre = np.array([0.0, 3.0, 0.0, 9.0])
    mean = centre + np.random.default_rng(0).normal(size=(300, 4)) * np.sqrt(0.5)
    write_latents(tmp_path / "r", mean=mean, log_variance=np.full((300, 4), np.log(0.5)))
    words = verdicts.verdict(open_run(tmp_path / "r"))
    assert words == (
        "Active but holey: 4 of 4 units active; CU 2 of 4, worst dimensions 4, 2; "
        "100\u202f% of the prior in holes."
    )
    (tmp_path / "r" / "dimensions.parquet").write_bytes(b"half a table")
    words = verdicts.verdict(open_run(tmp_path / "r"))
    assert words.startswith("Active but holey: 4 of 4 units active; CU 2 of 4; 100")


def test_a_run_that_matches_every_dimension_but_not_the_joint_prior_is_holey(tmp_path):
    """Codes on the two diagonals of a plane: both marginals are N(0, 1), half of it is empty."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=2000)
    mean = np.stack([first, first * rng.choice([-1, 1], 2000)], 1) * np.sqrt(0.99)
    write_latents(tmp_path / "r", mean=mean, log_variance=np.full((2000, 2), np.log(0.01)))
    run = open_run(tmp_path / "r")
    assert views.latest(run, "cu")[0] == 2
    share, _ = views.latest(run, "hole_mass")
    words = verdicts.verdict(run)
    assert words == (
        "Active but holey: 2 of 2 units active; CU 2 of 2; "
        f"{100 * share:.0f}\u202f% of the prior in holes."
    )
    assert 0.3 < share < 0.7


def test_a_joint_gap_is_named_with_the_ceiling_that_adds_to_it(tmp_path):
    rng = np.random.default_rng(0)
    mean = np.sqrt(0.8) * rng.normal(size=(400, 16))
    write_latents(tmp_path / "r", mean=mean, log_variance=np.full((400, 16), np.log(0.2)))
    run = open_run(tmp_path / "r")
    gap = views.latest(run, "aggregated_kl")[0]
    assert views.information_ceiling(run) == pytest.approx(np.log(400))
    words = f"jointly {gap:.1f} nats from the prior (MI is at its ceiling log N"
    assert gap > 1 and words in verdicts.verdict(run)


def test_the_verdict_of_runs_without_figures(tmp_path):
    write_latents(tmp_path / "latents", mean=np.eye(3))
    assert verdicts.verdict(open_run(tmp_path / "latents")).startswith("3 of 3 units active")
    (tmp_path / "latents" / "metrics.jsonl").unlink()
    assert verdicts.verdict(open_run(tmp_path / "latents")) == "Latents without recorded figures."
    assert verdicts.verdict(open_run(write_run(tmp_path / "lm", epochs=0))) == "No latent space."
    failed = open_run(write_run(tmp_path / "failed"))
    failed.info["error"] = "KL became NaN"
    assert verdicts.verdict(failed) == "Failed: KL became NaN"


def test_dimension_statistics_hold_the_closed_forms(tmp_path):
    table = open_run(write_run(tmp_path / "r", epochs=1)).dimensions()
    assert table["variance_of_mean"].to_numpy() == pytest.approx(np.eye(6, 3).var(0, ddof=1))
    assert table["kl"].to_numpy() == pytest.approx(np.full(3, 1 / 12))
    assert table["mean_of_variance"].to_list() == [1, 1, 1]
    assert table["marginal_kl"].dtype == pl.Float64


def test_options_of_a_family_differ_in_colour_and_share_its_dash():
    specs = [f"beta_vae(beta={beta})" for beta in (0.1, 0.2, 0.4)]
    assert len({look.colour(spec) for spec in specs}) == 3
    assert len({look.dash(spec) for spec in specs}) == 1
    assert look.colour(specs[2]) == look.colour("beta_vae")


def test_samples_that_do_not_depend_on_the_item_are_collapsed():
    samples = np.random.default_rng(0).normal(size=(500, 128, 8))
    figures = latent_figures(Latents("samples", samples.mean(1), samples=samples))
    assert figures["au"] == 0
    assert figures["mi_moment"] == pytest.approx(0, abs=0.1)
    assert figures["kl_moment"] == pytest.approx(0, abs=0.1)


def test_samples_of_gaussians_have_the_figures_of_those_gaussians():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(400, 3)), np.full((400, 3), np.log(0.3))
    samples = mean[:, None] + np.sqrt(0.3) * rng.normal(size=(400, 256, 3))
    exact = latent_figures(Latents("gaussian", mean, log_variance))
    drawn = latent_figures(Latents("samples", samples.mean(1), samples=samples))
    assert drawn["au"] == exact["au"] == 3
    assert drawn["kl_moment"] == pytest.approx(exact["kl"], rel=0.03)
    assert drawn["mi_moment"] == pytest.approx(exact["mi"], rel=0.05)

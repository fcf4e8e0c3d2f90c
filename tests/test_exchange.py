"""Foreign latents become runs, runs become other tools' files, and unfit files are named."""

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from lab.errors import UserError
from lab.exchange import export_run, import_latents
from lab.metrics import to_sphere
from lab.runs import open_run, write_latents

RNG = np.random.default_rng(0)
MEAN = RNG.normal(size=(8, 3)).astype("f4")
LOG_VARIANCE = RNG.normal(size=(8, 3)).astype("f4")
SAMPLES = RNG.normal(size=(8, 4, 3)).astype("f4")
TEXTS = [f"sentence\t{i}\nof the set é" for i in range(8)]
GAUSSIAN = {"mean": MEAN, "log_variance": LOG_VARIANCE}


@pytest.fixture
def run(tmp_path):
    labels = {"topic": list("aabbccdd"), "score": np.arange(8) / 7, "x": list(range(8))}
    write_latents(tmp_path / "r", **GAUSSIAN, texts=TEXTS, labels=labels, spec='vae "quoted"')
    return open_run(tmp_path / "r")


def load(file: Path, **options):
    return open_run(import_latents(file, runs=file.parent / "runs", **options))


def save(folder: Path, **arrays) -> Path:
    np.savez(folder / "latents.npz", **arrays)
    return folder / "latents.npz"


@pytest.mark.parametrize(
    "arrays",
    [
        GAUSSIAN,
        {"mean": MEAN},
        {"samples": SAMPLES},
        {"mean": to_sphere(MEAN), "concentration": np.arange(1, 9, dtype="f4")},
    ],
)
def test_npz_export_and_import_are_bit_equal(tmp_path, arrays):
    labels = {"topic": list("aabbccdd"), "score": np.arange(8) / 7}
    write_latents(tmp_path / "r", **arrays, texts=TEXTS, labels=labels)
    run = open_run(tmp_path / "r")
    back = load(*export_run(run, "npz", tmp_path))
    for name in ("mean", "log_variance", "samples", "concentration"):
        before, after = getattr(run.latents(), name), getattr(back.latents(), name)
        assert (before is None) == (after is None)
        assert before is None or before.tobytes() == after.tobytes()
    assert back.items.drop("split").equals(run.items.drop("split"))


@pytest.mark.parametrize("to", ["csv", "embedding-atlas"])
def test_table_exports_are_read_back_too(run, tmp_path, to):
    back = load(*export_run(run, to, tmp_path))
    assert np.array_equal(back.latents().mean, MEAN)
    assert back.items["text"].to_list() == TEXTS
    assert back.items["topic"].to_list() == list("aabbccdd")


def test_embedding_atlas_gets_coordinates_and_a_fixed_size_vector(run, tmp_path):
    (path,) = export_run(run, "embedding-atlas", tmp_path)
    table = pl.read_parquet(path)
    order = np.argsort(-MEAN.var(0))
    assert table.schema["vector"] == pl.Array(pl.Float32, 3)
    assert np.array_equal(table["x"].to_numpy(), MEAN[:, order[0]])
    assert np.array_equal(table["y"].to_numpy(), MEAN[:, order[1]])
    assert table["x_label"].to_list() == list(range(8))


def test_tensorboard_gets_one_metadata_row_for_each_tensor_row(run, tmp_path):
    tensors, metadata, config = export_run(run, "tensorboard", tmp_path)
    values = np.loadtxt(tensors, delimiter="\t", dtype="f4")
    header, *rows = metadata.read_text(encoding="utf-8").splitlines()
    assert np.array_equal(values, MEAN)
    assert len(rows) == 8
    assert {row.count("\t") for row in rows} == {header.count("\t")}
    assert "sentence 0 of the set é" in rows[0]
    assert 'tensor_name: "vae \\"quoted\\""' in config.read_text()


def test_an_unknown_tool_and_an_unwritable_folder_are_named(run, tmp_path):
    with pytest.raises(UserError, match="'excel'; choose one of tensorboard"):
        export_run(run, "excel", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be written"):
        export_run(run, "npz", tmp_path / "file")


@pytest.mark.parametrize(
    ("names", "transform"),
    [
        (("mu", "logvar"), lambda v: v),
        (("mean", "variance"), np.exp),
        (("mu", "sigma"), lambda v: np.exp(v / 2)),
        (("mean", "std"), lambda v: np.exp(v / 2)),
    ],
)
def test_arrays_are_known_by_their_usual_names(tmp_path, names, transform):
    arrays = dict(zip(names, (MEAN, transform(LOG_VARIANCE)), strict=True))
    save_file(arrays, tmp_path / "mine.safetensors")
    run = load(tmp_path / "mine.safetensors")
    assert (run.id, run.spec, run.corpus) == ("imported/mine/0", "mine", "imported")
    assert run.latents().log_variance == pytest.approx(LOG_VARIANCE, abs=1e-5)


def test_other_names_are_given_as_keys(tmp_path):
    file = save(tmp_path, encoder_mu=MEAN)
    assert np.array_equal(load(file, keys={"mean": "encoder_mu"}).latents().mean, MEAN)
    with pytest.raises(UserError, match="no array 'nope' for mean; it holds encoder_mu"):
        load(file, keys={"mean": "nope"})
    with pytest.raises(UserError, match="'centre' is not an array of a run"):
        load(file, keys={"centre": "encoder_mu"})


def test_single_draws_are_codes_and_are_left_out_beside_a_mean(tmp_path):
    alone = load(save(tmp_path, z=MEAN), name="alone").latents()
    beside = load(save(tmp_path, z=MEAN + 1, **GAUSSIAN), name="beside").latents()
    assert (alone.family, alone.samples.shape) == ("samples", (8, 1, 3))
    assert (beside.family, beside.samples) == ("gaussian", None)


@pytest.mark.parametrize(
    "columns",
    [
        {"mean": pl.Series(MEAN), "log_variance": pl.Series(LOG_VARIANCE)},
        {"mean": pl.Series(MEAN.tolist()), "std": pl.Series(np.exp(LOG_VARIANCE / 2).tolist())},
        {f"{n}_{i}": a[:, i] for n, a in GAUSSIAN.items() for i in range(3)},
        {"samples": pl.Series(SAMPLES)},
    ],
)
def test_parquet_columns_of_lists_or_numbers(tmp_path, columns):
    pl.DataFrame({**columns, "text": TEXTS, "topic": list("aabbccdd")}).write_parquet(
        tmp_path / "t.parquet"
    )
    run = load(tmp_path / "t.parquet")
    expected = SAMPLES.mean(1) if "samples" in columns else MEAN
    assert run.latents().mean == pytest.approx(expected, abs=1e-6)
    assert (run.items["text"].to_list(), run.labels) == (TEXTS, ["topic"])


def test_texts_and_labels_come_from_files_of_their_own(tmp_path):
    (tmp_path / "t.txt").write_text("".join(f"line {i}\n" for i in range(8)))
    (tmp_path / "l.tsv").write_text("sort\tgrade\n" + "".join(f"s{i % 2}\t{i}\n" for i in range(8)))
    run = load(save(tmp_path, mean=MEAN), texts=tmp_path / "t.txt", labels=tmp_path / "l.tsv")
    assert run.items["text"][7] == "line 7"
    assert run.items["sort"][1] == "s1"
    assert run.items["grade"].to_list() == list(range(8))


def test_a_later_epoch_extends_the_run_and_an_existing_one_is_kept(tmp_path):
    load(save(tmp_path, mean=MEAN, texts=np.array(TEXTS)))
    run = load(save(tmp_path, mean=MEAN + 1, texts=np.array(TEXTS)), epoch=5)
    assert run.epochs == [0, 5]
    with pytest.raises(UserError, match="already holds epoch 5"):
        load(save(tmp_path, mean=MEAN), epoch=5)
    with pytest.raises(UserError, match="holds other texts"):
        load(save(tmp_path, mean=MEAN, texts=np.array(TEXTS[::-1])), epoch=6)
    assert np.array_equal(open_run(run.folder).latents(5).mean, MEAN + 1)


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"weights": MEAN}, "neither mean nor samples; it holds weights"),
        ({"mean": np.where(MEAN > 1, np.nan, MEAN)}, "not finite"),
        ({"mean": MEAN, "logvar": LOG_VARIANCE[:3]}, "log_variance has shape"),
        ({"mean": MEAN, "std": LOG_VARIANCE}, "std must be positive; it is not in item"),
        ({"mean": MEAN, "std": np.full_like(MEAN, np.nan)}, "std must be positive"),
        ({"mean": MEAN, "topic": np.arange(3)}, "topic: 3 entries for 8 latents"),
        ({"mean": MEAN.astype(str)}, "must hold numbers"),
        ({"mean": MEAN, "texts": np.arange(8)}, "one column of strings"),
        ({"mean": MEAN, "texts": np.array([*TEXTS[:7], None], object)}, "pickled objects"),
    ],
)
def test_unfit_arrays_are_refused_and_nothing_is_written(tmp_path, arrays, complaint):
    file = save(tmp_path, **arrays)
    with pytest.raises(UserError, match=complaint) as refusal:
        load(file)
    assert str(refusal.value).startswith(str(file))
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet"])
@pytest.mark.parametrize("damage", ["empty", "half", "last", "pickle", "absent"])
def test_damaged_files_are_refused(tmp_path, suffix, damage):
    file = tmp_path / f"latents{suffix}"
    save(tmp_path, mean=MEAN)
    save_file({"mean": MEAN}, tmp_path / "latents.safetensors")
    pl.DataFrame({"mean": pl.Series(MEAN)}).write_parquet(tmp_path / "latents.parquet")
    whole = file.read_bytes()
    file.write_bytes(
        {
            "empty": b"",
            "half": whole[: len(whole) // 2],
            "last": whole[:-1],
            "pickle": pickle.dumps({"mean": MEAN}),
            "absent": b"",
        }[damage]
    )
    if damage == "absent":
        file.unlink()
    with pytest.raises(UserError, match=f"latents{suffix}: "):
        load(file)
    assert not (tmp_path / "runs").exists()


def test_a_flipped_byte_inside_an_npz_is_noticed(tmp_path):
    file = save(tmp_path, mean=MEAN)
    content = bytearray(file.read_bytes())
    content[200] ^= 255
    file.write_bytes(bytes(content))
    with pytest.raises(UserError, match="truncated or not an npz file"):
        load(file)


def test_a_bare_array_and_an_unknown_kind_of_file_are_refused(tmp_path):
    with (tmp_path / "bare.npz").open("wb") as file:
        np.save(file, MEAN)
    with pytest.raises(UserError, match="one bare array"):
        load(tmp_path / "bare.npz")
    with pytest.raises(UserError, match=r"must be one of \.npz"):
        load(tmp_path / "latents.pt")


def test_ragged_lists_and_gaps_are_refused(tmp_path):
    file = tmp_path / "t.parquet"
    pl.DataFrame({"mean": [[1.0, 2.0], [1.0]]}).write_parquet(file)
    with pytest.raises(UserError, match="'mean' holds lists that are empty or of different"):
        load(file)
    pl.DataFrame({"mean": [[1.0, 2.0], None]}).write_parquet(file)
    with pytest.raises(UserError, match="'mean' holds lists"):
        load(file)
    pl.DataFrame({"mean": [[1.0], [2.0]], "text": ["a", None]}).write_parquet(file)
    with pytest.raises(UserError, match="one column of strings without gaps"):
        load(file)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../up"])
def test_a_name_cannot_lead_out_of_the_runs_folder(tmp_path, name):
    with pytest.raises(UserError, match="cannot be a run's name"):
        load(save(tmp_path, mean=MEAN), name=name)


def test_labels_and_texts_that_do_not_fit_are_named(tmp_path):
    file = save(tmp_path, mean=MEAN)
    (tmp_path / "t.txt").write_text("one\ntwo\n")
    with pytest.raises(UserError, match="texts: 2 entries for 8"):
        load(file, texts=tmp_path / "t.txt")
    (tmp_path / "l.csv").write_text("topic\na\n")
    with pytest.raises(UserError, match="topic: 1 entries for 8"):
        load(file, labels=tmp_path / "l.csv")
    with pytest.raises(UserError, match=r"t\.txt: labels must be a table"):
        load(file, labels=tmp_path / "t.txt")
    with pytest.raises(UserError, match=r"nowhere\.csv"):
        load(file, labels=tmp_path / "nowhere.csv")


def test_a_label_named_like_an_array_is_not_lost_in_an_npz(tmp_path):
    write_latents(tmp_path / "r", mean=MEAN, labels={"z": list(range(8))})
    with pytest.raises(UserError, match="label 'z' has the name of an array"):
        export_run(open_run(tmp_path / "r"), "npz", tmp_path)

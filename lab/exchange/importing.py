"""A run folder made from the latents of another program."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lab.corpora.files import read_lines
from lab.errors import UserError
from lab.exchange.reading import TABLES, columns, read_arrays, read_table
from lab.runs import open_run, write_latents
from lab.runs.layout import ITEM_COLUMNS, run_file

# What an array is -> the names it is known by, the first one found counts.
ALIASES = {
    "mean": ("mean", "mu", "means", "vector"),
    "log_variance": ("log_variance", "logvar", "log_var"),
    "variance": ("variance", "var"),
    "std": ("std", "sigma"),
    "samples": ("samples", "z"),
    "concentration": ("concentration", "kappa"),
    "texts": ("texts", "text", "sentences"),
}


def import_latents(
    file: str | Path,
    *,
    runs: str | Path,
    name: str | None = None,
    texts: str | Path | None = None,
    labels: str | Path | None = None,
    epoch: int = 0,
    keys: Mapping[str, str] | None = None,
) -> Path:
    """Make the run folder runs/imported/<name>/0 from a file of latents and return it.

    The file (.npz, .safetensors, .parquet, .csv, .tsv) holds `mean` [N, D] and, for Gaussians, one
    of `log_variance`, `variance`, `std`; or `samples` [N, S, D]; or unit-length `mean` with
    `concentration` [N]. `keys` says what they are called there where it is not one of ALIASES. A
    single draw `z` [N, D] beside a mean is left out. Texts are a column or unicode array of the
    file, or `texts`, a file with one a line; every other 1-D array is a label, and `labels` is a
    table of more. Importing a later `epoch` under the same name extends the run. Raises UserError,
    before anything is written, for whatever does not fit.
    """
    file = Path(file)
    arrays = read_arrays(file)
    found = {what: arrays.pop(key) for what, key in _keys(arrays, keys or {}, file).items()}
    if labels is not None:
        arrays |= _read_labels(Path(labels))
    kept = {n: a for n, a in arrays.items() if a.ndim == 1 and n not in ITEM_COLUMNS}
    sentences = _texts(found.pop("texts", None), texts, file)
    try:
        folder = _folder(Path(runs), file.stem if name is None else name)
        _check_extends(folder, epoch, sentences)
        write_latents(
            folder,
            **_latents(found),
            texts=sentences,
            labels=kept,
            epoch=epoch,
            spec=folder.parent.name,
        )
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return folder


def _keys(arrays: Mapping[str, np.ndarray], given: Mapping[str, str], file: Path) -> dict[str, str]:
    """What -> its key in the file."""
    listed = ", ".join(arrays) or "nothing"
    for what, key in given.items():
        if what not in ALIASES:
            raise UserError(f"{what!r} is not an array of a run; there are {', '.join(ALIASES)}")
        if key not in arrays:
            raise UserError(f"{file}: no array {key!r} for {what}; it holds {listed}")
    names = {what: (given[what],) if what in given else ALIASES[what] for what in ALIASES}
    keys = {what: next((n for n in names[what] if n in arrays), None) for what in ALIASES}
    if keys["mean"] is None and keys["samples"] is None:
        raise UserError(
            f"{file}: neither mean nor samples; it holds {listed}; say which with a key name"
        )
    return {what: key for what, key in keys.items() if key is not None}


def _latents(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays under the names and in the shapes that a run folder has."""
    for what, array in found.items():
        if array.dtype.kind not in "fiu":
            raise UserError(f"{what} holds {array.dtype} values; it must hold numbers")
    variance = [(what, found.pop(what)) for what in ("variance", "std") if what in found]
    if variance and "log_variance" not in found:
        found["log_variance"] = _log_variance(*variance[0])
    if found.get("samples", np.empty((0, 0, 0))).ndim == 2:
        samples = found.pop("samples")
        found = found if "mean" in found else {"samples": samples[:, None, :]}
    return found


def _log_variance(what: str, values: np.ndarray) -> np.ndarray:
    wrong = np.argwhere(~(values > 0))
    if len(wrong):
        raise UserError(f"{what} must be positive; it is not in item {wrong[0][0]}")
    return (2 if what == "std" else 1) * np.log(values.astype(np.float64))


def _texts(found: np.ndarray | None, file: str | Path | None, source: Path) -> list[str] | None:
    if file is not None:
        return read_lines(Path(file))
    if found is None:
        return None
    if (
        found.ndim != 1
        or found.dtype.kind not in "UO"
        or not all(isinstance(t, str) for t in found)
    ):
        raise UserError(f"{source}: texts must be one column of strings without gaps")
    return found.tolist()


def _read_labels(path: Path) -> dict[str, np.ndarray]:
    if path.suffix not in TABLES:
        raise UserError(
            f"{path}: labels must be a table of kind {', '.join(TABLES)} with named columns"
        )
    return columns(read_table(path), path)


def _folder(runs: Path, name: str) -> Path:
    if not name or name in (".", "..") or Path(name).name != name:
        raise UserError(f"{name!r} cannot be a run's name; choose one without slashes")
    return runs / "imported" / name / "0"


def _check_extends(folder: Path, epoch: int, texts: list[str] | None) -> None:
    """An earlier import keeps its epochs and its items."""
    if epoch < 0:
        raise UserError(f"epoch {epoch} is negative")
    if not run_file(folder).exists():
        return
    if texts is not None and texts != open_run(folder).items["text"].to_list():
        raise UserError(f"{folder} holds other texts; choose another name")

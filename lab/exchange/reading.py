"""Foreign files (npz, safetensors, parquet, csv, tsv) as named arrays; nothing is unpickled."""

import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file

from lab.errors import UserError

TABLES = (".parquet", ".csv", ".tsv")
SUFFIXES = (".npz", ".safetensors", *TABLES)
_NUMBERED = re.compile(r"(.+)_(\d+)")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file by name; table columns of lists and of the form mean_0, mean_1, ...
    become [N, D].

    Raises UserError that names the file if it is absent, damaged, pickled or of another kind.
    """
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    read = readers.get(path.suffix, _read_columns)
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: unknown kind of file; it must be one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return read(path)


def read_table(path: Path) -> pl.DataFrame:
    """A parquet, csv or tsv table; csv and tsv need a line of column names."""
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        separator = "\t" if path.suffix == ".tsv" else ","
        return pl.read_csv(path, separator=separator, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{path}: damaged or not a table ({_line(error)})") from error


def columns(table: pl.DataFrame, path: Path) -> dict[str, np.ndarray]:
    """The columns of a table as arrays, lists stacked and numbered columns joined."""
    arrays = {c.name: _stack(c, path) for c in table.get_columns()}
    for stem, names in _numbered(table).items():
        if len(names) > 1 and all(arrays[n].dtype.kind in "fiu" for n in names):
            arrays[stem] = np.stack([arrays.pop(n) for n in names], axis=1)
    return arrays


def _read_columns(path: Path) -> dict[str, np.ndarray]:
    return columns(read_table(path), path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (AttributeError, TypeError) as error:
        raise UserError(
            f"{path}: holds one bare array; write it with np.savez(mean=...)"
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error) or "pickled" in str(error):
            mend = "save texts as np.array(texts, dtype=str)"
            raise UserError(f"{path}: pickled objects are never loaded; {mend}") from error
        raise UserError(f"{path}: truncated or not an npz file ({_line(error)})") from error


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise UserError(f"{path}: truncated or not a safetensors file ({_line(error)})") from error


def _stack(column: pl.Series, path: Path) -> np.ndarray:
    """A column as an array with an axis more for each level of lists, which must not be ragged."""
    name, shape = column.name, [len(column)]
    while isinstance(column.dtype, pl.List | pl.Array):
        column = column.cast(pl.List(column.dtype.inner))
        widths = column.list.len().unique().to_list()
        if len(widths) != 1 or not widths[0]:
            raise UserError(
                f"{path}: column {name!r} holds lists that are empty or of different lengths"
            )
        shape.append(widths[0])
        column = column.explode()
    return column.to_numpy().reshape(shape)


def _numbered(table: pl.DataFrame) -> dict[str, list[str]]:
    """Stem -> its columns stem_0 ... stem_{D-1}, where the numbers run from 0 without a gap."""
    found: dict[str, dict[int, str]] = {}
    for name in table.columns:
        if match := _NUMBERED.fullmatch(name):
            found.setdefault(match[1], {})[int(match[2])] = name
    return {
        stem: [names[i] for i in range(len(names))]
        for stem, names in found.items()
        if sorted(names) == list(range(len(names))) and stem not in table.columns
    }


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

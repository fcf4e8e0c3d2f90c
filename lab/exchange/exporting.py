"""One epoch of a run in the files that other tools open."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from lab.errors import UserError
from lab.exchange.importing import ALIASES
from lab.runs import Latents, Run
from lab.runs.layout import replace, write_table
from lab.views import activity_order

ARRAYS = ("mean", "log_variance", "samples", "concentration")


def export_run(run: Run, to: str, out: str | Path, epoch: int | None = None) -> list[Path]:
    """Write one dumped epoch, the last by default, into the folder `out`; returns the files.

    `to` is "tensorboard" (a projector's log folder: posterior means and item metadata),
    "embedding-atlas" (one parquet table), "npz" (bit-equal arrays, texts and labels;
    `import_latents` reads it back) or "csv" (one row per item; posterior samples are too many for
    it, their mean stands there). Raises UserError for other names and for a folder that cannot be
    written.
    """
    if to not in EXPORTS:
        raise UserError(f"cannot export to {to!r}; choose one of {', '.join(EXPORTS)}")
    latents = run.latents(epoch)
    try:
        return EXPORTS[to](run, latents, Path(out))
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror or error})") from error


def _tensorboard(run: Run, latents: Latents, out: Path) -> list[Path]:
    tensors, metadata = out / "tensors.tsv", out / "metadata.tsv"
    config = out / "projector_config.pbtxt"
    means = pl.DataFrame(latents.mean, schema=[f"{i}" for i in range(latents.dimensions)])
    replace(tensors, lambda p: means.write_csv(p, separator="\t", include_header=False))
    replace(metadata, lambda p: p.write_text(_metadata(run.items), encoding="utf-8"))
    text = (
        "embeddings {\n"
        f"  tensor_name: {_quoted(run.spec)}\n"
        f'  tensor_path: "{tensors.name}"\n'
        f'  metadata_path: "{metadata.name}"\n'
        "}\n"
    )
    replace(config, lambda p: p.write_text(text, encoding="utf-8"))
    return [tensors, metadata, config]


def _metadata(items: pl.DataFrame) -> str:
    """Tab-separated rows under a header; tabs and line ends inside a value become spaces."""
    flat = items.cast(pl.String).fill_null("")
    rows = [items.columns, *flat.iter_rows()]
    return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in rows)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{" ".join(escaped.split())}"'


def _embedding_atlas(run: Run, latents: Latents, out: Path) -> list[Path]:
    """Item columns, x and y (the two most active dimensions), and the mean as `vector`."""
    most_active = [int(i) for i in activity_order(latents)[:2]]
    axes = [latents.mean[:, i] for i in most_active]
    x, y = axes if len(axes) == 2 else (axes[0], np.zeros_like(axes[0]))
    vector = pl.Series(latents.mean, dtype=pl.Array(pl.Float32, latents.dimensions))
    added = {"x": x, "y": y, "vector": vector}
    items = run.items.rename({n: f"{n}_label" for n in added if n in run.items.columns})
    path = out / "latents.parquet"
    write_table(path, items.with_columns(**{n: pl.Series(a) for n, a in added.items()}))
    return [path]


def _npz(run: Run, latents: Latents, out: Path) -> list[Path]:
    arrays = {n: a for n in ARRAYS if (a := getattr(latents, n)) is not None}
    labels = {name: _plain(run.items[name]) for name in run.labels}
    taken = {name for names in ALIASES.values() for name in names}
    if clash := sorted(taken & set(labels)):
        raise UserError(
            f"label {clash[0]!r} has the name of an array; export to csv or embedding-atlas"
        )
    path = out / "latents.npz"
    texts = _plain(run.items["text"])
    replace(path, lambda p: _savez(p, **arrays, texts=texts, **labels))
    return [path]


def _savez(path: Path, **arrays: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _plain(column: pl.Series) -> np.ndarray:
    """A column as an array without objects: numbers as they are, everything else as unicode."""
    if column.dtype.is_numeric():
        return column.to_numpy()
    return column.cast(pl.String).fill_null("").to_numpy().astype(str)


def _csv(run: Run, latents: Latents, out: Path) -> list[Path]:
    vectors = {
        f"{name}_{i}": array[:, i]
        for name in ("mean", "log_variance")
        if (array := getattr(latents, name)) is not None
        for i in range(latents.dimensions)
    }
    if latents.concentration is not None:
        vectors["concentration"] = latents.concentration
    path = out / "latents.csv"
    replace(path, run.items.with_columns(**{n: pl.Series(a) for n, a in vectors.items()}).write_csv)
    return [path]


EXPORTS: dict[str, Callable[[Run, Latents, Path], list[Path]]] = {
    "tensorboard": _tensorboard,
    "embedding-atlas": _embedding_atlas,
    "npz": _npz,
    "csv": _csv,
}

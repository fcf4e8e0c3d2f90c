"""A few dimensions of a dump, read block by block: the whole of it is never held in memory."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from lab.errors import UserError
from lab.runs.reader import Latents
from lab.runs.records import check_dump, check_values

BLOCK = 4 * 2**20  # bytes read at once; they should stay in the processor's cache
DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


def read_plane(path: Path, dims: Sequence[int], latent: Mapping[str, Any] | None = None) -> Latents:
    """The dimensions `dims` of one dump: mean [N, P], log_variance [N, P], samples [N, S, P].

    Directions have no coordinates of their own: UserError, as for all that `read_latents` refuses.
    """
    try:
        with safe_open(path, framework="numpy") as file:  # checks sizes against the file's own
            family = (file.metadata() or {}).get("family", "gaussian")
        with open(path, "rb", buffering=0) as file:
            layout = _layout(file)
            shapes = {name: shape for name, (_, shape, _) in layout.items()}
            check_dump(path, family, shapes, latent or {})
            if family == "vmf":
                raise ValueError("directions have no coordinates of their own")
        with ThreadPoolExecutor() as pool:  # reading leaves the other threads free
            read = partial(_columns, path, dims=list(dims))
            arrays = dict(zip(layout, pool.map(read, layout.values()), strict=True))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: truncated or not a latents file ({words})") from error
    check_values(path, arrays)
    return Latents(family, **arrays)


def coordinates(latents: Latents, dims: Sequence[int]) -> Latents:
    """The dimensions `dims` of latents that are in memory, as `read_plane` gives them."""
    pair = list(dims)
    arrays = {
        name: array[..., pair]
        for name in ("mean", "log_variance", "samples")
        if (array := getattr(latents, name)) is not None
    }
    return Latents(latents.family, **arrays)


def _layout(file: BinaryIO) -> dict[str, tuple[np.dtype, list[int], int]]:
    """Type, shape and place in the file of each array."""
    size = int.from_bytes(file.read(8), "little")
    header: dict[str, Any] = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return {
        name: (np.dtype(DTYPES[a["dtype"]]), a["shape"], 8 + size + a["data_offsets"][0])
        for name, a in header.items()
    }


def _columns(path: Path, array: tuple[np.dtype, list[int], int], dims: list[int]) -> np.ndarray:
    """Columns of the last axis of one array, as float32."""
    dtype, (count, *rest), place = array
    width = int(np.prod(rest))
    buffer = np.empty((max(1, BLOCK // (width * dtype.itemsize)), width), dtype)
    found = np.empty((count, *rest[:-1], len(dims)), np.float32)
    with open(path, "rb", buffering=0) as file:
        file.seek(place)
        for start in range(0, count, len(buffer)):
            block = buffer[: count - start]
            _fill(file, block)
            found[start : start + len(block)] = block.reshape(len(block), *rest)[..., dims]
    return found


def _fill(file: BinaryIO, block: np.ndarray) -> None:
    view, done = memoryview(block).cast("B"), 0
    while done < block.nbytes:
        read = file.readinto(view[done:])
        if not read:
            raise ValueError("the file ends early")
        done += read

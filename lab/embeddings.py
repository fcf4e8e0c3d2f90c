"""Sentence embeddings from outside: computed ones in a file, or a local transformer's."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lab.errors import UserError
from lab.exchange.reading import read_arrays
from lab.local_models import load_local

BATCH = 32


def sentence_embeddings(
    path: Path, texts: Sequence[str], progress: Callable[[str], None] = lambda _: None
) -> np.ndarray:
    """Embeddings [N, E] of N texts: a file's, one row for each text in order, or those of a model
    in a folder.

    A file (.npy, .npz, .safetensors, .parquet, .csv, .tsv) holds one array of two dimensions or one
    named `embeddings`. A folder holds weights for `transformers`; its last layer is averaged over a
    sentence's tokens, as is usual for BERT without training (Reimers and Gurevych 2019). Raises
    UserError if the file has another number of rows or the folder no safe weights.
    """
    if path.is_dir():
        return _from_model(path, texts, progress)
    arrays = _bare(path) if path.suffix == ".npy" else read_arrays(path)
    flat = {name: array for name, array in arrays.items() if array.ndim == 2}
    if "embeddings" not in flat and len(flat) != 1:
        listed = ", ".join(arrays) or "nothing"
        raise UserError(
            f"{path}: holds {listed}; name the array of shape [sentences, width] embeddings"
        )
    found = flat.get("embeddings", next(iter(flat.values())))
    if len(found) != len(texts):
        raise UserError(
            f"{path}: {len(found)} rows for {len(texts)} test sentences; give one row for each, in "
            "their order"
        )
    if found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        raise UserError(f"{path}: embeddings must be finite numbers")
    return found.astype(np.float64)


def _bare(path: Path) -> dict[str, np.ndarray]:
    try:
        return {"embeddings": np.load(path, allow_pickle=False)}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not an array of numbers ({error}); write it anew") from error


def _from_model(folder: Path, texts: Sequence[str], progress: Callable[[str], None]) -> np.ndarray:
    import torch

    model, tokeniser = load_local(folder, "--embeddings", "Auto", "AutoModel")
    tokeniser.pad_token = tokeniser.pad_token or tokeniser.eos_token
    found = []
    for first in range(0, len(texts), BATCH):
        progress(f"embeddings {first:,} of {len(texts):,}")
        part = tokeniser(
            list(texts[first : first + BATCH]), return_tensors="pt", padding=True, truncation=True
        )
        with torch.no_grad():
            states = model(**part).last_hidden_state
        mask = part["attention_mask"][..., None]
        found.append(((states * mask).sum(1) / mask.sum(1)).double().numpy())
    return np.concatenate(found)

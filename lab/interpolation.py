"""Paths between posterior means and what the decoder says along them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lab import latent_paths
from lab.data import Data
from lab.model import Model
from lab.runs import Latents

STEPS = 11
PAIRS = 8


def path(
    a: np.ndarray,
    b: np.ndarray,
    steps: int = STEPS,
    family: str = "gaussian",
    kind: str = latent_paths.KINDS[0],
) -> tuple[np.ndarray, np.ndarray]:
    """Weights λ [L] and codes [L, D] of the straight or the spherical path.

    Directions ("vmf") are brought back to the sphere.
    """
    weights = np.linspace(0, 1, steps)
    return weights, latent_paths.codes(a, b, weights, kind, sphere=family == "vmf")


def decode(
    model: Model, text: Callable[[torch.Tensor], str], z: np.ndarray, **options: Any
) -> list[str]:
    """Texts of codes z [N, D], greedily unless the options say otherwise.

    `text` words a row of ids.
    """
    device = next(model.parameters()).device
    ids = model.decoder.sample(torch.as_tensor(z, dtype=torch.float32, device=device), **options)
    return [text(row) for row in ids]


def interpolation_records(model: Model, data: Data, latents: Latents) -> list[dict[str, Any]]:
    """Decoded paths between fixed random pairs of the probe set, as a run stores them."""
    count = len(latents)
    pairs = np.random.default_rng(0).permutation(count)[: 2 * min(PAIRS, count // 2)].reshape(-1, 2)
    if not len(pairs):
        return []
    paths = [path(latents.mean[a], latents.mean[b], family=latents.family) for a, b in pairs]
    # All paths at once: a step of the decoder costs much the same for many codes as for few.
    decoded = decode(model, data.text, np.concatenate([codes for _, codes in paths]))
    texts = data.items["text"]
    return [
        {
            "pair": [a, b],
            "a": texts[a],
            "b": texts[b],
            "weights": weights.round(3).tolist(),
            "texts": decoded[k * STEPS : (k + 1) * STEPS],
        }
        for k, ((a, b), (weights, _)) in enumerate(zip(pairs.tolist(), paths, strict=True))
    ]

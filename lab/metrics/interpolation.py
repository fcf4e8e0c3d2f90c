"""Smoothness of an interpolation: Rouge-L of each decoded sentence against both ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class RougeL(NamedTuple):
    """Longest common subsequence over the candidate's length, the reference's, and their F1."""

    precision: float
    recall: float
    f1: float


def rouge_l(candidate: str, reference: str) -> RougeL:
    """Rouge-L on whitespace tokens, case and punctuation kept (Lin 2004, section 3.1, beta = 1).

    Zero throughout if either text is empty.
    """
    candidate_tokens, reference_tokens = candidate.split(), reference.split()
    common = _longest_common_subsequence(candidate_tokens, reference_tokens)
    if not common:
        return RougeL(0.0, 0.0, 0.0)
    precision, recall = common / len(candidate_tokens), common / len(reference_tokens)
    return RougeL(precision, recall, 2 * precision * recall / (precision + recall))


def interpolation_rouge(texts: Sequence[str], a: str, b: str) -> np.ndarray:
    """Mean Rouge-L F1 of each of L texts against both ends a, b -> [L] (DG-VAE, equation 14)."""
    return np.array([(rouge_l(text, a).f1 + rouge_l(text, b).f1) / 2 for text in texts])


def _longest_common_subsequence(left: list[str], right: list[str]) -> int:
    best = [0] * (len(right) + 1)  # best[j]: of the tokens of `left` read so far and right[:j]
    for token in left:
        diagonal = 0
        for j, other in enumerate(right, start=1):
            above = best[j]
            best[j] = diagonal + 1 if token == other else max(above, best[j - 1])
            diagonal = above
    return best[-1]

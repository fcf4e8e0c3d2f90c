"""Noise on words in training: what an encoder or a decoder reads instead of its sentence."""

import torch
from torch import Tensor

from lab.corpora.vocabulary import BOS, UNKNOWN


def drop_words(tokens: Tensor, share: float) -> Tensor:
    """Replace each word of the inputs [B, T] but <s> by the unknown mark with probability `share`.

    Source: Bowman et al. 2016 (spec 1.4).
    """
    chosen = torch.rand(tokens.shape, device=tokens.device) < share
    return tokens.masked_fill(chosen & (tokens != BOS), UNKNOWN)


def swap_words(tokens: Tensor, lengths: Tensor, share: float) -> Tensor:
    """Let word i and i + 1 of each sentence change places with probability `share`, from left to
    right, so that a word may travel on: `<s> w1 .. wn </s>` [B, T] with lengths n + 1 [B].

    Source: clVAE section 4.5. Marks and padding stay where they are.
    """
    chosen = torch.rand(tokens.shape, device=tokens.device) < share
    columns = list(tokens.unbind(1))
    for i in range(1, len(columns) - 2):
        swapped = chosen[:, i] & (i + 1 < lengths)
        left, right = columns[i], columns[i + 1]
        columns[i], columns[i + 1] = left.where(~swapped, right), right.where(~swapped, left)
    return torch.stack(columns, 1)

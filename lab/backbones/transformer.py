"""Transformer encoder and decoder with norms before each layer (GPT-2's order).

The code z reaches the decoder twice (Li et al. 2020): every layer attends to a memory token whose
key and value are linear in z, beside the words so far, and a projection of z is added to every
input embedding. Attention to the memory alone would have one key and so not depend on the query.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from lab.backbones.base import TextDecoder, TextEncoder
from lab.corpora.batches import TextBatch
from lab.errors import UserError
from lab.model import Augmentation, Reading

if TYPE_CHECKING:
    from lab.backbones.text import TextNetwork

BASE = 10_000.0  # of the rotary wavelengths (Su et al. 2021)
Pair = tuple[Tensor, Tensor]  # cosines and sines [T, S / 2], or keys and values [B, heads, T, S]


class Positions(nn.Module):
    """Where words stand: learned vectors added to them, or angles that turn queries and keys (Su et
    al. 2021).
    """

    def __init__(self, network: "TextNetwork") -> None:
        super().__init__()
        learned = network.positions == "learned"
        self.longest = network.longest if learned else None
        self.table = nn.Embedding(network.longest, network.hidden) if learned else None
        self.size = network.hidden // network.heads

    def forward(self, words: Tensor, first: int = 0) -> tuple[Tensor, Pair | None]:
        """Words [B, T, H] that stand at `first` and after it, and the angles of their places.

        Raises UserError for places beyond the learned ones.
        """
        last = first + words.shape[1]
        places = torch.arange(first, last, device=words.device)
        if self.table is None:
            return words, rotation(places, self.size)
        if last > self.longest:
            raise UserError(
                f"a sequence of {last} symbols is longer than longest={self.longest}; "
                "raise it, leave out longer sentences or take positions=rotary"
            )
        return words + self.table(places), None


def rotation(places: Tensor, size: int) -> Pair:
    """Cosines and sines [T, size / 2] of the angles by which places [T] turn pairs of features."""
    exponents = torch.arange(0, size, 2, device=places.device) / size
    angles = places.unsqueeze(1) * BASE**-exponents
    return angles.cos(), angles.sin()


def rotate(x: Tensor, angles: Pair) -> Tensor:
    """Turn feature i together with feature i + S / 2 of x [..., T, S]."""
    (a, b), (cos, sin) = x.chunk(2, -1), angles
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Attention(nn.Module):
    """Attention of a sequence to itself and to the keys and values of its past."""

    def __init__(self, network: "TextNetwork", dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = network.heads, dropout
        self.inputs = nn.Linear(network.hidden, 3 * network.hidden)
        self.output = nn.Linear(network.hidden, network.hidden)

    def forward(
        self, x: Tensor, angles: Pair | None, mask: Tensor | None, past: Pair | None = None
    ) -> tuple[Tensor, Pair]:
        """What x [B, T, H] attends to where `mask` [.., T, P + T] lets it, and the longer past."""
        query, key, value = split_heads(self.inputs(x), 3, self.heads)
        if angles:
            query, key = rotate(query, angles), rotate(key, angles)
        if past:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        dropout = self.dropout if self.training else 0.0
        found = scaled_dot_product_attention(query, key, value, mask, dropout)
        return self.output(found.transpose(1, 2).flatten(2)), (key, value)


def split_heads(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """[B, T, parts * H] -> that many of [B, heads, T, H / heads]."""
    return x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)


class Block(nn.Module):
    """Attention, then a GELU network of four times the width, each read from a norm and added."""

    def __init__(self, network: "TextNetwork", dropout: float) -> None:
        super().__init__()
        width = network.hidden
        self.attention_norm, self.attention = nn.LayerNorm(width), Attention(network, dropout)
        self.norm = nn.LayerNorm(width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, angles: Pair | None, mask: Tensor | None, past: Pair | None = None
    ) -> tuple[Tensor, Pair]:
        found, past = self.attention(self.attention_norm(x), angles, mask, past)
        x = x + self.dropout(found)
        return x + self.dropout(self.network(self.norm(x))), past


class Widening(nn.Linear):
    """From the size of embeddings to the width of the blocks; its weights keep their scale."""


def widening(network: "TextNetwork") -> nn.Module:
    """What words pass on their way to the blocks."""
    if network.embedding == network.hidden:
        return nn.Identity()
    return Widening(network.embedding, network.hidden)


class TransformerEncoder(TextEncoder):
    """Output at the start mark, which attends to all of `<s> w1 .. wn </s>`: batch -> h [B, H]
    (CEAE A.2).

    Like the recurrent encoders it has no dropout of its own: noise on x is the augmentation's.
    """

    def __init__(self, network: "TextNetwork", augmentation: Augmentation) -> None:
        super().__init__(network, augmentation)
        self.widen, self.positions = widening(network), Positions(network)
        self.blocks = nn.ModuleList(Block(network, 0.0) for _ in range(network.layers))
        self.norm = nn.LayerNorm(network.hidden)

    def forward(self, batch: TextBatch) -> Tensor:
        x, angles = self.positions(self.widen(self.words(batch)))
        steps = torch.arange(x.shape[1], device=x.device)
        real = (steps <= batch.lengths.unsqueeze(1))[:, None, None]
        for block in self.blocks:
            x, _ = block(x, angles, real)
        return self.norm(x[:, 0])


class TransformerDecoder(TextDecoder):
    """Causal: each word attends to the memory of z, the words before it and itself."""

    def __init__(self, network: "TextNetwork", latent: int, reading: Reading) -> None:
        super().__init__(network, latent, reading)
        width, self.heads = network.hidden, network.heads
        self.widen, self.positions = widening(network), Positions(network)
        self.longest = self.positions.longest
        self.add = nn.Linear(latent, width, bias=False) if latent else None
        self.memory = nn.Linear(latent, 2 * network.layers * width) if latent else None
        self.blocks = nn.ModuleList(Block(network, network.dropout) for _ in range(network.layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(self.outputs_read(), network.vocabulary)

    def initial(self, z: Tensor) -> list[Pair]:
        """Each layer's keys and values before the first word: those of the memory token."""
        layers = len(self.blocks)
        if self.memory is None:
            nothing = z.new_zeros(len(z), self.heads, 0, self.hidden // self.heads)
            return [(nothing, nothing)] * layers
        pairs = split_heads(self.memory(z).unsqueeze(1), 2 * layers, self.heads)
        return list(zip(pairs[::2], pairs[1::2], strict=True))

    def read(self, tokens: Tensor, z: Tensor, state: list[Pair]) -> tuple[Tensor, list[Pair]]:
        words = self.widen(self.dropout(self.embedding(tokens)))
        past, new = state[0][0].shape[2], tokens.shape[1]
        x, angles = self.positions(words, past - (self.memory is not None))
        if self.add is not None:
            x = x + self.add(z).unsqueeze(1)
        mask = torch.ones(new, past + new, dtype=torch.bool, device=z.device).tril(past)
        after = []
        for block, pair in zip(self.blocks, state, strict=True):
            x, pair = block(x, angles, mask, pair)
            after.append(pair)
        return self.norm(x), after

"""Sentences as padded batches, all seeded and without a Python loop over sentences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from lab.errors import UserError

from .corpus import Split
from .vocabulary import BOS, EOS

WINDOW = 50  # batches that a bucket sorts together


@dataclass(frozen=True)
class TextBatch:
    """Sentences of one training step."""

    tokens: torch.Tensor  # long [B, T]: <s> w1 .. wn </s>, padded with 0 on the right
    lengths: torch.Tensor  # long [B]: n + 1 predicted tokens, the words and </s>
    indices: np.ndarray  # [B] rows of the split

    @property
    def size(self) -> int:
        """Number of sentences, B."""
        return len(self.tokens)

    @property
    def inputs(self) -> torch.Tensor:
        """What the decoder reads, [B, T - 1]."""
        return self.tokens[:, :-1]

    @property
    def targets(self) -> torch.Tensor:
        """What the decoder predicts, [B, T - 1]."""
        return self.tokens[:, 1:]

    @property
    def real(self) -> torch.Tensor:
        """Which targets count, bool [B, T - 1]; the rest is padding."""
        steps = torch.arange(self.tokens.shape[1] - 1, device=self.tokens.device)
        return steps < self.lengths.unsqueeze(1)

    def symbols(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Row and id of every token to predict, each [N]."""
        real = self.real
        return real.nonzero(as_tuple=True)[0], self.targets[real]

    def to(self, device: torch.device | str) -> "TextBatch":
        """The same batch on another device."""
        return replace(self, tokens=self.tokens.to(device), lengths=self.lengths.to(device))

    def repeat(self, n: int) -> "TextBatch":
        """The whole batch n times over, [batch; batch; ...], n * B rows."""
        tokens, lengths = self.tokens.repeat(n, 1), self.lengths.repeat(n)
        return TextBatch(tokens, lengths, np.tile(self.indices, n))


def make_batch(split: Split, rows: np.ndarray) -> TextBatch:
    """Pad the chosen rows of a split to their longest."""
    starts = split.offsets[rows]
    lengths = split.offsets[rows + 1] - starts
    columns = np.arange(lengths.max(initial=0))
    real = columns < lengths[:, None]
    tokens = np.zeros((len(rows), len(columns) + 2), np.int64)
    tokens[:, 0] = BOS
    tokens[:, 1:-1][real] = split.ids[(starts[:, None] + columns)[real]]
    tokens[np.arange(len(rows)), lengths + 1] = EOS
    return TextBatch(torch.from_numpy(tokens), torch.from_numpy(lengths + 1), rows)


@dataclass(frozen=True, eq=False)
class Batches(Sequence):
    """The batches of one epoch; each is padded when it is asked for."""

    split: Split
    rows: Sequence[np.ndarray]

    @classmethod
    def of(
        cls,
        split: Split,
        size: int,
        order: str,
        seed: int = 0,
        epoch: int = 0,
        indices: Sequence[int] | np.ndarray | None = None,
    ) -> "Batches":
        """Cut the split (or its rows `indices`) into batches of at most `size` sentences.

        `exact`: one length per batch, the same batches all run long, in a new order every epoch
        (the published code). `bucket`: near-equal lengths, new batches every epoch. `random`: a
        new permutation every epoch. `sequential`: as given. Raises UserError for an unknown order
        or a size below 1.
        """
        if order not in ORDERS:
            raise UserError(f"unknown batch order {order!r}; choose from {', '.join(ORDERS)}")
        if size < 1:
            raise UserError(f"batch size {size} is out of range; give 1 or more")
        rows = np.arange(len(split)) if indices is None else np.asarray(indices, np.int64)
        return cls(split, ORDERS[order](rows, split.lengths[rows], size, seed, epoch))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> TextBatch:
        return make_batch(self.split, self.rows[i])

    def draw(self, rng: np.random.Generator) -> TextBatch:
        """One of the batches at random."""
        return self[int(rng.integers(len(self)))]


Order = Callable[[np.ndarray, np.ndarray, int, int, int], list[np.ndarray]]


def _exact(
    rows: np.ndarray, lengths: np.ndarray, size: int, seed: int, epoch: int
) -> list[np.ndarray]:
    shuffled = np.random.default_rng([seed, 0]).permutation(len(rows))
    by_length = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    changes = np.flatnonzero(np.diff(lengths[by_length])) + 1
    groups = np.split(rows[by_length], changes)
    batches = [batch for group in groups for batch in _cut(group, size)]
    return _permuted(batches, np.random.default_rng([seed, 1, epoch]))


def _bucket(
    rows: np.ndarray, lengths: np.ndarray, size: int, seed: int, epoch: int
) -> list[np.ndarray]:
    generator = np.random.default_rng([seed, 2, epoch])
    windows = _cut(generator.permutation(len(rows)), size * WINDOW)
    sorted_windows = [window[np.argsort(lengths[window], kind="stable")] for window in windows]
    batches = [rows[batch] for window in sorted_windows for batch in _cut(window, size)]
    return _permuted(batches, generator)


def _random(
    rows: np.ndarray, lengths: np.ndarray, size: int, seed: int, epoch: int
) -> list[np.ndarray]:
    return _cut(np.random.default_rng([seed, 3, epoch]).permutation(rows), size)


def _sequential(
    rows: np.ndarray, lengths: np.ndarray, size: int, seed: int, epoch: int
) -> list[np.ndarray]:
    return _cut(rows, size)


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _permuted(batches: list[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    return [batches[i] for i in generator.permutation(len(batches))]


ORDERS: dict[str, Order] = {
    "exact": _exact,
    "bucket": _bucket,
    "random": _random,
    "sequential": _sequential,
}

"""What every corpus is: numbered sentences in three splits, with labels and a vocabulary."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import UserError

from .vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    from .batches import Batches

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Sentences end to end, without <s> and </s>: sentence i is ids[offsets[i]:offsets[i + 1]]."""

    ids: np.ndarray  # int32 [words]
    offsets: np.ndarray  # int64 [N + 1]
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)  # each [N], of str, int or float

    @classmethod
    def of(
        cls, ids: np.ndarray, lengths: Sequence[int], labels: Mapping[str, np.ndarray]
    ) -> "Split":
        """Split from flat ids [words] and sentence lengths [N]."""
        offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        return cls(np.asarray(ids, np.int32), offsets, dict(labels))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        """Ids of sentence i, a view."""
        i = range(len(self))[i]
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Words per sentence, without the end mark, int64 [N]."""
        return np.diff(self.offsets)


@dataclass(frozen=True, eq=False)
class Corpus:
    """A vocabulary and three splits; `dropped` counts their sentences longer than max_length."""

    name: str
    vocabulary: Vocabulary
    splits: Mapping[str, Split]
    dropped: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def split(self, name: str) -> Split:
        """The split of that name; raises UserError if there is none."""
        if name not in self.splits:
            raise UserError(
                f"{self.name} has no split {name!r}; choose from {', '.join(self.splits)}"
            )
        return self.splits[name]

    def text(self, split: str, i: int) -> str:
        """Sentence i of a split as text."""
        return self.vocabulary.text(self.split(split)[i])

    def texts(self, split: str, indices: Iterable[int]) -> list[str]:
        """Several sentences of a split as text."""
        return [self.text(split, i) for i in indices]

    def batches(
        self,
        split: str,
        size: int = 32,
        order: str = "exact",
        seed: int = 0,
        epoch: int = 0,
        indices: Sequence[int] | np.ndarray | None = None,
    ) -> "Batches":
        """Padded batches of one epoch, a sequence of TextBatch; see Batches.of for the orders."""
        from .batches import Batches

        return Batches.of(self.split(split), size, order, seed, epoch, indices)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the vocabulary and every split's ids, offsets and labels."""
        digest = sha256(self.vocabulary.fingerprint.encode())
        for name, split in self.splits.items():
            digest.update(f"\n{name} {len(split)} {len(split.ids)}\n".encode())
            digest.update(split.ids.astype("<i4").tobytes() + split.offsets.astype("<i8").tobytes())
            for label, values in sorted(split.labels.items()):
                digest.update(f"\n{label} {values.tolist()}".encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Sizes of the corpus and its splits as plain numbers, ready for JSON."""
        splits = {name: self._describe(name) for name in self.splits}
        return {
            "name": self.name,
            "vocabulary": len(self.vocabulary),
            "fingerprint": self.fingerprint,
            "splits": splits,
        }

    def _describe(self, name: str) -> dict[str, Any]:
        split = self.splits[name]
        return {
            "sentences": len(split),
            "words": len(split.ids),
            "mean_length": float(split.lengths.mean()),
            "longest": int(split.lengths.max()),
            "unknown": float((split.ids == UNKNOWN).mean()),
            "dropped": self.dropped.get(name, 0),
            "labels": list(split.labels),
        }

"""Word types and their numbers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path

import numpy as np

from lab.errors import UserError

from .files import read_lines

PAD, BOS, EOS, UNKNOWN = range(4)
SPECIALS = ("<pad>", "<s>", "</s>", "<unk>")
UNKNOWN_MARKS = ("<unk>", "_UNK", "<UNK>", "UNK", "[UNK]")
MARKS = {
    "<pad>": PAD,
    "<s>": BOS,
    "<bos>": BOS,
    "</s>": EOS,
    "<eos>": EOS,
    **dict.fromkeys(UNKNOWN_MARKS, UNKNOWN),
}


class _Index(dict):
    def __missing__(self, word: str) -> int:
        return UNKNOWN


@dataclass(frozen=True)
class Vocabulary:
    """Word types by number; the four specials come first. Raises ValueError for anything else."""

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.tokens[:4] != SPECIALS or len(set(self.tokens)) != len(self.tokens):
            raise ValueError(f"a vocabulary begins with {SPECIALS} and names every type once")

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def _index(self) -> _Index:
        return _Index({word: i for i, word in enumerate(self.tokens)} | MARKS)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the types in order."""
        return sha256("\n".join(self.tokens).encode()).hexdigest()

    def encode(self, words: Iterable[str]) -> np.ndarray:
        """Numbers of the words, int32 [n]; unlisted types and every unknown mark are 3."""
        return np.fromiter(map(self._index.__getitem__, words), np.int32)

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Words of the numbers, without padding and <s>, as far as the first </s>."""
        words = []
        for i in ids:
            if i == EOS:
                break
            if i not in (PAD, BOS):
                words.append(self.tokens[i])
        return words

    def text(self, ids: Iterable[int]) -> str:
        """The decoded words joined by spaces."""
        return " ".join(self.decode(ids))

    @classmethod
    def of(cls, words: Iterable[str]) -> "Vocabulary":
        """Specials, then the distinct words in order of appearance; further marks are left out."""
        return cls(SPECIALS + tuple(word for word in dict.fromkeys(words) if word not in MARKS))

    @classmethod
    def build(
        cls, sentences: Iterable[Sequence[str]], *, size: int | None = None, minimum_count: int = 1
    ) -> "Vocabulary":
        """Types seen `minimum_count` times or more, of them the most frequent `size` with specials.

        Numbered in order of appearance; of equally frequent types the earlier ones are kept.
        """
        counts = Counter(chain.from_iterable(sentences))
        words = [w for w, count in counts.items() if count >= minimum_count and w not in MARKS]
        if size is not None:
            kept = set(sorted(words, key=counts.__getitem__, reverse=True)[: max(size - 4, 0)])
            words = [w for w in words if w in kept]
        return cls.of(words)

    def save(self, path: str | Path) -> None:
        """Write one type a line, so that the line number (from 0) is the word's number."""
        Path(path).write_text("\n".join(self.tokens) + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read one type a line, .txt or .txt.gz; a second column after a tab is ignored.

        The specials come first whether or not, and under whatever names, the file has them.
        Raises UserError for a file that is missing, empty, undecodable or repeats a type.
        """
        words = [line.split("\t")[0].strip() for line in read_lines(Path(path))]
        seen = set()
        for number, word in enumerate(words, start=1):
            if word and word in seen:
                raise UserError(
                    f"{path} line {number}: {word!r} is listed twice; remove one of them"
                )
            seen.add(word)
        return cls.of(filter(None, words))

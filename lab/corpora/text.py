"""Corpora read from a folder of plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from lab.errors import UserError

from .checks import check_at_least
from .corpus import SPLITS, Corpus, Split
from .files import find, read_lines
from .vocabulary import UNKNOWN, Vocabulary


@dataclass(frozen=True)
class _Sentences:
    """Sentences of one file with their line numbers (from 1) and, if it has them, labels."""

    path: Path
    texts: Sequence[str]
    lines: np.ndarray
    labels: np.ndarray | None

    def take(self, rows: np.ndarray) -> "_Sentences":
        labels = None if self.labels is None else self.labels[rows]
        return _Sentences(self.path, [self.texts[i] for i in rows], self.lines[rows], labels)

    def words(self) -> map:
        return map(str.split, self.texts)

    def lengths(self) -> np.ndarray:
        return np.fromiter(map(len, self.words()), np.int64, len(self.texts))


def read_folder(
    folder: Path,
    *,
    vocabulary_size: int | None = None,
    minimum_count: int = 1,
    max_length: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Corpus:
    """Read train, valid and test (.txt or .txt.gz): a sentence a line, or `label<TAB>sentence`.

    Empty lines are passed over; sentences of more than `max_length` words are dropped and counted;
    `limit` keeps a seeded sample of the training sentences, in their order. The vocabulary is
    vocab.txt (or .gz) if there is one and no cut is asked for, else the training types.
    Raises UserError naming file and line for anything that cannot be used.
    """
    check_at_least("vocabulary_size", vocabulary_size, 5)
    check_at_least("minimum_count", minimum_count, 1)
    check_at_least("max_length", max_length, 1)
    check_at_least("limit", limit, 1)
    read = {name: _read(folder, name) for name in SPLITS}
    kept = {name: _drop_long(sentences, max_length) for name, sentences in read.items()}
    dropped = {name: len(read[name].texts) - len(kept[name].texts) for name in SPLITS}
    kept["train"] = _sample(kept["train"], limit, seed)
    file = find(folder, "vocab")
    if file and vocabulary_size is None and minimum_count == 1:
        vocabulary = Vocabulary.load(file)
    else:
        words = kept["train"].words()
        vocabulary = Vocabulary.build(words, size=vocabulary_size, minimum_count=minimum_count)
    labels = {name: kept[name].labels for name in SPLITS if kept[name].labels is not None}
    labels = _as_integers_if_all_are(labels)
    splits = {name: _number(kept[name], vocabulary, labels.get(name)) for name in SPLITS}
    return Corpus(folder.resolve().name, vocabulary, splits, dropped=dropped)


def _read(folder: Path, name: str) -> _Sentences:
    path = find(folder, name)
    if path is None:
        raise UserError(
            f"{folder}: no {name}.txt or {name}.txt.gz; write one sentence per line into each of "
            "train, valid and test"
        )
    found = [(n, *_columns(line)) for n, line in enumerate(read_lines(path), start=1)]
    lines, labels, texts = zip(*(row for row in found if row[-1]), strict=True)
    return _Sentences(path, texts, np.array(lines), _labels(path, lines, labels))


def _columns(line: str) -> tuple[str | None, str]:
    label, _, text = (part.strip() for part in line.partition("\t"))
    return (label, text) if label and text else (None, line.strip())


def _labels(path: Path, lines: Sequence[int], labels: Sequence[str | None]) -> np.ndarray | None:
    unlabelled = [line for line, label in zip(lines, labels, strict=True) if label is None]
    if not unlabelled:
        return np.array(labels)
    if len(unlabelled) < len(labels):
        raise UserError(
            f"{path} line {unlabelled[0]}: no label, though other lines have one; "
            "write label<TAB>sentence on every line or on none"
        )
    return None


def _drop_long(sentences: _Sentences, max_length: int | None) -> _Sentences:
    if max_length is None:
        return sentences
    rows = np.flatnonzero(sentences.lengths() <= max_length)
    if not len(rows):
        raise UserError(
            f"{sentences.path}: every sentence is longer than max_length={max_length}; raise it "
            f"(the shortest has {sentences.lengths().min()} words)"
        )
    return sentences.take(rows)


def _sample(sentences: _Sentences, limit: int | None, seed: int) -> _Sentences:
    if limit is None or limit >= len(sentences.texts):
        return sentences
    rows = np.random.default_rng(seed).permutation(len(sentences.texts))[:limit]
    return sentences.take(np.sort(rows))


def _as_integers_if_all_are(labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    try:
        return {name: values.astype(np.int64) for name, values in labels.items()}
    except (ValueError, OverflowError):
        return labels


def _number(sentences: _Sentences, vocabulary: Vocabulary, labels: np.ndarray | None) -> Split:
    ids = vocabulary.encode(chain.from_iterable(sentences.words()))
    split = Split.of(ids, sentences.lengths(), {} if labels is None else {"label": labels})
    if (ids == UNKNOWN).all():
        raise UserError(
            f"{sentences.path}: every word is unknown; check that it has the language and spelling "
            "of train, or loosen vocabulary_size and minimum_count"
        )
    reserved = np.flatnonzero(ids < UNKNOWN)
    if len(reserved):
        row = np.searchsorted(split.offsets, reserved[0], side="right") - 1
        raise UserError(
            f"{sentences.path} line {sentences.lines[row]}: holds a reserved mark such as <s>, "
            "</s> or <pad>; remove it (beginnings and ends of sentences are added)"
        )
    return split

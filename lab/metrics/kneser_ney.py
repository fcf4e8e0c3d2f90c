"""An n-gram language model with modified Kneser-Ney smoothing, as `lmplz` estimates it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import at_least, finite
from lab.metrics.likelihood import perplexity

UNKNOWN, BOS, EOS = range(3)
ABSENT = -1
MARKS = ("<s>", "</s>")
FALLBACK = (0.5, 1.0, 1.5)  # discounts where they cannot be estimated: lmplz --discount_fallback

Words = Sequence[Hashable]


@dataclass(frozen=True)
class Perplexity:
    """Exp of the mean negative log probability of `tokens` tokens in `n` sentences.

    `stderr` is its standard error over the sentences scored (delta method; NaN for one), given the
    model; `fitted` says how many sentences the model was fitted on.
    """

    value: float
    stderr: float
    n: int
    tokens: int
    fitted: int

    def __float__(self) -> float:
        return self.value


def corpus_perplexity(nll: ArrayLike, tokens: ArrayLike, fitted: int) -> Perplexity:
    """Perplexity from the negative log probability in nats and the tokens of each sentence [N].

    ValueError for unfit shapes, values that are not finite and sentences without any token.
    """
    nll, tokens = finite(nll, "nll", "N"), finite(tokens, "tokens", "N")
    if nll.shape != tokens.shape:
        raise ValueError(f"nll has shape {list(nll.shape)} but tokens {list(tokens.shape)}")
    n, count = len(nll), int(tokens.sum())
    at_least(count, 1, "the number of tokens to score")
    value = perplexity(nll.sum(), count)
    residual = np.square(nll - nll.sum() / count * tokens).sum()
    stderr = value * math.sqrt(residual * n / (n - 1)) / count if n > 1 else math.nan
    return Perplexity(value, stderr, n, count, fitted)


@dataclass(frozen=True, eq=False)
class _Grams:
    """The n-grams of one order as found in a text, numbered by their place in `keys`."""

    keys: np.ndarray  # number of all but the last word * word types + last word, sorted
    counts: np.ndarray
    suffix: np.ndarray  # number of all but the first word among the n-grams of the order below


@dataclass(frozen=True, eq=False)
class _Level:
    """The estimates for the n-grams of one order, numbered as above."""

    keys: np.ndarray
    log_prob: np.ndarray  # of the last word given the others
    log_backoff: np.ndarray  # weight of the order below after this n-gram


@dataclass(frozen=True, eq=False)
class KneserNey:
    """Interpolated modified Kneser-Ney model of sentences between <s> and </s>; see `fit`.

    `discounts` [order, 3] is what is taken off counts of 1, of 2 and of more. The orders named in
    `fallback` took 0.5, 1, 1.5 because theirs could not be estimated. `fitted` counts sentences.
    """

    order: int
    fitted: int
    discounts: np.ndarray
    fallback: tuple[int, ...]
    _index: dict[Hashable, int]
    _levels: list[_Level]

    @classmethod
    def fit(
        cls,
        sentences: Iterable[Words],
        order: int = 5,
        vocabulary: Iterable[Hashable] = (),
        unknown: Hashable = "<unk>",
    ) -> KneserNey:
        """Estimate the model from sentences, each a list of words or an array of ids.

        Three discounts per order from counts of counts (Chen and Goodman 1998, equation 26; all
        three fall back if one is undefined or zero), interpolated down to the uniform distribution.
        Below the highest order an n-gram counts the different words seen before it, or its
        occurrences if it begins with <s>, as in `lmplz`. Words in neither text nor `vocabulary`
        are scored as `unknown`, which the text may hold; if it does not, `unknown` has the uniform
        share alone, and so has each word of `vocabulary` that the text lacks.

        Costs about a second and 0.3 GiB for a million words. ValueError for no words, marks among
        the words, order < 1, and where no sentence makes an n-gram of the order with its marks.
        """
        sentences = listed(sentences)
        at_least(order, 1, "order")
        index = {unknown: UNKNOWN} | dict(zip(MARKS, (BOS, EOS), strict=True))
        for word in chain(vocabulary, chain.from_iterable(sentences)):
            index.setdefault(word, len(index))
        ids, position = _stream(sentences, index)
        _check_length(int(position.max()) - 1, order)
        grams = _count(ids, position, order, len(index))
        discounts, fallback, levels = _estimate(grams, len(index))
        return cls(order, len(sentences), discounts, fallback, index, levels)

    def log_prob(self, sentences: Iterable[Words], end: bool = True) -> list[np.ndarray]:
        """Log probability in nats of each word, and of </s> if `end`: one array a sentence.

        The context begins with <s>. ValueError for no sentences and for marks among the words.
        """
        ids, position = _stream(listed(sentences), self._index)
        rows = np.split(self._scores(ids, position), np.flatnonzero(position == 0)[1:])
        return [row[1 : None if end else -1] for row in rows]

    def perplexity(self, sentences: Iterable[Words], end: bool = True) -> Perplexity:
        """Perplexity of sentences, whose tokens are the words, and </s> if `end`.

        ValueError as `log_prob`, and where there is no token.
        """
        rows = self.log_prob(sentences, end)
        return corpus_perplexity([-row.sum() for row in rows], [len(r) for r in rows], self.fitted)

    def write_arpa(self, path: str | Path) -> None:
        """Write the model in the ARPA format, which kenlm reads; words by their str()."""
        words, texts = [str(word) for word in self._index], [""]
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            counts = (f"ngram {n}={len(x.keys)}\n" for n, x in enumerate(self._levels, start=1))
            file.writelines(["\\data\\\n", *counts])
            for n, level in enumerate(self._levels, start=1):
                prefix, last = np.divmod(level.keys, len(words))
                texts = [
                    f"{texts[p]} {words[w]}".lstrip() for p, w in zip(prefix, last, strict=True)
                ]
                columns = np.stack([level.log_prob, level.log_backoff]) / math.log(10)
                if n == 1:
                    columns[0, BOS] = -99  # the format's mark of a word that is never predicted
                file.write(f"\n\\{n}-grams:\n")
                for text, prob, backoff in zip(texts, *columns.tolist(), strict=True):
                    file.write(f"{prob:.7f}\t{text}\t{backoff:.7f}\n")
            file.write("\n\\end\\\n")

    def _scores(self, ids: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Log probability [T] of every id given those before it in its sentence."""
        scores, number = self._levels[0].log_prob[ids], ids
        for lower, level in zip(self._levels, self._levels[1:], strict=False):
            context = np.where(position > 0, np.roll(number, 1), ABSENT)
            known = np.flatnonzero(context != ABSENT)
            scores[known] += lower.log_backoff[context[known]]
            keys = context[known] * len(self._index) + ids[known]
            place = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            seen = level.keys[place] == keys
            scores[known[seen]] = level.log_prob[place[seen]]
            number = np.full(len(ids), ABSENT)
            number[known[seen]] = place[seen]
        return scores


def listed(sentences: Iterable[Words], least: int = 1) -> list[Words]:
    """The sentences as a list; ValueError for fewer than `least` and for text not yet split."""
    sentences = list(sentences)
    at_least(len(sentences), least, "the number of sentences")
    if any(isinstance(sentence, str) for sentence in sentences):
        raise ValueError("sentences must be lists of words, not text: split them first")
    return sentences


def _check_length(longest: int, order: int) -> None:
    if longest < 1:
        raise ValueError("there are no words to fit a model on")
    if longest + len(MARKS) < order:
        raise ValueError(
            f"the text has no {order}-gram: its longest sentence has {longest} words, "
            f"a model of order {order} needs one of {order - len(MARKS)}"
        )


def _stream(sentences: list[Words], index: dict[Hashable, int]) -> tuple[np.ndarray, np.ndarray]:
    """Ids of all sentences with their marks [T] and the position of each in its sentence [T]."""
    words = chain.from_iterable(sentences)
    words = np.fromiter((index.get(word, UNKNOWN) for word in words), np.int64)
    if np.isin(words, (BOS, EOS)).any():
        raise ValueError("the words of a sentence must not include its marks <s> and </s>")
    lengths = np.array([len(sentence) + len(MARKS) for sentence in sentences])
    ends = lengths.cumsum()
    position = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    ids = np.where(position == 0, BOS, EOS)
    inner = position > 0
    inner[ends - 1] = False
    ids[inner] = words
    return ids, position


def _count(ids: np.ndarray, position: np.ndarray, order: int, types: int) -> list[_Grams]:
    """The n-grams of each order up to `order`; <s> begins some but is none by itself."""
    counts = np.bincount(ids[position > 0], minlength=types)
    grams, number = [_Grams(np.arange(types), counts, np.zeros(types, np.int64))], ids
    for before in range(1, order):
        last = np.flatnonzero(position >= before)
        keys, first, place, counts = np.unique(
            number[last - 1] * types + ids[last],
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        grams.append(_Grams(keys, counts, number[last[first]]))
        number = np.full(len(ids), ABSENT)
        number[last] = place
    return grams


def _estimate(grams: list[_Grams], types: int) -> tuple[np.ndarray, tuple[int, ...], list[_Level]]:
    """Discounts, the orders that fell back, and the estimates of each order."""
    adjusted = [*map(_adjusted, grams, grams[1:]), grams[-1].counts]
    found = [_discounts(counts) for counts in adjusted]
    fallback = tuple(n for n, discounts in enumerate(found, start=1) if discounts is None)
    discounts = np.array([FALLBACK if d is None else d for d in found])
    prob, probs, weights = np.array([1 / (types - 1)]), [], []  # <s> is never predicted
    for order, counts, discount in zip(grams, adjusted, discounts, strict=True):
        prob, weight = _interpolate(order, counts, discount, prob, order.keys // types)
        probs.append(np.log(prob))
        weights.append(np.log(weight))
    weights.append(np.zeros(len(prob)))
    levels = [_Level(*x) for x in zip((g.keys for g in grams), probs, weights[1:], strict=True)]
    return discounts, fallback, levels


def _adjusted(order: _Grams, above: _Grams) -> np.ndarray:
    """How many different words precede each n-gram; occurrences where none can, as after <s>."""
    preceding = np.bincount(above.suffix, minlength=len(order.counts))
    return np.where(preceding > 0, preceding, order.counts)


def _discounts(counts: np.ndarray) -> np.ndarray | None:
    """D_k = k - (k + 1) Y n_(k+1) / n_k with Y = n_1 / (n_1 + 2 n_2); None unless all are > 0."""
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5]
    if not n[:3].all():
        return None
    k = np.arange(1, 4)
    discounts = k - (k + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:-1]
    return discounts if (discounts > 0).all() else None


def _interpolate(
    order: _Grams, counts: np.ndarray, discount: np.ndarray, lower: np.ndarray, prefix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each n-gram and, for each of the order below, the weight of what backs off.

    `lower` holds the probabilities of the order below.
    """
    off = np.append(0.0, discount)[np.minimum(counts, 3)]
    total = np.bincount(prefix, counts, len(lower))
    weight = np.ones(len(lower))
    np.divide(np.bincount(prefix, off, len(lower)), total, out=weight, where=total > 0)
    return (counts - off) / total[prefix] + weight[prefix] * lower[order.suffix], weight

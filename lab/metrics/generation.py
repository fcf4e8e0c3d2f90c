"""Generated text judged as a set: variety, self-likeness and n-gram perplexities both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from lab.metrics.arrays import Estimate, at_least, estimate
from lab.metrics.kneser_ney import MARKS, KneserNey, Perplexity, listed

SKIPPED = {*MARKS, "<unk>"}  # what lmplz --skip_symbols leaves out of the text it is fitted on
NO_MATCH = 0.1  # matches counted for an order without any

Words = Sequence[str]


@dataclass(frozen=True)
class Distinct:
    """Share of different n-grams: `distinct` of the `ngrams` in `n` sentences."""

    value: float
    distinct: int
    ngrams: int
    n: int

    def __float__(self) -> float:
        return self.value


class BothWays(NamedTuple):
    """Perplexity of generated text under a model of real text, and the other way round."""

    forward: Perplexity
    reverse: Perplexity


def distinct_n(sentences: Iterable[Words], n: int) -> Distinct:
    """Different n-grams over all n-grams of the whole set (Li et al. 2016, distinct-n).

    It falls as the set grows, so only sets of one size compare. ValueError for text given as a
    string, n < 1 and sets in which no sentence has n words.
    """
    sentences = listed(sentences)
    at_least(n, 1, "n")
    counts = Counter(chain.from_iterable(_ngrams(sentence, n) for sentence in sentences))
    if not counts:
        raise ValueError(f"none of the {len(sentences)} sentences has {n} words")
    return Distinct(len(counts) / counts.total(), len(counts), counts.total(), len(sentences))


def self_bleu(
    sentences: Iterable[Words], n: int = 4, sample: int | None = None, seed: int = 0
) -> Estimate:
    """Mean BLEU-n, 0 to 1, of each sentence against all the others (Zhu et al. 2018, Texygen).

    Orders 1 to n weigh alike, the brevity penalty takes the closest length (the shorter of two),
    and an order without a match counts 0.1 of one (Chen and Cherry 2014, method 1, as in Texygen),
    but a sentence that shares no word scores 0. It grows with the number of sentences: `sample`
    draws that many without replacement, so that sets compare. The standard error takes sentences
    for independent, which those that share references are not. Costs one pass over the n-grams.

    ValueError for text given as a string, n < 1, fewer than two sentences, and fewer than `sample`.
    """
    sentences = listed(sentences, least=2)
    at_least(n, 1, "n")
    if sample is not None:
        sentences = _drawn(sentences, sample, seed)
    orders = [[Counter(_ngrams(s, k)) for s in sentences] for k in range(1, n + 1)]
    matches = np.array([_matches(counts) for counts in orders])
    ngrams = np.array([[counts.total() for counts in order] for order in orders])
    precision = np.where(matches > 0, matches, NO_MATCH) / np.maximum(ngrams, 1)
    score = _brevity(ngrams[0]) * np.exp(np.log(precision).mean(axis=0))
    return estimate(np.where(matches[0] > 0, score, 0.0))


def forward_reverse_perplexity(
    generated: Iterable[Words],
    train: Iterable[Words],
    test: Iterable[Words],
    order: int = 5,
    published: bool = False,
    vocabulary: Iterable[str] | None = None,
    end: bool = False,
) -> BothWays:
    """Perplexity of generated text under a Kneser-Ney model of train, and of test under one of it.

    Tokens are words; </s> is scored if `end`, which no paper does. Both models share out their
    uniform part over `vocabulary`, by default the words of train, so that a generator of few words
    is not favoured; <unk> is a word like any other. With `published` (spec 3.9; iVAE, clVAE) marks
    and <unk> are left out of what the models are fitted on, each word of `vocabulary` is a line of
    its own in the generated text, which rules the value where samples are few, and the reverse
    scores train instead of test. `reverse.fitted` counts generated sentences, not such lines.

    ValueError as `KneserNey`, and for `published` without a vocabulary.
    """
    generated, train, test = (listed(texts) for texts in (generated, train, test))
    if not published:
        words = dict.fromkeys(chain.from_iterable(train) if vocabulary is None else vocabulary)
        real, other = (KneserNey.fit(texts, order, words) for texts in (train, generated))
        return BothWays(real.perplexity(generated, end), other.perplexity(test, end))
    if vocabulary is None:
        raise ValueError("the published reverse perplexity needs the vocabulary")
    lines = [[word] for word in vocabulary]
    real = KneserNey.fit(_without_marks(train), order)
    other = KneserNey.fit(_without_marks(lines + generated), order)
    reverse = replace(other.perplexity(train, end), fitted=len(generated))
    return BothWays(real.perplexity(generated, end), reverse)


def _without_marks(sentences: Iterable[Words]) -> list[Words]:
    return [[word for word in sentence if word not in SKIPPED] for sentence in sentences]


def _drawn(sentences: list[Words], sample: int, seed: int) -> list[Words]:
    at_least(sample, 2, "sample")
    at_least(len(sentences), sample, "the number of sentences to draw the sample from")
    chosen = np.random.default_rng(seed).permutation(len(sentences))[:sample]
    return [sentences[i] for i in chosen]


def _ngrams(sentence: Words, n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(sentence[first:] for first in range(n)), strict=False)


def _matches(counts: list[Counter]) -> list[int]:
    """How many n-grams of each sentence one of the others has as often."""
    most: dict[tuple[str, ...], tuple[int, int, int]] = {}  # largest count, whose, the next largest
    for owner, own in enumerate(counts):
        for ngram, count in own.items():
            first, holder, second = most.get(ngram, (0, owner, 0))
            if count > first:
                most[ngram] = count, owner, first
            elif count > second:
                most[ngram] = first, holder, count
    return [
        sum(min(count, most[g][2 if most[g][1] == owner else 0]) for g, count in own.items())
        for owner, own in enumerate(counts)
    ]


def _brevity(lengths: np.ndarray) -> np.ndarray:
    """Exp(1 - r / length), at most 1, for the closest length r of another sentence [N]."""
    counts, penalty = Counter(lengths.tolist()), {}
    for length in counts:
        others = (other for other, count in counts.items() if count > (other == length))
        closest = min(others, key=lambda other, own=length: (abs(other - own), other))
        penalty[length] = np.exp(min(0.0, 1 - closest / max(length, 1)))
    return np.array([penalty[length] for length in lengths.tolist()])

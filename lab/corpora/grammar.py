"""Sentences from a probabilistic grammar whose latent factors and exact likelihood are known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from .corpus import SPLITS, Corpus, Split
from .grammar_words import english
from .slots import Grammar
from .vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class GrammarCorpus(Corpus):
    """Sentences of a grammar, labelled with their true factors."""

    grammar: Grammar = field(kw_only=True)

    def log_probability(self, sentence: str | Sequence[str]) -> float:
        """Exact log p of a text or list of words in nats, end included; -inf off the grammar."""
        words = sentence.split() if isinstance(sentence, str) else sentence
        return self.grammar.log_probability(words)

    def entropy(self) -> float:
        """Exact entropy per sentence in nats, the least expected negative log-likelihood."""
        return self.grammar.entropy()

    def describe(self) -> dict[str, Any]:
        """Sizes as of every corpus, and the entropy per sentence in nats."""
        return {**super().describe(), "entropy": self.entropy()}


def generate(
    *, sentences: int = 5000, valid: int = 1000, test: int = 1000, seed: int = 0
) -> GrammarCorpus:
    """Draw the three splits independently, each from its own stream of the seed."""
    grammar = english()
    vocabulary = Vocabulary.of(grammar.words())
    streams = np.random.default_rng(seed).spawn(len(SPLITS))
    drawn = zip(SPLITS, (sentences, valid, test), streams, strict=True)
    splits = {name: _split(grammar, vocabulary, n, stream) for name, n, stream in drawn}
    return GrammarCorpus("grammar", vocabulary, splits, grammar=grammar)


def _split(
    grammar: Grammar, vocabulary: Vocabulary, n: int, generator: np.random.Generator
) -> Split:
    words, factors = zip(*grammar.sample(n, generator), strict=True)
    labels = {f.name: np.array([values[f.name] for values in factors]) for f in grammar.factors}
    return Split.of(vocabulary.encode(chain.from_iterable(words)), list(map(len, words)), labels)

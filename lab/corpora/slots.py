"""Probabilistic grammars made of factors and slots, with exact probabilities and entropy."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product

import numpy as np

Slot = tuple[tuple[tuple[str, ...], float], ...]  # (phrase, probability); the phrase may be empty


def ranked(phrases: Iterable[str]) -> Slot:
    """A slot of phrases, the r-th (from 0) with probability proportional to 1 / (r + 2)."""
    words = [tuple(phrase.split()) for phrase in phrases]
    weights = [1 / (r + 2) for r in range(len(words))]
    return tuple((w, weight / sum(weights)) for w, weight in zip(words, weights, strict=True))


@dataclass(frozen=True)
class Factor:
    """A latent factor: its values and their probabilities."""

    name: str
    values: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Grammar:
    """Independent factors; given their values, independent slots, each filled with a phrase.

    `slots` maps factor values to the slots of the sentence in order. `entropy` is exact only if no
    sentence has two derivations, as here; `log_probability` is exact in any case.
    """

    factors: tuple[Factor, ...]
    slots: Callable[[Mapping[str, str]], tuple[Slot, ...]]

    @cached_property
    def assignments(self) -> tuple[tuple[dict[str, str], float, tuple[Slot, ...]], ...]:
        """Every combination of factor values, with its probability and its slots."""
        names = [factor.name for factor in self.factors]
        choices = (zip(f.values, f.probabilities, strict=True) for f in self.factors)
        found = []
        for chosen in product(*choices):
            values, probabilities = zip(*chosen, strict=True)
            assignment = dict(zip(names, values, strict=True))
            found.append((assignment, math.prod(probabilities), self.slots(assignment)))
        return tuple(found)

    def words(self) -> Iterator[str]:
        """Every word the grammar can write, with repetitions."""
        slots = chain.from_iterable(slots for _, _, slots in self.assignments)
        return chain.from_iterable(phrase for slot in slots for phrase, _ in slot)

    def log_probability(self, words: Sequence[str]) -> float:
        """Log p(sentence) in nats, summed over factors and derivations; -inf off the grammar."""
        total = sum(p * derive(slots, words) for _, p, slots in self.assignments)
        return math.log(total) if total else -math.inf

    def factor_posterior(self, words: Sequence[str]) -> list[tuple[dict[str, str], float]]:
        """Factor values that can have led to the sentence, each with its p(factors | sentence)."""
        joint = [(a, p * derive(slots, words)) for a, p, slots in self.assignments]
        total = sum(p for _, p in joint)
        return [(a, p / total) for a, p in joint if p]

    def entropy(self) -> float:
        """Entropy of a sentence in nats: H(factors) + the expected sum of H(slot | factors)."""
        inside = sum(
            p * sum(entropy(q for _, q in slot) for slot in slots)
            for _, p, slots in self.assignments
        )
        return inside + sum(entropy(factor.probabilities) for factor in self.factors)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> list[tuple[list[str], dict[str, str]]]:
        """Draw n sentences, each with its factor values."""
        probabilities = np.cumsum([p for _, p, _ in self.assignments])
        chosen = [self.assignments[pick(probabilities, u)] for u in generator.random(n)]
        return [(fill(slots, generator), assignment) for assignment, _, slots in chosen]


def derive(slots: Sequence[Slot], words: Sequence[str]) -> float:
    """p(words | slots), summed over all ways of cutting the words into one phrase per slot."""
    ends = {0: 1.0}
    for slot in slots:
        following: dict[int, float] = {}
        for start, p in ends.items():
            for phrase, q in slot:
                end = start + len(phrase)
                if tuple(words[start:end]) == phrase:
                    following[end] = following.get(end, 0.0) + p * q
        ends = following
    return ends.get(len(words), 0.0)


def fill(slots: Sequence[Slot], generator: np.random.Generator) -> list[str]:
    """Words of one sentence drawn from the slots."""
    draws = zip(slots, generator.random(len(slots)), strict=True)
    return [word for slot, u in draws for word in slot[pick(np.cumsum([q for _, q in slot]), u)][0]]


def pick(cumulative: np.ndarray, u: float) -> int:
    """The outcome that u in [0, 1) falls on, given cumulated probabilities."""
    return min(int(np.searchsorted(cumulative, u, side="right")), len(cumulative) - 1)


def entropy(probabilities: Iterable[float]) -> float:
    """Entropy in nats of a discrete distribution."""
    return -sum(p * math.log(p) for p in probabilities if p)

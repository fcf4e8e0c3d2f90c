"""Fit and score a 5-gram model: python -m tests.benchmarks.kneser_ney_speed [TRAIN TEST].

Without files (.txt or .txt.gz, a sentence a line) on a million independent words by Zipf's law,
which repeat fewer n-grams than real text. The textbook's dictionaries are timed in the same run on
a part of each text and scaled up, so that the ratio survives a busy machine.
"""

from __future__ import annotations

import gzip
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from lab.metrics.kneser_ney import KneserNey
from tests.test_metrics_kneser_ney import Textbook

SENTENCES, LENGTH, TYPES, ORDER = 50_000, 20, 20_000, 5
PART = 20  # one in so many sentences for the dictionaries
Text = list[list[str]]
Result = TypeVar("Result")


def zipf_text(sentences: int, seed: int) -> Text:
    """Sentences of LENGTH independent words of TYPES types, of frequency 1 / rank."""
    share = 1 / np.arange(1, TYPES + 1)
    rng = np.random.default_rng(seed)
    ids = rng.choice(TYPES, size=(sentences, LENGTH), p=share / share.sum())
    return [[f"w{i}" for i in row] for row in ids.tolist()]


def read(path: str) -> Text:
    opened = gzip.open if path.endswith(".gz") else open
    with opened(Path(path), "rt", encoding="utf-8") as lines:
        return [line.split() for line in lines]


def cpu_seconds(call: Callable[[], Result]) -> tuple[float, Result]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def peak() -> float:
    """Largest resident memory so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(files: list[str]) -> None:
    texts = map(read, files) if files else (zipf_text(SENTENCES, 0), zipf_text(SENTENCES // 20, 1))
    train, test = texts
    before = peak()
    fit, model = cpu_seconds(lambda: KneserNey.fit(train, ORDER))
    score, found = cpu_seconds(lambda: model.perplexity(test))
    print(
        f"{sum(map(len, train)):,} words fitted: {fit:.2f} CPU-s; peak {peak():.2f} GiB, ", end=""
    )
    print(f"of which text {before:.2f}; {found.tokens:,} tokens scored: {score:.2f} CPU-s")
    print(f"perplexity {found.value:.2f} ± {found.stderr:.2f} with end marks, ", end="")
    print(f"{model.perplexity(test, end=False).value:.2f} without; fallback {model.fallback}")
    part = test[::PART]
    slow_fit, slow = cpu_seconds(lambda: Textbook(train[::PART], ORDER))
    slow_score, _ = cpu_seconds(lambda: [slow.nats(words) for words in part])
    print(f"dictionaries: {PART * slow_fit / fit:.1f} times as long to fit, ", end="")
    print(f"{PART * slow_score / score:.0f} times to score")


if __name__ == "__main__":
    main(sys.argv[1:])

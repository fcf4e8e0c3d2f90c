"""What is evaluated: a run, its model and the corpus it was trained on."""

from collections.abc import Callable
from dataclasses import fields
from functools import cached_property

import numpy as np
import torch

from lab.assessment.records import Budget
from lab.corpora import Corpus
from lab.data import TextData
from lab.errors import UserError
from lab.evaluation import encode, evaluate
from lab.generation import Generator, load, load_model
from lab.runs import Latents, Run
from lab.runs.figures import at_most

CPU = torch.device("cpu")
CODES = 20_000  # training items that labels and neighbours are drawn from
MOST_CLASSES = 20


class Subject:
    """A finished run with its model, its corpus and one pass over its test split.

    `progress` is told what is being done. Raises UserError if the corpus is not the one that the
    run was trained on, or if the run has no checkpoint.
    """

    def __init__(
        self,
        run: Run,
        corpus: Corpus,
        budget: Budget,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        if corpus.fingerprint != run.info["corpus"]["fingerprint"]:
            raise UserError(
                f"{run.id}: the corpus {corpus.name} is not the one that it was trained on; give "
                "the same files and the options that it was cut by"
            )
        self.run, self.corpus, self.budget, self.progress = run, corpus, budget, progress
        self.model = load_model(run)
        known = {f.name for f in fields(TextData)}
        settings = {k: v for k, v in run.info["settings"].get("data", {}).items() if k in known}
        self.data = TextData(corpus, seed=run.seed, **settings)
        self.rows = np.arange(self.data.count("test"))

    @property
    def has_latent(self) -> bool:
        return "latent" in self.run.info

    @cached_property
    def subset(self) -> np.ndarray:
        """The test items that dear estimates are made of, seeded."""
        if len(self.rows) <= self.budget.items:
            return self.rows
        chosen = np.random.default_rng(0).choice(self.rows, self.budget.items, replace=False)
        return np.sort(chosen)

    @cached_property
    def passed(self) -> tuple[Latents | None, dict[str, float]]:
        """One pass over the test split: latents and figures."""
        samples = self.budget.samples
        return evaluate(self.model, self.data, "test", self.rows, self.subset, samples, {}, CPU)

    @cached_property
    def of_subset(self) -> dict[str, float]:
        """Figures of the subset alone."""
        return evaluate(self.model, self.data, "test", self.subset, self.subset[:1], 1, {}, CPU)[1]

    @property
    def latents(self) -> Latents | None:
        return self.passed[0]

    @cached_property
    def measured(self) -> Latents | None:
        """The latents that information and units are measured on: all, or AT_MOST of them."""
        return self.latents and at_most(self.latents)

    @cached_property
    def train_rows(self) -> np.ndarray:
        """Training items whose codes are kept: all, or a seeded CODES of them, ascending."""
        count = self.data.count("train")
        if count <= CODES:
            return np.arange(count)
        return np.sort(np.random.default_rng(0).choice(count, CODES, replace=False))

    @cached_property
    def train_codes(self) -> np.ndarray:
        """Posterior means of those [N, D]."""
        return encode(self.model, self.data, "train", self.train_rows, CPU)

    @cached_property
    def generator(self) -> Generator:
        return load(self.run)

    def label(self, most: int = MOST_CLASSES) -> str | None:
        """The first label of two to `most` classes that both splits have."""
        for name, values in self.corpus.splits["train"].labels.items():
            if 2 <= len(np.unique(values)) <= most and name in self.corpus.splits["test"].labels:
                return name
        return None

    def labels(self, split: str, label: str) -> np.ndarray:
        return self.corpus.splits[split].labels[label]

    def texts(self, split: str) -> list[str]:
        return self.corpus.texts(split, range(len(self.corpus.splits[split])))

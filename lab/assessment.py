"""Every figure of a finished run by quantity and estimator, in one file that tables and explorer
read.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from lab import metrics
from lab.corpora import Corpus
from lab.data import TextData
from lab.errors import UserError
from lab.evaluation import encode, evaluate, evaluating
from lab.experiment import text_corpus
from lab.generation import load, load_model
from lab.mixture_likelihood import has_density, mixture_log_likelihoods
from lab.runs import Latents, Run, list_runs, open_run
from lab.runs.layout import run_file, write_json

FORMAT = 1
FILE = "evaluation.json"
MINIBATCH = 32  # of the older estimate of MI
DIVERSITY = (1, 2, 3, 4)
CODES = 20_000  # training items that labels are drawn from
MOST_CLASSES, SEEDS = 20, 10

# Key of an evaluation's record -> quantity and estimator; its standard error is under key_stderr.
RECORDED = {
    "reconstruction": ("rec", "exact"),
    "negative_elbo": ("neg_elbo", "exact"),
    "negative_elbo_dual": ("neg_elbo", "dual"),
    "nll": ("nll", "iw"),
    "ppl": ("ppl", "iw"),
    "kl": ("kl", "exact"),
    "kl_dual": ("kl", "dual"),
    "kl_moment": ("kl", "moment"),
    "mi": ("mi", "whole"),
    "mi_dual": ("mi", "dual"),
    "mi_moment": ("mi", "moment"),
    "mi_mine": ("mi", "mine"),
    "aggregated_kl": ("aggregated_kl", "whole"),
    "aggregated_kl_moment": ("aggregated_kl", "moment"),
    "total_correlation": ("total_correlation", "whole"),
    "au": ("au", "exact"),
    "cu": ("cu", "exact"),
    "cu_samples": ("cu", "samples"),
}
SAMPLED = ("nll", "ppl")  # of the importance-weighted subset


@dataclass(frozen=True)
class Budget:
    """What an evaluation may cost: importance samples and items, draws of priorLL and postLL, and
    generated sentences.
    """

    samples: int = 500
    items: int = 1000
    mixture_samples: int = 100
    sentences: int = 1280


@dataclass(frozen=True)
class Figure:
    """One value of a quantity by one estimator, over `n` items or generated sentences."""

    quantity: str
    estimator: str
    value: float
    n: int
    stderr: float | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True)
class Missing:
    """A quantity that a run has not got, and why."""

    quantity: str
    why: str


Found = Iterator[Figure | Missing]


class Assessment:
    """A run, its model and its corpus's test split, and what can be said of them.

    Raises UserError if the corpus is not the one that the run was trained on.
    """

    def __init__(self, run: Run, corpus: Corpus, budget: Budget) -> None:
        if corpus.fingerprint != run.info["corpus"]["fingerprint"]:
            raise UserError(
                f"{run.id}: the corpus {corpus.name} is not the one that it was trained on; give "
                "the same files and the options that it was cut by"
            )
        self.run, self.corpus, self.budget = run, corpus, budget
        self.model = load_model(run)
        known = {f.name for f in fields(TextData)}
        settings = {k: v for k, v in run.info["settings"]["data"].items() if k in known}
        self.data = TextData(corpus, seed=run.seed, **settings)
        self.rows = np.arange(self.data.count("test"))

    def write(self) -> dict[str, Any]:
        """Evaluate and write the run's evaluation.json, whole or not at all; its content."""
        found = [item for part in PARTS for item in part(self)]
        content = {
            "format": FORMAT,
            "split": "test",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": asdict(self.budget),
            "records": [asdict(f) for f in found if isinstance(f, Figure)],
            "missing": [asdict(m) for m in found if isinstance(m, Missing)],
        }
        write_json(self.run.folder / FILE, content)
        return content

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
        return evaluate(
            self.model,
            self.data,
            "test",
            self.rows,
            self.subset,
            self.budget.samples,
            {},
            torch.device("cpu"),
        )


def likelihood_and_latents(a: Assessment) -> Found:
    """What training records of the validation split, of the whole test split."""
    record, count = a.passed[1], len(a.rows)
    for key, (quantity, estimator) in RECORDED.items():
        if key in record:
            sampled = key in SAMPLED
            detail = {"samples": a.budget.samples} if sampled else None
            yield Figure(
                quantity,
                estimator,
                record[key],
                len(a.subset) if sampled else count,
                record.get(f"{key}_stderr"),
                detail,
            )
    tokens = a.data.tokens("test", a.rows)
    for key, estimator in (("negative_elbo", "elbo"), ("negative_elbo_dual", "dual")):
        if key in record:
            value = metrics.perplexity(record[key] * count, tokens)
            yield Figure("ppl", estimator, value, count, detail={"tokens": tokens})
    if "nll" not in record:
        yield Missing("nll", "deterministic codes have no likelihood")


def minibatch_information(a: Assessment) -> Found:
    """The older estimate of MI, within batches of sentences of like length (spec 3.3)."""
    latents = a.passed[0]
    if latents is None or latents.family != "gaussian":
        return
    order = np.argsort(a.corpus.splits["test"].lengths, kind="stable")
    mean, log_variance = latents.mean[order], latents.log_variance[order]
    found = metrics.minibatch_mutual_information(mean, log_variance, MINIBATCH)
    yield Figure("mi", "batch", found.value, found.n, found.stderr, {"batch": MINIBATCH})


def mixture_likelihoods(a: Assessment) -> Found:
    """DG-VAE's priorLL and postLL, with right proposals and with the published ones (D4)."""
    with evaluating(a.model):
        batch = next(iter(a.data.rows("test", a.subset[:2])))
        if a.passed[0] is None or not has_density(a.model.infer(batch).q):
            why = "no posterior with a density; see nll (iw)"
            yield from (Missing(name, why) for name in ("prior_ll", "post_ll"))
            return
        twins = {"corrected": (a.budget.mixture_samples, False)}
        if a.model.head.family == "gaussian":
            twins["published"] = (8, True)
        for estimator, (samples, published) in twins.items():
            pairs = [
                mixture_log_likelihoods(a.model, batch, samples, published)
                for batch in a.data.rows("test", a.subset)
            ]
            for name, values in zip(("prior_ll", "post_ll"), zip(*pairs, strict=True), strict=True):
                found = torch.cat(values).numpy()
                error = float(found.std(ddof=1) / np.sqrt(len(found)))
                detail = {"samples": samples}
                yield Figure(name, estimator, float(found.mean()), len(found), error, detail)


def holes(a: Assessment) -> Found:
    """Where the prior draws and the aggregated posterior does not lie."""
    latents = a.passed[0]
    if latents is None or latents.family == "vmf":
        return
    codes = latents.mean if latents.samples is None else latents.samples[:, 0]
    if latents.family == "gaussian":
        mean, log_variance = latents.mean, latents.log_variance
        held = metrics.held_out_holes(mean, log_variance)
        whole = metrics.hole_mass(mean, log_variance)
        share = {"aggregate": held.aggregate.value}
        near = metrics.nearest_posterior(mean, log_variance)
        quantiles = {str(p): q for p, q in near.quantiles.items()}
        yield _of("hole_mass", "held_out", held.prior, share)
        yield _of("hole_mass", "mixture", whole)
        yield _of("two_sample_auc", "held_out", held.auc)
        yield _of("nearest_posterior", "mahalanobis", near.distance, quantiles)
        noise = np.random.default_rng(0).standard_normal(mean.shape)
        codes = mean + noise * np.exp(0.5 * log_variance)
    yield _of("two_sample_auc", "classifier", metrics.classifier_auc(codes))


def generated(a: Assessment) -> Found:
    """What sentences decoded from the prior are worth (spec 3.9)."""
    vocabulary = a.corpus.vocabulary
    if "latent" not in a.run.info:
        yield Missing("kn5_forward_ppl", "no latent code to decode from")
        return
    texts = [t.split() for t in load(a.run).sample(a.budget.sentences, seed=0)]
    train, test = ([t.split() for t in _texts(a.corpus, split)] for split in ("train", "test"))
    for estimator, published in (("greedy", False), ("published", True)):
        names = ("kn5_forward_ppl", "kn5_reverse_ppl")
        try:
            both = metrics.forward_reverse_perplexity(
                texts, train, test, published=published, vocabulary=vocabulary.tokens
            )
        except ValueError as error:
            yield from (Missing(f"{name} ({estimator})", str(error)) for name in names)
            continue
        for name, p in zip(names, (both.forward, both.reverse), strict=True):
            detail = {"tokens": p.tokens, "fitted": p.fitted}
            yield Figure(name, estimator, p.value, len(texts), p.stderr, detail)
    for n in DIVERSITY:
        found = metrics.distinct_n(texts, n)
        yield Figure(f"distinct_{n}", "greedy", found.value, found.n)
    yield _of("self_bleu_4", "greedy", metrics.self_bleu(texts))


def few_labels(a: Assessment) -> Found:
    """Test accuracy in percent of linear classifiers on few labelled codes (spec 3.10, D28)."""
    label, latents = _label(a.corpus), a.passed[0]
    if label is None or latents is None:
        why = "the corpus has no label of a few classes" if latents else "no latent code"
        yield Missing("accuracy", why)
        return
    rows = np.arange(min(a.data.count("train"), CODES))
    codes = encode(a.model, a.data, "train", rows, torch.device("cpu"))
    train, test = (a.corpus.splits[split].labels[label] for split in ("train", "test"))
    for count in metrics.LABELS:
        try:
            (found,) = metrics.few_label_accuracy(
                codes, train[rows], latents.mean, test, labels=(count,)
            )
        except ValueError as error:
            yield Missing(f"accuracy@{count}", str(error))
            continue
        detail = {"labels": count, "label": label, "seeds": SEEDS, "sd": 100 * found.std}
        yield Figure("accuracy", "linear", 100 * found.mean, len(test), detail=detail)


def _label(corpus: Corpus) -> str | None:
    """The first label of two to MOST_CLASSES classes that both splits have."""
    for name, values in corpus.splits["train"].labels.items():
        if 2 <= len(np.unique(values)) <= MOST_CLASSES and name in corpus.splits["test"].labels:
            return name
    return None


def interpolations(a: Assessment) -> Found:
    """Rouge-L F1 against both ends along the stored paths (DG-VAE eq. 14)."""
    records = a.run.interpolations(a.run.best_epoch)
    if not records:
        yield Missing("rouge_l", "its best epoch stored no interpolations")
        return
    curves = np.array([metrics.interpolation_rouge(r["texts"], r["a"], r["b"]) for r in records])
    detail = {"weights": records[0]["weights"], "curve": curves.mean(0).round(4).tolist()}
    yield Figure("rouge_l", "mean", float(curves.mean()), len(curves), detail=detail)


def evaluate_runs(options: Namespace) -> list[dict[str, Any]]:
    """Evaluate the finished text runs among the given folders; a report of each.

    Raises UserError if there is none, or for a run that cannot be evaluated.
    """
    runs = [run for folder in options.folders for run in _runs(folder)]
    if not runs:
        raise UserError(f"{options.folders[0]}: no finished text run; train one first")
    given = {k: v for k in ("samples", "items", "sentences") if (v := getattr(options, k))}
    budget, reports = Budget(**given), []
    for run in tqdm(runs, unit="run", disable=options.json):
        corpus = text_corpus(run, options.data, options.corpus)
        content = Assessment(run, corpus, budget).write()
        reports.append({"run": str(run.folder), **content})
    return reports


def _runs(folder: Path) -> list[Run]:
    if run_file(folder).exists():
        return [open_run(folder)]
    return [
        r
        for r in list_runs(folder)[0]
        if r.status == "finished"
        and "training" in r.info.get("settings", {})
        and "fingerprint" in r.info["corpus"]
    ]


def line(report: dict[str, Any]) -> str:
    """A report in one line: quantities by their estimators."""
    figures = (f"{r['quantity']} ({r['estimator']}) {r['value']:.4g}" for r in report["records"])
    return f"{report['run']}: {', '.join(figures)}"


PARTS: tuple[Callable[[Assessment], Found], ...] = (
    likelihood_and_latents,
    minibatch_information,
    mixture_likelihoods,
    holes,
    generated,
    few_labels,
    interpolations,
)


def _of(
    quantity: str, estimator: str, found: metrics.Estimate, detail: dict[str, Any] | None = None
) -> Figure:
    error = found.stderr if np.isfinite(found.stderr) else None
    return Figure(quantity, estimator, found.value, found.n, error, detail)


def _texts(corpus: Corpus, split: str) -> list[str]:
    return corpus.texts(split, range(len(corpus.splits[split])))

"""What codes are good for: few-label classification, neighbours, agreement with embeddings."""

from itertools import product
from pathlib import Path

import numpy as np

from lab import metrics
from lab.assessment.records import Example, Figure, Found, Missing
from lab.assessment.subject import Subject
from lab.embeddings import sentence_embeddings
from lab.errors import UserError

SEEDS = 10
CLASSIFIERS = ("linear", "mlp")
QUERIES, NEIGHBOURS = 5, 3
PAIRED = 1000  # sentences whose similarities are compared (CEAE appendix E)


def few_labels(a: Subject) -> Found:
    """Test accuracy in percent of classifiers on few labelled codes (spec 3.10, D28)."""
    label = a.label()
    if label is None or a.latents is None:
        why = "the corpus has no label of a few classes" if a.latents else "no latent code"
        yield Missing("accuracy", why)
        return
    train, test = (a.labels(split, label) for split in ("train", "test"))
    for classifier, count in product(CLASSIFIERS, metrics.LABELS):
        a.progress(f"{classifier} classifier of {count:,} labels")
        try:
            (found,) = metrics.few_label_accuracy(
                a.train_codes,
                train[a.train_rows],
                a.latents.mean,
                test,
                (count,),
                SEEDS,
                classifier,
            )
        except ValueError as error:
            yield Missing(f"accuracy@{count}", str(error), classifier)
            continue
        detail = {"labels": count, "label": label, "seeds": SEEDS, "sd": 100 * found.std}
        yield Figure("accuracy", classifier, 100 * found.mean, len(test), detail=detail)


def nearest(a: Subject) -> Found:
    """Training sentences whose codes lie nearest to a test sentence's by cosine (VAE-MINE 5.6)."""
    if a.latents is None:
        return
    queries = np.random.default_rng(0).permutation(len(a.rows))[:QUERIES]
    try:
        rows, cosines = metrics.neighbours(
            a.train_codes, a.latents.mean[queries], min(NEIGHBOURS, len(a.train_rows))
        )
    except ValueError as error:
        yield Missing("neighbours", str(error))
        return
    train, test = a.texts("train"), a.texts("test")
    for query, found, cosine in zip(queries, rows, cosines, strict=True):
        texts = [train[a.train_rows[i]] for i in found]
        content = {"text": test[query], "neighbours": texts, "cosines": cosine.round(4).tolist()}
        yield Example("neighbours", content)


def embedding_agreement(a: Subject) -> Found:
    """Correlation of the codes' similarities with those of embeddings (CEAE appendix E)."""
    names = ("pearson", "spearman", "kendall")
    if a.latents is None or a.budget.embeddings is None:
        why = "no latent code" if a.latents is None else "no embeddings given (--embeddings)"
        yield from (Missing(name, why) for name in names)
        return
    try:
        embeddings = sentence_embeddings(Path(a.budget.embeddings), a.texts("test"), a.progress)
    except UserError as error:
        yield from (Missing(name, str(error)) for name in names)
        return
    count = min(PAIRED, len(a.rows))
    for similarity in ("inner", "cosine"):
        try:
            found = metrics.similarity_correlation(
                a.latents.mean, embeddings, count, similarity=similarity
            )
        except ValueError as error:
            yield from (Missing(name, str(error), similarity) for name in names)
            continue
        detail = {"sentences": found.sentences}
        for name in names:
            yield Figure(name, similarity, getattr(found, name), found.n, detail=detail)

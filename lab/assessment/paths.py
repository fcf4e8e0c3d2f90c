"""What lies between two test sentences: Rouge-L along decoded paths, and the scores of a classifier
of their labels.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lab import metrics
from lab.assessment.records import Example, Figure, Found, Missing
from lab.assessment.subject import Subject

SHOWN = 5  # paths kept to be read
Scorer = Callable[[np.ndarray], np.ndarray]
LABELLED = 10_000  # labelled items that the scoring classifier learns from (CEAE table 3)


def interpolations(a: Subject) -> Found:
    """Rouge-L F1 against both ends of paths between posterior means of test sentences of one length
    (DG-VAE eq. 14, spec 3.8).
    """
    if not a.has_latent:
        yield Missing("rouge_l", "no latent code")
        return
    pairs = _of_one_length(a.corpus.splits["test"].lengths)[: a.budget.pairs]
    if not len(pairs):
        yield Missing("rouge_l", "no two test sentences have one length")
        return
    texts, curves = a.texts("test"), []
    for first, second in pairs.tolist():
        weights, _, decoded = a.generator.between(a.latents.mean[first], a.latents.mean[second])
        ends = texts[first], texts[second]
        curves.append(metrics.interpolation_rouge(decoded, *ends))
        if len(curves) <= SHOWN:
            path = {"a": ends[0], "b": ends[1], "weights": weights.tolist(), "texts": decoded}
            yield Example("path", path)
    found = np.array(curves)
    mean = found.mean(1)
    error = float(mean.std(ddof=1) / np.sqrt(len(mean))) if len(mean) > 1 else None
    detail = {"weights": weights.tolist(), "curve": found.mean(0).round(4).tolist()}
    yield Figure("rouge_l", "mean", float(mean.mean()), len(mean), error, detail)


def _of_one_length(lengths: np.ndarray) -> np.ndarray:
    """Random disjoint pairs of rows of equal length [P, 2], seeded."""
    order = np.random.default_rng(0).permutation(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    pairs = []
    for _, rows in _runs(order, lengths[order]):
        pairs.append(rows[: len(rows) // 2 * 2].reshape(-1, 2))
    joined = np.concatenate(pairs)
    return np.random.default_rng(1).permutation(joined)


def _runs(rows: np.ndarray, keys: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    edges = np.flatnonzero(np.diff(keys)) + 1
    for part in np.split(np.arange(len(rows)), edges):
        yield int(keys[part[0]]), rows[part]


def label_scores(a: Subject) -> Found:
    """Probability of the second class along paths within and between two classes (CEAE table 6).

    The classifier is a logistic regression on training codes; it scores the path's codes, and the
    codes of what they decode to.
    """
    label = a.label(most=2)
    if not a.has_latent or label is None:
        yield Missing("classifier_score", "needs a label of two classes and a latent code")
        return
    truth, classes = a.labels("test", label), np.unique(a.labels("train", label)).tolist()
    members = [np.flatnonzero(truth == name) for name in classes]
    if min(map(len, members)) < 2:
        yield Missing("classifier_score", "the test set has fewer than two items of a class")
        return
    codes, labels = _labelled(a, label)
    if len(np.unique(labels)) < 2:
        yield Missing("classifier_score", "the training codes kept are all of one class")
        return
    score = _scorer(codes, labels)
    rng = np.random.default_rng(0)
    for first, second in ((0, 0), (0, 1), (1, 1)):
        count = min(a.budget.pairs, len(members[first]) // 2, len(members[second]) // 2)
        starts, ends = rng.permutation(members[first]), rng.permutation(members[second])
        if first == second:
            ends = starts[count:]  # so that no item is in two pairs
        about = {"label": label, "classes": list(map(str, classes))}
        yield from _along(a, score, starts[:count], ends[:count], f"{first} to {second}", about)


def _labelled(a: Subject, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Training codes and their labels, at most LABELLED of them, seeded."""
    chosen = np.random.default_rng(0).permutation(len(a.train_rows))[:LABELLED]
    return a.train_codes[chosen], a.labels("train", label)[a.train_rows[chosen]]


def _scorer(codes: np.ndarray, labels: np.ndarray) -> Scorer:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=1000).fit(codes, labels)
    return lambda codes: fitted.predict_proba(codes)[:, 1]


def _along(
    a: Subject,
    score: Scorer,
    starts: np.ndarray,
    ends: np.ndarray,
    name: str,
    about: dict[str, Any],
) -> Found:
    curves = {"code": [], "decoded": []}
    for first, second in zip(starts, ends, strict=True):
        weights, codes, texts = a.generator.between(a.latents.mean[first], a.latents.mean[second])
        curves["code"].append(score(codes))
        # An empty sentence has no code: its score is left open.
        said = np.array([bool(text) for text in texts])
        decoded = np.full(len(texts), np.nan)
        if said.any():
            decoded[said] = score(a.generator.encode([text for text in texts if text]))
        curves["decoded"].append(decoded)
    for estimator, found in curves.items():
        array = np.array(found)
        curve = [_mean_of_known(column) for column in array.T]
        counts = {"scored": int(np.isfinite(array).sum()), "texts": array.size}
        detail = about | counts | {"weights": weights.tolist(), "curve": curve}
        value = _mean_of_known(array)
        if value is None:
            yield Missing("classifier_score", "all texts are empty", f"{estimator}, {name}")
            continue
        by = f"{estimator}, {name}"
        yield Figure("classifier_score", by, value, len(starts), detail=detail)


def _mean_of_known(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None

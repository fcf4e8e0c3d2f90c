"""What codes are good for: few-label classification, neighbours, agreement with embeddings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lab.metrics.arrays import at_least, finite

LABELS = (100, 500, 1000, 2000, 10_000)
# Negative and positive reviews in the label files of Li et al. 2019 (short_yelp), by their total.
SHORT_YELP_COUNTS = ((45, 55), (207, 293), (392, 608), (829, 1171), (4037, 5963))
WEIGHT_DECAY = 0.3  # scikit-learn's alpha; from 3 on the weights of batches of 16 vanish
EQUAL = 1e-9  # similarities whose relative spread is below differ by rounding alone


@dataclass(frozen=True)
class FewLabelAccuracy:
    """Test accuracy with `labels` labelled items: mean and standard deviation over `n` seeds."""

    labels: int
    mean: float
    std: float
    n: int


@dataclass(frozen=True)
class Correlation:
    """Correlations over `n` pairs of similarities among `sentences` sentences (tau is tau-b)."""

    pearson: float
    spearman: float
    kendall: float
    sentences: int
    n: int


def few_label_accuracy(
    train_codes: ArrayLike,
    train_labels: ArrayLike,
    test_codes: ArrayLike,
    test_labels: ArrayLike,
    labels: Sequence[int | Sequence[int]] = LABELS,
    seeds: int = 10,
    classifier: str = "linear",
) -> list[FewLabelAccuracy]:
    """Test accuracy of a classifier on codes of a few labelled items, for each entry of `labels`.

    codes [N, D] and [M, D], labels [N] and [M]. An entry is a number of items, drawn anew for each
    seed with the classes' shares of the pool (largest remainders), or one number for each class in
    sorted order (`SHORT_YELP_COUNTS`). Codes are centred and scaled by one number (of all N codes,
    without labels), so that "linear" scores do not change with rotation. "linear" is logistic
    regression with an L2 penalty, C = 1; "mlp" is D-D-D-classes with ReLU, Adam at 1e-3, batches of
    16, weight decay 0.3, at most 100 epochs, patience 2. Hyperparameters are fixed and the "mlp"
    stops by its training loss: no test label and no labelled item beyond those asked for is used.
    The published protocol (Li et al. 2019; spec 3.10) stops by a validation set of 10,000 labels
    (D28), decays an SGD rate and drops out, so printed accuracies had more labels than they state.
    The standard deviation (NaN for one seed) is of draws and initial weights, not of the test set.
    "linear" takes seconds in all; "mlp" about 2 s a seed at 10,000 x 32.
    ValueError for unfit shapes or values, an unknown classifier, fewer than two classes, a class
    only in the test labels, and fewer labelled items (of a class) than asked for.
    """
    train, test = finite(train_codes, "train_codes", "ND"), finite(test_codes, "test_codes", "MD")
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"train codes have {train.shape[1]} dimensions, test {test.shape[1]}")
    at_least(seeds, 1, "seeds")
    names, classes, truth = _classes(train, train_labels, test, test_labels)
    available = np.bincount(classes)
    wanted = [_class_counts(entry, available, names) for entry in labels]
    train, test = _scaled(train, test)

    def accuracy(counts: np.ndarray, seed: int) -> float:
        rows, model = _pick(classes, counts, seed), _model(classifier, train.shape[1], seed)
        return _fit(model, train[rows], classes[rows]).score(test, truth)

    return [_record(counts, [accuracy(counts, seed) for seed in range(seeds)]) for counts in wanted]


def neighbours(codes: ArrayLike, queries: ArrayLike, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `codes` with the largest cosine to each query -> rows [Q, k], cosines [Q, k].

    codes [N, D], queries [Q, D]; exact, nearest first. A query that is itself among the codes finds
    itself: see `neighbours_of_rows`. Costs Q N products of length D. ValueError for unfit shapes or
    values, a code of length 0, k < 1 and k > N.
    """
    from sklearn.neighbors import NearestNeighbors

    codes, queries = _directed(codes, "codes"), _directed(queries, "queries")
    if codes.shape[1] != queries.shape[1]:
        raise ValueError(f"codes have {codes.shape[1]} dimensions, queries {queries.shape[1]}")
    at_least(k, 1, "k")
    at_least(len(codes), k, "the number of codes")
    search = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(codes)
    distance, rows = search.kneighbors(queries)
    return rows, 1 - distance


def neighbours_of_rows(codes: ArrayLike, rows: ArrayLike, k: int = 3) -> tuple[np.ndarray, ...]:
    """As `neighbours` for rows [Q] of `codes` itself, each row left out of its own neighbours.

    The protocol of VAE-MINE, section 5.6 (three neighbours in the training set). ValueError as
    `neighbours`, and for rows that the codes do not have.
    """
    codes, rows = _directed(codes, "codes"), np.asarray(rows)
    if rows.ndim != 1 or not ((rows >= 0) & (rows < len(codes))).all():
        raise ValueError(f"rows must be a list of row numbers from 0 to {len(codes) - 1}")
    found, cosine = neighbours(codes, codes[rows], k + 1)
    others_first = np.argsort(found == rows[:, None], axis=1, kind="stable")[:, :k]
    return tuple(np.take_along_axis(array, others_first, axis=1) for array in (found, cosine))


def similarity_correlation(
    codes: ArrayLike,
    embeddings: ArrayLike,
    sentences: int = 1000,
    seed: int = 0,
    similarity: str = "cosine",
) -> Correlation:
    """Correlate similarities of codes [N, D] and of embeddings [N, E] of the same sentences.

    Over all pairs of `sentences` rows drawn without repetition, 499,500 pairs of 1,000 (CEAE,
    appendix E). "cosine" or "inner", the product that CEAE names. Pairs share sentences, so their
    number says nothing about the error: repeat with other seeds for that. For independent codes and
    embeddings the mean is 0. About a second for 1,000 sentences. ValueError for unfit shapes or
    values, fewer than three rows or fewer than asked for, a cosine of a code of length 0, and
    similarities that are all equal.
    """
    codes, embeddings = finite(codes, "codes", "ND"), finite(embeddings, "embeddings", "NE")
    if len(codes) != len(embeddings):
        raise ValueError(f"there are {len(codes)} codes but {len(embeddings)} embeddings")
    at_least(sentences, 3, "sentences")
    if sentences > len(codes):
        raise ValueError(f"{sentences} sentences asked for but there are {len(codes)}")
    rows = np.random.default_rng(seed).choice(len(codes), sentences, replace=False)
    of_codes = _similarities(codes[rows], "codes", similarity)
    of_embeddings = _similarities(embeddings[rows], "embeddings", similarity)
    return _correlation(of_codes, of_embeddings, sentences)


def _classes(train, train_labels, test, test_labels):
    """Names of the training classes [K], and the labels of both sets as numbers of classes."""
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    for name, codes, given in (("train", train, train_labels), ("test", test, test_labels)):
        if given.shape != (len(codes),):
            shape = list(given.shape)
            raise ValueError(f"{name}_labels must have shape [{len(codes)}], not {shape}")
    names, classes = np.unique(train_labels, return_inverse=True)
    at_least(len(names), 2, "the number of different labels")
    if unknown := set(test_labels.tolist()) - set(names.tolist()):
        raise ValueError(f"test_labels hold {unknown.pop()!r}, which train_labels lack")
    return names, classes, np.searchsorted(names, test_labels)


def _class_counts(entry: int | Sequence[int], available: np.ndarray, names: np.ndarray):
    """How many labelled items of each class [K] an entry asks for; ValueError if there are less."""
    total = int(np.sum(entry))
    if total > available.sum():
        raise ValueError(f"{total} labelled items asked for but there are {available.sum()}")
    counts = _stratified(total, available) if np.ndim(entry) == 0 else np.asarray(entry)
    if len(counts) != len(names):
        raise ValueError(f"{len(counts)} class counts given for {len(names)} classes")
    for name, count, most in zip(names.tolist(), counts, available, strict=True):
        at_least(count, 1, f"of {total} labelled items the number with label {name!r}")
        if count > most:
            raise ValueError(f"{count} items with label {name!r} asked for but there are {most}")
    return counts


def _stratified(total: int, available: np.ndarray) -> np.ndarray:
    """`total` items shared out as the classes of the pool are, largest remainders first."""
    share = total * available / available.sum()
    counts = np.floor(share).astype(int)
    counts[np.argsort(counts - share, kind="stable")[: total - counts.sum()]] += 1
    return counts


def _pick(classes: np.ndarray, counts: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    rows = [
        generator.choice(np.flatnonzero(classes == k), count, replace=False)
        for k, count in enumerate(counts)
    ]
    return np.concatenate(rows)


def _scaled(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre = train.mean(axis=0)
    scale = np.sqrt(np.square(train - centre).mean()) or 1.0
    return (train - centre) / scale, (test - centre) / scale


def _model(classifier: str, dimensions: int, seed: int):
    if classifier == "linear":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=1000)
    if classifier == "mlp":
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(
            (dimensions, dimensions),
            alpha=WEIGHT_DECAY,
            batch_size=16,
            max_iter=100,
            tol=1e-3,
            n_iter_no_change=2,
            random_state=seed,
        )
    raise ValueError(f'classifier must be "linear" or "mlp", not {classifier!r}')


def _fit(model, codes: np.ndarray, classes: np.ndarray):
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # The protocol ends after 100 epochs, and fewer than 16 items make one smaller batch.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="Got `batch_size`")
        return model.fit(codes, classes)


def _record(counts: np.ndarray, accuracies: list[float]) -> FewLabelAccuracy:
    n = len(accuracies)
    std = float(np.std(accuracies, ddof=1)) if n > 1 else math.nan
    return FewLabelAccuracy(int(counts.sum()), float(np.mean(accuracies)), std, n)


def _directed(codes: ArrayLike, name: str) -> np.ndarray:
    """Codes [N, D], checked; ValueError if one has no direction."""
    codes = finite(codes, name, "ND")
    without = ~codes.any(axis=1)
    if without.any():
        raise ValueError(f"{name} have no cosine: row {int(without.argmax())} is 0 throughout")
    return codes


def _similarities(codes: np.ndarray, name: str, similarity: str) -> np.ndarray:
    """Similarities of all pairs of rows, each pair once; ValueError if they are all equal."""
    if similarity not in ("cosine", "inner"):
        raise ValueError(f'similarity must be "cosine" or "inner", not {similarity!r}')
    if similarity == "cosine":
        codes = _directed(codes, name)
        codes = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    found = (codes @ codes.T)[np.triu_indices(len(codes), k=1)]
    if np.ptp(found) <= EQUAL * np.abs(found).max():
        raise ValueError(f"the similarities of {name} are all equal: nothing correlates with them")
    return found


def _correlation(left: np.ndarray, right: np.ndarray, sentences: int) -> Correlation:
    from scipy import stats

    measures = (stats.pearsonr, stats.spearmanr, stats.kendalltau)
    found = [float(measure(left, right).statistic) for measure in measures]
    return Correlation(*found, sentences=sentences, n=len(left))

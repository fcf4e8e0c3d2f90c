"""Few-label accuracy, neighbours and correlations on codes whose answer is known."""

import math

import numpy as np
import pytest
from scipy.stats import ortho_group

from lab.metrics.representation import (
    SHORT_YELP_COUNTS,
    few_label_accuracy,
    neighbours,
    neighbours_of_rows,
    similarity_correlation,
)

ROTATION = ortho_group.rvs(6, random_state=0)


def blobs(count, spread, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return np.eye(6)[labels] + spread * rng.normal(size=(count, 6)), np.array(["a", "b", "c"])[
        labels
    ]


def test_separable_classes_are_told_apart_without_a_mistake():
    for classifier in ("linear", "mlp"):
        (found,) = few_label_accuracy(
            *blobs(600, 0.03), *blobs(300, 0.03, seed=1), [60], 3, classifier
        )
        assert (found.labels, found.mean, found.std, found.n) == (60, 1, 0, 3)


@pytest.mark.parametrize("classifier", ["linear", "mlp"])
def test_shuffled_labels_give_chance(classifier):
    codes, labels = blobs(600, 0.1)
    test_codes, test_labels = blobs(900, 0.1, seed=1)
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(labels), rng.permutation(test_labels)
    (found,) = few_label_accuracy(codes, shuffled[0], test_codes, shuffled[1], [200], 5, classifier)
    # The seeds share one test set, so its error is not divided by their number.
    assert found.mean == pytest.approx(1 / 3, abs=3 * math.sqrt(2 / 9 / 900))


def test_linear_accuracy_approaches_the_best_possible_with_more_labels():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=26_000)
    codes = rng.normal(size=(26_000, 4)) + labels[:, None] * [2.0, 0, 0, 0]
    few, many = few_label_accuracy(
        codes[:6000], labels[:6000], codes[6000:], labels[6000:], [20, 5000], 5
    )
    best = 0.5 * math.erfc(-1 / math.sqrt(2))
    assert few.mean < best - 0.01
    assert many.mean == pytest.approx(best, abs=3 * math.sqrt(best * (1 - best) / 20_000))
    assert few.std > many.std


def test_a_curved_border_needs_the_mlp():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(3000, 4))
    labels = np.abs(codes[:, 0]) > 0.67
    split = codes[:1000], labels[:1000], codes[1000:], labels[1000:]
    assert few_label_accuracy(*split, [1000], 1)[0].mean < 0.6
    assert few_label_accuracy(*split, [1000], 1, "mlp")[0].mean > 0.9


def test_linear_accuracy_ignores_rotation_shift_and_scale():
    (codes, labels), (test_codes, test_labels) = blobs(300, 0.6), blobs(300, 0.6, seed=1)
    plain = few_label_accuracy(codes, labels, test_codes, test_labels, [90], 3)
    moved = few_label_accuracy(
        5 * codes @ ROTATION + 3, labels, 5 * test_codes @ ROTATION + 3, test_labels, [90], 3
    )
    assert moved[0].mean == pytest.approx(plain[0].mean, abs=1e-3)


def test_collapsed_codes_are_no_better_than_the_larger_class():
    labels = [0] * 30 + [1] * 70
    (found,) = few_label_accuracy(np.zeros((100, 2)), labels, np.zeros((100, 2)), labels, [50], 3)
    assert found.mean == pytest.approx(0.7)


def test_class_counts_are_those_of_the_pool_or_those_given():
    codes, labels = np.eye(2)[[0] * 45 + [1] * 55], [0] * 45 + [1] * 55
    same = codes, labels, codes, labels
    records = few_label_accuracy(*same, [7, SHORT_YELP_COUNTS[0]], 2)
    assert [record.labels for record in records] == [7, 100]
    few_label_accuracy(*same, [7], 2, "mlp")  # fewer than one batch, without a warning
    with pytest.raises(ValueError, match="46 items with label 0 asked for but there are 45"):
        few_label_accuracy(*same, [(46, 50)])
    assert [sum(counts) for counts in SHORT_YELP_COUNTS] == [100, 500, 1000, 2000, 10_000]


def test_one_seed_has_no_spread_and_a_seed_repeats_itself():
    split = *blobs(90, 0.6), *blobs(90, 0.6, seed=1)
    assert math.isnan(few_label_accuracy(*split, [30], 1)[0].std)
    assert few_label_accuracy(*split, [30], 4) == few_label_accuracy(*split, [30], 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [91]}, "91 labelled items asked for but there are 90"),
        ({"labels": [2]}, "number with label 'c' must be at least 1, not 0"),
        ({"labels": [(5, 5)]}, "2 class counts given for 3 classes"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"classifier": "svm"}, 'classifier must be "linear" or "mlp"'),
        ({"train_labels": ["a"] * 90}, "number of different labels must be at least 2"),
        ({"train_labels": ["a"] * 80}, r"train_labels must have shape \[90\]"),
        ({"test_labels": ["d"] * 90}, "test_labels hold 'd', which train_labels lack"),
        ({"test_codes": np.zeros((90, 5))}, "train codes have 6 dimensions, test 5"),
        ({"test_codes": np.full((90, 6), np.nan)}, "test_codes holds 540 NaN"),
    ],
)
def test_unfit_classification_is_refused(changes, message):
    (codes, names), (test_codes, test_names) = blobs(90, 0.6), blobs(90, 0.6, seed=1)
    split = {"train_codes": codes, "train_labels": names}
    split |= {"test_codes": test_codes, "test_labels": test_names}
    with pytest.raises(ValueError, match=message):
        few_label_accuracy(**(split | {"labels": [30]} | changes))


def test_neighbours_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    codes, queries = rng.normal(size=(50, 6)), rng.normal(size=(4, 6))
    rows, cosine = neighbours(codes, queries, k=5)
    for query, found, values in zip(queries, rows, cosine, strict=True):
        plain = [c @ query / math.dist(c, 0 * c) / math.dist(query, 0 * query) for c in codes]
        expected = np.argsort(plain)[::-1][:5]
        assert found.tolist() == expected.tolist()
        np.testing.assert_allclose(values, np.array(plain)[expected], atol=1e-12)


def test_neighbours_ignore_rotation_and_length():
    rng = np.random.default_rng(0)
    codes, length = rng.normal(size=(50, 6)), rng.uniform(0.1, 9, size=(50, 1))
    moved = (codes * length) @ ROTATION
    expected = neighbours(codes, codes[:5])[0].tolist()
    assert neighbours(moved, moved[:5])[0].tolist() == expected


def test_a_row_is_not_its_own_neighbour_but_its_double_is():
    codes = np.array([[1.0, 0], [2, 0], [1, 1], [0, 1], [4, 0]])
    rows, cosine = neighbours_of_rows(codes, [0, 3], k=3)
    assert sorted(rows[0].tolist()) == [1, 2, 4]
    np.testing.assert_allclose(cosine[0], [1, 1, math.sqrt(0.5)])
    assert rows[1, 0] == 2
    assert 3 not in rows[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: neighbours(np.eye(3), np.eye(3), k=4), "number of codes must be at least 4"),
        (lambda: neighbours(np.eye(3), np.eye(3), k=0), "k must be at least 1"),
        (lambda: neighbours(np.eye(3), np.eye(2)), "codes have 3 dimensions, queries 2"),
        (lambda: neighbours(np.eye(3, 2), np.eye(2), 1), "codes have no cosine: row 2 is 0"),
        (lambda: neighbours_of_rows(np.eye(3), [3], 1), "row numbers from 0 to 2"),
    ],
)
def test_unfit_neighbours_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_similarities_of_codes_agree_wholly_with_themselves_and_their_rotation():
    codes = np.random.default_rng(0).normal(size=(200, 6))
    for kind in ("cosine", "inner"):
        found = similarity_correlation(codes, 3 * codes @ ROTATION, 150, similarity=kind)
        assert (found.pearson, found.spearman, found.kendall) == pytest.approx((1, 1, 1))
        assert (found.sentences, found.n) == (150, 150 * 149 // 2)


def test_similarities_of_independent_codes_do_not_correlate():
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 100, 6)) for _ in range(40)]
    found = [similarity_correlation(*pair, 100) for pair in pairs]
    for name in ("pearson", "spearman", "kendall"):
        values = [getattr(one, name) for one in found]
        assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(len(values))
        assert np.std(values) < 0.05


def test_inner_products_of_gaussians_correlate_as_the_square_of_their_coordinates():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(1000, 6))
    noisy = 0.8 * codes + 0.6 * rng.normal(size=codes.shape)
    found = similarity_correlation(codes, noisy, similarity="inner")
    assert found.pearson == pytest.approx(0.8**2, abs=0.03)


def test_similarities_follow_the_seed():
    codes = np.random.default_rng(0).normal(size=(2, 300, 6))
    first, second, other = (similarity_correlation(*codes, 50, seed=seed) for seed in (1, 1, 2))
    assert first == second != other


@pytest.mark.parametrize(
    ("codes", "embeddings", "options", "message"),
    [
        (np.ones((9, 2)), np.ones((8, 2)), {}, "9 codes but 8 embeddings"),
        (np.eye(9), np.eye(9), {}, "1000 sentences asked for but there are 9"),
        (np.eye(9), np.eye(9), {"sentences": 2}, "sentences must be at least 3"),
        (np.eye(9), np.eye(9), {"sentences": 9}, "similarities of codes are all equal"),
        (np.ones((9, 2)), np.eye(9), {"sentences": 9}, "similarities of codes are all equal"),
        (np.eye(9, 8), np.eye(9), {"sentences": 9}, "no cosine: row"),
        (np.eye(9), np.eye(9), {"sentences": 9, "similarity": "dot"}, '"cosine" or "inner"'),
    ],
)
def test_unfit_similarities_are_refused(codes, embeddings, options, message):
    with pytest.raises(ValueError, match=message):
        similarity_correlation(codes, embeddings, **options)

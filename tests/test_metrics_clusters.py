"""Separation of labelled points, against closed forms and plain loops."""

import numpy as np
import pytest

from lab.metrics import centroid_accuracy, class_distances, silhouette

SQUARE = np.array([[0.0, 0], [0, 2], [6, 0], [6, 2]])
SIDES = ["left", "left", "right", "right"]


def blobs(spread, classes=4, count=300, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    angle = 2 * np.pi * labels / classes
    centre = np.stack([np.cos(angle), np.sin(angle)], 1)
    return centre + spread * rng.normal(size=(count, 2)), labels


def test_distances_of_a_rectangle_are_half_its_side_and_its_width():
    assert class_distances(SQUARE, SIDES) == pytest.approx((1, 6))


def test_inter_distance_is_the_mean_over_pairs_of_classes():
    within, between = class_distances([[0, 0], [3, 0], [0, 4]], [7, 1, 3])
    assert (within, between) == pytest.approx((0, (3 + 4 + 5) / 3))


def test_silhouette_of_a_rectangle_is_that_of_the_definition():
    to_other = (6 + np.hypot(6, 2)) / 2
    assert silhouette(SQUARE, SIDES) == pytest.approx((to_other - 2) / to_other)


def test_centroid_accuracy_is_that_of_a_plain_loop():
    points, labels = blobs(0.7)
    centroids = [points[labels == k].mean(0) for k in range(4)]
    nearest = [np.argmin([np.linalg.norm(p - c) for c in centroids]) for p in points]
    assert centroid_accuracy(points, labels) == pytest.approx(np.mean(nearest == labels))


def test_measures_follow_separation_and_ignore_order_names_and_place():
    tight, loose = (blobs(s) for s in (0.1, 0.6))
    assert silhouette(*tight) > 0.8 > 0.4 > silhouette(*loose)
    assert centroid_accuracy(*tight) == 1.0 > centroid_accuracy(*loose)
    points, labels = loose
    order = np.random.default_rng(1).permutation(len(points))
    names = np.array(["d", "b", "a", "c"])[labels]
    for measure in (silhouette, centroid_accuracy, class_distances):
        found = measure(5 + points[order], names[order])
        assert found == pytest.approx(measure(points, labels))


def test_classes_all_alike_score_hardly_above_chance():
    rng = np.random.default_rng(0)
    scores = [centroid_accuracy(rng.normal(size=(2000, 2)), np.arange(2000) % 4) for _ in range(20)]
    assert 0.25 < np.mean(scores) < 0.28


def test_points_all_in_one_place_are_not_separated():
    points, labels = np.zeros((12, 2)), np.arange(12) % 3
    assert silhouette(points, labels) == 0
    assert centroid_accuracy(points, labels) == pytest.approx(1 / 3)
    assert class_distances(points, labels) == (0, 0)


@pytest.mark.parametrize("measure", [silhouette, centroid_accuracy, class_distances])
def test_unfit_labels_and_points_are_refused(measure):
    with pytest.raises(ValueError, match="number of different labels must be at least 2, not 1"):
        measure(SQUARE, [0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"labels must have shape \[4\], not \[3\]"):
        measure(SQUARE, [0, 1, 0])
    with pytest.raises(ValueError, match="points holds 1 NaN or infinite"):
        measure([[np.nan, 0], [1, 1]], [0, 1])


def test_a_silhouette_needs_more_points_than_labels():
    with pytest.raises(ValueError, match="points beyond one for each label"):
        silhouette(SQUARE, [0, 1, 2, 3])

"""Rouge-L by hand, by its properties and against the rouge-score package."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import metrics

sentences = st.lists(st.sampled_from("abcd"), max_size=12).map(" ".join)


@pytest.mark.parametrize(
    ("candidate", "reference", "common"),
    [
        ("the cat sat", "the cat sat", 3),
        ("police kill the gunman", "police killed the gunman", 3),
        ("the gunman kill police", "police killed the gunman", 2),
        ("a a a b", "a b", 2),
        ("it 's <unk> .", "it 's <unk> !", 3),
        ("The", "the", 0),
        ("a b c", "", 0),
        ("", "", 0),
    ],
)
def test_rouge_l_by_hand(candidate, reference, common):
    found = metrics.rouge_l(candidate, reference)
    if not common:
        assert found == (0, 0, 0)
        return
    precision, recall = common / len(candidate.split()), common / len(reference.split())
    assert found.precision == pytest.approx(precision)
    assert found.recall == pytest.approx(recall)
    assert found.f1 == pytest.approx(2 / (1 / precision + 1 / recall))


@given(sentences, sentences)
def test_rouge_l_swaps_precision_and_recall_with_its_arguments(a, b):
    forward, backward = metrics.rouge_l(a, b), metrics.rouge_l(b, a)
    assert (forward.precision, forward.recall) == (backward.recall, backward.precision)
    assert forward.f1 == pytest.approx(backward.f1)
    assert 0 <= forward.f1 <= 1


@settings(deadline=None)
@given(sentences, sentences)
def test_rouge_l_agrees_with_the_rouge_score_package(a, b):
    scorer = pytest.importorskip("rouge_score.rouge_scorer")

    class Whitespace:
        def tokenize(self, text):
            return text.split()

    score = scorer.RougeScorer(["rougeL"], tokenizer=Whitespace()).score(b, a)["rougeL"]
    assert metrics.rouge_l(a, b) == pytest.approx(tuple(score))


def test_interpolation_rouge_is_the_mean_over_both_ends():
    found = metrics.interpolation_rouge(["a b", "a d", "c d", "e"], "a b", "c d")
    np.testing.assert_allclose(found, [0.5, 0.5, 0.5, 0.0])
    assert metrics.interpolation_rouge(["x y"], "x y", "x y").tolist() == [1.0]

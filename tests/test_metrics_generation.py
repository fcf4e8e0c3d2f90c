"""Distinct-n and self-BLEU by hand and against nltk, forward and reverse perplexity by parts."""

import math

import numpy as np
import pytest

from lab.metrics.generation import distinct_n, forward_reverse_perplexity, self_bleu
from lab.metrics.kneser_ney import KneserNey

PAIR = [["the", "cat", "sat", "here"], ["the", "cat", "sat", "there", "now"]]


def text(count, seed, words=40, spread=1.4):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 12, count)
    return [[f"w{min(w, words)}" for w in rng.zipf(spread, length)] for length in lengths]


def test_distinct_n_by_hand():
    sentences = [["a", "b", "a", "b"], ["a", "b"], ["c"]]
    one, two = distinct_n(sentences, 1), distinct_n(sentences, 2)
    assert (one.value, one.distinct, one.ngrams, one.n) == (3 / 7, 3, 7, 3)
    assert (two.value, two.distinct, two.ngrams, two.n) == (2 / 4, 2, 4, 3)
    assert float(distinct_n([["x", "y", "z"]], 3)) == 1


def test_self_bleu_by_hand():
    shorter = math.exp(1 - 5 / 4) * (3 / 4 * 2 / 3 * 1 / 2 * 0.1 / 1) ** (1 / 4)
    longer = (3 / 5 * 2 / 4 * 1 / 3 * 0.1 / 2) ** (1 / 4)
    found = self_bleu(PAIR)
    assert found.value == pytest.approx((shorter + longer) / 2)
    assert found.stderr == pytest.approx(abs(longer - shorter) / 2)
    assert found.n == 2


def test_self_bleu_counts_a_word_as_often_as_some_other_sentence_has_it():
    found = self_bleu([["a", "a", "a", "b"], ["a", "a", "c", "c"], ["a", "d", "d", "d"]], n=1)
    assert found.value == pytest.approx((2 / 4 + 2 / 4 + 1 / 4) / 3)


def test_equal_sentences_score_one_and_disjoint_ones_zero():
    assert self_bleu([["a", "b", "c", "d", "e"]] * 3).value == pytest.approx(1)
    assert self_bleu([["a", "b"], ["c", "d"], []]).value == 0


@pytest.mark.parametrize("n", [1, 2, 4])
def test_self_bleu_agrees_with_nltk(n):
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    sentences = [*text(60, seed=0), ["w1"], ["w1", "w2"], [], ["alone"]]
    smooth = bleu.SmoothingFunction().method1
    expected = [
        bleu.sentence_bleu(
            sentences[:i] + sentences[i + 1 :],
            words,
            weights=[1 / n] * n,
            smoothing_function=smooth,
        )
        for i, words in enumerate(sentences)
    ]
    assert self_bleu(sentences, n).value == pytest.approx(np.mean(expected))


def test_sample_is_drawn_by_seed_and_never_smaller_than_stated():
    sentences = text(100, seed=0)
    assert self_bleu(sentences, sample=100, seed=3).value == pytest.approx(
        self_bleu(sentences).value
    )
    few = self_bleu(sentences, sample=30, seed=1)
    assert few == self_bleu(sentences, sample=30, seed=1)
    assert few.n == 30
    assert few != self_bleu(sentences, sample=30, seed=2)
    with pytest.raises(ValueError, match="at least 101, not 100"):
        self_bleu(sentences, sample=101)


def test_forward_scores_the_generated_and_reverse_the_test_text():
    train, test, generated = text(300, 0), text(50, 1, words=45), text(80, 2, words=20)
    forward, reverse = forward_reverse_perplexity(generated, train, test, order=3)
    words = {word for sentence in train for word in sentence}
    assert forward == KneserNey.fit(train, 3).perplexity(generated, end=False)
    expected = KneserNey.fit(generated, 3, vocabulary=sorted(words)).perplexity(test, end=False)
    assert reverse.value == pytest.approx(expected.value)
    assert (forward.n, forward.fitted, reverse.n, reverse.fitted) == (80, 300, 50, 80)
    assert reverse.tokens == sum(map(len, test))


def test_published_variant_adds_the_vocabulary_scores_train_and_drops_unknown_words():
    train, test, generated = text(200, 0), text(50, 1), text(60, 2)
    train[0], generated[0] = ["w1", "<unk>", "w2", "w1"], ["w2", "<unk>", "w1", "w1"]
    vocabulary = ["<s>", "</s>", "<unk>", *(f"w{i}" for i in range(1, 41))]
    found = forward_reverse_perplexity(
        generated, train, test, order=3, published=True, vocabulary=vocabulary
    )
    cleaned = [["w1", "w2", "w1"], *train[1:]], [["w2", "w1", "w1"], *generated[1:]]
    lines = [[], [], [], *([word] for word in vocabulary[3:])]
    forward = KneserNey.fit(cleaned[0], 3).perplexity(generated, end=False)
    reverse = KneserNey.fit(lines + cleaned[1], 3).perplexity(train, end=False)
    assert found.forward == forward
    assert found.reverse.value == pytest.approx(reverse.value)
    assert (found.reverse.n, found.reverse.fitted) == (200, 60)


def test_repeating_a_likely_sentence_helps_the_forward_and_ruins_the_reverse():
    train, test = text(2000, 0), text(300, 1)
    same = forward_reverse_perplexity(text(500, 2), train, test, order=3)
    collapsed = forward_reverse_perplexity([["w1", "w1", "w1"]] * 500, train, test, order=3)
    assert collapsed.forward.value < same.forward.value
    assert collapsed.reverse.value > 1.5 * same.reverse.value


def test_end_marks_are_scored_where_asked():
    train, test, generated = text(200, 0), text(50, 1), text(60, 2)
    found = forward_reverse_perplexity(generated, train, test, order=2, end=True)
    assert found.forward.tokens == sum(map(len, generated)) + len(generated)


def test_unfit_input_is_refused():
    train, test = text(50, 0), text(10, 1)
    with pytest.raises(ValueError, match="vocabulary"):
        forward_reverse_perplexity(test, train, test, published=True)
    with pytest.raises(ValueError, match="number of sentences"):
        forward_reverse_perplexity([], train, test)
    with pytest.raises(ValueError, match="no 5-gram"):
        forward_reverse_perplexity([["a", "b"]] * 100, train, test)
    with pytest.raises(ValueError, match="has 3 words"):
        distinct_n([["a", "b"]], 3)
    with pytest.raises(ValueError, match="split"):
        distinct_n(["a b c"], 1)
    with pytest.raises(ValueError, match="number of sentences"):
        self_bleu([["a"]])
    with pytest.raises(ValueError, match="at least 1"):
        self_bleu(PAIR, n=0)

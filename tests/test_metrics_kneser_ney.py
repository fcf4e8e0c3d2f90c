"""Modified Kneser-Ney by hand, by its sums and against the textbook's recursion on dictionaries."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from lab.metrics.kneser_ney import KneserNey, Perplexity, corpus_perplexity

HAND = [["a", "b"], ["a", "b"], ["a", "c"]]


def zipf_text(sentences, words=30, seed=0):
    """Sentences of 0 to 11 words, each of which leans on the one before."""
    rng = np.random.default_rng(seed)
    text = []
    for length in rng.integers(0, 12, sentences):
        drawn = np.minimum(rng.zipf(1.3, length), words)
        text.append([f"w{w}" for w in (drawn + np.roll(drawn, 1) // 2) % words])
    return text


class Textbook:
    """Chen and Goodman's recursion, one n-gram after the other."""

    def __init__(self, sentences, order):
        self.order = order
        counts = [Counter() for _ in range(order)]
        for words in sentences:
            padded = ["<s>", *words, "</s>"]
            for n in range(1, order + 1):
                counts[n - 1].update(tuple(padded[i : i + n]) for i in range(len(padded) - n + 1))
        del counts[0]["<s>",]
        self.vocabulary = {gram[0] for gram in counts[0]} | {"<unk>"}
        self.counts = [
            self.continuations(*counts[n : n + 2]) if n < order - 1 else counts[n]
            for n in range(order)
        ]
        self.discounts = [self.estimated(counts.values()) for counts in self.counts]
        self.followers = [defaultdict(list) for _ in range(order)]
        for n, table in enumerate(self.counts):
            for gram, count in table.items():
                self.followers[n][gram[:-1]].append(count)

    @staticmethod
    def continuations(counts, longer):
        before = Counter(gram[1:] for gram in longer)
        return {g: count if g[0] == "<s>" else before[g] for g, count in counts.items()}

    @staticmethod
    def estimated(counts):
        n = Counter(counts)
        if not (n[1] and n[2] and n[3]):
            return [0, 0.5, 1, 1.5]
        y = n[1] / (n[1] + 2 * n[2])
        discounts = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
        return [0, *discounts] if min(discounts) > 0 else [0, 0.5, 1, 1.5]

    def prob(self, context, word):
        context = tuple(context[max(0, len(context) - self.order + 1) :])
        return self.recurse(context, word if word in self.vocabulary else "<unk>")

    def recurse(self, context, word):
        n = len(context)
        shorter = self.recurse(context[1:], word) if n else 1 / len(self.vocabulary)
        followers, discounts = self.followers[n][context], self.discounts[n]
        if not followers:
            return shorter
        count = self.counts[n].get((*context, word), 0)
        kept = count - discounts[min(count, 3)]
        freed = sum(discounts[min(c, 3)] for c in followers)
        return (kept + freed * shorter) / sum(followers)

    def nats(self, words):
        padded = ["<s>", *words, "</s>"]
        return [math.log(self.prob(padded[:i], padded[i])) for i in range(1, len(padded))]


def test_bigrams_by_hand():
    model = KneserNey.fit(HAND, order=2)
    # Different words before a, b, c: 1 each; before </s>: 2. No count of 3, hence the fallback.
    assert model.fallback == (1,)
    a, end, unknown = 0.5 / 5 + 0.5 / 5, 1 / 5 + 0.5 / 5, 0.5 / 5
    # Two bigrams occur once, two twice, one three times: Y = 1/3.
    np.testing.assert_allclose(model.discounts, [[0.5, 1, 1.5], [1 / 3, 1.5, 3]])
    after_a = (1.5 + 1 / 3) / 3
    expected = [3 / 3 * a, 0.5 / 3 + after_a * a, 0.5 / 2 + 1.5 / 2 * end]
    (found,) = model.log_prob([["a", "b"]])
    np.testing.assert_allclose(np.exp(found), expected)
    (found,) = model.log_prob([["a", "zebra", "b"]], end=False)
    np.testing.assert_allclose(np.exp(found), [a, after_a * unknown, a])


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_agrees_with_the_textbook_recursion(order):
    train, test = zipf_text(400), [*zipf_text(40, words=35, seed=1), ["new"], []]
    model, slow = KneserNey.fit(train, order), Textbook(train, order)
    expected = [slow.nats(words) for words in test]
    for found, nats in zip(model.log_prob(test), expected, strict=True):
        np.testing.assert_allclose(found, nats, rtol=1e-9)
    mean = np.mean(np.concatenate(expected))
    assert model.perplexity(test).value == pytest.approx(math.exp(-mean))
    np.testing.assert_allclose(model.discounts, [d[1:] for d in slow.discounts])


@pytest.mark.parametrize(("sentences", "order"), [(300, 5), (3, 3), (60, 2), (60, 1)])
def test_probabilities_of_every_context_sum_to_one(sentences, order):
    train = [*zipf_text(sentences, words=12, seed=3), ["w1", "w2", "w3"]]
    words = [*sorted({word for sentence in train for word in sentence}), "unseen"]
    model = KneserNey.fit(train, order, vocabulary=["only", "listed"])
    for context in [s[:i] for s in train[-40:] for i in range(len(s) + 1)] + [["unseen", "w1"]]:
        choices = [[*context, word] for word in [*words, "only", "listed"]]
        total = sum(np.exp(row[-1]) for row in model.log_prob(choices, end=False))
        total += np.exp(model.log_prob([context])[0][-1])
        assert total == pytest.approx(1, abs=1e-12)


def test_ids_score_as_words_do():
    train, test = zipf_text(200), zipf_text(20, words=40, seed=1)
    ids = [[np.array([int(w[1:]) for w in s], np.int32) for s in text] for text in (train, test)]
    by_word, by_id = KneserNey.fit(train, 4), KneserNey.fit(ids[0], 4)
    for words, numbers in zip(by_word.log_prob(test), by_id.log_prob(ids[1]), strict=True):
        np.testing.assert_allclose(words, numbers)


def test_order_of_sentences_does_not_matter_and_each_is_scored_alone():
    train, test = zipf_text(100), zipf_text(5, seed=1)
    model, other = KneserNey.fit(train), KneserNey.fit(train[::-1])
    for row, words in zip(model.log_prob(test), test, strict=True):
        np.testing.assert_allclose(row, other.log_prob([words])[0])


def test_unknown_words_are_the_unknown_word_of_the_text():
    model = KneserNey.fit([["a", "<unk>", "b"], ["a", "b"], ["<unk>"]], 3)
    new, named = model.log_prob([["a", "new", "b"], ["a", "<unk>", "b"]])
    np.testing.assert_array_equal(new, named)
    ids = KneserNey.fit([[1, 3, 2], [1, 2], [3]], 3, unknown=3)
    np.testing.assert_allclose(ids.log_prob([[1, 9, 2]])[0], named)


def test_vocabulary_shares_out_the_uniform_part_and_nothing_else():
    few, many = KneserNey.fit(HAND, 2), KneserNey.fit(HAND, 2, vocabulary=["d", "e", "a"])
    unigram = [np.exp(m.log_prob([["d"]], end=False)[0][0]) for m in (few, many)]
    assert unigram[0] / unigram[1] == pytest.approx(7 / 5)
    np.testing.assert_array_equal(few.discounts, many.discounts)


def test_end_mark_is_a_token_only_where_asked():
    model, test = KneserNey.fit(HAND, 2), [["a", "b"], ["c"]]
    with_end, without = model.perplexity(test), model.perplexity(test, end=False)
    assert (with_end.tokens, without.tokens, without.n, without.fitted) == (5, 3, 2, 3)
    rows = model.log_prob(test)
    nll = -rows[0][:2].sum() - rows[1][:1].sum()
    assert without.value == float(without) == pytest.approx(math.exp(nll / 3))
    assert with_end.value == pytest.approx(math.exp(-sum(row.sum() for row in rows) / 5))


def test_standard_error_is_the_spread_over_samples_of_sentences():
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 20, size=(2000, 100))
    nll = 3 * tokens + rng.normal(size=tokens.shape) * np.sqrt(tokens)
    found = [corpus_perplexity(*sample, fitted=7) for sample in zip(nll, tokens, strict=True)]
    spread = np.std([p.value for p in found])
    assert np.mean([p.stderr for p in found]) == pytest.approx(spread, rel=0.05)
    one = corpus_perplexity([6.0], [2], fitted=7)
    assert one == Perplexity(
        pytest.approx(math.exp(3)), pytest.approx(math.nan, nan_ok=True), 1, 2, 7
    )


def test_a_text_of_one_repeated_sentence_still_gives_a_model():
    model = KneserNey.fit([["the", "same", "again"]] * 50)
    assert model.fallback == (1, 2, 3, 4, 5)
    assert model.perplexity([["the", "same", "again"]]).value < 1.2
    assert np.isfinite(model.perplexity([["never", "seen"]]).value)


@pytest.mark.parametrize(
    ("sentences", "order", "message"),
    [
        ([], 5, "number of sentences"),
        ([[], []], 2, "no words"),
        ([["a", "b"]], 5, "longest sentence has 2 words.* needs one of 3"),
        ([["a", "b"]], 0, "order"),
        ([["a", "</s>"]], 2, "marks"),
        (["a b c"], 2, "split"),
    ],
)
def test_unfit_text_is_refused(sentences, order, message):
    with pytest.raises(ValueError, match=message):
        KneserNey.fit(sentences, order)


def test_nothing_to_score_is_refused():
    model = KneserNey.fit(HAND, 2)
    with pytest.raises(ValueError, match="tokens"):
        model.perplexity([[], []], end=False)
    with pytest.raises(ValueError, match="number of sentences"):
        model.log_prob([])
    with pytest.raises(ValueError, match="marks"):
        model.log_prob([["a", "<s>"]])
    with pytest.raises(ValueError, match="shape"):
        corpus_perplexity([1.0, 2.0], [1], fitted=1)


def read_arpa(path):
    """Log10 probability and back-off weight of every n-gram."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return {tuple(x[1].split(" ")): (float(x[0]), float(x[2])) for x in lines if len(x) == 3}


def test_arpa_file_backs_off_to_the_same_numbers(tmp_path):
    train, test = zipf_text(200), zipf_text(20, words=35, seed=1)
    model = KneserNey.fit(train, 4)
    model.write_arpa(tmp_path / "model.arpa")
    table = read_arpa(tmp_path / "model.arpa")

    def log10(context, word):
        if (*context, word) in table:
            return table[(*context, word)][0]
        return table.get(context, (0, 0))[1] + log10(context[1:], word)

    for words, nats in zip(test, model.log_prob(test), strict=True):
        known = ["<s>", *(w if (w,) in table else "<unk>" for w in words), "</s>"]
        found = [log10(tuple(known[max(0, i - 3) : i]), known[i]) for i in range(1, len(known))]
        np.testing.assert_allclose(np.multiply(found, math.log(10)), nats, atol=1e-5)


def test_kenlm_scores_the_arpa_file_alike(tmp_path):
    kenlm = pytest.importorskip("kenlm")
    train, test = zipf_text(200), zipf_text(20, words=35, seed=1)
    model = KneserNey.fit(train, 4)
    model.write_arpa(tmp_path / "model.arpa")
    scorer = kenlm.Model(str(tmp_path / "model.arpa"))
    for words, nats in zip(test, model.log_prob(test), strict=True):
        score = scorer.score(" ".join(words), bos=True, eos=True)
        assert score * math.log(10) == pytest.approx(nats.sum(), abs=1e-3)

"""The grammar corpus: true factors, exact likelihood and entropy."""

import math
from itertools import product

import numpy as np
import pytest

from lab.corpora import load
from lab.corpora.grammar_words import english
from lab.corpora.slots import Factor, Grammar, ranked
from lab.errors import UserError


@pytest.fixture(scope="module")
def corpus():
    return load("grammar", sentences=1500, valid=20, test=20)


def small_grammar():
    """A grammar of few sentences whose length factor is not always visible."""

    def slots(factors):
        nouns = {"food": ["soup", "old bread"], "music": ["song"]}[factors["topic"]]
        core = (ranked(["the", "a"]), ranked(nouns))
        return core if factors["length"] == "short" else (*core, ranked(["", "now", "right now"]))

    topic = Factor("topic", ("food", "music"), (0.7, 0.3))
    return Grammar((topic, Factor("length", ("short", "long"), (0.4, 0.6))), slots)


def enumerate_texts(grammar):
    """Every sentence of a grammar, once."""
    found = set()
    for _, _, slots in grammar.assignments:
        for phrases in product(*(tuple(phrase for phrase, _ in slot) for slot in slots)):
            found.add(tuple(word for phrase in phrases for word in phrase))
    return found


def test_probabilities_of_a_small_grammar_sum_to_one():
    grammar = small_grammar()
    texts = enumerate_texts(grammar)
    assert len(texts) == 18
    assert sum(math.exp(grammar.log_probability(t)) for t in texts) == pytest.approx(1, abs=1e-12)


def test_probability_sums_over_the_derivations():
    grammar = small_grammar()
    short, long = 0.4, 0.6 * ranked(["", "now", "right now"])[0][1]
    expected = 0.3 * (short + long) * ranked(["the", "a"])[0][1]
    assert math.exp(grammar.log_probability(["the", "song"])) == pytest.approx(expected)
    assert len(grammar.factor_posterior(["the", "song"])) == 2


def test_entropy_of_an_enumerable_grammar_is_that_of_its_sentences():
    factors = (Factor("topic", ("x", "y"), (0.2, 0.8)),)
    grammar = Grammar(factors, lambda f: (ranked([f["topic"], f["topic"] * 2]), ranked("abc")))
    log_p = np.array([grammar.log_probability(t) for t in enumerate_texts(grammar)])
    assert grammar.entropy() == pytest.approx(-np.sum(np.exp(log_p) * log_p), abs=1e-12)


def test_part_of_the_full_grammar_sums_to_its_factors_probability():
    grammar = english()
    short = {
        "topic": "food",
        "sentiment": "positive",
        "tense": "past",
        "number": "plural",
        "length_class": "short",
    }
    p, slots = next((p, s) for values, p, s in grammar.assignments if values == short)
    texts = product(*(tuple(phrase for phrase, _ in slot) for slot in slots))
    joined = ([word for phrase in phrases for word in phrase] for phrases in texts)
    total = sum(math.exp(grammar.log_probability(words)) for words in joined)
    assert total == pytest.approx(p, rel=1e-9)


def test_entropy_is_the_mean_negative_log_probability(corpus):
    log_p = np.array([corpus.log_probability(t) for t in corpus.texts("train", range(1500))])
    stderr = log_p.std(ddof=1) / math.sqrt(len(log_p))
    assert abs(-log_p.mean() - corpus.entropy()) < 4 * stderr
    assert 15 < corpus.entropy() < 25


def test_every_sentence_has_one_derivation_and_it_is_its_labels(corpus):
    split = corpus.splits["train"]
    for i in range(200):
        ((factors, p),) = corpus.grammar.factor_posterior(corpus.text("train", i).split())
        assert factors == {name: values[i] for name, values in split.labels.items()}
        assert p == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "the", "the cook enjoy the great soup", "soup the"])
def test_other_sentences_are_impossible(corpus, text):
    assert corpus.log_probability(text) == -math.inf


def test_text_and_words_have_the_same_probability(corpus):
    text = corpus.text("train", 0)
    assert corpus.log_probability(text) == corpus.log_probability(text.split())


def test_factors_occur_at_their_probabilities(corpus):
    labels = corpus.splits["train"].labels
    assert list(labels) == ["topic", "sentiment", "tense", "number", "length_class"]
    for factor in corpus.grammar.factors:
        counts = np.array([(labels[factor.name] == value).sum() for value in factor.values])
        p = np.array(factor.probabilities)
        assert np.all(abs(counts - 1500 * p) < 5 * np.sqrt(1500 * p * (1 - p)))


def test_sentences_are_about_ten_words_of_about_110_types(corpus):
    assert 9 < corpus.splits["train"].lengths.mean() < 12
    assert 100 < len(corpus.vocabulary) < 125
    assert len(set(corpus.texts("train", range(1500)))) > 1400


def test_texts_round_trip_through_the_vocabulary(corpus):
    for name, split in corpus.splits.items():
        for i in range(20):
            encoded = corpus.vocabulary.encode(corpus.text(name, i).split())
            np.testing.assert_array_equal(encoded, split[i])
            assert encoded.min() >= 4


def test_same_seed_gives_the_same_corpus_and_another_seed_another():
    first, again, other = (load("grammar", sentences=30, seed=s) for s in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.vocabulary == other.vocabulary


def test_splits_are_drawn_independently():
    few, many = (load("grammar", sentences=n, valid=30) for n in (30, 60))
    assert few.texts("valid", range(30)) == many.texts("valid", range(30))
    assert few.texts("train", range(30)) != few.texts("valid", range(30))


def test_limit_bounds_the_training_sentences():
    assert len(load("grammar", limit=10, valid=5, test=5).splits["train"]) == 10


def test_describe_reports_the_entropy(corpus):
    assert corpus.describe()["entropy"] == corpus.entropy()


@pytest.mark.parametrize("option", [{"topics": 9}, {"max_length": 5}, {"vocabulary_size": 50}])
def test_unknown_option_lists_what_exists(option):
    with pytest.raises(UserError, match=r"grammar has no option.*sentences, valid, test"):
        load("grammar", **option)


def test_option_out_of_range_is_an_error():
    with pytest.raises(UserError, match="sentences=0 is out of range"):
        load("grammar", sentences=0)

"""Batches: padding, the four orders and their seeds."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.corpora import Corpus, Split, Vocabulary
from lab.corpora.batches import make_batch
from lab.errors import UserError

ORDERS = ("exact", "bucket", "random", "sequential")


def corpus_of(lengths):
    """A corpus whose i-th training sentence has the given length and consists of word 4 + i."""
    vocabulary = Vocabulary.of(f"w{i}" for i in range(len(lengths)))
    ids = np.repeat(np.arange(len(lengths)), lengths) + 4
    return Corpus("toy", vocabulary, {"train": Split.of(ids, lengths, {})})


def rows(batches):
    return [batch.indices.tolist() for batch in batches]


@pytest.fixture(scope="module")
def corpus():
    return corpus_of(np.random.default_rng(0).integers(1, 12, size=500))


def test_batch_holds_begin_words_end_and_padding():
    batch = make_batch(corpus_of([2, 3, 1]).splits["train"], np.array([1, 2]))
    assert batch.tokens.tolist() == [[1, 5, 5, 5, 2], [1, 6, 2, 0, 0]]
    assert batch.tokens.dtype == torch.long
    assert batch.lengths.tolist() == [4, 2]
    assert batch.size == 2
    assert batch.inputs.tolist() == [[1, 5, 5, 5], [1, 6, 2, 0]]
    assert batch.targets.tolist() == [[5, 5, 5, 2], [6, 2, 0, 0]]


def test_repeat_stacks_whole_batches():
    batch = make_batch(corpus_of([2, 3]).splits["train"], np.array([0, 1]))
    repeated = batch.repeat(3)
    assert torch.equal(repeated.tokens, torch.cat([batch.tokens] * 3))
    assert torch.equal(repeated.lengths, torch.cat([batch.lengths] * 3))
    assert repeated.indices.tolist() == [0, 1, 0, 1, 0, 1]


def test_moving_a_batch_keeps_its_contents():
    batch = make_batch(corpus_of([2, 3]).splits["train"], np.array([0, 1]))
    assert torch.equal(batch.to("cpu").tokens, batch.tokens)
    assert batch.to("meta").tokens.device.type == "meta"


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=80),
    st.integers(1, 10),
    st.sampled_from(ORDERS),
    st.integers(0, 3),
)
def test_every_order_visits_every_sentence_once(lengths, size, order, epoch):
    corpus = corpus_of(lengths)
    batches = corpus.batches("train", size, order, seed=1, epoch=epoch)
    assert sorted(chain.from_iterable(rows(batches))) == list(range(len(lengths)))
    assert len(batches) == len(list(batches))
    assert all(1 <= batch.size <= size for batch in batches)
    for batch in batches:
        decoded = [corpus.vocabulary.text(row.tolist()) for row in batch.tokens]
        assert decoded == corpus.texts("train", batch.indices)


def test_exact_batches_have_one_length_and_lasting_membership(corpus):
    first, second = (rows(corpus.batches("train", 8, "exact", seed=3, epoch=e)) for e in (0, 1))
    lengths = corpus.splits["train"].lengths
    assert all(len(set(lengths[batch])) == 1 for batch in first)
    assert first != second
    assert sorted(first) == sorted(second)


def test_exact_batches_are_cut_only_at_length_changes_and_at_size(corpus):
    _, counts = np.unique(corpus.splits["train"].lengths, return_counts=True)
    assert len(corpus.batches("train", 8, "exact")) == np.ceil(counts / 8).sum()


def test_exact_membership_depends_on_the_seed(corpus):
    first, second = (rows(corpus.batches("train", 8, "exact", seed=s)) for s in (0, 1))
    assert {frozenset(b) for b in first} != {frozenset(b) for b in second}


@pytest.mark.parametrize("order", ["bucket", "random"])
def test_membership_changes_with_the_epoch(corpus, order):
    first, second = (rows(corpus.batches("train", 8, order, epoch=e)) for e in (0, 1))
    assert {frozenset(b) for b in first} != {frozenset(b) for b in second}


@pytest.mark.parametrize("order", ORDERS)
def test_same_seed_and_epoch_give_the_same_batches(corpus, order):
    first, second = (rows(corpus.batches("train", 8, order, seed=5, epoch=2)) for _ in range(2))
    assert first == second


def test_buckets_pad_much_less_than_random_batches(corpus):
    def positions(order):
        return sum(batch.tokens.numel() for batch in corpus.batches("train", 8, order))

    real = sum(corpus.splits["train"].lengths + 2)
    assert positions("exact") == real
    assert positions("bucket") < 1.1 * real
    assert positions("random") > 1.2 * real


@pytest.mark.parametrize("order", ORDERS)
def test_indices_choose_the_rows(corpus, order):
    chosen = [7, 3, 400, 99, 5]
    batches = corpus.batches("train", 2, order, indices=chosen)
    assert sorted(chain.from_iterable(rows(batches))) == sorted(chosen)


def test_sequential_keeps_the_given_order(corpus):
    assert rows(corpus.batches("train", 2, "sequential", indices=[7, 3, 9])) == [[7, 3], [9]]


def test_unknown_order_lists_what_exists(corpus):
    with pytest.raises(UserError, match=r"'packed'.*exact, bucket, random, sequential"):
        corpus.batches("train", order="packed")


def test_batch_size_below_one_is_an_error(corpus):
    with pytest.raises(UserError, match="batch size 0"):
        corpus.batches("train", size=0)

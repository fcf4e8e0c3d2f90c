"""The LSTM critic on sources of known entropy, GPT-2 against one sentence at a time."""

import json
import math
import sys

import numpy as np
import pytest
import torch

from lab import critics
from lab.corpora import load
from lab.critics import LstmCritic, corpus_critic, gpt2_perplexity
from lab.errors import UserError

WORDS = list("abcd")
ENDS = 0.3  # probability that a sentence ends after a word
LETTERS = "abcdefghijklmnopqrstuvwxyz<>"
VOCABULARY = [*LETTERS, "Ġ", "Ċ", "th", "the", "Ġthe", "<|endoftext|>"]
TEXTS = ["the cat sat", "", "a <unk>", "then the other one sat there", "the"]


def uniform(count, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.choice(WORDS, length).tolist() for length in rng.geometric(ENDS, count) - 1]


def chain(count, seed=0):
    """Each word is followed by the next with probability 0.8 and by the one after it with 0.2."""
    rng = np.random.default_rng(seed)
    sentences = []
    for length in rng.geometric(ENDS, count):
        steps = rng.choice([1, 2], length, p=[0.8, 0.2])
        steps[0] = rng.integers(len(WORDS))
        sentences.append([WORDS[i] for i in steps.cumsum() % len(WORDS)])
    return sentences


def chain_perplexity(sentences):
    """Of words and end marks under the chain itself, which no critic surpasses but by chance."""
    nll, count = 0.0, 0
    for words in sentences:
        steps = np.diff([WORDS.index(word) for word in words]) % len(WORDS)
        follows = (1 - ENDS) * np.where(steps == 1, 0.8, 0.2)
        nll -= np.log([1 / len(WORDS), *follows, ENDS]).sum()
        count += len(words) + 1
    return math.exp(nll / count)


@pytest.fixture(scope="module")
def untrained():
    return LstmCritic.fit(uniform(100), [*WORDS, "unseen"], epochs=0)


@pytest.fixture(scope="module")
def of_chain():
    return LstmCritic.fit(chain(300), [*WORDS, "unseen"], chain(60, seed=1), epochs=14)


def test_a_fitted_critic_nears_the_perplexity_of_a_markov_source_itself(of_chain):
    sentences = chain(300, seed=2)
    found, source = of_chain.perplexity(sentences, end=True), chain_perplexity(sentences)
    assert 0.99 * source < found.value < 1.08 * source
    assert (found.n, found.fitted) == (300, 300)
    assert found.tokens == sum(len(words) + 1 for words in sentences)


def test_text_of_another_source_is_far_less_likely(of_chain):
    sentences = uniform(100, seed=3)
    assert of_chain.perplexity(sentences).value > 3 * len(WORDS)


def test_uniform_words_have_the_perplexity_of_their_number():
    """Without the end marks each word still shares its probability with the end of the text."""
    critic = LstmCritic.fit(uniform(300), WORDS, uniform(150, seed=1), epochs=6)
    found = critic.perplexity(uniform(300, seed=2))
    assert found.value == pytest.approx(len(WORDS) / (1 - ENDS), rel=0.05)


def test_an_untrained_critic_is_uniform_over_what_can_follow(untrained):
    words, end, unknown = 5, 1, 1
    found = untrained.perplexity(uniform(50, seed=1))
    assert found.value == pytest.approx(words + end + unknown, rel=0.1)


def test_probabilities_of_all_that_can_follow_sum_to_one(of_chain):
    nexts = [*WORDS, "unseen", "<unk>"]
    last = [row[-1] for row in of_chain.log_prob([["a", "b", word] for word in nexts])]
    ended = of_chain.log_prob([["a", "b"]], end=True)[0][-1]
    assert np.exp([*last, ended]).sum() == pytest.approx(1, abs=1e-6)
    assert np.exp(last).min() > 0


def test_unlisted_words_are_scored_as_unknown(of_chain):
    listed, unlisted = of_chain.log_prob([["a", "<unk>", "b"], ["a", "zebra", "b"]])
    np.testing.assert_array_equal(listed, unlisted)


def test_padding_changes_no_score(of_chain):
    sentences = [*chain(50, seed=3), []]
    together = of_chain.log_prob(sentences, end=True)
    for words, row in zip(sentences, together, strict=True):
        np.testing.assert_allclose(of_chain.log_prob([words], end=True)[0], row, atol=1e-5)


def test_the_end_mark_is_learnt_and_scored_only_if_asked_for(of_chain):
    sentences = chain(200, seed=4)
    rows, longer = (of_chain.log_prob(sentences, end) for end in (False, True))
    assert all(len(row) == len(words) for row, words in zip(rows, sentences, strict=True))
    np.testing.assert_array_equal(np.concatenate(rows), np.concatenate([r[:-1] for r in longer]))
    assert np.exp(np.mean([row[-1] for row in longer])) == pytest.approx(ENDS, rel=0.3)


def test_a_sentence_without_words_counts_only_by_its_end(untrained):
    empty, full = untrained.log_prob([[], ["a"]])
    assert (len(empty), len(full)) == (0, 1)
    assert len(untrained.log_prob([[]], end=True)[0]) == 1


def test_a_seed_fixes_the_critic_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, same, other = (
        LstmCritic.fit(chain(100), WORDS, epochs=1, seed=seed).perplexity(chain(20)).value
        for seed in (0, 0, 1)
    )
    assert first == same != other
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_tenth_is_held_out_unless_sentences_for_that_are_given():
    sentences = chain(150)
    assert LstmCritic.fit(sentences, WORDS, epochs=0).fitted == 135
    assert LstmCritic.fit(sentences, WORDS, chain(9), epochs=0).fitted == 150


def test_training_stops_at_the_best_weights_on_held_out_sentences():
    """The held-out words run the other way, so that after a while what is learnt hurts."""
    backwards = [words[::-1] for words in chain(40, seed=1)]
    critic = LstmCritic.fit(chain(100), WORDS, backwards, epochs=40)
    assert critic.epochs < 40
    assert critic.perplexity(backwards, end=True).value == pytest.approx(critic.held_out, rel=1e-5)


def test_progress_is_shown_only_if_asked_for(capsys):
    LstmCritic.fit(uniform(100), WORDS, epochs=1)
    assert capsys.readouterr() == ("", "")
    LstmCritic.fit(uniform(100), WORDS, epochs=1, progress=True)
    assert "held_out=" in capsys.readouterr().err


def test_the_critic_of_a_corpus_is_fitted_once():
    corpus = load("grammar", sentences=120, valid=20, test=8)
    first = corpus_critic(corpus, epochs=0)
    assert corpus_critic(load("grammar", sentences=120, valid=20, test=8), epochs=0) is first
    assert corpus_critic(corpus, epochs=1) is not first
    assert first.fitted == 120


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        (uniform(99), "at least 100, not 99"),
        ([" ".join(words) for words in uniform(100)], "split them first"),
        ([[]] * 100, "the number of words to fit"),
        ([["zebra"]] * 100, "no word of the vocabulary"),
        ([["a", "</s>"]] * 100, "must not include"),
    ],
)
def test_unfit_sentences_are_refused(sentences, message):
    with pytest.raises(ValueError, match=message):
        LstmCritic.fit(sentences, WORDS, epochs=0)


def test_scoring_no_words_is_refused(untrained):
    for sentences in ([], [[]]):
        with pytest.raises(ValueError, match="must be at least 1"):
            untrained.perplexity(sentences)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A GPT-2 of random weights, strong enough that every piece has its own probability."""
    from transformers import GPT2Config, GPT2Model

    folder = tmp_path_factory.mktemp("gpt2")
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(VOCABULARY)}))
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e\nĠ the\n")
    mark, size = len(VOCABULARY) - 1, len(VOCABULARY)
    sizes = {"vocab_size": size, "n_positions": 12, "n_embd": 32, "n_layer": 2, "n_head": 4}
    config = GPT2Config(**sizes, bos_token_id=mark, eos_token_id=mark, initializer_range=0.3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        GPT2Model(config).save_pretrained(folder)
    return folder


def cut(text):
    """Pieces of a text by hand: 'the' is one, with the space before it too, letters are others."""
    pieces, text = [], text.replace(" ", "Ġ").replace("\n", "Ċ")
    while text:
        size = next(n for n in (4, 3, 2, 1) if text[:n] in VOCABULARY)
        pieces.append(text[:size])
        text = text[size:]
    return [VOCABULARY.index(piece) for piece in pieces]


def direct(folder, windows):
    """-log p of the pieces of each window, one by one, without padding or mask."""
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True).eval()
    found = []
    with torch.no_grad():
        for window in filter(None, windows):
            tokens = torch.tensor([[VOCABULARY.index("<|endoftext|>"), *window]])
            scores = model(tokens[:, :-1]).logits[0].double().log_softmax(-1)
            found.append([-float(row[i]) for row, i in zip(scores, window, strict=True)])
    return found


def test_gpt2_agrees_with_one_sentence_at_a_time(folder):
    windows = [cut(text)[i : i + 12] for text in TEXTS for i in (0, 12)]
    nll, found = np.concatenate(direct(folder, windows)), gpt2_perplexity(TEXTS, folder)
    assert found.by_piece.value == pytest.approx(math.exp(nll.mean()), rel=1e-5)
    assert found.by_piece.tokens == len(nll) == sum(len(cut(text)) for text in TEXTS)
    assert found.by_word.value == pytest.approx(math.exp(nll.sum() / 12), rel=1e-5)
    assert (found.by_word.tokens, found.by_word.n, found.by_word.fitted) == (12, 5, 0)


def test_joined_texts_are_read_as_one_with_a_line_each(folder):
    stream = cut("\n".join([*TEXTS, ""]))
    nll = np.concatenate(direct(folder, [stream[i : i + 12] for i in range(0, len(stream), 12)]))
    scored = nll[np.array(stream) != VOCABULARY.index("Ċ")]
    found = gpt2_perplexity(TEXTS, folder, joined=True)
    assert found.by_piece.value == pytest.approx(math.exp(scored.mean()), rel=1e-5)
    assert found.by_piece.tokens == gpt2_perplexity(TEXTS, folder).by_piece.tokens
    assert found.by_piece.n == 5


def test_batches_change_no_score(folder, monkeypatch):
    texts = [" ".join(["the", "cat"] * n) for n in (1, 5, 2, 3, 1, 4)]
    whole = gpt2_perplexity(texts, folder).by_piece
    monkeypatch.setattr(critics, "POSITIONS", 1)
    single = gpt2_perplexity(texts, folder).by_piece
    assert single.value == pytest.approx(whole.value, rel=1e-6)
    assert single.stderr == pytest.approx(whole.stderr, rel=1e-5)


@pytest.fixture
def copy(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def refused(folder, message, texts=TEXTS):
    with pytest.raises(UserError, match=message) as caught:
        gpt2_perplexity(texts, folder)
    text = str(caught.value)
    assert text.startswith("--gpt2") and "\n" not in text
    return text


@pytest.mark.parametrize("texts", [[], [""], ["", "  "]])
def test_texts_without_words_are_refused(folder, texts):
    refused(folder, "no words", texts)


def test_without_transformers_the_package_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    refused(folder, r"pip install 'latent-lab\[critics\]'")


def test_a_missing_folder_is_named(tmp_path):
    refused(tmp_path / "nowhere", "nowhere: no such folder")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "has none"),
        ("merges.txt", "has neither tokenizer.json"),
    ],
)
def test_a_missing_file_is_named(copy, name, message):
    (copy / name).unlink()
    refused(copy, message)


def test_pickled_weights_are_never_opened(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    refused(copy, "only pytorch_model.bin, a pickle")


def test_a_pickle_beside_the_weights_is_not_read(copy):
    (copy / "pytorch_model.bin").write_bytes(b"no pickle")
    assert gpt2_perplexity(TEXTS, copy).by_word.tokens == 12


def test_weights_saved_with_the_output_layer_give_the_same(folder, copy):
    from transformers import GPT2LMHeadModel

    GPT2LMHeadModel.from_pretrained(folder, local_files_only=True).save_pretrained(copy)
    assert gpt2_perplexity(TEXTS, copy) == gpt2_perplexity(TEXTS, folder)


@pytest.mark.parametrize("config", ['{"model_type": "bert"}', "[]", "{"])
def test_another_kind_of_model_is_refused(copy, config):
    (copy / "config.json").write_text(config)
    refused(copy, "bert, not gpt2" if "bert" in config else "names no kind of model")


def test_cut_off_weights_are_refused(copy):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    refused(copy, "cannot be read")


def test_weights_of_fewer_layers_are_refused_rather_than_drawn_at_random(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"n_layer": 3}))
    refused(copy, "lacks transformer.h.2")


@pytest.mark.parametrize("pieces", [[*VOCABULARY, "more"], VOCABULARY[1:-1]])
def test_a_tokeniser_of_another_model_is_refused(copy, pieces):
    (copy / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(pieces)}))
    refused(copy, "does not belong to this model")


def test_reading_gpt2_prints_nothing(folder, capfd):
    gpt2_perplexity(TEXTS, folder)
    assert capfd.readouterr() == ("", "")

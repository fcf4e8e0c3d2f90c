"""A finished run loaded again: it encodes, decodes and interpolates as the trained model did."""

from itertools import chain

import numpy as np
import pytest
import torch

from lab.backbones import TextNetwork, build_model
from lab.corpora.batches import make_batch
from lab.corpora.corpus import Split
from lab.errors import UserError
from lab.generation import load
from lab.methods import parse
from lab.runs import open_run, write_latents
from lab.settings import Settings
from lab.train import Trainer

QUICK = {"epochs": 1, "nll_items": 4, "nll_samples": 2, "final_items": 4, "final_samples": 2}


@pytest.fixture
def run(text_data, text_network, tmp_path):
    folder = tmp_path / "run"
    Trainer(
        parse("vae"), text_network, text_data, Settings(**QUICK), folder, progress_bar=False
    ).run()
    return open_run(folder)


def test_encoding_a_dumped_text_gives_its_dumped_mean(run):
    generator = load(run)
    texts = run.items["text"].to_list()[:5]
    np.testing.assert_allclose(
        generator.encode(texts), run.latents(run.best_epoch).mean[:5], atol=1e-5
    )


def test_decoding_is_repeatable_and_sampling_depends_on_its_seed(run):
    generator = load(run)
    z = np.zeros((6, 4))
    assert generator.decode(z) == generator.decode(z)
    assert generator.decode(z, greedy=False) == generator.decode(z, greedy=False)
    assert generator.decode(z, greedy=False) != generator.decode(z, greedy=False, seed=1)
    assert len(generator.sample(3)) == 3


def test_a_path_begins_and_ends_at_the_two_sentences(run):
    generator = load(run)
    a, b = run.items["text"].to_list()[:2]
    weights, z, texts = generator.interpolate(a, b, steps=5)
    np.testing.assert_allclose(weights, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(z[[0, -1]], generator.encode([a, b]))
    assert len(texts) == 5


def test_paths_and_samples_of_directions_stay_on_the_sphere(text_data, text_network, tmp_path):
    folder = tmp_path / "run"
    chosen = Settings(**QUICK)
    Trainer(parse("vmf_vae"), text_network, text_data, chosen, folder, progress_bar=False).run()
    generator = load(open_run(folder))
    a, b = open_run(folder).items["text"].to_list()[:2]
    _, z, texts = generator.interpolate(a, b, steps=5)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(z[[0, -1]], generator.encode([a, b]), atol=1e-6)
    assert len(texts) == len(generator.sample(5)) == 5


def test_stored_paths_are_those_of_the_loaded_model(run):
    generator = load(run)
    stored = run.interpolations(run.best_epoch)[0]
    mean = run.latents(run.best_epoch).mean
    texts = generator.between(*mean[stored["pair"]])[2]
    assert texts == stored["texts"]


@pytest.mark.parametrize("text", ["", "   ", "word " * 201])
def test_texts_out_of_bounds_are_refused(run, text):
    with pytest.raises(UserError, match="words; give 1 to 200"):
        load(run).encode([text])


def test_runs_without_a_model_say_so(tmp_path, text_data, text_network):
    write_latents(tmp_path / "foreign", mean=np.eye(3))
    with pytest.raises(UserError, match="no checkpoint"):
        load(open_run(tmp_path / "foreign"))
    folder = tmp_path / "lm"
    Trainer(
        parse("lstm_lm"), text_network, text_data, Settings(**QUICK), folder, progress_bar=False
    ).run()
    with pytest.raises(UserError, match="no latent space"):
        load(open_run(folder))


def test_a_toy_run_decodes_categories_and_encodes_no_text(tmp_path, toy_data, toy_network):
    folder = tmp_path / "toy"
    Trainer(
        parse("vae"), toy_network, toy_data, Settings(**QUICK), folder, progress_bar=False
    ).run()
    generator = load(open_run(folder))
    assert set(generator.sample(20)) <= {"category 0", "category 1", "category 2"}
    with pytest.raises(UserError, match="categories, not text"):
        generator.encode(["category 1"])


@pytest.mark.parametrize("start", ["cell", "hidden"])
def test_padding_changes_no_likelihood(start):
    torch.manual_seed(0)
    network = TextNetwork(20, embedding=6, hidden=8, latent=3, start=start)
    model = build_model(parse("vae").parts(), network).eval()
    ids = np.array([4, 5, 6, 7, 8, 9, 10], np.int32)
    split = Split.of(ids, [2, 5], {})
    both, z = make_batch(split, np.array([0, 1])), torch.randn(2, 3)
    alone = torch.cat([
        model.decoder.nll(make_batch(split, np.array([i])), z[i : i + 1]) for i in range(2)
    ])  # fmt: skip
    torch.testing.assert_close(model.decoder.nll(both, z), alone)
    features = torch.cat([model.encoder(make_batch(split, np.array([i]))) for i in range(2)])
    torch.testing.assert_close(model.encoder(both), features)


def test_the_likelihood_of_all_short_sentences_sums_to_at_most_one():
    torch.manual_seed(0)
    network = TextNetwork(6, embedding=4, hidden=5, latent=2, init=0.5)
    decoder = build_model(parse("vae").parts(), network).eval().decoder
    # Every id but the end mark, so that lengths 0 to 2 are all there is below the rest.
    words = [1, 4, 5, 3, 0]
    sentences = [[], *([w] for w in words), *([a, b] for a in words for b in words)]
    split = Split.of(
        np.array(list(chain.from_iterable(sentences)), np.int32), [len(s) for s in sentences], {}
    )
    z = torch.zeros(len(sentences), 2)
    total = (-decoder.nll(make_batch(split, np.arange(len(sentences))), z)).exp().sum().item()
    longer = decoder_mass_beyond(decoder, 3)
    assert total + longer == pytest.approx(1.0, abs=1e-5)


def decoder_mass_beyond(decoder, length: int) -> float:
    """Probability of no end mark within the first `length` predictions, step by step."""
    with torch.no_grad():
        z, total = torch.zeros(1, 2), 0.0
        stack = [((), decoder.initial(z), 1, 1.0)]
        while stack:
            prefix, state, token, probability = stack.pop()
            if len(prefix) == length:
                total += probability
                continue
            inputs = torch.cat([decoder.embedding(torch.tensor([[token]])), z.unsqueeze(1)], -1)
            outputs, after = decoder.cells(inputs, state)
            following = decoder.output(outputs[:, 0]).softmax(-1)[0].tolist()
            for word in (0, 1, 3, 4, 5):
                stack.append(((*prefix, word), after, word, probability * following[word]))
        return total

"""Sentence embeddings from files and from local models."""

import json

import numpy as np
import pytest
import torch

from lab.embeddings import sentence_embeddings
from lab.errors import UserError

TEXTS = ["the cat sat", "a dog", "the dog sat on a cat"]
ROWS = np.arange(12.0).reshape(3, 4)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a", "cat", "dog", "sat", "on"]


@pytest.mark.parametrize("arrays", [{"x": ROWS}, {"embeddings": ROWS, "other": ROWS + 1}])
def test_a_files_only_array_or_the_one_called_embeddings_is_taken(tmp_path, arrays):
    np.savez(tmp_path / "e.npz", **arrays)
    np.testing.assert_array_equal(sentence_embeddings(tmp_path / "e.npz", TEXTS), ROWS)


def test_a_bare_array_is_taken_and_a_pickled_one_is_not(tmp_path):
    np.save(tmp_path / "e.npy", ROWS)
    np.testing.assert_array_equal(sentence_embeddings(tmp_path / "e.npy", TEXTS), ROWS)
    np.save(tmp_path / "p.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="not an array of numbers"):
        sentence_embeddings(tmp_path / "p.npy", TEXTS)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": ROWS[:2]}, "2 rows for 3 test sentences"),
        ({"x": ROWS, "y": ROWS}, "name the array"),
        ({"x": np.full((3, 2), np.nan)}, "finite"),
        ({"x": np.array([["a"]] * 3)}, "finite numbers"),
    ],
)
def test_what_cannot_be_embeddings_is_refused_with_the_file_named(tmp_path, arrays, words):
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(UserError, match=words) as error:
        sentence_embeddings(tmp_path / "e.npz", TEXTS)
    assert "e.npz" in str(error.value)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    return folder


def test_a_models_embedding_is_the_mean_of_its_tokens_without_the_padding(bert):
    together = sentence_embeddings(bert, TEXTS)
    alone = np.concatenate([sentence_embeddings(bert, [text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert together.shape == (3, 8)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match="--embeddings"):
        sentence_embeddings(tmp_path, TEXTS)


def test_pickled_weights_are_never_opened(bert, tmp_path):
    (tmp_path / "config.json").write_bytes((bert / "config.json").read_bytes())
    (tmp_path / "vocab.txt").write_bytes((bert / "vocab.txt").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"not opened")
    with pytest.raises(UserError, match="pickle"):
        sentence_embeddings(tmp_path, TEXTS)

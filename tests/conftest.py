"""Fixtures shared by all tests: tiny corpora and networks, one CPU thread."""

import pytest
import torch
from browsing import browser, serve, serve_all, stage, tab, visit  # noqa: F401

from lab.backbones import MLPNetwork, TextNetwork
from lab.corpora import Corpus, load
from lab.data import TextData
from toy.categories import CategoryData

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return load("grammar", sentences=96, valid=40, test=24)


@pytest.fixture
def text_data(corpus: Corpus) -> TextData:
    return TextData(corpus, batch_size=16)


@pytest.fixture
def text_network(corpus: Corpus) -> TextNetwork:
    return TextNetwork(
        len(corpus.vocabulary), embedding=8, hidden=12, latent=4, init=0.1, critic_widths=(8,)
    )


@pytest.fixture
def toy_data() -> CategoryData:
    return CategoryData(categories=3, batch_size=12, repeats=4, block=6)


@pytest.fixture
def toy_network() -> MLPNetwork:
    return MLPNetwork(3, widths=(8,), critic_widths=(8,))

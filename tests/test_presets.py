"""Presets against the papers' tables, written here once more and independently."""

import dataclasses
from inspect import signature

import pytest
import torch

from lab.backbones import TextNetwork, build_model
from lab.corpora import load
from lab.data import TextData
from lab.errors import UserError
from lab.methods import METHODS, parse
from lab.presets import PRESETS, choose, describe, listing
from lab.settings import Settings

# name: embedding, hidden, latent, start, init, optimiser, rate, patience, epochs
# (methods.md sections 1.0, 1.19 and 1.20; the papers' appendices)
TABLE = {
    "ptb_ivae": (256, 256, 32, "hidden", 0.1, "adam", 1e-3, 0, 40),
    "ptb_clvae": (256, 256, 32, "hidden", 0.1, "adam", 1e-3, 0, 60),
    "yahoo_ivae": (512, 1024, 32, "hidden", 0.01, "adam", 8e-4, 0, 40),
    "yelp_ivae": (512, 1024, 32, "hidden", 0.01, "adam", 8e-4, 0, 40),
    "ptb_dg": (256, 256, 32, "cell", 0.01, "sgd", 0.5, 5, 100),
    "yahoo_dg": (512, 1024, 32, "cell", 0.01, "sgd", 0.5, 5, 100),
    "yelp_dg": (512, 1024, 32, "cell", 0.01, "sgd", 0.5, 5, 100),
    "short_yelp_dg": (128, 512, 32, "cell", 0.01, "sgd", 0.5, 5, 100),
    "snli_dg": (128, 512, 32, "cell", 0.01, "sgd", 0.5, 5, 100),
    "yahoo_lagging": (512, 1024, 32, "cell", 0.01, "sgd", 1.0, 2, 100),
    "yelp_lagging": (512, 1024, 32, "cell", 0.01, "sgd", 1.0, 2, 100),
    "ptb_mine": (128, 512, 64, "cell", 0.01, "sgd", 0.5, 5, 100),
    "yahoo_mine": (128, 512, 64, "cell", 0.01, "sgd", 0.5, 5, 100),
    "snli_mine": (128, 512, 64, "cell", 0.01, "sgd", 0.5, 5, 100),
    "yahoo_ceae": (512, 1024, 512, "cell", 0.01, "sgd", 0.1, 5, 100),
    "yelp_ceae": (512, 1024, 512, "cell", 0.01, "sgd", 0.1, 5, 100),
    "short_yelp_ceae": (128, 512, 32, "cell", 0.01, "sgd", 0.1, 5, 100),
    "ptb_ceae_transformer": (380, 380, 380, None, None, "adam", 3e-4, 0, 175),
    "yahoo_ceae_transformer": (380, 380, 380, None, None, "adam", 3e-4, 0, 175),
    "yelp_ceae_transformer": (380, 380, 380, None, None, "adam", 3e-4, 0, 175),
}
COLUMNS = (
    "embedding", "hidden", "latent", "start", "init", "optimiser", "lr", "patience", "epochs",
)  # fmt: skip
PUBLISHED = pytest.mark.parametrize("name", TABLE)
LSTM = [name for name in TABLE if not name.endswith("transformer")]
CLVAE_METHODS = {"clvae", "clvae_mi", "clvae_plus", "clvae_plus_mi"}
IVAE_METHODS = {"ivae", "ivae_mi", "sa_vae"} | CLVAE_METHODS
MINE_METHODS = {"vae_mine", "vae_word_dropout", "infovae"}


def fields(target: type) -> dict[str, object]:
    return {f.name: f.default for f in dataclasses.fields(target)}


def built(name: str, target: type, *arguments: object) -> object:
    values = PRESETS[name].values
    return target(*arguments, **{k: values[k] for k in fields(target) if k in values})


def test_the_papers_have_these_combinations_and_no_others():
    assert PRESETS.keys() == TABLE.keys() | {"small", "ptb_reduced"}


@PUBLISHED
def test_a_published_preset_has_the_papers_numbers(name):
    assert tuple(PRESETS[name].values.get(column) for column in COLUMNS) == TABLE[name]
    assert PRESETS[name].corpus == name.removesuffix("_transformer").rpartition("_")[0]


@PUBLISHED
def test_batches_hold_32_sentences_of_one_length(name):
    data = PRESETS[name].values
    assert (data["batch_size"], data["order"]) == (32, "exact")


@pytest.mark.parametrize("name", LSTM)
def test_lstms_drop_half_and_clip_to_five_in_ivae_each_network_by_itself(name):
    network = built(name, TextNetwork, 10)
    settings = built(name, Settings)
    assert (network.encoder, network.decoder, network.dropout) == ("lstm", "lstm", 0.5)
    assert (settings.clip, settings.clip_each) == (5.0, name.endswith(("ivae", "clvae")))


@pytest.mark.parametrize("name", [n for n in LSTM if not n.endswith(("ivae", "clvae"))])
def test_sgd_halves_its_rate_five_times_at_most_from_epoch_fifteen_on(name):
    settings = built(name, Settings)
    assert (settings.decay, settings.decay_from, settings.max_decays) == (0.5, 15, 5)


def test_critics_are_those_of_their_papers():
    ivae, mine = PRESETS["yahoo_ivae"].values, PRESETS["yahoo_mine"].values
    assert (ivae["critic_lr"], ivae["critic_widths"]) == (1e-5, (512, 512, 512))
    assert mine["critic_widths"] == (512, 512)


def test_mine_keeps_20000_types_and_sentences_of_up_to_200_words():
    cut = {n for n, p in PRESETS.items() if {"vocabulary_size", "max_length"} & p.values.keys()}
    assert cut == {"ptb_mine", "yahoo_mine", "snli_mine"}
    values = PRESETS["snli_mine"].values
    assert (values["vocabulary_size"], values["max_length"]) == (20_000, 200)


def test_ceae_has_six_transformer_layers_each_way_and_transformer_xls_heads_and_clip():
    network = built("ptb_ceae_transformer", TextNetwork, 10)
    settings = built("ptb_ceae_transformer", Settings)
    assert (network.encoder, network.decoder) == ("transformer", "transformer")
    assert (network.layers, network.heads, settings.clip) == (6, 10, 0.25)


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_sets_one_field_of_its_type(name):
    targets = [fields(t) for t in (TextNetwork, Settings, TextData)]
    targets.append({p.name: p.default for p in signature(load).parameters.values()})
    for key, value in PRESETS[name].values.items():
        defaults = [target[key] for target in targets if key in target]
        assert len(defaults) == 1, key
        assert defaults[0] is None or type(value) is type(defaults[0]), key


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_networks_and_settings_that_go_together(name):
    assert built(name, TextNetwork, 10).sizes().latent == PRESETS[name].values["latent"]
    assert built(name, Settings).epochs == PRESETS[name].values["epochs"]


@PUBLISHED
def test_a_published_preset_says_where_it_is_from_and_states_what_the_scripts_share(name):
    assert PRESETS[name].source
    stated = {"encoder", "decoder", "dropout", "clip", "clip_each", "batch_size", "order"}
    assert stated <= PRESETS[name].values.keys()


@pytest.mark.parametrize("name", ["small", "ptb_reduced", "ptb_dg", "yahoo_dg", "snli_mine"])
def test_a_model_of_the_preset_has_its_sizes(name):
    torch.manual_seed(0)
    model = build_model(parse("vae").parts(), built(name, TextNetwork, 40))
    values = PRESETS[name].values
    shapes = [tuple(p.shape) for p in model.encoder.parameters()]
    assert (40, values["embedding"]) in shapes
    assert (4 * values["hidden"], values["hidden"]) in shapes
    assert model.decoder.latent == values["latent"]


def expected_recipe(corpus: str, method: str) -> str:
    if method in CLVAE_METHODS and corpus == "ptb":
        return "clvae"
    if method in IVAE_METHODS and corpus in {"ptb", "yahoo", "yelp"}:
        return "ivae"
    if method == "lagging_vae" and corpus in {"yahoo", "yelp"}:
        return "lagging"
    if method in MINE_METHODS and corpus in {"ptb", "yahoo", "snli"}:
        return "mine"
    if method == "ceae" and corpus != "snli":
        return "ceae_transformer" if corpus == "ptb" else "ceae"
    return "dg"


@pytest.mark.parametrize("corpus", ["ptb", "yahoo", "yelp", "short_yelp", "snli"])
@pytest.mark.parametrize("method", METHODS)
def test_a_corpus_name_is_the_recipe_of_the_methods_paper(corpus, method):
    full = f"{corpus}_{expected_recipe(corpus, method)}"
    assert choose(None, corpus, method) == full
    assert choose(corpus, "grammar", method) == full
    assert full in PRESETS


@pytest.mark.parametrize("corpus", ["grammar", "lstm2d", "path/to/ptb", "small"])
def test_any_other_corpus_gets_the_small_preset(corpus):
    assert choose(None, corpus, "ivae") == "small"


def test_a_full_name_stands_whatever_corpus_and_method():
    assert choose("yahoo_lagging", "ptb", "ivae") == "yahoo_lagging"


@pytest.mark.parametrize("name", ["huge", "snli_ivae", "ptb_sgd", "PTB"])
def test_an_unknown_preset_lists_what_there_is(name):
    with pytest.raises(UserError, match=f"unknown preset '{name}'; there are ptb, yahoo") as error:
        choose(name, "ptb", "vae")
    assert all(known in str(error.value) for known in PRESETS)
    assert "\n" not in str(error.value)


def test_the_listing_names_every_preset_and_value_within_the_width_of_a_page():
    text = listing()
    assert all(f"\n{name} " in f"\n{text}" for name in PRESETS)
    assert "lr=0.0008" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_preset_describes_itself_in_plain_values():
    about = describe("yahoo_ceae")
    assert (about["name"], about["values"]["latent"]) == ("yahoo_ceae", 512)
    assert "D35" in about["source"]

"""What the catalogue says of itself."""

import json
from pathlib import Path

import pytest

from lab import listings
from lab.cli import main
from lab.methods import FAMILIES, METHODS, parse

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"


def test_the_page_of_methods_is_what_the_command_prints():
    """Write it anew with: latentlab methods --markdown > docs/methods.md"""
    assert PAGE.read_text(encoding="utf-8") == listings.markdown() + "\n"


@pytest.mark.parametrize("form", listings.METHODS)
def test_every_method_and_option_is_listed_with_its_default_and_source(form):
    words = listings.METHODS[form]()
    for method in json.loads(listings.json_text()):
        assert method["name"] in words and method["source"].split("|")[0] in words
        for option in method["options"]:
            assert option in words


def test_every_method_belongs_to_one_family():
    assert sum(len(f) for f in FAMILIES.values()) == len(METHODS)


def test_show_tells_stages_and_what_encoder_and_decoder_read(capsys):
    assert main(["show", "ae_fb(pretrain=4)"]) == 0
    assert "decoder redrawn after epoch 4" in capsys.readouterr().out
    assert main(["show", "clvae(swap=0.1)", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["encoder noise"] == "dropout=0.3, swap=0.1"


def test_show_tells_what_picks_the_best_epoch(capsys):
    assert main(["show", "vae_mine(alpha=10)", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["selected by"] == "negative_elbo + -10 mi"


def test_a_run_carries_the_sentence_that_describes_its_method():
    about = parse("dg_vae(samples=8)").about
    assert about.startswith("dg_vae(samples=8): DG-VAE: KL to the prior")
    assert "Source: DG-VAE eq. 11" in about

"""The density-gap toy: free parameters, fixed groups in turn, and whose codes match the prior."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from figures.density_gap_toy import density_gap_toy
from lab.backbones import ItemNetwork, build_model
from lab.errors import UserError
from lab.generation import load
from lab.methods import parse
from lab.model import Model
from lab.runs import Run, open_run
from lab.views import density
from toy.density_gap import ItemData, trainer

PAPER = (
    "vae",
    "ae(stochastic=True)",
    "aae(stochastic=True)",
    "wae(weight=1, stochastic=True, samples=8)",
    "dg_vae(aggregation=8, samples=8)",
)  # the rows of its figure


def model_of(spec: str) -> Model:
    torch.manual_seed(0)
    return build_model(parse(spec).parts(), ItemNetwork())


def trained(folder: Path, spec: str, **options: int) -> Run:
    trainer(parse(spec), folder, progress_bar=False, **options).run()
    return open_run(folder)


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("density-gap")
    return {s.split("(")[0]: trained(root / str(i), s) for i, s in enumerate(PAPER)}


def test_groups_of_eight_come_in_turn_from_the_second_and_go_on_in_the_next_block():
    data = ItemData()
    first, second = ([batch.indices.tolist() for batch in data.train(e)] for e in (1, 2))
    assert first[0] == list(range(8, 16))
    assert first[15] == list(range(8))
    assert second[0] == list(range(40, 48))  # group 101 mod 16
    assert len(first) == len(data.train(1)) == 100


def test_eight_classes_meet_sixteen_batches_once_each():
    items = ItemData().items
    pairs = set(zip(items["class"], items["batch"], strict=True))
    assert len(pairs) == len(items) == 128
    assert items["item"].to_list() == list(range(128))


def test_every_item_owns_its_parameters_which_start_at_0():
    model = model_of("vae")
    (table,) = model.head.parameters()
    assert table.shape == (4, 128)
    assert not table.any()
    with torch.no_grad():
        table[:, 9] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    q = model.infer(ItemData().group(1)).q
    assert q.mean[1].tolist() == [1, 2]
    assert q.log_variance[1].tolist() == [3, 4]
    assert not q.mean[[0, *range(2, 8)]].any()


def test_the_decoder_is_a_sigmoid_network_that_names_the_item():
    decoder = model_of("vae").decoder
    hidden, activation, output = decoder.network
    assert (hidden.in_features, hidden.out_features, output.out_features) == (2, 8, 128)
    assert isinstance(activation, torch.nn.Sigmoid)
    z, batch = torch.randn(8, 2), ItemData().group(3)
    logits = output(torch.sigmoid(hidden(z)))
    expected = cross_entropy(logits, batch.categories, reduction="none")
    torch.testing.assert_close(decoder.nll(batch, z), expected)


def test_a_stack_of_codes_is_decoded_like_its_layers():
    decoder, batch, z = model_of("vae").decoder, ItemData().group(0), torch.randn(3, 8, 2)
    torch.testing.assert_close(
        decoder.nll(batch, z), torch.stack([decoder.nll(batch, layer) for layer in z])
    )


def last(run: Run) -> dict[str, float]:
    return run.metrics("valid")[-1]


def test_among_active_codes_the_density_gap_leaves_the_smallest_distance_to_the_prior(paper):
    gaps = {name: last(run)["aggregated_kl"] for name, run in paper.items()}
    assert gaps["dg_vae"] < 0.5 < 1 < min(gaps["ae"], gaps["aae"], gaps["wae"])
    assert last(paper["vae"])["mi"] < 0.1 < 1 < last(paper["dg_vae"])["mi"]
    for run in paper.values():
        assert last(run)["mi"] <= math.log(128) + 3 * last(run)["mi_stderr"]
        assert run.epochs == list(range(6))
    assert [last(paper[name])["cu"] for name in ("vae", "ae", "wae")] == [2, 0, 0]


def test_the_recorded_distance_to_the_prior_is_the_integral_over_the_plane(paper):
    x, y, q = density(paper["dg_vae"].latents(), limit=7.0, points=300)
    log_p = -0.5 * (x[None] ** 2 + y[:, None] ** 2) - math.log(2 * math.pi)
    cell = (x[1] - x[0]) ** 2
    inside = q > 0
    kl = (q[inside] * (np.log(q[inside]) - log_p[inside])).sum() * cell
    record = last(paper["dg_vae"])
    assert abs(kl - record["aggregated_kl"]) < 3 * record["mi_stderr"]


@pytest.mark.parametrize(
    "spec", ["ae", "bn_vae", "delta_vae", "skip_vae", "ivae", "dg_vmf_vae", "ceae"]
)
def test_other_methods_of_the_catalogue_train_too(spec, tmp_path):
    run = trained(tmp_path, spec, steps=100)
    assert run.status == "finished"
    assert run.corpus == "density-gap"
    assert run.time(1) == "iteration 100"


def test_a_slower_critic_keeps_an_unbounded_dual_finite(tmp_path):
    run = trained(tmp_path, "ivae_mi", steps=100, critic_lr=1e-3)
    assert run.status == "finished"


def test_a_run_goes_on_where_it_ended(tmp_path):
    whole = trained(tmp_path / "whole", "vae", steps=200)
    trained(tmp_path / "parts", "vae", steps=100)
    trainer(parse("vae"), tmp_path / "parts", steps=200, progress_bar=False).run(resume=True)
    parts = open_run(tmp_path / "parts")
    np.testing.assert_array_equal(parts.latents(2).mean, whole.latents(2).mean)


def test_a_loaded_run_decodes_with_the_networks_it_recorded(paper):
    loaded = load(paper["dg_vae"])
    assert isinstance(loaded.model.decoder.network[1], torch.nn.Sigmoid)
    assert len(loaded.decode(np.zeros((3, 2), np.float32))) == 3


@pytest.mark.parametrize(
    ("spec", "options", "says"),
    [
        ("vae", {"steps": 150}, "--iterations 150: give a multiple of 100"),
        ("vae_word_dropout", {}, "word dropout needs a decoder that reads words"),
        ("ae_fb", {}, "two stages"),
        ("vae(anneal=3)", {}, "anneal has no effect"),
        ("dg_vae(aggregation=3)", {}, "aggregation=3 does not divide the batch of 8"),
    ],
)
def test_what_cannot_work_is_refused(spec, options, says, tmp_path):
    with pytest.raises(UserError, match=says):
        trainer(parse(spec), tmp_path, **options)


def test_the_figure_pairs_densities_and_centres_for_every_method_and_step(paper):
    sheet = density_gap_toy(list(paper.values()))
    panels = sheet.axes[:-1]  # the last one is the colour bar
    assert len(panels) == 5 * 5 * 2
    assert [len(p.images) for p in panels] == [1, 0] * 25
    assert [p.get_title() for p in panels[:10:2]] == ["step 100", "200", "300", "400", "500"]
    assert {tuple(image.get_clim()) for p in panels for image in p.images} == {(0, 0.25)}
    words = [t.get_text() for t in sheet.texts]
    assert ["VAE" in words[0], "MI" in words[0], "DG-VAE" in words[4]] == [True] * 3


def test_the_figure_needs_runs_of_this_toy():
    with pytest.raises(UserError, match="density-gap"):
        density_gap_toy([])

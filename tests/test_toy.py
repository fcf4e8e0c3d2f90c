"""The K-category toy: batches as published, any method, one folder like any other run."""

import numpy as np
import pytest
import torch

from lab.errors import UserError
from lab.methods import parse
from lab.posteriors.base import Lookup, mlp
from lab.runs import open_run
from toy.categories import CategoryData
from toy.experiment import trainer
from toy.fields import fields


def test_implicit_batches_repeat_drawn_categories_and_the_vaes_are_independent(tmp_path):
    implicit = trainer(parse("ivae"), tmp_path / "i", categories=4, iterations=16).data
    batch = next(iter(implicit.train(1)))
    assert batch.size == 256
    assert all(len(set(rows)) == 1 for rows in batch.categories.numpy().reshape(4, 64))
    plain = trainer(parse("vae"), tmp_path / "v", categories=4, iterations=16).data
    assert next(iter(plain.train(1))).size == 500


def test_batches_repeat_by_seed_and_differ_between_epochs():
    def drawn(seed: int, epoch: int) -> list[list[int]]:
        data = CategoryData(4, 8, 1, block=5, seed=seed)
        return [b.categories.tolist() for b in data.train(epoch)]

    assert drawn(0, 1) == drawn(0, 1)
    assert drawn(0, 1) != drawn(0, 2)
    assert drawn(0, 1) != drawn(1, 1)


def test_one_hot_rows_follow_their_categories():
    batch = next(iter(CategoryData(5, 10, 1, block=1).train(1)))
    np.testing.assert_array_equal(batch.one_hot.argmax(1), batch.categories)
    assert batch.repeat(2).one_hot.shape == (20, 5)


@pytest.mark.parametrize("spec", ["vae", "clvae_plus"])
def test_a_toy_run_dumps_two_dimensions_with_categories_as_labels(spec, tmp_path):
    run = trainer(parse(spec), tmp_path / "toy", iterations=32, progress_bar=False)
    assert run.run() == "finished"
    written = open_run(tmp_path / "toy")
    assert written.epochs == list(range(17))
    assert written.time(16) == "iteration 32"
    assert written.latents().dimensions == 2
    assert written.labels == ["category"]
    assert set(written.items["category"]) == {0, 1, 2, 3}


@pytest.mark.slow
def test_the_vae_learns_its_categories(tmp_path):
    run = trainer(parse("vae"), tmp_path / "toy", iterations=1600, lr=5e-3, progress_bar=False)
    run.run()
    records = open_run(tmp_path / "toy").metrics("valid")
    # Four equally likely categories: the information in the code is at most log 4.
    assert records[-1]["reconstruction"] < 1.0 < records[0]["reconstruction"]
    assert records[-1]["mi"] <= np.log(4) + 3 * records[-1]["mi_stderr"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"categories": 1}, "--categories 1: there must be at least 2"),
        ({"iterations": 100}, "--iterations 100: give a multiple of 16"),
        ({"iterations": 0}, "--iterations 0: give a multiple of 16"),
        ({"iterations": 64, "every": 10}, "--every 10: does not divide --iterations 64"),
        ({"iterations": 64, "dumps": (0, 80)}, "--dumps 80: the run ends at iteration 64"),
        ({"iterations": 64, "dumps": (0, 5)}, "--dumps 5: is not measured; give --every"),
        ({"categories": 501}, "--categories 501: a batch of 500 rows cannot hold them"),
    ],
)
def test_impossible_options_are_named(options, says, tmp_path):
    with pytest.raises(UserError, match=says):
        trainer(parse("vae"), tmp_path / "toy", **options)


def test_measurements_and_dumps_follow_their_own_steps(tmp_path):
    options = {"iterations": 40, "every": 10, "dumps": (0, 20, 40), "progress_bar": False}
    trainer(parse("ivae"), tmp_path / "toy", categories=3, **options).run()
    written = open_run(tmp_path / "toy")
    assert written.epochs == [0, 2, 4]
    records = written.metrics("valid")
    assert [r["epoch"] for r in records] == [0, 1, 2, 3, 4]
    assert all(0 <= r["centroid_accuracy"] <= 1 for r in records)
    assert all(-1 <= r["silhouette"] <= 1 for r in records)
    assert written.fields(2)["critic"].shape == (3, 64, 64)
    assert written.fields(1) == {}


@pytest.mark.parametrize(("spec", "critics"), [("vae", 0), ("aae", 1), ("ivae_mi", 1), ("ivae", 3)])
def test_a_critic_that_does_not_read_the_category_has_one_field(spec, critics, tmp_path):
    one = trainer(parse(spec), tmp_path / "toy", categories=3, iterations=16)
    with torch.no_grad():
        found = fields(one.model, np.zeros((5, 2)))
    assert found.get("critic", np.zeros((0,))).shape[:1] == (critics,)


def test_regions_are_the_decoders_choice_at_each_node(tmp_path):
    one = trainer(parse("vae"), tmp_path / "toy", categories=3, iterations=16)
    with torch.no_grad():
        one.model.decoder.network[-1].weight.zero_()
        one.model.decoder.network[-1].bias.copy_(torch.tensor([0.0, 5.0, -5.0]))
        found = fields(one.model, np.array([[8.0, 0.0], [-8.0, 0.0]]))
    assert found["limit"][0] == pytest.approx(8.8)
    assert (found["regions"] == 1).all()
    each = 1 / (1 + np.exp(-np.array([0.0, 5.0, -5.0])))
    np.testing.assert_allclose(found["confidence"], each[1] / each.sum(), rtol=1e-5)


def test_the_first_coordinate_lies_across_the_columns(tmp_path):
    one = trainer(parse("ae"), tmp_path / "toy", categories=2, iterations=16)

    class Halves(torch.nn.Module):
        def probabilities(self, z):
            right = (z[:, 0] > 0).float()
            return torch.stack([1 - right, right], -1) + 1e-3

    one.model.decoder = Halves()
    regions = fields(one.model, np.zeros((4, 2)))["regions"]
    assert (regions[:, :32] == 0).all()
    assert (regions[:, 32:] == 1).all()


def test_an_adversary_is_shown_as_the_log_ratio_of_posterior_and_prior(tmp_path):
    one = trainer(parse("aae"), tmp_path / "toy", categories=2, iterations=16)
    term, z = one.model.critics()[0], torch.randn(7, 2)
    with torch.no_grad():
        taken_for_prior = term.critic(z).squeeze(-1).sigmoid()
        log_ratio = ((1 - taken_for_prior) / taken_for_prior).log()
        torch.testing.assert_close(term.opponent(torch.zeros(7, 2), z), log_ratio)


def test_a_one_hot_row_looked_up_is_that_row_sent_through_the_layers():
    layers = mlp(4, (8,), 3, torch.nn.ELU)
    rows = torch.eye(4)[torch.tensor([2, 0, 2, 3])]
    torch.testing.assert_close(Lookup(*layers)(rows), layers(rows))

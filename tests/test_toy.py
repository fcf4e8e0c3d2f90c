"""The K-category toy: batches as published, any method, one folder like any other run."""

import numpy as np
import pytest

from lab.errors import UserError
from lab.methods import parse
from lab.runs import open_run
from toy.categories import CategoryData
from toy.experiment import trainer


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
    ],
)
def test_impossible_options_are_named(options, says, tmp_path):
    with pytest.raises(UserError, match=says):
        trainer(parse("vae"), tmp_path / "toy", **options)

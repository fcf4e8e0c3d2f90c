"""Measures of toy runs, and what the report over seeds says of the paper's claims."""

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest

from figures.toy_claims import toy_claims, toy_claims_csv, toy_claims_markdown
from lab.errors import UserError
from lab.runs import Latents, Run, RunWriter, open_run, write_latents
from lab.runs.layout import write_jsonl
from lab.runs.writer import items_table
from lab.views import draws
from toy.measures import measures

LABELS = {"vae": "VAE", "ivae": "iVAE", "clvae_plus": "clVAE⁺"}
NEVER = math.inf


def latents(family, classes=4, spread=0.2):
    category = np.arange(100 * classes) % classes
    angle = 2 * np.pi * category / classes
    mean = 1.3 * np.stack([np.cos(angle), np.sin(angle)], 1)
    noise = np.random.default_rng(0).normal(size=(len(mean), 16, 2))
    arrays = {
        "gaussian": {"log_variance": np.full(mean.shape, 2 * np.log(spread))},
        "samples": {"samples": mean[:, None] + spread * noise},
        "point": {},
        "vmf": {"concentration": np.full(len(mean), 30.0)},
    }[family]
    return Latents(family, mean / 1.3 if family == "vmf" else mean, **arrays), category


def toy_run(
    root: Path,
    spec: str = "vae",
    seed: int = 0,
    categories: int = 4,
    parts_at: float = NEVER,
    block: int = 500,
    blocks: int = 160,
    early: float = 0.3,
    **changes,
) -> Run:
    """A run whose centroid accuracy is `early` and, from iteration `parts_at` on, 0.99."""
    unit = {"name": "iteration", "per_epoch": block}
    corpus = {"name": f"toy-{categories}", "categories": categories}
    label = LABELS[spec.split("(")[0]]
    info = {"spec": spec, "label": label, "corpus": corpus, "seed": seed, "unit": unit}
    folder = root / f"toy-{categories}" / spec / str(seed)
    records = []
    with RunWriter(folder, info) as writer:
        writer.write_items(items_table(4, labels={"category": range(4)}))
        for epoch in range(blocks + 1):
            parted = epoch * block >= parts_at
            figures = {
                "centroid_accuracy": 0.99 if parted else early,
                "silhouette": (0.8 if parted else 0.1) + seed / 100,
                "category_accuracy": 0.97,
                "intra_distance": 0.5,
                "inter_distance": 3.0 if spec.startswith("clvae") else 1.5,
                "prior_kl_histogram": 0.4,
            }
            records.append({"epoch": epoch, "split": "valid", **figures})
        write_jsonl(folder / "metrics.jsonl", records)
        writer.commit(**({"status": "finished"} | changes))
    return open_run(folder)


def seeds(root, spec, parts_at, **options):
    return [
        toy_run(root, spec, seed, parts_at=iteration, **options)
        for seed, iteration in enumerate(parts_at)
    ]


def table(runs):
    return list(csv.DictReader(io.StringIO(toy_claims_csv(runs))))


def claim(runs, text):
    """The one line of the report on a claim."""
    (line,) = [x for x in toy_claims_markdown(runs).splitlines() if x.startswith(f"- {text}")]
    return line


@pytest.mark.parametrize("family", ["gaussian", "samples"])
def test_measures_of_separate_categories_are_those_of_their_geometry(family):
    found, category = latents(family)
    figures = measures(found, category, np.where(category == 3, 0, category))
    assert figures["centroid_accuracy"] == 1.0
    assert figures["category_accuracy"] == 0.75
    assert figures["intra_distance"] == pytest.approx(0.2 * np.sqrt(np.pi / 2), rel=0.05)
    assert figures["inter_distance"] == pytest.approx(1.3 * (4 * np.sqrt(2) + 4) / 6, rel=0.02)
    assert figures["silhouette"] == pytest.approx(0.8, abs=0.05)
    assert figures["prior_kl_neighbours"] > figures["prior_kl_histogram"] > 1


def test_the_prior_as_posterior_of_all_is_neither_parted_nor_unlike_the_prior():
    category = np.arange(400) % 4
    figures = measures(
        Latents("gaussian", np.zeros((400, 2)), np.zeros((400, 2))), category, category
    )
    assert figures["centroid_accuracy"] < 0.32
    assert figures["silhouette"] < 0.02
    assert figures["prior_kl_neighbours"] == pytest.approx(0, abs=0.08)
    assert figures["prior_kl_histogram"] == pytest.approx(0, abs=0.08)


def test_figures_that_are_infinite_or_of_another_prior_are_left_out():
    codes, category = latents("point")
    figures = measures(codes, category, category)
    assert "prior_kl_neighbours" not in figures
    assert all(math.isfinite(value) for value in figures.values())
    directions, category = latents("vmf")
    assert not [key for key in measures(directions, category, category) if "prior" in key]
    wide = Latents("gaussian", np.zeros((400, 3)), np.zeros((400, 3)))
    assert "prior_kl_histogram" not in measures(wide, category, category)


def test_measures_are_the_same_each_time():
    found, category = latents("gaussian")
    assert measures(found, category, category) == measures(found, category, category)


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        ("gaussian", (400, 5, 2)),
        ("samples", (400, 5, 2)),
        ("point", (400, 1, 2)),
        ("vmf", (400, 5, 2)),
    ],
)
def test_draws_come_from_each_family(family, shape):
    found, _ = latents(family)
    z = draws(found, 5)
    assert z.shape == shape
    assert np.abs(z.mean((0, 1)) - found.mean.mean(0)).max() < 0.05
    assert np.array_equal(z, draws(found, 5))


def test_draws_of_gaussians_have_their_variance():
    z = draws(Latents("gaussian", np.zeros((1, 2)), np.log([[0.25, 4.0]])), 20_000)
    assert z.var((0, 1)) == pytest.approx([0.25, 4], rel=0.05)


def test_separation_is_the_first_iteration_that_lasts_to_the_end(tmp_path):
    runs = seeds(tmp_path, "clvae_plus", [3000, 1500, NEVER, 2000, 2500])
    (row,) = table(runs)
    assert (row["seeds"], row["seeds_separated"], row["iterations"]) == ("5", "4", "80000")
    assert float(row["separation"]) == 2500
    assert float(row["separation_lowest"]) == 1500
    assert row["separation_highest"] == ""
    assert "| 2.5k | 1.5k to not within 80k |" in toy_claims_markdown(runs)


def test_a_separation_that_is_lost_again_does_not_count(tmp_path):
    run = toy_run(tmp_path, parts_at=1000, blocks=10)
    path = run.folder / "metrics.jsonl"
    records = path.read_text().splitlines()
    records[6] = records[6].replace("0.99", "0.79")
    path.write_text("\n".join(records) + "\n")
    assert float(table([run])[0]["separation"]) == 3500


def test_a_diverged_run_never_separates_and_ends_no_other(tmp_path):
    runs = seeds(tmp_path, "ivae", [1000] * 4)
    runs.append(toy_run(tmp_path, "ivae", 4, parts_at=0, blocks=2, status="failed", error="NaN"))
    (row,) = table(runs)
    assert (row["iterations"], row["seeds_separated"], row["diverged"]) == ("80000", "4", "1")
    assert "5, 1 diverged" in toy_claims_markdown(runs)


def test_figures_are_means_and_standard_deviations_over_seeds(tmp_path):
    (row,) = table(seeds(tmp_path, "vae", [500] * 5, blocks=3))
    assert float(row["silhouette"]) == pytest.approx(0.82)
    assert float(row["silhouette_sd"]) == pytest.approx(np.std([0, 1, 2, 3, 4], ddof=1) / 100)
    assert float(row["ratio"]) == pytest.approx(3)
    assert row["prior_kl_neighbours"] == row["prior_kl_neighbours_sd"] == ""


def test_the_decoder_is_right_from_where_it_stays_right_in_the_median_seed(tmp_path):
    runs = seeds(tmp_path, "vae", [500] * 5, blocks=4)
    for run, wrong in zip(runs, (0, 1, 2, 3, 4), strict=True):
        path = run.folder / "metrics.jsonl"
        records = path.read_text().splitlines()
        records[wrong] = records[wrong].replace("0.97", "0.9")
        path.write_text("\n".join(records) + "\n")
    assert float(table(runs)[0]["decoder_right"]) == 1500


def test_few_seeds_are_marked_and_one_has_no_spread(tmp_path):
    text = toy_claims_markdown([toy_run(tmp_path, blocks=3)])
    assert "| 4 | VAE | 1† | 1.5k | not within 1.5k | – | 0 | 0.10 | 0.30 |" in text
    assert "±" not in text.splitlines()[2]


def test_the_papers_claims_hold_for_runs_that_do_as_the_paper_says(tmp_path):
    runs = [
        *seeds(tmp_path, "vae", [70_000] * 5),
        *seeds(tmp_path, "ivae", [60_000] * 5),
        *seeds(tmp_path, "clvae_plus", [3_500] * 5),
        *seeds(tmp_path, "ivae", [NEVER] * 5, categories=8),
        *seeds(tmp_path, "clvae_plus", [5_000] * 5, categories=8),
        *seeds(tmp_path, "clvae_plus", [NEVER] * 5, categories=16, early=0.7),
    ]
    lines = [x for x in toy_claims_markdown(runs).splitlines() if x.startswith("- K")]
    assert len(lines) == 8
    assert all("**reproduced**" in line for line in lines), lines


def test_claims_are_refuted_by_runs_that_do_otherwise(tmp_path):
    runs = [
        *seeds(tmp_path, "vae", [2_000] * 5),
        *seeds(tmp_path, "ivae", [NEVER] * 5),
        *seeds(tmp_path, "clvae_plus", [1_000, 4_000, 4_500, 5_000, 5_500]),
        *seeds(tmp_path, "ivae", [4_000, 6_000, 8_000, NEVER, NEVER], categories=8),
    ]
    said = claim(runs, "K = 4: clVAE⁺ converges")
    assert "**not reproduced**, 5 of 5 seeds separated in 80k, median 4.5k, from 1k to 5.5k" in said
    assert "**not reproduced**, 5 of 5 seeds" in claim(runs, "K = 4: VAE takes 80K")
    assert "**not reproduced**, 0 of 5 seeds" in claim(runs, "K = 4: iVAE takes 80K")
    assert "**not reproduced**, 3 of 5 seeds" in claim(runs, "K = 8: iVAE fails")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"parts_at": [3000] * 4}, "clVAE⁺ has 4 seeds of at least 5"),
        ({"parts_at": [1000] * 5, "blocks": 6}, "clVAE⁺ ends at 3k of 3.5k iterations"),
        (
            {"parts_at": [5000] * 5, "block": 5000, "blocks": 16},
            "separated between the measurements at 0 and 5k",
        ),
    ],
)
def test_a_claim_is_not_judged_by_too_little(tmp_path, options, why):
    runs = seeds(tmp_path, "clvae_plus", **options)
    assert f"not judged: {why}." in claim(runs, "K = 4: clVAE⁺ converges")
    assert "not judged: no run of `ivae` at K = 8" in claim(runs, "K = 8: iVAE fails")


def test_a_claim_on_two_methods_needs_both(tmp_path):
    at_16 = seeds(tmp_path, "clvae_plus", [NEVER] * 5, categories=16, early=0.7)
    assert "not judged: needs 5 seeds of clVAE⁺ at K = 8" in claim(at_16, "K = 16: boundaries")
    at_4 = seeds(tmp_path, "clvae_plus", [NEVER] * 5)
    assert "not judged: needs runs of `vae` and `ivae`" in claim(at_4, "K = 4: clVAE⁺ has smaller")


def test_variants_that_share_a_label_are_told_apart(tmp_path):
    other = "clvae_plus(squared=False)"
    runs = [toy_run(tmp_path, spec, blocks=3) for spec in ("clvae_plus", other)]
    assert [row["spec"] for row in table(runs)] == ["clvae_plus", other]
    assert table(runs)[1]["method"] == f"clVAE⁺ [{other}]"
    lines = toy_claims(runs).axes[0].get_lines()
    assert [line.get_marker() for line in lines[:2]] == ["", "o"]


def test_curves_are_medians_with_a_band_from_the_lowest_to_the_highest(tmp_path):
    runs = seeds(tmp_path, "vae", [0, 500, NEVER], blocks=2)
    runs += seeds(tmp_path, "vae", [0], categories=8, blocks=2)
    axes = toy_claims(runs).axes
    assert [panel.get_title("left").split("$  ")[1] for panel in axes] == ["K = 4", "K = 8"] * 2
    (line, _), band = axes[0].get_lines(), axes[0].collections[0]
    assert line.get_xdata().tolist() == [0, 500, 1000]
    assert line.get_ydata().tolist() == [0.3, 0.99, 0.99]
    assert (band.get_datalim(axes[0].transData).y0, band.get_datalim(axes[0].transData).y1) == (
        0.3,
        0.99,
    )


def test_runs_of_one_method_and_seed_and_runs_without_measures_are_errors(tmp_path):
    twice = [toy_run(tmp_path / name, blocks=2) for name in "ab"]
    with pytest.raises(UserError, match=r"a/toy-4/vae/0 and .*b/toy-4/vae/0 are of one method"):
        toy_claims_csv(twice)
    write_latents(tmp_path / "r", mean=np.arange(8.0).reshape(4, 2))
    with pytest.raises(UserError, match="none of the runs has measures of the toy's categories"):
        toy_claims([open_run(tmp_path / "r")])

"""The K-category pictures and the animation: what they show is what the runs hold."""

import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb, to_rgba
from PIL import Image

from figures import toy_dynamics as toys
from figures.animation import animate
from figures.toy_trajectories import toy_trajectories
from lab import look
from lab.errors import UserError
from lab.runs import Latents, Run, RunWriter, open_run, write_latents
from lab.runs.writer import items_table

GRID, HALF = 64, 4.0


def regions(count: int) -> dict[str, np.ndarray]:
    """Each category's region is a band; the decoder is sure of all but the lowest row."""
    across = np.arange(GRID) * count // GRID
    confidence = np.ones((GRID, GRID), "f4")
    confidence[0] = 1 / count
    return {
        "limit": np.array([HALF], "f4"),
        "regions": np.tile(across, (GRID, 1)).astype("i2"),
        "confidence": confidence,
    }


def toy_run(
    root: Path,
    spec: str,
    label: str,
    count: int = 4,
    seed: int = 0,
    epochs: range = range(0, 17, 4),
    per_epoch: int = 5000,
    fields: bool = False,
) -> Run:
    """Categories that move outwards, each on its own ray, as Gaussians of little spread."""
    info = {
        "spec": spec, "label": label, "seed": seed,
        "corpus": {"name": f"toy-{count}", "categories": count},
        "unit": {"name": "iteration", "per_epoch": per_epoch},
    }  # fmt: skip
    category = np.arange(10 * count) % count
    angle = 2 * np.pi * category / count
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    with RunWriter(root / f"toy-{count}" / spec / str(seed), info) as writer:
        writer.write_items(items_table(len(category), labels={"category": category}))
        for epoch in epochs:
            far = 3 * epoch / max(epochs)
            latents = Latents("gaussian", far * ray, np.full_like(ray, -6.0))
            shown = regions(count) if fields else None
            writer.write_epoch(epoch, latents, [{"split": "valid"}], fields=shown)
        writer.commit(status="finished")
    return open_run(writer.folder)


def rows(sheet) -> list[str]:
    labels = (panel.get_ylabel() for panel in sheet.axes)
    return [label.split("$  ")[1] for label in labels if label]


def frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as film:
        return [np.asarray(_seek(film, k).convert("RGB")) for k in range(film.n_frames)]


def _seek(film: Image.Image, number: int) -> Image.Image:
    film.seek(number)
    return film


def test_tables_divide_the_runs_by_categories_in_the_papers_order(tmp_path):
    runs = [
        toy_run(tmp_path, "clvae_plus", "clVAE⁺", 16),
        toy_run(tmp_path, "clvae_plus", "clVAE⁺", 8),
        toy_run(tmp_path, "clvae_plus", "clVAE⁺"),
        toy_run(tmp_path, "ivae", "iVAE", 8),
        toy_run(tmp_path, "ivae", "iVAE"),
        toy_run(tmp_path, "vae", "VAE"),
    ]
    assert rows(toys.toy_dynamics(runs)) == ["VAE\nK = 4", "iVAE\nK = 4", "clVAE⁺\nK = 4"]
    assert rows(toys.toy_categories(runs)) == ["iVAE\nK = 8", "clVAE⁺\nK = 8", "clVAE⁺\nK = 16"]
    with pytest.raises(UserError, match="toy space of more than 4 categories"):
        toys.toy_categories(runs[4:])


def test_the_second_table_has_the_papers_columns(tmp_path):
    run = toy_run(tmp_path, "ivae", "iVAE", 8, epochs=range(17))
    titles = [panel.get_title() for panel in toys.toy_categories([run]).axes]
    assert titles == ["iteration 0", "5k", "30k", "50k", "final (80k)"]


def test_runs_with_other_blocks_share_columns_by_iteration(tmp_path):
    runs = [
        toy_run(tmp_path, "vae", "VAE", epochs=range(0, 17, 2)),
        toy_run(tmp_path, "ivae", "iVAE", epochs=range(9), per_epoch=10_000),
    ]
    axes = toys.toy_dynamics(runs, (20_000, 40_000, 60_000)).axes
    assert [panel.get_title() for panel in axes[:4]] == [
        "iteration 20k", "40k", "60k", "final (80k)",
    ]  # fmt: skip
    middles = [panel.collections[0].get_offsets()[:, 0].max() for panel in axes]
    assert middles[:4] == pytest.approx(middles[4:])


def test_of_several_seeds_the_first_is_drawn_and_the_row_says_so(tmp_path):
    runs = [toy_run(tmp_path, "vae", "VAE", seed=seed) for seed in (2, 0, 1)]
    assert rows(toys.toy_dynamics(runs)) == ["VAE\nK = 4, seed 0 of 3"]
    assert rows(toys.toy_dynamics(runs, all_seeds=True)) == [
        f"VAE\nK = 4, seed {seed}" for seed in range(3)
    ]


def test_methods_of_one_name_are_told_apart_by_their_options(tmp_path):
    runs = [toy_run(tmp_path, spec, "A") for spec in ("clvae_plus", "clvae_plus(squared=False)")]
    assert rows(toys.toy_dynamics(runs)) == ["A\nK = 4", "A (squared=False)\nK = 4"]


def test_numbers_stand_at_the_centroids_once_these_are_apart(tmp_path):
    first, *_, last = toys.toy_categories([toy_run(tmp_path, "ivae", "iVAE", 8)]).axes
    assert not first.texts
    for text in last.texts:
        angle = 2 * np.pi * int(text.get_text()) / 8
        place = (3 * np.cos(angle), 3 * np.sin(angle))
        assert text.get_position() == pytest.approx(place, abs=0.05)
    assert len(last.texts) == 8


def test_categories_without_draws_have_no_number():
    places = toys.centroids(np.eye(2) * 3, np.array([0, 2]), 3)
    assert places[[0, 2]].tolist() == [[3, 0], [0, 3]]
    assert toys.readable(places, 10).tolist() == [True, False, True]


def test_regions_are_tints_of_their_categories_paler_where_unsure(tmp_path):
    run = toy_run(tmp_path, "vae", "VAE", fields=True)
    picture, edge = toys.tints(run, 4)
    blue = np.array(to_rgb(look.CATEGORY_COLOURS[0]))
    assert picture[-1, 0] == pytest.approx(1 - toys.TINT * (1 - blue))
    assert picture[0] == pytest.approx(np.ones((GRID, 3)))
    cell = 2 * edge / GRID
    assert -edge + cell / 2 == pytest.approx(-HALF)  # the first node is the first cell's middle
    drawn = toys.toy_dynamics([run]).axes[1].images[0]
    assert drawn.get_extent() == [-edge, edge, -edge, edge]
    assert toys.tints(toy_run(tmp_path, "ivae", "iVAE"), 4) is None


def test_trajectories_are_the_centroids_of_every_dump(tmp_path):
    runs = [toy_run(tmp_path, "vae", "VAE"), toy_run(tmp_path, "ivae", "iVAE", 8)]
    panel = toy_trajectories(runs).axes[1]
    lines = [line for line in panel.get_lines() if len(line.get_xdata()) > 1]
    assert len(lines) == 8
    expected = np.outer(3 * np.arange(5) / 4, [np.cos(np.pi / 4), np.sin(np.pi / 4)])
    assert lines[1].get_xydata() == pytest.approx(expected, abs=0.05)
    assert lines[1].get_color() == look.CATEGORY_COLOURS[1]
    with pytest.raises(UserError, match="two dumps"):
        toy_trajectories([toy_run(tmp_path, "vae", "VAE", seed=1, epochs=range(1, 2))])


def test_a_cloud_is_the_same_draws_at_every_epoch(tmp_path):
    run = toy_run(tmp_path, "vae", "VAE")
    (early, items), (late, again) = (toys.cloud(run, epoch) for epoch in (0, 16))
    assert np.array_equal(items, again)
    # Equal variances: what a draw moves is what its mean moves.
    means = run.latents(16).mean - run.latents(0).mean
    assert late - early == pytest.approx(means[items], abs=1e-5)


def test_an_animation_passes_all_dumps_and_rests_at_the_end(tmp_path):
    run = toy_run(tmp_path, "vae", "VAE", epochs=range(4), fields=True)
    path = animate(run, tmp_path / "a.gif", fps=10, seconds=1.5, size=200)
    with Image.open(path) as film:
        delays = [_seek(film, k).info["duration"] for k in range(film.n_frames)]
        assert film.info["loop"] == 0
    assert delays == [100] * 15 + [1500]
    assert path.read_bytes() == animate(run, tmp_path / "b.gif", 10, 1.5, 200).read_bytes()
    assert sorted(p.name for p in tmp_path.glob("*.gif*")) == ["a.gif", "b.gif"]


def test_dots_of_an_animation_keep_their_categories_colours(tmp_path):
    run = toy_run(tmp_path, "vae", "VAE", 16)
    first, *_, last = frames(animate(run, tmp_path / "a.gif", seconds=0.5))
    pixels = last.reshape(-1, 3) / 255
    for colour in look.CATEGORY_COLOURS:
        full, faint = np.array(to_rgb(colour)), 1 - 0.6 * (1 - np.array(to_rgb(colour)))
        gap = min(np.abs(pixels - shade).max(1).min() for shade in (full, faint))
        assert gap < 0.06, colour
    assert (first[100, 20] == 255).all()


def test_between_dumps_dots_move_on_straight_lines_unless_noise_may_differ(tmp_path):
    def film(name: str, **arrays) -> int:
        for epoch in (0, 1):
            moved = {key: value + 2 * epoch for key, value in arrays.items()}
            write_latents(tmp_path / name, epoch=epoch, **moved)
        path = animate(open_run(tmp_path / name), tmp_path / f"{name}.gif", seconds=1, size=160)
        dots = [np.argwhere((f[20:150, 5:155] < 200).all(-1)).mean(0)[1] for f in frames(path)]
        return len(np.unique(np.round(dots)))

    means = np.random.default_rng(0).normal(size=(50, 2)) / 9
    assert film("point", mean=means) > 8
    assert film("samples", samples=np.repeat(means[:, None], 3, 1)) == 2


def test_other_runs_are_coloured_by_their_first_label_of_few_values(tmp_path):
    labels = {"number": np.arange(40.0), "mood": ["good", "bad"] * 20}
    mean = np.random.default_rng(0).normal(size=(40, 5)) * [0.1, 2, 0.1, 3, 0.1]
    write_latents(tmp_path / "t", mean=mean, labels=labels)
    run = open_run(tmp_path / "t")
    (still,) = frames(animate(run, tmp_path / "t.gif", project=True))
    pixels = still.reshape(-1, 3) / 255
    for colour in look.CATEGORY_COLOURS[:2]:
        assert np.abs(pixels - to_rgba(colour)[:3]).max(1).min() < 0.06


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"path": "a.mov"}, "ends in .gif or .mp4"),
        ({"path": "a.mp4"}, "needs ffmpeg on the PATH; a name ending in .gif works"),
        ({"fps": 0}, "--fps 0 is not within 1 to 50"),
        ({"fps": float("nan")}, "--fps nan is not within"),
        ({"seconds": 0}, "--seconds 0 is not within"),
        ({"size": 10**6}, "--size 1e[+]06 is not within 160 to 2000"),
        ({}, "5 latent dimensions; --project shows the two most active"),
    ],
)
def test_what_an_animation_cannot_be_is_said_in_one_line(tmp_path, monkeypatch, options, problem):
    monkeypatch.setenv("PATH", str(tmp_path))
    write_latents(tmp_path / "t", mean=np.eye(5))
    path = tmp_path / options.pop("path", "a.gif")
    with pytest.raises(UserError, match=problem):
        animate(open_run(tmp_path / "t"), path, **options)
    assert not path.exists()


def test_one_dimension_cannot_be_animated_and_a_file_cannot_hold_one(tmp_path):
    write_latents(tmp_path / "one", mean=np.arange(4.0)[:, None])
    with pytest.raises(UserError, match="one latent dimension"):
        animate(open_run(tmp_path / "one"), tmp_path / "a.gif", project=True)
    (tmp_path / "file").write_text("")
    write_latents(tmp_path / "two", mean=np.eye(2))
    with pytest.raises(UserError, match="cannot be written"):
        animate(open_run(tmp_path / "two"), tmp_path / "file" / "a.gif")


def fake_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Another program in ffmpeg's place: its last argument is the file to write."""
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\nfor last; do :; done\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_ffmpeg_gets_every_frame_whole(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path, monkeypatch, 'cat > "$last"')
    run = toy_run(tmp_path, "vae", "VAE", epochs=range(3))
    path = animate(run, tmp_path / "a.mp4", fps=4, seconds=1, size=161)
    width, height, frame_count = 160, 172, 4 + 6
    assert path.stat().st_size == width * height * 3 * frame_count


def test_a_failing_ffmpeg_is_quoted_and_leaves_nothing(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path, monkeypatch, "echo no encoder >&2; exit 1")
    run = toy_run(tmp_path, "vae", "VAE", epochs=range(3))
    with pytest.raises(UserError, match=r"ffmpeg cannot write it \(no encoder\); .*gif"):
        animate(run, tmp_path / "a.mp4", seconds=1, size=160)
    assert not list(tmp_path.glob("*.mp4*"))


# Machado, Oliveira and Fernandes (2009), complete deficiencies, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip


def lab(colours: list[str], vision: str) -> np.ndarray:
    """CIELAB coordinates [K, 3] (D65) of colours as a kind of vision has them."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    xyz = np.array([
        [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ])  # fmt: skip
    t = (seen @ xyz.T) / xyz.sum(1)
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@pytest.mark.parametrize(
    ("vision", "least"), [("normal", 25), ("protan", 13), ("deutan", 13), ("tritan", 13)]
)
def test_sixteen_categories_can_be_told_apart_and_from_the_page(vision, least):
    places = lab([*look.CATEGORY_COLOURS, "#ffffff"], vision)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert len(look.CATEGORY_COLOURS) == 16
    assert apart[np.triu_indices(17, 1)].min() > least

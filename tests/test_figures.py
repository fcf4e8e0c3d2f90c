"""Figures drawn from runs: same bytes for same runs, and no guess where data lack."""

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

import figures
from figures import style
from figures.draw import TEXTS
from figures.interpolation import interpolation_latex, interpolation_markdown
from figures.posterior_panels import posterior_panels
from figures.toy_dynamics import toy_dynamics
from lab import look
from lab.errors import UserError
from lab.metrics import interpolation_rouge, to_sphere
from lab.runs import Latents, Run, RunWriter, open_run, write_latents
from lab.runs.layout import fields_file, write_tensors
from lab.runs.writer import items_table

COUNT, WIDTH = 60, 4


def posteriors(seed: int, family: str) -> Latents:
    rng = np.random.default_rng(seed)
    mean = (rng.normal(size=(COUNT, WIDTH)) * np.array([0.1, 1.0, 0.5, 0.1])).astype("f4")
    if family == "samples":
        draws = mean[:, None] + rng.normal(size=(COUNT, 4, WIDTH)).astype("f4") / 3
        return Latents("samples", draws.mean(1), samples=draws)
    return Latents("gaussian", mean, np.full((COUNT, WIDTH), -1, "f4"))


def path(seed: int) -> dict:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(list("abcd"), 5)) for _ in range(5)]
    ends = {"a": f"{texts[0]} & 10 %", "b": texts[-1]}
    return {"pair": [0, 1], **ends, "weights": [0, 0.25, 0.5, 0.75, 1], "texts": texts}


def text_run(root: Path, spec: str, label: str, family: str, corpus: str = "tiny") -> Run:
    info = {"spec": spec, "label": label, "corpus": {"name": corpus}, "seed": 0}
    with RunWriter(root / corpus / spec / "0", info) as writer:
        writer.write_items(items_table(COUNT))
        for epoch in range(3):
            figures_of = {
                "gaussian": {"kl": epoch, "mi": 0.5 * epoch, "mi_stderr": 0.1, "au": 2, "cu": 1},
                "samples": {"kl_dual": -epoch, "mi_dual": -0.5 * epoch, "kl_moment": epoch},
            }[family]
            record = {"split": "valid", **figures_of}
            paths = [path(10 * epoch), path(10 * epoch + 1)]
            writer.write_epoch(epoch, posteriors(epoch, family), [record], paths)
        writer.commit(status="finished", best_epoch=1)
    return open_run(writer.folder)


def toy_run(
    root: Path, spec: str, family: str, epochs: range = range(8), count: int = 4, corpus: str = ""
) -> Run:
    unit = {"name": "iteration", "per_epoch": 5000}
    about = {"name": corpus or f"toy-{count}", **({} if corpus else {"categories": count})}
    info = {"spec": spec, "label": spec.upper(), "corpus": about, "unit": unit}
    category = np.repeat(np.arange(count), 100 // count)
    rng = np.random.default_rng(0)
    with RunWriter(root / about["name"] / spec / "0", info) as writer:
        writer.write_items(items_table(100, labels={"category": category}))
        for epoch in epochs:
            angle = category * 2 * np.pi / count
            centre = np.stack([np.cos(angle), np.sin(angle)], 1) * epoch / 4
            latents = {
                "gaussian": Latents("gaussian", centre, np.full((100, 2), -2.0)),
                "samples": Latents(
                    "samples", centre, samples=centre[:, None] + rng.normal(size=(100, 3, 2)) / 4
                ),
            }[family]
            figures_of = {"kl": 1.0, "mi": 0.5}
            figures_of |= {"centroid_accuracy": epoch / 8, "silhouette": epoch / 10}
            writer.write_epoch(epoch, latents, [{"split": "valid", **figures_of}])
        writer.commit(status="finished")
    return open_run(writer.folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    root = tmp_path_factory.mktemp("runs")
    return [
        text_run(root, "vae", "VAE", "gaussian"),
        text_run(root, "dg_vae(aggregation=32)", "DG-VAE (|b| = 32)", "gaussian"),
        text_run(root, "ivae", "iVAE", "samples"),
        toy_run(root, "vae", "gaussian"),
        toy_run(root, "ivae", "samples"),
    ]


@pytest.fixture(scope="module")
def more(runs, tmp_path_factory) -> list[Run]:
    """Runs for the figures that the common ones do not serve."""
    root = tmp_path_factory.mktemp("more")
    tracked = text_run(root, "vae", "VAE", "gaussian", "lstm2d")
    rng = np.random.default_rng(0)
    for epoch in tracked.epochs:
        widths = {"model_mean": 1, "amortised_mean": 1, "true_mean": 2}
        arrays = {name: rng.normal(size=(COUNT, width)) for name, width in widths.items()}
        write_tensors(fields_file(tracked.folder, epoch), arrays, {})
    return [
        *runs,
        toy_run(root, "ivae", "samples", count=5),
        toy_run(root, "vae", "gaussian", corpus="density-gap"),
        tracked,
    ]


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_figure_has_ink_and_the_same_bytes_each_time(more, tmp_path, name):
    formats = ("pdf", "png", "svg")
    first = figures.draw([name], more, tmp_path / "one", formats)
    second = figures.draw([name], more, tmp_path / "two", formats)
    assert [p.name for p in first] == [f"{name}.{e}" for e in (*formats, *TEXTS.get(name, {}))]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    picture = imread(first[1])[..., :3]
    assert 0.01 < (picture < 0.9).any(-1).mean() < 0.9
    assert picture.shape[1] in (round(300 * style.ONE_COLUMN), round(300 * style.TWO_COLUMNS))


def test_pdf_fonts_are_embedded_as_truetype(runs, tmp_path):
    (path,) = figures.draw(["kl_mi_curves"], runs, tmp_path, ["pdf"])
    content = path.read_bytes()
    assert b"/FontFile2" in content
    assert b"/CreationDate" not in content


def test_drawing_needs_and_leaves_no_global_pyplot_state():
    code = "import sys, figures; assert 'matplotlib.pyplot' not in sys.modules"
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[1]
    assert subprocess.run(command, cwd=root).returncode == 0
    assert matplotlib.rcParams["font.size"] != style.STYLE["font.size"]


def test_densities_share_the_limits_and_centres_are_the_means(runs):
    shown = [runs[0], runs[2]]
    axes = posterior_panels(shown).axes
    upper, lower = axes[0:4:2], axes[1:4:2]
    assert {panel.images[0].get_clim() for panel in upper} == {(0, look.DENSITY_LIMIT)}
    for run, panel in zip(shown, lower, strict=True):
        mean = run.latents(1).mean
        assert np.array_equal(panel.collections[0].get_offsets(), mean[:, [1, 2]])
        assert "z_{2}" in panel.get_xlabel()
        assert "z_{3}" in panel.get_ylabel()
    assert "AU 2  CU 1" in axes[0].get_title("left")
    hot = posterior_panels(shown, palette="paper").axes[0].images[0].get_cmap()
    assert hot.name == "hot"
    with pytest.raises(UserError, match="no palette 'jet'"):
        posterior_panels(shown, palette="jet")


def test_the_papers_palette_changes_the_maps_alone(runs, tmp_path):
    names = ["posterior_panels", "interpolation"]
    ours = figures.draw(names, runs[:2], tmp_path / "a", ["png"])
    papers = figures.draw(names, runs[:2], tmp_path / "b", ["png"], palette="paper")
    same = [a.read_bytes() == b.read_bytes() for a, b in zip(ours, papers, strict=True)]
    assert same == [False, True]


def test_panel_names_follow_their_runs_when_corpora_alternate(runs, tmp_path):
    mixed = [runs[3], runs[0], runs[4], runs[1]]
    titles = [t for a in posterior_panels(mixed).axes if (t := a.get_title("left"))]
    assert [title.split("$  ")[1].split("\n")[0] for title in titles] == [
        "VAE", "IVAE", "VAE", "DG-VAE (|b| = 32)",
    ]  # fmt: skip


def test_the_density_palette_is_white_at_zero_and_even_in_lightness():
    rgb = style.PALETTES["default"](np.linspace(0, 1, 21))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16
    assert rgb[0].tolist() == [1, 1, 1]
    assert np.diff(lightness) == pytest.approx(np.full(20, -4.3), abs=0.8)


def test_curves_name_the_estimator_and_keep_negative_values(runs):
    kl, mi = figures.FIGURES["kl_mi_curves"][0](runs[:3]).axes
    lines = {line.get_label(): line for line in kl.get_lines()}
    assert {"VAE", "iVAE, dual", "iVAE, moment-matched"} <= set(lines)
    assert lines["iVAE, dual"].get_ydata().tolist() == [0, -1, -2]
    assert lines["VAE"].get_color() == look.colour("vae")
    assert "iVAE, moment-matched" not in {line.get_label() for line in mi.get_lines()}


def test_curves_of_text_and_toy_runs_have_axes_of_their_own(runs):
    axes = figures.FIGURES["kl_mi_curves"][0](runs).axes
    assert [panel.get_xlabel() for panel in axes] == ["epoch"] * 2 + ["iteration"] * 2
    assert axes[2].get_lines()[0].get_xdata()[-1] == 35_000


def test_toy_columns_are_the_papers_iterations_then_the_end(runs):
    axes = toy_dynamics(runs).axes
    assert len(axes) == 2 * 5
    titles = [panel.get_title() for panel in axes[:5]]
    assert titles == ["iteration 0", "5k", "15k", "30k", "final (35k)"]
    colours = axes[0].collections[0].get_facecolors()
    assert len(np.unique(colours, axis=0)) == 4


def test_toy_columns_are_those_that_all_runs_share(tmp_path):
    runs = [
        toy_run(tmp_path, "vae", "gaussian", range(0, 41, 4)),
        toy_run(tmp_path, "ivae", "samples", range(0, 13, 2)),
    ]
    titles = [panel.get_title() for panel in toy_dynamics(runs).axes[:4]]
    assert titles == ["iteration 0", "20k", "40k", "final (200k, 60k)"]


def test_the_rouge_curve_is_the_mean_over_the_pairs_of_the_best_epoch(runs):
    axes = figures.FIGURES["interpolation"][0](runs[:2]).axes[0]
    expected = np.mean(
        [interpolation_rouge(p["texts"], p["a"], p["b"]) for p in (path(10), path(11))], axis=0
    )
    assert axes.get_lines()[0].get_ydata() == pytest.approx(expected)
    assert [line.get_label() for line in axes.get_lines()] == ["VAE", "DG-VAE (|b| = 32)"]


def test_tables_as_text_escape_what_their_formats_reserve(runs):
    first = path(10)
    latex, markdown = interpolation_latex(runs[1:2]), interpolation_markdown(runs[1:2])
    assert rf"a & {first['texts'][0]} \& 10 \% \\" in latex
    assert rf"0.5 & {first['texts'][2]} \\" in latex
    assert r"DG-VAE (\textbar{}b\textbar{} = 32)" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert f"| 0.25 | {first['texts'][1]} |" in markdown


def test_the_seed_tells_runs_of_one_method_apart(runs):
    again = Run(runs[0].folder, {**runs[0].info, "seed": 1}, "again")
    assert style.names([runs[0], again, runs[1]]) == [
        "VAE, seed 0", "VAE, seed 1", "DG-VAE (|b| = 32)",
    ]  # fmt: skip


def test_all_figures_are_drawn_but_those_that_do_not_apply(runs, tmp_path):
    notes = []
    written = figures.draw([], runs[3:], tmp_path, ["png"], note=notes.append)
    assert {p.stem for p in written} == {
        "posterior_panels", "kl_mi_curves", "toy_dynamics", "toy_trajectories", "toy_claims",
    }  # fmt: skip
    assert [note.split(" left out: ")[0] for note in notes] == [
        "toy_categories", "density_gap_toy", "posterior_means", "interpolation",
        "interpolation_table",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "need"),
    [
        ("posterior_panels", "dumped latents of two dimensions"),
        ("kl_mi_curves", "KL or MI curves"),
        ("toy_dynamics", "two-dimensional toy space"),
        ("toy_categories", "toy space of more than 4 categories"),
        ("toy_trajectories", "two dumps of a two-dimensional toy space"),
        ("toy_claims", "measures of the toy's categories"),
        ("density_gap_toy", "two-dimensional latents of density-gap"),
        ("interpolation", "stored interpolations"),
        ("interpolation_table", "stored interpolations"),
    ],
)
def test_a_named_figure_says_which_runs_it_needs(tmp_path, name, need):
    write_latents(tmp_path / "r", mean=np.arange(4.0)[:, None])
    with pytest.raises(UserError, match=f"{name}: none of the runs has .*{need}"):
        figures.draw([name], [open_run(tmp_path / "r")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_runs_that_fit_no_figure_and_unknown_names_are_errors(runs, tmp_path):
    with pytest.raises(UserError, match="no figure could be drawn"):
        figures.draw([], [], tmp_path, note=lambda note: None)
    with pytest.raises(UserError, match="no figure 'pie'; choose from posterior_panels"):
        figures.draw(["pie"], runs, tmp_path)
    with pytest.raises(UserError, match="no palette 'jet'; choose from default, paper"):
        figures.draw([], runs, tmp_path, palette="jet")
    with pytest.raises(UserError, match="no format 'bmp'; choose from pdf"):
        figures.draw([], runs, tmp_path, ["bmp"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        figures.draw(["interpolation"], runs, tmp_path / "file", ["png"])


def test_damaged_latents_name_their_file(runs, tmp_path):
    broken = text_run(tmp_path, "vae", "VAE", "gaussian")
    (broken.folder / "latents" / "epoch-0001.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match=r"posterior_panels: .*epoch-0001\.safetensors"):
        figures.draw(["posterior_panels"], [broken], tmp_path / "out")


def test_a_sphere_is_outlined_and_scaled_in_print(tmp_path):
    mean = to_sphere(np.random.default_rng(0).normal(size=(400, 8)))
    write_latents(tmp_path / "s", mean=mean, concentration=np.ones(400))
    sheet = posterior_panels([open_run(tmp_path / "s")], limit=1.0)
    density, centres = sheet.axes[:2]
    for panel in (density, centres):
        assert [circle.radius for circle in panel.patches] == [1.0]
    assert "×6" in density.get_title(loc="left")
    # The prior's peak in units of 6 is that of N(0, I).
    assert density.images[0].get_array().max() == pytest.approx(1 / (2 * np.pi), rel=0.2)


def test_methods_that_share_a_name_are_told_apart_by_their_specs(tmp_path):
    specs = ("wae(weight=1.0)", "wae(weight=20.0)", "vae")
    runs = [text_run(tmp_path, s, s.split("(")[0].upper(), "gaussian") for s in specs]
    assert style.names(runs) == ["wae(weight=1.0)", "wae(weight=20.0)", "VAE"]

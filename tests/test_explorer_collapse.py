"""The collapse page: thresholds that are dragged, epochs, and every family's honest equivalent."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from browsing import Visit
from explorer_runs import sentences, write_run

from apps.explorer import collapse_charts, collapse_column, collapse_units
from apps.explorer.collapse_charts import Room
from apps.explorer.state import State
from apps.explorer.view import View
from lab.collapse import Decomposition, Thresholds, Units, decomposition
from lab.runs import Latents, RunWriter, open_run, write_latents
from lab.runs.figures import latent_figures
from lab.runs.layout import read_jsonl, write_jsonl
from lab.runs.writer import items_table

TWO = Units(np.array([1.0, 0.0]), np.array([0.05, 1.0]))
BLOCKED = """() => { window.blocked = []; new PerformanceObserver(list => list.getEntries().forEach(
    task => window.blocked.push(task.duration))).observe({entryTypes: ["longtask"]}); }"""
BORDERS = """[...document.querySelectorAll(`[id*='"units"'] .js-plotly-plot`)].map(
    plot => plot.layout.shapes[0].x0)"""
ANNOTATIONS = """([id, words]) => [...document.querySelectorAll(`[id*='"${id}"'] .annotation-text`)]
    .some(text => text.textContent === words)"""


def write_measured(
    folder: Path, latents: Callable[[int], Latents], epochs: int = 3, label: str = "VAE"
) -> Path:
    """A run with the figures that training would record of these latents."""
    info = {"spec": "vae", "label": label, "corpus": {"name": "tiny"}, "seed": 0, "settings": {}}
    with RunWriter(folder, info) as writer:
        for epoch in range(epochs):
            found = latents(epoch)
            if not epoch:
                writer.write_items(items_table(len(found), sentences(len(found))))
            writer.write_epoch(epoch, found, [{"split": "valid", **latent_figures(found)}])
        writer.commit(status="finished", epoch=epochs - 1)
    return folder


def spreading(epoch: int, count: int = 80, width: int = 4) -> Latents:
    """Half of the dimensions leave the prior while the run trains."""
    active = np.arange(width) % 2
    mean = 0.3 * epoch * active * np.random.default_rng(0).normal(size=(count, width))
    return Latents("gaussian", mean, np.tile(-1.0 * epoch * active, (count, 1)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    write_measured(folder / "tiny" / "vae" / "0", spreading)
    random = np.random.default_rng(0)
    mean = random.normal(size=(80, 4))
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    given = {
        "ivae": {"samples": mean[:, None] + random.normal(size=(80, 8, 4))},
        "vmf_vae": {"mean": unit, "concentration": np.full(80, 9.0)},
        "ae": {"mean": mean},
    }
    for name, arrays in given.items():
        write_latents(folder / "tiny" / name / "0", corpus="tiny", **arrays)
    return folder


def column_of(root: Path, spec: str, **state: int) -> tuple:
    view = View(root)
    run = next(r for r in view.listing.runs if r.spec == spec)
    limits = collapse_column.shared(view, view.listing.runs)
    return collapse_column.column(view, State(**state), run.id, limits, "light")


def test_every_unit_is_drawn_once_and_counted_in_its_corner() -> None:
    figure = collapse_charts.units_figure(TWO, Thresholds(), Room(), "#0072b2", "light")
    assert figure.data[0].marker.symbol == ("circle", "circle-open")
    assert figure.data[0].x.tolist() == [1.0, collapse_charts.FLOOR]
    words = {note.text for note in figure.layout.annotations}
    assert words == {"active 1", "mixed 0", "passive 1", "constant 0"}
    assert [shape.x0 for shape in figure.layout.shapes][:2] == [0.01, 0.01]


def test_all_panels_of_units_share_their_axes() -> None:
    far = Units(np.array([400.0]), np.array([3.0]))
    assert Room.of([TWO, far]) == Room(400.0, pytest.approx(3.24))
    assert Room.of([TWO]) == Room()


def test_areas_add_up_to_the_line_of_kl(root: Path) -> None:
    found = decomposition(open_run(root / "tiny" / "vae" / "0"))
    figure = collapse_charts.parts_figure(found, 1, (0, 3), 2, "light")
    *areas, line = figure.data
    total = sum(np.interp(found.epochs, area.x, area.y) for area in areas)
    assert total == pytest.approx(line.y, abs=1e-12)
    assert "nats =<br>" in line.hovertext[0]


def test_estimates_below_zero_hang_hatched_and_are_called_errors(root: Path) -> None:
    parts = {"mi": np.array([-0.5, 1.0]), "aggregated_kl": np.array([1.0, 1.0])}
    found = Decomposition("", np.array([0, 1]), np.array([0.5, 2.0]), parts)
    figure = collapse_charts.parts_figure(found, 1, (-1, 3), 0, "light")
    below = [area for area in figure.data if area.stackgroup == "below"]
    assert [area.fillpattern.shape for area in below] == ["/"] and below[0].y.min() == -0.5
    assert collapse_charts.sum_words(found, 0).startswith("KL 0.5 nats = − 0.5 mutual")


def test_a_single_dump_is_drawn_as_a_plateau() -> None:
    found = Decomposition("", np.array([3]), np.array([2.0]), {"mi": np.array([2.0])})
    figure = collapse_charts.parts_figure(found, 10, (0, 3), 30, "dark")
    assert figure.data[-1].x.tolist() == [26, 34] and len(figure.data[-1].hovertext) == 2


@pytest.mark.parametrize(
    ("spec", "heat", "parts", "information"),
    [
        ("ivae", "moment-matched", "no total correlation", "moment-matched"),
        ("vmf_vae", "no KL per", "depend on each other", "log N"),
        ("ae", "no posterior", "no posterior", "MI says nothing"),
    ],
)
def test_every_family_has_an_equivalent_or_a_reason(
    root: Path, spec: str, heat: str, parts: str, information: str
) -> None:
    _, _, verdict, *rows = column_of(root, spec)
    assert verdict
    for (figure, words), expected in zip(rows, (heat, parts, information), strict=True):
        notes = " ".join(str(note.text) for note in figure.layout.annotations)
        assert expected in f"{words} {notes}".replace("<br>", " ")


def test_the_column_follows_the_epoch(root: Path) -> None:
    early, late = (column_of(root, "vae", epoch=epoch) for epoch in (0, 2))
    assert early[2].startswith("Collapsed: 0 of 4") and "2 of 4 units active" in late[2]
    assert early[4][1].startswith("KL 0 nats")
    assert early[4][0].layout.shapes[-1].x0 == 0 and late[4][0].layout.shapes[-1].x0 == 2


def test_one_broken_run_breaks_nothing_else(root: Path) -> None:
    (root / "tiny" / "ivae" / "0" / "dimensions.parquet").write_bytes(b"half a table")
    view = View(root)
    ids = [run.id for run in view.listing.runs]
    figures, words = collapse_units.units_of(view, State(), [*ids, "gone"], "light")
    assert [bool(w) for w in words] == [run.spec != "ivae" for run in view.listing.runs] + [False]
    assert "damaged" in figures[ids.index("tiny/ivae/0")].layout.annotations[0].text
    assert np.isfinite(collapse_column.shared(view, view.listing.runs).heat)
    assert len(collapse_units.counts(view, State(), "light")[0][0].data) == 3


def test_an_infinite_kl_leaves_the_other_columns_their_scale(root: Path) -> None:
    before = collapse_column.shared(View(root), View(root).listing.runs)
    folder = write_measured(root / "tiny" / "vae" / "1", spreading)
    table = pl.read_parquet(folder / "dimensions.parquet")
    worst = pl.when(pl.col("dimension") == 0).then(math.inf).otherwise(pl.col("kl"))
    table.with_columns(kl=worst).write_parquet(folder / "dimensions.parquet")
    first, *others = read_jsonl(folder / "metrics.jsonl")
    spoiled = [{**r, "kl": math.nan, "mi": math.inf} for r in others]
    write_jsonl(folder / "metrics.jsonl", [first, *spoiled])
    view = View(root)
    limits = collapse_column.shared(view, view.listing.runs)
    assert limits == before
    *_, heat, parts, _ = collapse_column.column(view, State(), "tiny/vae/1", limits, "light")
    assert "3 of 12 values infinite or missing" in heat[1] and "inf " not in heat[1]
    assert "2 without finite figures left out" in parts[1]


def test_variances_that_are_none_are_said_on_their_own_card(root: Path) -> None:
    path = root / "tiny" / "ivae" / "0" / "dimensions.parquet"
    pl.read_parquet(path).with_columns(marginal_kl=math.nan).write_parquet(path)
    view = View(root)
    ids = [run.id for run in view.listing.runs]
    figures, words = collapse_units.units_of(view, State(), ids, "light")
    assert [bool(w) for w in words] == [run.spec != "ivae" for run in view.listing.runs]
    note = figures[ids.index("tiny/ivae/0")].layout.annotations[0].text.replace("<br>", " ")
    assert "marginal_kl of this epoch that is negative or not finite" in note
    assert len(collapse_units.counts(view, State(), "light")[0][0].data) == 3


@pytest.mark.parametrize("query", ["active=0&narrow=x", "active=nan&wide=1e99", "active=-1&wide=2"])
def test_thresholds_that_make_no_sense_are_the_usual_ones(query: str) -> None:
    assert State.parse(query) == State()


def test_thresholds_stand_in_the_url() -> None:
    state = State.parse("?active=0.05&narrow=0.9&wide=0.2")
    assert (state.active, state.narrow, state.wide) == (0.05, 0.2, 0.9)


def test_the_page_shows_every_row_of_every_run_on_one_epoch(
    visit: Visit, serve, root: Path
) -> None:
    visit.page.goto(f"{serve(root)}/collapse")
    visit.drawn('"units"', 4)
    visit.drawn('"heat"', 2)
    visit.drawn('"parts"', 3)
    visit.drawn('"information"', 3)
    visit.drawn("counts-", 2)
    visit.page.get_by_text("2 of 4 units active").wait_for()
    assert visit.page.evaluate("window.webgl") == 0
    visit.page.locator("#collapse-epoch [role=slider]").focus()
    visit.page.keyboard.press("Home")
    visit.page.wait_for_url("**/collapse?epoch=0")
    visit.page.get_by_text("Collapsed: 0 of 4 units active since epoch 0").wait_for()


def test_a_line_is_dragged_in_one_panel_and_moves_in_all(visit: Visit, serve, root: Path) -> None:
    visit.page.goto(f"{serve(root)}/collapse?run=tiny%2Fvae%2F0&run=tiny%2Fivae%2F0")
    visit.drawn('"units"', 2)
    visit.page.wait_for_function(ANNOTATIONS, arg=["units", "passive 2"])
    panel = visit.page.locator("[id*='\"units\"'] .nsewdrag").first
    area = panel.bounding_box()
    line = visit.page.locator("[id*='\"units\"'] .shapelayer path").first.bounding_box()
    middle = area["y"] + area["height"] / 2
    visit.page.mouse.move(line["x"] + line["width"] / 2, middle)
    visit.page.mouse.down()
    visit.page.mouse.move(area["x"] + area["width"] - 40, middle, steps=4)
    visit.page.mouse.up()
    visit.page.wait_for_function("new URLSearchParams(location.search).get('active') > 0.3")
    visit.page.wait_for_function(ANNOTATIONS, arg=["units", "constant 2"])
    visit.page.wait_for_function(f"(new Set({BORDERS})).size == 1 && {BORDERS}[0] > 0.3")
    visit.page.locator("#threshold-active [role=slider]").focus()
    visit.page.keyboard.press("Home")
    visit.page.wait_for_function("location.search.includes('active=0.00001')")


def test_runs_picked_on_the_page_get_their_columns(visit: Visit, serve, root: Path) -> None:
    visit.page.goto(f"{serve(root)}/collapse?run=tiny%2Fvae%2F0")
    visit.drawn('"units"', 1)
    visit.page.locator("#picker").click()
    visit.page.get_by_text("ae, seed 0", exact=True).click()
    visit.drawn('"units"', 2)
    visit.page.get_by_text("ae: no consistent units").wait_for()


def test_a_growing_run_moves_without_reload(visit: Visit, serve, root: Path) -> None:
    visit.page.goto(f"{serve(root)}/collapse?run=tiny%2Fvae%2F0")
    visit.drawn('"parts"', 1)
    folder = root / "tiny" / "vae" / "0"
    with RunWriter(folder, open_run(folder).info) as writer:
        latents = spreading(3)
        writer.write_epoch(3, latents, [{"split": "valid", **latent_figures(latents)}])
        writer.commit(status="finished", epoch=3, updated="later")
    visit.page.locator("#collapse-epoch-words", has_text="epoch 3 of 3").wait_for()
    plot = "document.querySelector(`[id*='\"heat\"'] .js-plotly-plot`)"
    visit.page.wait_for_function(f"{plot}._fullData[0].x.length == 4")
    shutil.rmtree(folder)
    visit.page.get_by_text("No run chosen").wait_for()


def test_hover_over_a_collapsed_run_never_blocks_the_page(
    visit: Visit, serve, tmp_path: Path
) -> None:
    write_run(tmp_path, "vae", "collapsed", count=50, epochs=0)
    zeros = np.zeros((100_000, 32), np.float32)
    write_latents(tmp_path / "tiny" / "dead" / "0", mean=zeros, log_variance=zeros)
    visit.page.goto(f"{serve(tmp_path)}/collapse?run=tiny%2Fdead%2F0")
    visit.drawn('"units"', 1)
    visit.drawn("counts-", 2)
    visit.page.get_by_text("Collapsed: 0 of 32").wait_for()
    visit.page.evaluate(BLOCKED)
    for kind in ("heat", "units", "parts", "information"):
        panel = visit.page.locator(f"[id*='\"{kind}\"'] .nsewdrag").first
        panel.scroll_into_view_if_needed()
        area = panel.bounding_box()
        height = area["y"] + 0.2 * area["height"]
        for share in np.linspace(0.05, 0.95, 10):
            visit.page.mouse.move(area["x"] + area["width"] * share, height)
    assert max(visit.page.evaluate("window.blocked"), default=0) < 200

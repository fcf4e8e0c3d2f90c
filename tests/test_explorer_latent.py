"""The latent page: runs and epochs side by side, one zoom, level of detail, the clicked item."""

import re
from pathlib import Path
from threading import Event
from urllib.parse import quote

import numpy as np
import pytest
from browsing import Visit
from explorer_runs import write_all, write_run
from test_explorer_pages import address  # noqa: F401

from apps.explorer import centres, grounds, item, panels
from apps.explorer.ahead import Ahead
from apps.explorer.columns import acted, column, columns, landmarks
from apps.explorer.frames import window
from apps.explorer.latent_card import grid
from apps.explorer.selection import Selection
from apps.explorer.state import SHOWN, State
from apps.explorer.view import View
from lab import views
from lab.errors import UserError
from lab.runs import Latents
from lab.runs.writer import dump_latents

HOLES, AE = "grammar/bn_vae(gamma=1.2)/0", "grammar/ae/0"
RANGES = """() => [...document.querySelectorAll('#latent-columns .js-plotly-plot')].map(
    plot => [...plot._fullLayout.xaxis.range, ...plot._fullLayout.yaxis.range])"""
NAMES = """kind => [...document.querySelectorAll(`[id*='${kind}'] .js-plotly-plot`)].map(
    plot => plot._fullData.map(trace => trace.name))"""
WHOLE = f"({RANGES})().every(range => Math.abs(range[0] + 4) < 0.01 && range[1] > 3.9)"


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    root = tmp_path_factory.mktemp("runs")
    write_all(root, count=90, epochs=5)
    return View(root)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> View:
    """A run of more items than a panel can show, round and of unit size."""
    root = tmp_path_factory.mktemp("large")
    texts = [f"sentence {k}" for k in range(30_000)]
    write_run(root, "vae", "consistent", count=30_000, width=2, epochs=2, texts=texts, stored=False)
    return View(root)


def query(*runs: str, **rest: str) -> str:
    pairs = [("run", run) for run in runs] + list(rest.items())
    return "?" + "&".join(f"{key}={quote(value)}" for key, value in pairs)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("", SHOWN),
        ("show=gap", ("gap",)),
        ("show=centres&show=gap", ("gap", "centres")),
        ("show=none", ()),
        ("show=nonsense", SHOWN),
    ],
)
def test_layers_of_the_url(asked: str, shown: tuple[str, ...]) -> None:
    assert State.parse(asked).show == shown


@pytest.mark.parametrize(
    ("text", "zoom"),
    [
        ("-1,0.5,0,1.5", (-1.0, 0.5, 0.0, 1.5)),
        ("1,-1,0,1", None),
        ("0,0,0,0", None),
        ("0,1,0,nan", None),
        ("0,1,0,1e9", None),
        ("0,1", None),
    ],
)
def test_zoom_of_the_url(text: str, zoom: object) -> None:
    state = State.parse(f"zoom={text}")
    assert state.zoom == zoom
    assert window(state) == (zoom or (-4, 4, -4, 4))


def test_a_run_may_stand_in_several_columns(view: View) -> None:
    state = State.parse(query(HOLES, f"{HOLES}@2", f"{AE}@4", "gone@1", epoch="3"))
    found = columns(view, state)
    assert [c.id for c in found] == [HOLES, f"{HOLES}@2", f"{AE}@4"]
    assert [c.epoch(view, state) for c in found] == [3, 2, 4]
    assert [r.id for r in view.chosen(state.runs)] == [HOLES, AE]


def test_an_id_that_looks_pinned_is_the_run_of_that_name(tmp_path: Path) -> None:
    write_run(tmp_path, "vae@2", seed=3, epochs=1, count=20)
    write_run(tmp_path, corpus="a", spec="b", seed=0, epochs=1, count=20)
    (tmp_path / "a" / "b" / "0").rename(tmp_path / "a" / "b" / "0@1")
    view = View(tmp_path)
    assert [view.named(r.id) for r in view.listing.runs] == [(r, None) for r in view.listing.runs]


def test_epochs_are_split_pinned_joined_and_dropped(view: View) -> None:
    state = State.parse(query(AE, HOLES))
    split = acted(view, state, HOLES, "split")
    assert split == [AE, f"{HOLES}@1", f"{HOLES}@3", f"{HOLES}@5"]
    state = State.parse(query(*split))
    assert acted(view, state, f"{HOLES}@3", "join") == [AE, HOLES]
    assert acted(view, state, f"{HOLES}@3", "drop") == [AE, f"{HOLES}@1", f"{HOLES}@5"]
    state = State.parse(query(AE, HOLES, epoch="2"))
    assert acted(view, state, AE, "pin") == [AE, f"{AE}@2", HOLES]


def test_landmarks_name_the_best_epoch(tmp_path: Path) -> None:
    write_run(tmp_path, epochs=7, count=20, status="stopped")
    run = View(tmp_path).listing.runs[0]
    assert landmarks(run) == [1, 4, 7]
    assert landmarks(type(run)(run.folder, {**run.info, "best_epoch": 6}, run.id)) == [1, 4, 6, 7]


def test_pinned_columns_say_so_and_keep_their_figures(view: View) -> None:
    state = State.parse(query(HOLES, f"{HOLES}@1", epoch="4"))
    moving, pinned = (panels.words(view, state, name) for name in state.runs)
    assert "epoch 4" in str(moving[0]) and "pinned" not in str(moving[0])
    assert "epoch 1, pinned" in str(pinned[0])
    early = panels.picture(view, state, f"{HOLES}@1", "density", "light").data[0].z
    assert np.array_equal(
        early, panels.picture(view, State(epoch=1), HOLES, "density", "light").data[0].z
    )


def test_the_gap_has_the_same_limits_everywhere_and_is_masked(view: View) -> None:
    figures = [
        panels.picture(view, State(epoch=epoch), run.id, "gap", "light")
        for run in view.listing.runs[:3]
        for epoch in (1, 5)
    ]
    for figure in figures:
        heat = figure.data[0]
        assert (heat.zmin, heat.zmax) == (-views.GAP_LIMIT, views.GAP_LIMIT)
        assert np.isnan(heat.z[0, 0]) and np.isfinite(heat.z[80, 80])


def test_codes_refuse_the_gap_and_maps_that_are_smoothed_say_so(view: View) -> None:
    state = State(show=("density", "gap"))
    notes = {
        (name, layer): [
            a.text.replace("<br>", " ")
            for a in panels.picture(view, state, name, layer, "light").layout.annotations
        ]
        for name in (HOLES, AE, "grammar/ivae/0")
        for layer in ("density", "gap")
    }
    assert notes[HOLES, "density"] == notes[HOLES, "gap"] == []
    assert notes[AE, "density"][0].startswith("kernel density of codes, bandwidth 0.")
    assert notes[AE, "gap"] == ["Deterministic codes have no density, so there is no gap."]
    for layer in ("density", "gap"):
        assert notes["grammar/ivae/0", layer][0].startswith("draws smoothed, bandwidth 0.")


def test_without_a_gap_the_maps_of_holes_and_paths_are_blank_and_take_clicks(view: View) -> None:
    run = view.find(AE)
    plane = grounds.plane(view, run, 5, (0, 1))
    grid = view.density(run, 5, (0, 1), 4.0)
    values, words = grounds.values(*plane, grid, gap=True)
    assert np.isnan(values).all() and "no gap" in words
    assert grounds.values(*plane, grid, gap=False)[0] is grid[2]


def test_a_zoomed_density_is_a_part_of_the_whole(view: View) -> None:
    run = next(r for r in view.listing.runs if r.id == HOLES)
    x, y, whole = view.density(run, 5, (0, 1), 4.0)
    corner = float(x[90]), float(y[60])
    near_x, near_y, near = view.density(run, 5, (0, 1), 1.0, (corner[0] + 1, corner[1] + 1))
    assert (near_x[0], near_y[0]) == pytest.approx(corner)
    assert near_x[-1] - near_x[0] == pytest.approx(2)
    assert near[0, 0] == pytest.approx(whole[60, 90], rel=1e-3)


def test_few_points_are_all_drawn_and_many_are_a_counted_sample(view: View, large: View) -> None:
    few = panels.picture(view, State(), HOLES, "centres", "light")
    assert not few.layout.annotations
    many = panels.picture(large, State(), large.listing.runs[0].id, "centres", "light")
    assert many.data[0].type == "heatmap"
    assert sum(len(t.x) for t in many.data[1:]) == centres.SAMPLE
    assert many.layout.annotations[0].text == f"{centres.SAMPLE:,} of 30,000 shown"
    assert many.layout.hovermode is False


def test_zoomed_in_the_points_come_back_and_counts_are_of_all(large: View) -> None:
    run = large.listing.runs[0]
    state = State(zoom=(0.0, 0.5, -0.25, 0.25))
    plane = large.plane_points(run, 2, (large.axis(run, "a1")[0], large.axis(run, "a2")[0]))
    inside = ((plane >= (0, -0.25)) & (plane < (0.5, 0.25))).all(1).sum()
    figure = panels.picture(large, state, run.id, "centres", "light")
    assert {t.type for t in figure.data} <= {"scatter", "scattergl"}
    assert sum(len(t.x) for t in figure.data) == inside
    assert figure.layout.annotations[0].text == f"{inside:,} of 30,000 in view"


@pytest.mark.parametrize(("count", "gl"), [(1, True), (6, True), (7, False), (12, False)])
def test_webgl_is_only_for_as_many_panels_as_a_browser_allows(
    large: View, count: int, gl: bool
) -> None:
    run = large.listing.runs[0]
    state = State((run.id, *(f"{run.id}@{k}" for k in range(1, count))))
    figure = panels.picture(large, state, run.id, "centres", "light")
    assert any(t.type == "scattergl" for t in figure.data) is gl
    drawn = sum(len(t.x) for t in figure.data if t.type != "heatmap")
    assert gl or drawn * count <= centres.SVG_POINTS


def test_only_two_dimensions_of_a_large_dump_are_read(large: View, monkeypatch) -> None:
    view = View(large.root)
    monkeypatch.setattr(View, "latents", lambda *_: pytest.fail("read the whole dump"))
    for layer in ("density", "gap", "centres"):
        assert panels.picture(view, State(), view.listing.runs[0].id, layer, "light").data


def test_a_large_dump_of_another_length_is_a_note(tmp_path: Path) -> None:
    texts = [f"sentence {k}" for k in range(25_000)]
    folder = write_run(tmp_path, "vae", "points", count=25_000, width=2, epochs=1, texts=texts)
    dump_latents(folder, 1, Latents("point", np.zeros((9, 2))))
    view = View(tmp_path)
    figure = panels.picture(view, State(), view.listing.runs[0].id, "density", "light")
    assert "9 latents" in figure.layout.annotations[0].text.replace("<br>", " ")


def test_the_neighbouring_dumps_are_made_ready(large: View) -> None:
    view, done = View(large.root), Event()
    run, ahead = view.listing.runs[0], Ahead()
    panels.look_ahead(view, ahead, State(epoch=1), run.id)
    ahead.wish("last", done.set)
    while not done.wait(0.01) or ahead._wishes:
        pass
    dims = view.axis(run, "a1")[0], view.axis(run, "a2")[0]
    before = len(view._densities)
    view.density(run, 2, dims, 4.0)
    assert before <= len(view._densities) == 1


def test_a_click_names_the_nearest_item_or_none(view: View) -> None:
    run = next(r for r in view.listing.runs if r.id == HOLES)
    plane = view.plane_points(run, 5, (view.axis(run, "a1")[0], view.axis(run, "a2")[0]))
    ids = run.items["id"]
    assert item.clicked(view, State(), HOLES, plane[7] + 1e-4) == str(ids[7])
    assert item.clicked(view, State(), HOLES, (3.9, -3.9)) == ""


def test_an_item_is_an_ellipse_on_every_layer_and_draws_where_there_is_none(view: View) -> None:
    state = State(item=3)
    names = {
        run.id: [t.name for t in panels.picture(view, state, run.id, layer, "light").data]
        for layer in ("density", "gap", "centres")
        for run in view.listing.runs
        if run.epochs and run.corpus == "grammar"
    }
    assert "1 σ, 2 σ" in names[HOLES] and "mean" in names[HOLES]
    assert "1 σ, 2 σ" not in names[AE] and "mean" in names[AE]
    assert "draws" in names["grammar/ivae/0"]


def test_a_lasso_in_a_pinned_column_takes_the_points_of_its_epoch(view: View) -> None:
    square = {"x": [0, 9, 9, 0], "y": [-9, -9, 9, 9], "run": f"{HOLES}@1"}
    state = State.parse(query(HOLES, epoch="5"))
    run, rows = Selection.drawn(view, state, square).rows(view)
    plane = view.plane_points(run, 1, (view.axis(run, "a1")[0], view.axis(run, "a2")[0]))
    assert rows.tolist() == np.flatnonzero(plane[:, 0] > 0).tolist()


def test_the_slider_speaks_the_units_of_the_runs(view: View) -> None:
    text = [r for r in view.listing.runs if r.epochs and r.corpus == "grammar"]
    toy = [r for r in view.listing.runs if r.corpus == "toy-4"]
    assert panels.readout(text, 3) == "epoch 3 of 5"
    assert panels.readout(toy, 3) == "iteration 15000 of 20000"
    assert panels.readout([*text, *toy], 3) == "epoch 3, iteration 15000"


@pytest.mark.parametrize(
    ("count", "wide", "narrow"),
    [(1, 1, 1), (5, 5, 3), (6, 6, 3), (7, 4, 4), (12, 6, 4), (13, 5, 4)],
)
def test_rows_of_cards_are_about_even(view: View, count: int, wide: int, narrow: int) -> None:
    shown = [column(view, f"{HOLES}@{k}") for k in range(count)]
    made = grid(view, shown, SHOWN)
    assert (made.style["--wide"], made.style["--narrow"]) == (wide, narrow)


def test_what_is_gone_is_a_note_in_one_panel(view: View) -> None:
    first, second = (panels.picture(view, State(), "gone@1", la, "light") for la in SHOWN)
    assert "no longer" in first.layout.annotations[0].text
    assert second.layout.annotations[0].text.strip() == ""
    with pytest.raises(UserError):
        column(view, "gone@1")


def drag(on: Visit, kind: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    area = on.page.locator(f"[id*='{kind}'] .nsewdrag").first.bounding_box()
    places = [
        (area["x"] + area["width"] * x, area["y"] + area["height"] * y) for x, y in (start, end)
    ]
    on.page.mouse.move(*places[0])
    on.page.mouse.down()
    on.page.mouse.move(*places[1], steps=5)
    on.page.mouse.up()


def test_layers_are_shown_on_demand(visit: Visit, address: str) -> None:  # noqa: F811
    visit.page.goto(f"{address}/{query(HOLES, AE)}")
    visit.drawn("density", 2)
    visit.page.get_by_text("gap log q/p", exact=True).click()
    visit.page.wait_for_url("**show=gap*")
    visit.drawn("gap", 1)
    visit.page.locator("[id*='gap'] .annotation", has_text="Deterministic codes").wait_for()
    visit.page.locator(".legend .diverging").wait_for()
    visit.page.locator(".toolbar").get_by_text("q(z)", exact=True).click()
    visit.page.wait_for_function("!location.search.includes('density')")
    visit.drawn("density", 0)
    visit.drawn("centres", 2)


def test_one_zoom_for_all_maps(visit: Visit, address: str) -> None:  # noqa: F811
    visit.page.goto(f"{address}/{query(HOLES, AE)}")
    visit.drawn("centres", 2)
    drag(visit, "density", (0.3, 0.3), (0.6, 0.6))
    visit.page.wait_for_url("**zoom=*")
    ranges = np.array(visit.page.evaluate(RANGES))
    assert len(ranges) == 4 and np.allclose(ranges, ranges[0], atol=1e-3)
    assert np.allclose(
        ranges[0], [float(v) for v in visit.query()["zoom"][0].split(",")], atol=1e-3
    )
    visit.page.locator("[id*='centres'] .annotation", has_text="of 240 in view").first.wait_for()
    visit.page.reload()
    visit.drawn("centres", 2)
    assert np.allclose(visit.page.evaluate(RANGES), ranges, atol=1e-3)
    visit.page.locator("#latent-whole").click()
    visit.page.wait_for_function(WHOLE)
    visit.page.wait_for_function("!location.search.includes('zoom')")


def test_epochs_of_one_run_stand_side_by_side(visit: Visit, address: str) -> None:  # noqa: F811
    visit.page.goto(f"{address}/{query(HOLES, AE)}")
    visit.drawn("centres", 2)
    visit.page.locator("article").first.get_by_label("Epochs of this run").click()
    visit.page.get_by_text("Split into").click()
    visit.page.wait_for_function("document.querySelectorAll('article').length == 4")
    visit.drawn("centres", 4)
    visit.page.keyboard.press("ArrowLeft")
    visit.page.wait_for_url("**epoch=5")
    visit.page.locator("article").last.get_by_text("epoch 5", exact=True).wait_for()
    pinned = visit.page.locator("article .where").all_inner_texts()[:3]
    assert [re.search(r"epoch (\d)", words)[1] for words in pinned] == ["1", "3", "6"]
    before = visit.traces("centres")
    visit.lasso("centres", 2)
    visit.page.wait_for_function(
        "n => [...document.querySelectorAll(`[id*='centres'] .js-plotly-plot`)].every("
        "(plot, k) => plot._fullData.length == n[k] + 1)",
        arg=before,
    )


def test_a_clicked_point_is_an_ellipse_everywhere(visit: Visit, address: str) -> None:  # noqa: F811
    visit.page.goto(f"{address}/{query(HOLES, 'grammar/dg_vae(aggregation=32)/0')}")
    visit.drawn("centres", 2)
    x, y = visit.page.evaluate(
        """() => {
            const plot = document.querySelector("[id*='centres'] .js-plotly-plot");
            const area = plot.querySelector(".nsewdrag").getBoundingClientRect();
            const {xaxis, yaxis} = plot._fullLayout;
            const trace = plot._fullData[0];
            return [area.left + xaxis.d2p(trace.x[0]), area.top + yaxis.d2p(trace.y[0])];
        }"""
    )
    visit.page.mouse.click(x, y)
    visit.page.wait_for_url("**item=*")
    visit.page.wait_for_function(
        f"['density', 'centres'].every(kind => ({NAMES})(kind).every(n => n.includes('1 σ, 2 σ')))"
    )
    chosen = visit.query()["item"]
    visit.page.get_by_text("Its neighbours").click()
    visit.page.wait_for_url("**/sentence?*")
    assert visit.query()["item"] == chosen and len(visit.query()["run"]) == 2


def test_arrows_and_space_work_anywhere_but_in_inputs(visit: Visit, address: str) -> None:  # noqa: F811
    visit.page.goto(f"{address}/{query(AE)}")
    visit.drawn("centres", 1)
    visit.page.keyboard.press("ArrowLeft")
    visit.page.wait_for_url("**epoch=5")
    visit.page.locator("#axis-x").focus()
    visit.page.keyboard.press("ArrowLeft")
    visit.page.locator("#axis-x").blur()
    visit.page.keyboard.press("ArrowRight")
    visit.page.wait_for_function("!location.search.includes('epoch')")
    visit.page.keyboard.press(" ")
    visit.page.wait_for_url("**epoch=*")
    visit.page.wait_for_function("document.getElementById('play').innerText == '▶'")
    visit.page.wait_for_function("!location.search.includes('epoch')")


def test_runs_may_be_ticked_faster_than_they_are_drawn(visit: Visit, address: str) -> None:  # noqa: F811
    visit.page.goto(f"{address}/{query(HOLES)}")
    visit.drawn("centres", 1)
    visit.page.locator("#picker").click()
    boxes = visit.page.locator(".choices input[type=checkbox]:not(:checked)")
    names = [boxes.nth(k).get_attribute("value") for k in range(5)]
    for name in names:
        visit.page.locator(f".choices input[value='{name}']").click(no_wait_after=True)
    visit.page.wait_for_function("document.querySelectorAll('article').length == 6")
    for name in names[:3]:
        visit.page.locator(f".choices input[value='{name}']").click(no_wait_after=True)
    visit.page.wait_for_function("document.querySelectorAll('article').length == 3")
    visit.page.wait_for_function(
        "!document.querySelector(\"#latent-columns [data-dash-is-loading='true']\")"
        " && [...document.querySelectorAll('#latent-columns .verdict')].every(v => v.innerText)"
    )
    assert visit.errors == []


def test_twelve_large_runs_stay_below_the_browsers_webgl_contexts(
    visit: Visit,
    serve,
    tmp_path: Path,
) -> None:
    texts = [f"sentence {k}" for k in range(20_000)]
    runs = []
    for seed in range(12):
        write_run(
            tmp_path, "vae", "points", seed=seed, count=20_000, width=2, epochs=1, stored=False,
            texts=texts, labels={},
        )  # fmt: skip
        runs.append(f"grammar/vae/{seed}")
    home = serve(tmp_path)
    visit.page.goto(f"{home}/{query(*runs[:6])}")
    visit.drawn("centres", 6)
    assert 0 < visit.page.evaluate("window.webgl") <= 16
    visit.page.goto(f"{home}/{query(*runs)}")
    visit.drawn("centres", 12)
    assert visit.page.evaluate("window.webgl") <= 16
    visit.page.locator("[id*='centres'] .annotation", has_text="1,000 of 20,000 shown").nth(
        11
    ).wait_for()


def test_a_large_run_is_points_again_once_zoomed(visit: Visit, serve, large: View) -> None:
    visit.page.goto(f"{serve(large.root)}/")
    visit.page.locator("[id*='centres'] .annotation", has_text="5,000 of 30,000 shown").wait_for()
    drag(visit, "density", (0.45, 0.45), (0.55, 0.55))
    visit.page.locator("[id*='centres'] .annotation", has_text="of 30,000 in view").wait_for()
    plot = "document.querySelector(\"[id*='centres'] .js-plotly-plot\")"
    assert "heatmap" not in visit.page.evaluate(f"{plot}._fullData.map(t => t.type)")

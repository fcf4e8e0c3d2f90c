"""A click on any map: the place or the item that it names, on the page's own axes of each run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsing import Visit
from explorer_runs import sentences, write_run

from apps.explorer import clicks, item, pairs, projection_clicks, projection_column
from apps.explorer.clicks import Click
from apps.explorer.looked_at import LookedAt
from apps.explorer.projection_column import Pictures
from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError

RUN = "grammar/bn_vae(gamma=1.2)/0"
OTHER = "grammar/vae/0"
TWO = (RUN, OTHER)
QUERY = "run=grammar%2Fbn_vae(gamma%3D1.2)%2F0&run=grammar%2Fvae%2F0"


def write_two(root: Path) -> None:
    write_run(root, "bn_vae(gamma=1.2)", "holes", label="BN-VAE", created="2026-01-01")
    write_run(root, "vae", "collapsed", label="VAE", created="2026-01-02")


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    root = tmp_path_factory.mktemp("runs")
    write_two(root)
    return View(root)


@pytest.fixture(scope="module")
def pictures(view: View) -> Pictures:
    return Pictures(view)


@pytest.mark.parametrize(
    ("text", "of"),
    [
        *((name, name) for name in ("ab", "pca|grammar/vae/0", "pc3.5", "a1.2", "z12.3")),
        *((name, "") for name in ("pca", "pca|", "pc3.3", "pc0.1", "pc01.2", "b1.2", "tsne")),
    ],
)
def test_the_axes_of_a_place_stand_in_the_url(text: str, of: str) -> None:
    assert State.parse(f"?at=1,2&of={text}").of == of


@pytest.mark.parametrize("fill", ["nearest", "zeros", "prior"])
@pytest.mark.parametrize(("projection", "of"), [("pca", f"pca|{RUN}"), ("ab", "ab")])
def test_a_place_of_a_plane_is_that_point_of_it_in_every_run(
    view: View, pictures: Pictures, projection: str, of: str, fill: str
) -> None:
    a, b = sentences(240)[3], sentences(240)[17]
    state = State(runs=TWO, at=(0.8, -1.5), of=of, fill=fill, a=a, b=b, projection=projection)
    for run in view.listing.runs:
        code = LookedAt(view).code(run, 6, state)
        axes = pictures.basis(run, state, "light")
        assert axes.of == of and code.z @ axes.matrix == pytest.approx(state.at)
        assert "= 0.80" in code.words and "= −1.50; the other 6 are" in code.words


def test_a_place_stays_whichever_runs_are_shown_beside_it(view: View) -> None:
    state = State(runs=TWO, at=(0.8, -1.5), of=f"pca|{RUN}", fill="zeros")
    codes = [
        LookedAt(view).code(view.find(OTHER), 6, replace(state, runs=runs)).z
        for runs in (TWO, (OTHER,))
    ]
    np.testing.assert_array_equal(*codes)
    with pytest.raises(UserError, match="no longer in the folder"):
        LookedAt(view).code(view.find(OTHER), 6, replace(state, of="pca|gone"))


def test_without_a_and_b_the_place_between_them_says_where_they_are_chosen(tmp_path: Path) -> None:
    write_run(tmp_path, "vae", "holes", count=30, epochs=1, stored=False)
    view = View(tmp_path)
    with pytest.raises(UserError, match=r"page of projections\. Type or pick"):
        LookedAt(view).code(view.find(OTHER), 1, State(at=(0.0, 0.0), of="ab", a="one"))


def test_what_is_across_the_plane_is_the_nearest_codes(view: View, pictures: Pictures) -> None:
    run = view.find(RUN)
    state = State(runs=TWO, at=(0.8, -1.5), of="pc2.4")
    axes = pictures.planes.pair(run, (1, 3)).matrix
    mean = view.latents(run, 6).mean
    row = np.linalg.norm(mean @ axes - state.at, axis=1).argmin()
    across = np.eye(8) - axes @ axes.T
    code = LookedAt(view).code(run, 6, state)
    np.testing.assert_allclose(across @ code.z, across @ mean[row], atol=1e-6)
    assert "PC 2 = 0.80" in code.words and run.items["text"][int(row)] in code.words


def test_axes_that_a_run_has_not_are_an_error(view: View) -> None:
    with pytest.raises(UserError, match="no principal axis 9"):
        LookedAt(view).code(view.find(RUN), 6, State(at=(0.0, 0.0), of="pc1.9"))


def test_a_click_on_points_names_the_item_and_off_them_none(pictures: Pictures) -> None:
    state = State(runs=TWO)
    run = pictures.view.find(RUN)
    points = pictures.view.points(run, 6) @ pictures.basis(run, state, "light").matrix
    on = Click("projected-points", RUN, tuple(points[9] + 1e-4), span=8.0, of=f"pca|{RUN}")
    assert projection_clicks.found(pictures, state, on) == {"item": str(run.items["id"][9])}
    beside = replace(on, point=tuple(points[9] + 0.01), span=0.1)
    for off in (replace(on, point=(3.9, 3.9)), beside):
        assert projection_clicks.found(pictures, state, off) == {"item": ""}


def test_a_click_on_a_layout_names_the_item_of_its_row(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, points = np.array([4, 9, 30]), np.array([[0.0, 0.0], [1.0, 0.5], [-1.0, 1.0]])
    monkeypatch.setattr(projection_clicks, "layout_of", lambda *_: (rows, points))
    on = Click("projected-points", RUN, (0.99, 0.5), span=2.2, of="umap")
    found = projection_clicks.found(pictures, State(runs=TWO, projection="umap"), on)
    assert found == {"item": str(pictures.view.find(RUN).items["id"][9])}


@pytest.mark.parametrize(
    ("projection", "clicked"),
    [
        ("umap", Click("projected-points", RUN, (0.0, 0.0), 8.0, of=f"pca|{RUN}")),
        ("pca", Click("projected-points", RUN, (0.0, 0.0), 8.0, of="umap")),
        ("pca", Click("projected-points", RUN, (0.0, 0.0), 8.0, of=f"pca|{OTHER}")),
        ("pca", Click("projected-map", RUN, (0.0, 0.0), 8.0, of="umap")),
        ("pca", Click("elsewhere", RUN, (0.0, 0.0), 8.0)),
    ],
)
def test_a_click_on_what_is_drawn_no_longer_is_none(
    pictures: Pictures, projection: str, clicked: Click
) -> None:
    with pytest.raises(UserError):
        projection_clicks.found(pictures, State(runs=TWO, projection=projection), clicked)


@pytest.mark.parametrize(
    ("by", "expected"), [("activity", "a3.4"), ("index", "z3.4"), ("pca", "pc3.4")]
)
def test_a_click_on_a_cell_names_its_axes_and_a_cross_stands_there(
    pictures: Pictures, by: str, expected: str
) -> None:
    state = State(runs=TWO, projection="pairs", by=by)
    of = pairs.figure(pictures, state, RUN, "light").layout.meta["of"]
    assert len(of) == 4 and of[1] == expected
    clicked = Click("pairs", RUN, (0.5, -1.0), 8.0, of=of[1])
    found = projection_clicks.found(pictures, state, clicked)
    assert found == {"at": "0.500,-1.000", "of": expected, "draw": ""}
    query = "&".join(f"{key}={value}" for key, value in found.items() if value)
    run = "&".join(f"run={name}" for name in TWO)
    clicked = State.parse(f"?projection=pairs&by={by}&{query}&{run}")
    crosses = [t for t in pairs.figure(pictures, clicked, RUN, "light").data if is_cross(t)]
    assert [(t.xaxis, t.x[0], t.y[0]) for t in crosses] == [("x2", 0.5, -1.0)]
    code = LookedAt(pictures.view).code(pictures.view.find(RUN), 6, clicked)
    assert "= 0.50" in code.words and "= −1.00" in code.words


def test_a_pair_of_dimensions_is_that_of_the_axes_x_and_y(pictures: Pictures) -> None:
    view = pictures.view
    of_pair, of_axes = (
        LookedAt(view).code(view.find(RUN), 6, State(at=(0.5, -1.0), **named))
        for named in ({"of": "a3.4"}, {"x": "a3", "y": "a4"})
    )
    np.testing.assert_array_equal(of_pair.z, of_axes.z)
    assert of_pair.words == of_axes.words
    run, state = view.find(RUN), State(at=(0.5, -1.0), of="a3.4")
    there, elsewhere = view.dims(run, "a3", "a4"), view.dims(run, "a1", "a2")
    assert len(item.place(view, state, run, there, "light")) == 1
    assert item.place(view, state, run, elsewhere, "light") == []


def is_cross(trace: object) -> bool:
    return trace.type == "scatter" and trace.marker.symbol == "cross-thin"


def test_the_cross_stands_on_the_maps_of_its_own_axes_alone(pictures: Pictures) -> None:
    state = State(runs=TWO, at=(1.0, 0.5), of=f"pca|{RUN}")
    figure = projection_column.map_figure(pictures, state, RUN, "light")
    assert [(t.x[0], t.y[0]) for t in figure.data if is_cross(t)] == [(1.0, 0.5)]
    view = pictures.view
    run = view.find(RUN)
    assert item.place(view, state, run, view.dims(run, "a1", "a2"), "light") == []
    other = projection_column.map_figure(pictures, replace(state, of=""), RUN, "light")
    assert not any(map(is_cross, other.data))


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        {"x": "1"},
        {"x": "nan", "y": 0, "span": 1},
        {"x": 10**400, "y": 0, "span": 1},
        {"x": 0, "y": 0, "span": 0},
        {"x": 0, "y": 0, "span": "wide"},
    ],
)
def test_a_click_that_makes_no_sense_is_refused(sent: object) -> None:
    with pytest.raises(UserError):
        Click.read(sent)


def test_the_bar_names_what_was_clicked_and_the_sentence_page_only_the_place(view: View) -> None:
    search = f"?{QUERY}&item=7&at=1,-2&of=pc3.5"
    assert "(1.00, −2.00) of PC 3 and PC 5" in clicks.words(State.parse(search))
    everywhere, sentence = (clicks.shown(view, search, path) for path in ("/", "/sentence"))
    assert (len(everywhere.children), len(sentence.children)) == (3, 2)
    assert clicks.shown(view, f"?{QUERY}&item=7", "/sentence") is None


def click(on: Visit, kind: str, x: float, y: float, cell: int = 0) -> None:
    area = on.page.locator(f"[id*='{kind}'] .nsewdrag").nth(cell).bounding_box()
    on.page.mouse.click(area["x"] + x * area["width"], area["y"] + (1 - y) * area["height"])


def test_clicks_on_every_map_lead_to_what_is_said_there(
    visit: Visit, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    write_two(tmp_path)
    page, address = visit.page, serve(tmp_path)
    page.goto(f"{address}/projections?{QUERY}")
    visit.drawn("projected-map", 2)
    click(visit, "projected-map", 0.75, 0.25)
    page.wait_for_url("**of=pca%7C*")
    at = [float(v) for v in visit.query()["at"][0].split(",")]
    assert at == pytest.approx([2, -2], abs=0.1)
    page.get_by_text("of the principal axes").wait_for()
    visit.drawn("projected-points", 2)
    point = page.evaluate(
        """() => { const plot = document.querySelector("[id*='projected-points'] .js-plotly-plot");
            const trace = plot._fullData.find(t => t.x && t.x.length);
            return [trace.x[0] / 8 + .5, trace.y[0] / 8 + .5] }"""
    )
    click(visit, "projected-points", *point)
    page.wait_for_url("**item=*")
    page.get_by_text("Its neighbours, KL and decodes").wait_for()
    page.get_by_text("What every run says at this place").click()
    page.get_by_text("axis 1 = ", exact=False).nth(1).wait_for()
    page.goto(f"{address}/projections?{QUERY}&projection=pairs")
    visit.drawn('"pairs"', 2)
    click(visit, '"pairs"', 0.75, 0.75, cell=2)
    page.wait_for_url("**of=a5.6*")
    at = [float(v) for v in visit.query()["at"][0].split(",")]
    assert at == pytest.approx([2, 2], abs=0.2)
    page.goto(f"{address}/sentence?run=grammar%2Fvae%2F0&item=5")
    visit.drawn("sentence-map", 1)
    click(visit, "sentence-map", 0.5, 0.75)
    page.wait_for_url("**at=*")
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("!location.search.includes('at=')")
    assert visit.query()["item"] == ["5"]


def test_a_click_on_a_line_of_words_is_none(
    visit: Visit, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    write_two(tmp_path)
    page = visit.page
    page.goto(f"{serve(tmp_path)}/projections?{QUERY}&projection=ab&a=unknown&b=unknown")
    page.get_by_text("No checkpoint to encode").nth(1).wait_for()
    click(visit, "projected-map", 0.5, 0.5)
    page.get_by_text("principal axes", exact=True).first.click()
    visit.drawn("projected-map", 2)
    click(visit, "projected-map", 0.25, 0.5)
    page.wait_for_url("**of=pca%7C*")
    assert float(visit.query()["at"][0].split(",")[0]) == pytest.approx(-2, abs=0.1)

"""The page of projections: background jobs, aligned planes, grids of pairs, and in a browser."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from browsing import Visit
from explorer_runs import sentences, write_run

from apps.explorer import jobs, pairs, projection_column, projection_jobs
from apps.explorer.jobs import Job, Jobs
from apps.explorer.projection_column import Pictures
from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError
from lab.layouts import Layouter, NoLayout
from lab.look import DENSITY_LIMIT
from lab.runs import Latents, RunWriter, open_run
from lab.runs.writer import items_table

UMAP = State(projection="umap")


def until(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.01)


class Gate:
    """A piece of work that begins, waits to be let go, and says whether it was stopped."""

    def __init__(self) -> None:
        self.begun, self.open, self.stopped = (threading.Event() for _ in range(3))

    def __call__(self, job: Job) -> None:
        self.begun.set()
        job.on_stop(self.stopped.set)
        while not self.open.wait(0.01):
            job.report(0.5, "half")


def test_two_browsers_share_a_job_that_ends_when_neither_waits() -> None:
    made, gate = Jobs(), Gate()
    made.want("one", {"key": gate})
    gate.begun.wait(20)
    until(lambda: made.want("two", {"key": gate})["key"].words == "half")
    assert made.want("one", {}) == {} and not gate.stopped.is_set()
    assert made.want("two", {"key": gate})["key"].state == "running"
    made.want("two", {})
    until(lambda: gate.stopped.is_set() and made.threads == 0)


def test_a_cancelled_job_frees_its_thread_for_the_next_one() -> None:
    idle = threading.Event()
    made, first, second = Jobs(1, idle.set), Gate(), Gate()
    told = made.want("one", {"first": first, "second": second})
    assert [p.state for p in told.values()] == ["waiting", "waiting"]
    first.begun.wait(20)
    assert not second.begun.is_set()
    made.want("one", {"second": second})
    assert second.begun.wait(20) and first.stopped.is_set()
    second.open.set()
    until(lambda: made.want("one", {"second": second})["second"].state == "done")
    assert idle.wait(20)
    until(lambda: not any(t.name == "explorer-job" for t in threading.enumerate()))


def test_leaving_a_job_that_is_done_interrupts_no_other() -> None:
    made, first, second = Jobs(), Gate(), Gate()
    for reader in ("one", "two"):
        made.want(reader, {"first": first, "second": second})
    first.open.set()
    assert second.begun.wait(20)
    made.want("one", {"second": second})
    made.want("two", {"second": second})
    assert not first.stopped.is_set() and not second.stopped.is_set()
    made.want("one", {}), made.want("two", {})
    assert second.stopped.wait(20)


def test_failures_are_told_until_they_are_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    made, runs = Jobs(), []

    def fail(job: Job) -> None:
        runs.append(job)
        raise UserError("no such thing") if len(runs) == 1 else KeyError("bug")

    def words() -> str:
        progress = made.want("one", {"key": fail})["key"]
        return progress.words if progress.state == "failed" else ""

    until(lambda: words() == "no such thing")
    assert words() and len(runs) == 1
    made.forget("key")
    until(lambda: words() == "This failed: KeyError.")
    assert "bug" in caplog.text


def test_jobs_that_no_browser_asks_for_end(monkeypatch: pytest.MonkeyPatch) -> None:
    made, gate = Jobs(), Gate()
    made.want("gone", {"key": gate})
    gate.begun.wait(20)
    monkeypatch.setattr(jobs, "ABANDONED", 0.0)
    until(lambda: made.threads == 0)
    assert not gate.open.is_set()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?projection=umap&drawn=gap", State(projection="umap", drawn="gap")),
        ("?projection=pairs&by=pca&count=8&pairs=1+2", State(
            projection="pairs", by="pca", count=8, pairs="1 2"
        )),
        ("?projection=ab&a=the+cat&b=a+dog", State(projection="ab", a="the cat", b="a dog")),
        ("?projection=mds&drawn=x&by=y&count=3", State()),
    ],
)  # fmt: skip
def test_the_projection_stands_in_the_url(query: str, expected: State) -> None:
    assert State.parse(query) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("1 2, 3-4", ((1, 2), (3, 4))),
        ("5 5, 0 1, 2 9", ((2, 9),)),
        ("1,2 and <b>", ()),
        ("1 2,1 2", ((1, 2),)),
        ("", ()),
    ],
)
def test_pairs_are_read_from_words(words: str, expected: tuple) -> None:
    assert pairs.chosen_pairs(words) == expected


def test_pairs_go_down_the_ranks_as_far_as_there_are_dimensions() -> None:
    assert pairs.pairs_of(State(count=4), 5) == [(0, 1), (2, 3)]
    assert pairs.pairs_of(State(pairs="1 7, 2 3"), 5) == [(1, 2)]
    assert pairs.pairs_of(State(pairs="nonsense", count=2), 8) == [(0, 1), (2, 3)]


def write(folder: Path, latents: Latents, order: np.ndarray | None = None) -> None:
    """One finished run of one epoch, its items in that order."""
    count = len(latents.mean)
    items = items_table(count, sentences(count), {"topic": [i % 4 for i in range(count)]}, "valid")
    spec, corpus = folder.parent.name, folder.parent.parent.name
    info = {"spec": spec, "corpus": {"name": corpus}, "settings": {}, "seed": 0}
    with RunWriter(folder, info) as writer:
        writer.write_items(items if order is None else items[order])
        writer.write_epoch(1, latents, [])
        writer.commit(status="finished", epoch=1)


@pytest.fixture
def turned(tmp_path: Path) -> Pictures:
    """A run, and a copy of it whose codes are rotated and whose items are in another order."""
    random = np.random.default_rng(1)
    mean = random.normal(size=(120, 6)) * [2, 1.5, 1, 0.5, 0.3, 0.1]
    spread = np.full((120, 6), -3.0)
    rotation = np.linalg.qr(random.normal(size=(6, 6)))[0]
    order = random.permutation(120)
    write(tmp_path / "tiny" / "a" / "0", Latents("gaussian", mean, spread))
    copy = Latents("gaussian", (mean @ rotation)[order], spread)
    write(tmp_path / "tiny" / "b" / "0", copy, order)
    return Pictures(View(tmp_path))


def by_spec(view: View, spec: str):
    return next(r for r in view.listing.runs if r.spec == spec)


def test_a_rotated_and_permuted_copy_looks_the_same(turned: Pictures) -> None:
    view, made = turned.view, turned.planes
    one, other = (by_spec(view, spec) for spec in "ab")
    here, there = (made.plane(run, made.first([one, other])) for run in (one, other))
    assert (there.onto, there.shared) == ("a", 120) and there.disparity < 1e-6
    np.testing.assert_allclose(here.share, there.share, atol=1e-6)
    densities = [made.density(r, 1, p.matrix, 4.0, 40)[2] for r, p in ((one, here), (other, there))]
    np.testing.assert_allclose(*densities, atol=1e-5)
    figure, words = projection_column.points_column(turned, State(), other.id, "light")
    assert "turned axis 1" in figure.layout.xaxis.title.text and "disparity 0.00" in words


def test_every_layer_of_a_plane_keeps_its_limits(turned: Pictures) -> None:
    name = by_spec(turned.view, "a").id
    for drawn, ends in (
        ("density", (0, DENSITY_LIMIT)),
        ("centres", (0, DENSITY_LIMIT)),
        ("gap", (-3, 3)),
    ):
        state = State(drawn=drawn, prior=True)
        heat = projection_column.map_figure(turned, state, name, "light")
        assert (heat.data[0].zmin, heat.data[0].zmax) == ends and len(heat.layout.shapes) == 3
        grid = pairs.figure(turned, replace(state, projection="pairs"), name, "light")
        assert {(t.type, t.zmin, t.zmax) for t in grid.data} == {("heatmap", *ends)}
        assert len(grid.data) == 3 and len(grid.layout.shapes) == 9


def test_cells_of_a_grid_are_square_and_within_it(turned: Pictures) -> None:
    state = State(projection="pairs", count=16, by="index", pairs="1 2, 3 4, 5 6, 1 3, 1 4, 1 5")
    state = replace(state, pairs=f"{state.pairs}, 1 6, 2 3, 2 4")
    across, lines = pairs.cells(state, turned.view.chosen(()))
    assert (across, lines) == (8, 2)
    grid = pairs.figure(turned, state, by_spec(turned.view, "a").id, "light").layout
    width, height = (float(v) for v in pairs.shape(across, lines).split("/"))
    for k in range(9):
        x, y = (grid[f"{a}axis{k + 1 if k else ''}"].domain for a in "xy")
        assert min(*x, *y) >= 0 and max(*x, *y) <= 1
        assert (x[1] - x[0]) * width == pytest.approx((y[1] - y[0]) * height)
    assert [a.text for a in grid.annotations[:2]] == ["z₁, z₂", "z₃, z₄"]


def test_pairs_follow_activity_and_principal_axes(turned: Pictures) -> None:
    name = by_spec(turned.view, "b").id
    order = turned.view.order(by_spec(turned.view, "b"))
    titles = [
        pairs.figure(turned, State(by=by), name, "light").layout.annotations[0].text
        for by in ("activity", "pca")
    ]
    assert titles[0].endswith(pairs.text.dimension(int(order[1])))
    assert titles[1].startswith("PC 1, 2 · ")


def note(figure) -> str:
    return figure.layout.annotations[0].text.replace("<br>", " ")


def test_what_is_damaged_gone_or_too_thin_is_a_line_on_its_own_card(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "vae", "holes", count=30, epochs=2)
    write_run(tmp_path, "ae", "points", count=30, epochs=2)
    write(tmp_path / "tiny" / "thin" / "0", Latents("point", np.ones((30, 1))))
    next((folder / "latents").glob("*2.safetensors")).write_bytes(b"nothing")
    made = Pictures(View(tmp_path))
    for name, words in (
        ("grammar/vae/0", "truncated"),
        ("tiny/thin/0", "one dimension"),
        ("gone", "no longer"),
    ):
        assert words in note(projection_column.map_figure(made, State(), name, "light"))
    assert "none of these pairs" in note(pairs.figure(made, State(), "tiny/thin/0", "light"))
    assert "truncated" in note(pairs.figure(made, State(), "grammar/vae/0", "light"))
    sound = projection_column.map_figure(made, State(), "grammar/ae/0", "light")
    assert sound.data[0].type == "heatmap"


@pytest.mark.parametrize("kind", ["samples", "points", "collapsed"])
def test_every_family_has_its_plane(tmp_path: Path, kind: str) -> None:
    write_run(tmp_path, "vae", kind, count=60, epochs=1)
    made = Pictures(View(tmp_path))
    for drawn in ("density", "gap"):
        state = State(drawn=drawn)
        heat = projection_column.map_figure(made, state, "grammar/vae/0", "light")
        if (kind, drawn) == ("points", "gap"):
            assert "there is no gap" in note(heat)
        else:
            assert heat.data[0].type == "heatmap"
    assert projection_column.points_column(made, state, "grammar/vae/0", "light")[0].data


class Slow:
    """Layouts that wait to be let go: the first two dimensions of the points."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.closed = threading.Event(), threading.Event()
        self.ends, self.starts, self.kinds = 0, [], []
        monkeypatch.setattr(Layouter, "layout", lambda _, *given: self.layout(*given))
        monkeypatch.setattr(Layouter, "close", lambda _: self.close())

    def close(self) -> None:
        self.ends += 1
        self.closed.set()

    def layout(
        self, kind: str, points: np.ndarray, start: np.ndarray | None, _stopped: object
    ) -> np.ndarray:
        self.starts.append(start)
        self.kinds.append(kind)
        ends = self.ends
        while not self.open.wait(0.01):
            if self.ends > ends:
                raise UserError("ended")
        if len(np.unique(points, axis=0)) < 2:
            raise NoLayout("16 distinct codes")
        return points[:, :2] / np.linalg.norm(points[:, :2], axis=1).max()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    made = Slow(monkeypatch)
    yield made
    made.open.set()


def test_layouts_start_at_the_last_dump_and_follow_the_nearest(slow: Slow, tmp_path: Path) -> None:
    write_run(tmp_path, "vae", "holes", count=40, epochs=3)
    made = Pictures(View(tmp_path))
    layouts, run = made.layouts["umap"], made.view.listing.runs[0]
    slow.open.set()
    assert layouts.missing(run) == [3, 2, 1]
    until(lambda: not layouts.ask("one", [run]))
    assert slow.starts[0] is None and layouts.missing(run) == []
    np.testing.assert_array_equal(slow.starts[2], layouts.known(run, 2))
    figure, _ = projection_column.points_column(made, UMAP, run.id, "light")
    assert sum(len(t.x) for t in figure.data) == 40 and figure.layout.xaxis.range[1] > 1


def test_layouts_of_a_copy_are_turned_onto_the_first_run(slow: Slow, turned: Pictures) -> None:
    layouts, chosen = turned.layouts["umap"], turned.view.chosen(())
    slow.open.set()
    until(lambda: not layouts.ask("one", chosen))
    one, other = chosen
    here, there = turned.planes.common(one, other)
    free = [layouts.known(r, 1) for r in chosen]
    fixed = [layouts.turned(r, 1, chosen) for r in chosen]
    np.testing.assert_array_equal(fixed[0], free[0])
    assert np.square(fixed[1][there] - fixed[0][here]).sum() <= (
        np.square(free[1][there] - free[0][here]).sum()
    )


def test_a_dump_without_layout_says_why_and_the_others_are_made(slow: Slow, tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "ae" / "0"
    write(folder, Latents("point", np.random.default_rng(0).normal(size=(30, 3))))
    with RunWriter(folder, open_run(folder).info) as writer:
        writer.write_epoch(2, Latents("point", np.ones((30, 3))), [])
        writer.commit(status="finished", epoch=2)
    made = Pictures(View(tmp_path))
    slow.open.set()
    until(lambda: not made.layouts["umap"].ask("one", list(made.view.listing.runs)))
    figures = [
        projection_column.points_column(made, replace(UMAP, epoch=e), "tiny/ae/0", "light")[0]
        for e in (1, 2)
    ]
    assert figures[0].data and "16 distinct codes" in note(figures[1])


def test_boxes_tell_what_runs_waits_failed_or_was_cancelled(slow: Slow, tmp_path: Path) -> None:
    for spec in ("vae", "ae"):
        write_run(tmp_path, spec, "holes", count=30, epochs=1)
    layouts = Pictures(View(tmp_path)).layouts["umap"]
    names = [run.id for run in layouts.view.listing.runs]
    going = dict.fromkeys(names, False)
    projection_jobs.ask(layouts, "one", going)
    until(lambda: len(slow.starts) == 1)
    told = projection_jobs.ask(layouts, "one", going)
    assert sorted(p.state for p in told.values()) == ["running", "waiting"]
    told = projection_jobs.ask(layouts, "one", dict.fromkeys(names, True))
    assert {p.state for p in told.values()} == {"stopped"} and slow.closed.wait(20)
    until(lambda: layouts.bench.jobs.threads == 0)
    assert projection_jobs.shown(told[names[0]])[2] == projection_jobs.GO_ON
    gone = projection_jobs.ask(layouts, "one", {"gone": False})
    assert projection_jobs.shown(None)[3] and gone == {}


def test_whoever_turns_to_another_kind_of_layout_no_longer_waits_for_the_first(
    slow: Slow, tmp_path: Path
) -> None:
    write_run(tmp_path, "vae", "holes", count=30, epochs=1)
    made = Pictures(View(tmp_path)).layouts
    runs = list(made["umap"].view.listing.runs)
    made["umap"].ask("one", runs)
    until(lambda: slow.kinds == ["umap"])
    until(lambda: made["tsne"].ask("one", runs) and slow.kinds == ["umap", "tsne"])
    assert slow.closed.is_set() and made["tsne"].ask("one", runs)[runs[0].id].words.startswith(
        "t-SNE of epoch 1, 1 of 1"
    )
    slow.open.set()
    until(lambda: not made["tsne"].ask("one", runs))
    assert made["umap"].missing(runs[0]) == [1]


def letters(figure: go.Figure) -> go.Scatter:
    return next(trace for trace in figure.data if trace.text == ("A", "B"))


def test_two_texts_make_an_axis_on_which_a_and_b_lie_level(turned: Pictures) -> None:
    view = turned.view
    one, other = (by_spec(view, spec) for spec in "ab")
    texts = one.items["text"]
    state = State(projection="ab", a=texts[5], b=texts[9], runs=(one.id, other.id), limit=8)
    mean = view.latents(one, 1).mean
    apart = np.linalg.norm(mean[9] - mean[5])
    for run in (one, other):
        marks = letters(projection_column.map_figure(turned, state, run.id, "light"))
        assert marks.x[1] - marks.x[0] == pytest.approx(apart, rel=1e-5)
        assert marks.y[0] == pytest.approx(marks.y[1], abs=1e-5)
        figure, words = projection_column.points_column(turned, state, run.id, "light")
        assert letters(figure).x == pytest.approx(marks.x) and f"|B − A| = {apart:.2f}" in words
    here, there = (turned.texts.axes(run, state) for run in (one, other))
    rows = turned.planes.common(one, other)
    np.testing.assert_allclose(
        mean[rows[0]] @ here.matrix, view.points(other, 1)[rows[1]] @ there.matrix, atol=1e-4
    )


@pytest.mark.parametrize("kind", ["samples", "points", "collapsed"])
def test_every_family_has_an_axis_of_texts(tmp_path: Path, kind: str) -> None:
    write_run(tmp_path, "vae", kind, count=60, epochs=2)
    made = Pictures(View(tmp_path))
    for drawn in ("density", "centres", *(("gap",) if kind != "points" else ())):
        state = State(projection="ab", drawn=drawn, epoch=1)
        heat = projection_column.map_figure(made, state, "grammar/vae/0", "light")
        assert heat.data[0].type == "heatmap" and letters(heat)
    words = projection_column.points_column(made, state, "grammar/vae/0", "light")[1]
    assert "are those of epoch 2 at every epoch" in words


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ("the cat", "", "pick two sentences"),
        ("not dumped", "nor this", "No checkpoint to encode"),
        (*sentences(1) * 2, "the same code"),
    ],
)
def test_a_run_without_an_axis_says_why(tmp_path: Path, a: str, b: str, words: str) -> None:
    write_run(tmp_path, "vae", "holes", count=30, epochs=1)
    made, state = Pictures(View(tmp_path)), State(projection="ab", a=a, b=b)
    figure = projection_column.map_figure(made, state, "grammar/vae/0", "light")
    assert words in note(figure)
    assert projection_column.points_column(made, state, "grammar/vae/0", "light")[1] == ""


def test_page_in_a_browser_projects_cancels_and_goes_on(
    visit: Visit,
    serve: Callable[[Path], str],
    slow: Slow,
    tmp_path: Path,
) -> None:
    write_run(tmp_path, "bn_vae(gamma=1.2)", "holes", label="BN-VAE", created="2026-01-01")
    write_run(tmp_path, "vae", "collapsed", label="VAE", created="2026-01-02")
    page = visit.page
    page.goto(f"{serve(tmp_path)}/projections")
    visit.drawn("projected-map", 2)
    visit.drawn("projected-points", 2)
    page.get_by_text("Turned onto BN-VAE by 240 shared items").wait_for()
    page.get_by_text("UMAP", exact=True).click()
    page.wait_for_url("**projection=umap*")
    page.get_by_text("UMAP of epoch 6, 1 of 6").wait_for()
    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_text("Cancelled.", exact=False).wait_for()
    assert slow.closed.wait(20)
    slow.open.set()
    page.get_by_role("button", name="Go on").click()
    visit.drawn("projected-points", 2)
    page.get_by_text("pairs of dimensions").click()
    page.wait_for_url("**projection=pairs*")
    visit.drawn('"pairs"', 2)
    page.locator("#pairs-words").fill("1 4, 2 3")
    page.locator("#pairs-words").press("Enter")
    page.wait_for_url("**pairs=1*")
    page.wait_for_function(
        "document.querySelector(`[id*='\"pairs\"'] .js-plotly-plot`)._fullData.length == 2"
    )
    assert page.evaluate("window.webgl") == 0


@pytest.mark.slow
def test_sentences_typed_or_picked_in_a_browser_are_ends_of_an_axis(
    visit: Visit, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    write_run(tmp_path, "bn_vae(gamma=1.2)", "holes", label="BN-VAE", created="2026-01-01")
    write_run(tmp_path, "vae", "collapsed", label="VAE", created="2026-01-02")
    lettered = """([kind, n]) => [...document.querySelectorAll(`[id*='${kind}'] .js-plotly-plot`)]
        .filter(plot => plot._fullData?.some(t => t.text?.[0] == "A" && t.text[1] == "B"))
        .length == n"""
    page, texts = visit.page, sentences(240)
    page.goto(f"{serve(tmp_path)}/projections")
    visit.drawn("projected-map", 2)
    assert "a" not in visit.query() and page.locator("#sentence-a").count() == 0
    page.get_by_text("A → B", exact=True).click()
    for kind in ("projected-map", "projected-points"):
        page.wait_for_function(lettered, arg=[kind, 2])
    assert visit.query()["projection"] == ["ab"] and visit.query()["a"] == [texts[0]]
    page.locator("#sentence-a").fill(texts[7])
    page.wait_for_function(
        "text => new URLSearchParams(location.search).get('a') == text", arg=texts[7]
    )
    page.locator("#sentence-b").fill(texts[30][:-1])
    page.get_by_role("option", name=texts[30], exact=True).click()
    page.wait_for_function(
        "text => new URLSearchParams(location.search).get('b') == text", arg=texts[30]
    )
    page.wait_for_function(lettered, arg=["projected-map", 2])
    page.locator("#sentence-b").fill("nobody dumped this")
    page.get_by_text("No checkpoint to encode").nth(1).wait_for()
    page.get_by_text("principal axes", exact=True).first.click()
    page.get_by_text("Turned onto BN-VAE by 240 shared items").wait_for()
    assert page.locator("#sentence-a").count() == 0


def test_t_sne_of_a_run_is_laid_out_in_a_browser(
    visit: Visit, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    write_run(tmp_path, "vae", "holes", label="VAE", count=60, epochs=2)
    page = visit.page
    page.goto(f"{serve(tmp_path)}/projections?projection=tsne")
    page.get_by_text("t-SNE keeps who is near whom").wait_for()
    visit.drawn("projected-points", 1)
    assert page.locator("[id*='projected-map']").count() == 0
    page.locator("[id*='\"job\"']").wait_for(state="hidden")

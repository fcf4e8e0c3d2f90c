"""Toy runs in the explorer: played over iterations, with regions and critics behind the points."""

from pathlib import Path

import numpy as np
import pytest
from browsing import Visit
from explorer_runs import write_run

from apps.explorer import backdrops, panels, theme
from apps.explorer.selection import Selection
from apps.explorer.state import State
from apps.explorer.view import View
from lab.runs import Latents, RunWriter
from lab.runs.layout import fields_file, write_tensors
from lab.runs.writer import items_table

KINDS = """() => document.querySelector("[id*='centres'] .js-plotly-plot")._fullData.map(
    t => t.type)"""
DUMPS = (0, 2, 5)
COUNT, ITEMS, NODES = 3, 30, 8


def fields(critics: int) -> dict[str, np.ndarray]:
    """Three upright stripes, certain at the left; a critic that grows to the right."""
    across = np.linspace(0, COUNT - 0.01, NODES).astype(np.int16)
    found = {
        "limit": np.array([4.0], np.float32),
        "regions": np.tile(across, (NODES, 1)),
        "confidence": np.tile(np.linspace(1, 0.4, NODES, dtype=np.float32), (NODES, 1)),
    }
    if critics:
        slope = np.tile(np.linspace(-3, 3, NODES, dtype=np.float32), (NODES, 1))
        found["critic"] = np.stack([slope + k for k in range(critics)])
    return found


def write_toy(root: Path, spec: str = "vae", critics: int = 0, stored: bool = True) -> Path:
    """A run of three categories that part while it trains, dumped at some iterations only."""
    folder = root / "toy-3" / spec / "0"
    category = np.arange(ITEMS) % COUNT
    info = {
        "spec": spec, "label": spec.upper(), "seed": 0, "settings": {}, "epochs_planned": DUMPS[-1],
        "corpus": {"name": "toy-3", "categories": COUNT},
        "unit": {"name": "iteration", "per_epoch": 1000},
    }  # fmt: skip
    with RunWriter(folder, info) as writer:
        writer.write_items(items_table(ITEMS, None, {"category": category}, "valid"))
        for epoch in DUMPS:
            mean = np.stack([category - 1.0, 0.3 * category], 1) * epoch / 3
            latents = Latents("gaussian", mean, np.full((ITEMS, 2), -2.0))
            drawn = fields(critics) if stored else None
            writer.write_epoch(epoch, latents, [{"split": "valid", "au": 2}], fields=drawn)
        writer.commit(status="finished", epoch=DUMPS[-1])
    return folder


@pytest.fixture
def toy(tmp_path: Path) -> View:
    write_toy(tmp_path, "ivae", critics=COUNT)
    return View(tmp_path)


def drawn(view: View, query: str = ""):
    run = view.listing.runs[0]
    return panels.picture(view, State.parse(query), run.id, "centres", "light")


def test_play_steps_through_the_dumps_and_stops(visit: Visit, serve, tmp_path: Path) -> None:
    write_toy(tmp_path)
    visit.page.goto(f"{serve(tmp_path)}/?epoch=2")
    visit.drawn("centres", 1)
    words, button = visit.page.locator("#epoch-words"), visit.page.locator("#play")
    assert words.inner_text() == "iteration 2000 of 5000"
    button.press("Enter")
    visit.page.get_by_text("iteration 5000 of 5000").wait_for()
    visit.page.get_by_role("button", name="Play").wait_for()
    assert "epoch" not in visit.query()
    visit.page.evaluate(
        """() => { window.seen = new Set(); const words = document.querySelector("#epoch-words");
        new MutationObserver(() => window.seen.add(words.innerText)).observe(
            words, {childList: true, subtree: true, characterData: true}); }"""
    )
    button.click()
    visit.page.wait_for_function("window.seen.size == 3")
    visit.page.get_by_role("button", name="Play").wait_for()
    expected = [f"iteration {e * 1000} of 5000" for e in DUMPS]
    assert visit.page.evaluate("[...window.seen]") == expected


def test_regions_lie_behind_and_critics_come_on_demand(
    visit: Visit,
    serve,
    tmp_path: Path,
) -> None:
    write_toy(tmp_path, "ivae", critics=COUNT)
    visit.page.goto(serve(tmp_path))
    visit.drawn("centres", 1)
    assert visit.page.get_by_text("Posterior draws").count() == 1
    assert visit.page.evaluate(KINDS)[:2] == ["heatmap", "scatter"]
    assert visit.page.locator("#category").is_hidden()
    visit.page.locator("#behind").click()
    visit.page.get_by_role("option", name="critic").click()
    visit.page.get_by_text("critic ν").wait_for()
    visit.page.locator("#category").click()
    visit.page.get_by_role("option", name="category 2").click()
    visit.page.wait_for_function("location.search == '?behind=critic&category=2'")
    plot = "document.querySelector(\"[id*='centres'] .js-plotly-plot\")._fullData[0]"
    visit.page.wait_for_function(f"Math.abs({plot}.z[0][0] + 1) < 1e-4")
    visit.page.locator("#behind").click()
    visit.page.get_by_role("option", name="nothing").click()
    visit.page.wait_for_function(f"({KINDS})().every(kind => kind == 'scatter')")
    assert visit.query()["behind"] == ["nothing"]


def test_a_run_without_fields_offers_nothing_behind(visit: Visit, serve, tmp_path: Path) -> None:
    write_toy(tmp_path, stored=False)
    write_run(tmp_path, epochs=2)
    ids = "run=toy-3%2Fvae%2F0&run=grammar%2Fvae%2F0"
    visit.page.goto(f"{serve(tmp_path)}/?{ids}&behind=critic&category=1")
    visit.drawn("centres", 2)
    assert visit.page.locator("#behind").is_hidden()
    assert set(visit.page.evaluate(KINDS)) == {"scatter"}
    assert visit.page.locator("[id*='centres'] .annotation").count() == 0
    assert visit.page.locator("#epoch-words").inner_text() == "iteration 5000, epoch 5"


@pytest.mark.parametrize("query", ["?behind=<b>&category=-1", "?behind=Critic&category=²", "?"])
def test_nonsense_behind_is_the_default(query: str) -> None:
    assert State.parse(query) == State()
    assert State.parse("?behind=critic&category=7").category == 7


def test_draws_keep_their_noise_while_the_posterior_moves(toy: View) -> None:
    run = toy.listing.runs[0]
    first, last = (toy.points(run, epoch) for epoch in (0, 5))
    means = [toy.latents(run, epoch).mean for epoch in (0, 5)]
    assert np.allclose(last - first, means[1] - means[0], atol=1e-5)
    assert np.std(first - means[0]) == pytest.approx(np.exp(-1), rel=0.25)


def test_a_lasso_marks_the_draws_in_it_wherever_they_move(toy: View) -> None:
    run = toy.listing.runs[0]
    corners = np.array([[0, 9, 9, 0], [-9, -9, 9, 9]], float)
    selection = Selection(run.id, 0, ("z1", "z2"), *corners)
    items = np.flatnonzero(toy.points(run, 0)[:, 0] > 0)
    assert 0 < len(items) < ITEMS
    assert np.array_equal(selection.rows(toy)[1], items)
    marked = drawn(toy, f"?x=z1&y=z2&brush={selection}").data[-1]
    assert np.allclose(marked.x, toy.points(run, 5)[items, 0])


def test_swapped_axes_turn_the_picture(toy: View) -> None:
    upright, lying = (drawn(toy, q).data[0].z for q in ("?x=z1&y=z2", "?x=z2&y=z1"))
    assert np.array_equal(upright, lying.T) and not np.array_equal(upright, lying)
    assert np.array_equal(drawn(toy, "?x=z1&y=z1").data[0].z, upright)


def test_damaged_and_missing_fields_are_notes(toy: View) -> None:
    run = toy.listing.runs[0]
    fields_file(run.folder, 2).write_bytes(b"short")
    fields_file(run.folder, 0).unlink()
    for epoch, words in ((2, "truncated"), (0, "nothing stored")):
        figure = drawn(toy, f"?epoch={epoch}")
        assert figure.data[0].type == "scatter"
        note = figure.layout.annotations[0].text.replace("<br>", " ")
        assert note.startswith("no decision regions") and words in note


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"regions": np.zeros(4)}, "incomplete"),
        ({"limit": np.zeros(0)}, "incomplete"),
        ({"confidence": np.full((NODES, NODES), np.nan)}, "not finite"),
        ({"regions": np.full((NODES, NODES), 9)}, "other categories"),
    ],
)
def test_foreign_fields_are_a_note(toy: View, changes: dict, words: str) -> None:
    path = fields_file(toy.listing.runs[0].folder, 5)
    write_tensors(path, {**fields(0), **changes}, {})
    figure = drawn(toy)
    assert figure.data[0].type == "scatter"
    assert words in figure.layout.annotations[0].text.replace("<br>", " ")


def test_regions_fade_where_the_decoder_is_unsure() -> None:
    regions = np.repeat([[0, 0, 1, 1]], 4, axis=0)
    confidence = np.repeat([[1, 1, 0.5, 0.5]], 4, axis=0)
    colours = ["#0072b2", "#e69f00"]
    heat = backdrops.regions_heat(regions, confidence, 3.0, colours, "light")
    used = [heat.colorscale[2 * int(z)][1] for z in (heat.z[0, 0], heat.z[0, -1])]
    strongest = theme.mix("#ffffff", colours[0], backdrops.STRONGEST["light"])
    assert used == [strongest, "#ffffff"]
    assert (heat.x[0], heat.x[-1]) == (-3, 3)


@pytest.mark.parametrize(
    ("largest", "end"), [(0.0, 0.01), (0.3, 0.5), (4.9, 5), (5.1, 10), (70, 100)]
)
def test_the_critics_scale_ends_at_a_round_number_that_holds_nearly_all_values(largest, end):
    assert backdrops.critic_scale(
        [np.full((2, 4, 4), -largest), np.zeros((1, 4, 4))]
    ) == pytest.approx(end)

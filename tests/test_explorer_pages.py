"""The explorer in a real browser: what a reader sees, does and shares."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browsing import DRAWN, Visit
from explorer_runs import sentences, write_all, write_epoch, write_run

from lab.runs import Latents, RunWriter, open_run
from lab.runs.writer import items_table

TWO = "?run=grammar%2Fvae%2F0&run=grammar%2Fbn_vae(gamma%3D1.2)%2F0"


@pytest.fixture(scope="module")
def address(serve_all: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("runs")
    write_all(root, count=240, epochs=6)
    return serve_all(root)


def test_runs_page_lists_every_run_with_its_figures(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/runs")
    visit.page.locator(".ag-center-cols-container .ag-row").nth(7).wait_for()
    words = visit.page.locator("#runs-grid").inner_text()
    assert "DG-VAE (|b| = 32)" in words and "toy-4" in words
    assert "the KL term became NaN at step 412" in words
    assert "dual" in words and "samples" in words
    assert visit.page.locator(".ag-row-selected[row-index='0']").count() > 0


def test_ticking_a_run_puts_it_in_the_url_and_on_the_other_pages(
    visit: Visit, address: str
) -> None:
    visit.page.goto(f"{address}/runs")
    row = visit.page.locator(".ag-pinned-left-cols-container .ag-row", has_text="FB-VAE (16)")
    row.locator("input").click()
    visit.page.wait_for_url("**/runs?run=*")
    assert (
        len(visit.query()["run"]) == 6 and visit.query()["run"][-1] == "grammar/fb_vae(target=16)/0"
    )
    visit.page.get_by_role("link", name="Latent space").click()
    visit.page.get_by_role("heading", name="FB-VAE (16)").wait_for()
    assert visit.page.locator("article").count() == 6
    visit.page.get_by_text("Failed: the KL term became NaN").wait_for()


def test_latent_page_shows_density_above_centres_with_figures_and_verdict(
    visit: Visit, address: str
) -> None:
    visit.page.goto(address)
    visit.drawn("density", 5)
    visit.drawn("centres", 5)
    column = visit.page.locator("article").first
    column.get_by_text(re.compile(r"Collapsed: 0 of 8 units active since epoch \d+")).wait_for()
    boxes = [
        column.locator(f"[id*='{k}'] .main-svg").first.bounding_box()["y"]
        for k in ("density", "centres")
    ]
    assert boxes[0] < boxes[1]
    tops = {
        round(a.bounding_box()["y"]) for a in visit.page.locator("[id*='centres'] .nsewdrag").all()
    }
    assert len(tops) == 1


def test_epoch_slider_moves_every_panel(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/{TWO}")
    visit.drawn("density", 2)
    visit.page.locator("#epoch [role=slider]").focus()
    for _ in range(4):
        visit.page.keyboard.press("ArrowLeft")
    visit.page.wait_for_url("**epoch=2")
    visit.page.wait_for_function(
        "[...document.querySelectorAll('.where')].every(e => e.innerText.includes('epoch 2'))"
    )
    visit.page.keyboard.press("End")
    visit.page.wait_for_function("!location.search.includes('epoch')")


def test_lasso_marks_the_items_in_every_panel_and_lists_them(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/{TWO}")
    visit.drawn("centres", 2)
    before = visit.traces("centres")
    visit.lasso("centres", 1)
    visit.page.get_by_text("items selected in BN-VAE").wait_for()
    visit.page.wait_for_function(
        f"n => ({DRAWN})('centres').every((count, k) => count == n[k] + 1)", arg=before
    )
    visit.page.locator("#selected-rows .ag-row").first.wait_for()
    words = visit.page.locator("#selected p").inner_text()
    visit.page.reload()
    visit.page.wait_for_function(
        f"n => ({DRAWN})('centres').every((count, k) => count == n[k] + 1)", arg=before
    )
    visit.page.get_by_text(words).wait_for()
    area = visit.page.locator("[id*='centres'] .nsewdrag").nth(1).bounding_box()
    visit.page.mouse.dblclick(area["x"] + 9, area["y"] + area["height"] - 9)
    visit.page.wait_for_function("!location.search.includes('brush')")
    visit.page.wait_for_function(f"n => '' + ({DRAWN})('centres') == '' + n", arg=before)


def test_a_click_on_a_map_names_a_place_that_the_page_of_holes_describes(
    visit: Visit, address: str
) -> None:
    visit.page.goto(f"{address}/?run=grammar%2Fvae%2F0&run=grammar%2Fdg_vae(aggregation%3D32)%2F0")
    visit.drawn("density", 2)
    area = visit.page.locator("[id*='density'] .nsewdrag").nth(1).bounding_box()
    visit.page.mouse.click(area["x"] + area["width"] * 0.75, area["y"] + area["height"] * 0.5)
    visit.page.get_by_text("The place (2.0").wait_for()
    assert float(visit.query()["at"][0].split(",")[0]) == pytest.approx(2, abs=0.05)
    visit.page.get_by_text("What every run says at this place").click()
    visit.page.wait_for_url("**/holes?*at=*")
    visit.page.get_by_text("nearest sentences").nth(1).wait_for()


def test_colour_axes_range_and_prior_follow_the_controls(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/{TWO}&colour=length&x=z3&limit=8&prior=1")
    visit.drawn("centres", 2)
    title = visit.page.locator("[id*='density'] .xtitle").first
    assert title.text_content().startswith("z₃")
    assert visit.page.locator("[id*='density']").first.locator(".shapelayer path").count() == 3
    visit.page.locator("#colour").click()
    visit.page.get_by_role("option", name="number").click()
    visit.page.wait_for_function("location.search.includes('colour=number')")
    visit.page.wait_for_function(f"({DRAWN})('centres').every(n => n == 8)")


def test_url_restores_the_view(visit: Visit, address: str) -> None:
    visit.page.goto(
        f"{address}/?run=grammar%2Fae%2F0&run=grammar%2Fivae%2F0&epoch=3&y=z2&colour=number&limit=2"
    )
    visit.drawn("density", 2)
    assert visit.page.locator("h3").all_inner_texts() == ["AE", "iVAE"]
    assert visit.page.locator("#epoch-words").inner_text() == "epoch 3 of 6"
    assert visit.page.locator("#limit").input_value() == "± 2"
    visit.page.locator("#copy").click()
    visit.page.get_by_text("Copied").wait_for()
    assert visit.page.evaluate("navigator.clipboard.readText()") == visit.page.url


def test_hover_shows_the_text(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/?run=grammar%2Fdg_vae(aggregation%3D32)%2F0")
    visit.drawn("centres", 1)
    area = visit.page.locator("[id*='centres'] .nsewdrag").bounding_box()
    for x in (0.5, 0.48, 0.52, 0.5):
        visit.page.mouse.move(area["x"] + area["width"] * x, area["y"] + area["height"] / 2)
    visit.page.locator(".hoverlayer .hovertext").first.wait_for()
    assert visit.page.locator(".hoverlayer .hovertext").first.text_content().split()[0] in " ".join(
        sentences(240)
    )


def test_curves_page_draws_every_quantity(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/curves")
    visit.drawn("curve-", 9)
    names = visit.page.evaluate(
        "document.querySelector('#curve-kl .js-plotly-plot')._fullData.map(t => t.name)"
    )
    assert "VAE" in names and "iVAE (dual)" in names
    assert visit.page.locator(".legend", has_text="DG-VAE (|b| = 32)").count() == 1


def test_interpolation_page_shows_paths_texts_and_rouge(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/interpolation")
    visit.drawn("path", 5)
    assert visit.traces("path") == [2] * 5
    visit.drawn("rouge", 1)
    first, second = sentences(2)
    rows = visit.page.locator(".steps tbody tr")
    assert rows.count() == 11
    assert first in rows.first.inner_text() and second in rows.last.inner_text()


def test_a_new_run_and_new_epochs_appear_without_reload(
    visit: Visit, serve, tmp_path: Path
) -> None:
    visit.page.goto(serve(tmp_path))
    visit.page.get_by_text("latentlab demo").wait_for()
    texts = sentences(60)
    folder = write_run(
        tmp_path, "bn_vae", "holes", label="BN-VAE", count=60, epochs=2, planned=9, status="running"
    )
    visit.drawn("density", 1)
    visit.page.get_by_text("epoch 2", exact=True).wait_for()
    with RunWriter(folder, open_run(folder).info) as writer:
        write_epoch(writer, "holes", 3, 3, texts)
        writer.commit(epoch=3, updated="later")
    visit.page.get_by_text("epoch 3", exact=True).wait_for()
    assert visit.page.locator("#epoch-words").inner_text() == "epoch 3 of 3"
    write_run(tmp_path, "vae", label="VAE", count=60, epochs=1)
    visit.page.get_by_role("heading", name="VAE", exact=True).wait_for()
    visit.drawn("density", 2)


def test_a_vanished_folder_is_a_notice_until_it_is_back(
    visit: Visit, serve, tmp_path: Path
) -> None:
    root = tmp_path / "runs"
    write_run(root, epochs=2, label="VAE", count=60)
    visit.page.goto(serve(root))
    visit.drawn("density", 1)
    shutil.move(root, tmp_path / "away")
    visit.page.get_by_text("no such folder").wait_for()
    shutil.move(tmp_path / "away", root)
    visit.page.get_by_text("no such folder").wait_for(state="detached")
    visit.drawn("density", 1)


def test_zoom_survives_a_growing_run(visit: Visit, serve, tmp_path: Path) -> None:
    folder = write_run(tmp_path, "bn_vae", "holes", count=60, epochs=3, status="running")
    visit.page.goto(f"{serve(tmp_path)}/curves")
    visit.drawn("curve-", 9)
    plot = "document.querySelector('#curve-kl .js-plotly-plot')"
    area = visit.page.locator("#curve-kl .nsewdrag").bounding_box()
    visit.page.mouse.move(area["x"] + 40, area["y"] + 30)
    visit.page.mouse.down()
    visit.page.mouse.move(area["x"] + 200, area["y"] + 120, steps=5)
    visit.page.mouse.up()
    visit.page.wait_for_function(f"{plot}._fullLayout.xaxis.autorange === false")
    kept = visit.page.evaluate(f"{plot}._fullLayout.xaxis.range")
    with RunWriter(folder, open_run(folder).info) as writer:
        write_epoch(writer, "holes", 4, 4, sentences(60))
        writer.commit(epoch=4, updated="later")
    visit.page.wait_for_function(f"{plot}._fullData.at(-1).x.length == 4")
    assert visit.page.evaluate(f"{plot}._fullLayout.xaxis.range") == pytest.approx(kept)


def test_large_dumps_stay_below_the_browsers_webgl_contexts(
    visit: Visit, serve, tmp_path: Path
) -> None:
    for seed in range(8):
        write_run(tmp_path, "vae", "points", seed=seed, count=2400, width=2, epochs=1, stored=False)
    runs = "&".join(f"run=grammar%2Fvae%2F{seed}" for seed in range(8))
    home = serve(tmp_path)
    visit.page.goto(f"{home}/?{runs}")
    visit.drawn("centres", 8)
    assert visit.page.evaluate("window.webgl") <= 16
    visit.page.goto(f"{home}/")
    visit.drawn("centres", 5)
    assert 0 < visit.page.evaluate("window.webgl") <= 16


def test_hover_over_a_collapsed_run_never_blocks_the_page(
    visit: Visit, serve, tmp_path: Path
) -> None:
    write_run(tmp_path, "lagging", "points", count=2400, epochs=1, stored=False)
    folder = write_run(tmp_path, "vae", "collapsed", count=2400, epochs=0, stored=False)
    make_dead(folder, 2400)
    visit.page.goto(f"{serve(tmp_path)}/?run=grammar%2Fvae%2F0")
    visit.drawn("centres", 1)
    hover = visit.page.evaluate(
        "document.querySelector(\"[id*='centres'] .js-plotly-plot\")._fullLayout.hovermode"
    )
    assert hover is False


def make_dead(folder: Path, count: int) -> None:
    """One epoch in which every item has the same posterior."""
    zeros = np.zeros((count, 4))
    with RunWriter(folder, open_run(folder).info) as writer:
        writer.write_items(items_table(count, sentences(count)))
        writer.write_epoch(1, Latents("gaussian", zeros, zeros), [])
        writer.commit(status="finished", epoch=1)


def test_captions_open_on_a_click(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/?run=grammar%2Fvae%2F0")
    visit.drawn("density", 1)
    visit.page.locator("article [aria-label^='About']").first.click()
    visit.page.get_by_text("two-dimensional marginals may hide them").wait_for()


def test_colour_scheme_is_remembered(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/?run=grammar%2Fvae%2F0")
    visit.drawn("density", 1)
    visit.page.locator("#scheme").click()
    visit.page.wait_for_function("document.documentElement.dataset.mantineColorScheme == 'dark'")
    visit.page.reload()
    visit.page.wait_for_function("document.documentElement.dataset.mantineColorScheme == 'dark'")


def test_foreign_names_are_never_run_as_html(visit: Visit, serve, tmp_path: Path) -> None:
    evil = "<img src=x onerror='document.title=1'>"
    write_run(
        tmp_path,
        "vae",
        "points",
        label=evil,
        count=150,
        epochs=2,
        texts=[evil] * 150,
        labels={"kind": [evil] * 150},
    )
    home = serve(tmp_path)
    for path in ("/", "/runs", "/curves", "/collapse", "/interpolation"):
        visit.page.goto(f"{home}{path}")
        visit.page.wait_for_timeout(1500)
        assert visit.page.locator("img[src=x]").count() == 0
        assert visit.page.title() == "Latent Lab"

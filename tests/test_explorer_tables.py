"""The page of tables in a real browser: printed numbers, ours, and every mark with its reason."""

import json
from pathlib import Path

import pytest
from browsing import Visit
from test_tables import DUAL, EXACT, as_published, evaluated, make, seeds

from apps.explorer import tables as page
from apps.explorer.state import State
from apps.explorer.view import View
from lab import tables
from lab.runs import list_runs, open_run
from lab.runs.layout import write_json

VALUES = {EXACT: 101.5, ("nll", "iw"): 100.25, ("kl", "exact"): 1.5, ("au", "exact"): 3.0}
TITLES = "[...document.querySelectorAll('#table-blocks h2')].map(e => e.innerText)"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of two methods, one of a third with other settings, and one not evaluated."""
    folder = tmp_path_factory.mktemp("runs")
    seeds(folder, "vae", VALUES)
    seeds(folder, "ivae", {DUAL: 88.0, EXACT: 120.0})
    small = make(folder, "sa_vae", settings=as_published(hidden=128))
    evaluated(small, {EXACT: 99.0}, n=200, missing=[("kl", "out of time")])
    make(folder, "clvae")
    return folder


@pytest.fixture(scope="module")
def address(serve_all, root: Path) -> str:
    return f"{serve_all(root)}/tables"


def row(visit: Visit, name: str):
    return visit.page.locator(".comparison tbody tr").filter(
        has=visit.page.locator("th span", has_text=name)
    )


def opened(visit: Visit, address: str, rows: int = 10) -> None:
    visit.page.goto(address)
    visit.page.wait_for_function(
        "n => document.querySelectorAll('.comparison tbody tr').length == n", arg=rows
    )


def test_ours_stand_beside_the_printed_numbers(visit: Visit, address: str) -> None:
    opened(visit, address)
    words = row(visit, "SA-VAE").inner_text()
    assert "102.6" in words and "99.0" in words and "−3.6" in words
    best = visit.page.locator("td.mean b")
    assert best.all_inner_texts() == ["101.5"]
    assert "± 0.1 (3)" in best.locator("xpath=../following-sibling::td[1]").inner_text()
    assert "no evaluated run" in row(visit, "Cyclic-VAE").inner_text()
    assert visit.page.locator("td.mean:empty, td.first:empty").count() == 0


def test_marks_say_their_reasons_to_pointer_and_keyboard(
    visit: Visit,
    address: str,
) -> None:
    opened(visit, address)
    marks = row(visit, "SA-VAE").locator("button.marks")
    assert marks.first.inner_text() == "†‡§"
    marks.first.hover()
    shown = visit.page.get_by_role("tooltip")
    shown.filter(has_text="‡ 200 of 3,761 sentences").wait_for()
    assert "hidden 128 (256)" in shown.inner_text()
    visit.page.mouse.move(5, 5)
    shown.wait_for(state="detached")
    marks.first.focus()
    visit.page.keyboard.press("Tab")
    shown.filter(has_text="its posteriors are measured by the other estimators").wait_for()
    visit.page.keyboard.press("Escape")
    shown.wait_for(state="detached")
    gap = row(visit, "SA-VAE").get_by_role("button", name="out of time")
    gap.hover()
    shown.filter(has_text="out of time").wait_for()
    notes = visit.page.locator(".notes").inner_text()
    assert "† SA-VAE, sa_vae, cannot be compared as it stands" in notes
    assert "out of time." in notes and "¶ clVAE⁺-MI" in notes


def test_the_chosen_table_and_its_blocks_stand_in_the_url(
    visit: Visit,
    address: str,
) -> None:
    opened(visit, address)
    visit.page.locator("#table-reference").click()
    visit.page.get_by_role("option", name="iVAE, table 2: ptb, yahoo, yelp").click()
    visit.page.get_by_role("button", name="2 more blocks without numbers of yours: show").click()
    visit.page.wait_for_function(f"({TITLES}).length == 3")
    assert visit.query() == {"table": ["ivae:2"], "blocks": ["all"]}
    visit.page.reload()
    visit.page.wait_for_function(f"({TITLES}).length == 3")
    assert visit.page.locator("#table-reference").input_value() == "iVAE, table 2: ptb, yahoo, yelp"
    visit.page.get_by_role("button", name="Hide 2 blocks").click()
    visit.page.wait_for_function(f"({TITLES}).length == 1")


def test_columns_can_be_hidden_and_stay_so(visit: Visit, address: str) -> None:
    opened(visit, address)
    visit.page.locator("#table-chooser").click()
    visit.page.get_by_role("checkbox", name="NLL (iw)").click()
    visit.page.wait_for_function("!document.querySelector('th[title=\"NLL (iw)\"]')")
    assert visit.query() == {"hide": ["nll.iw"]}
    opened(visit, visit.page.url)
    visit.page.get_by_role("button", name="of 7").wait_for()
    assert visit.page.locator("th[title='NLL (iw)']").count() == 0
    assert visit.page.locator("th[title='−ELBO (dual)']").count() == 1


@pytest.mark.parametrize("suffix", ["md", "tex", "csv"])
def test_downloads_are_what_the_command_writes(
    visit: Visit,
    address: str,
    root: Path,
    suffix: str,
) -> None:
    opened(visit, address)
    with visit.page.expect_download() as download:
        visit.page.locator(f"#table-{suffix}").click()
    assert download.value.suggested_filename == f"table_clvae_1.{suffix}"
    shown = tables.table(list_runs(root)[0], "clvae:1")
    assert download.value.path().read_text(encoding="utf-8") == tables.WRITERS[suffix](shown)


def test_evaluations_appear_break_and_mend_without_reload(
    visit: Visit,
    serve,
    tmp_path: Path,
) -> None:
    first, second = make(tmp_path, "vae"), evaluated(make(tmp_path, "ivae"), {EXACT: 120.0})
    opened(visit, f"{serve(tmp_path)}/tables")
    visit.page.get_by_text(f"latentlab evaluate {first.folder}", exact=True).wait_for()
    evaluated(first, {EXACT: 101.5})
    row(visit, "VAE").get_by_text("101.5").first.wait_for()
    (second.folder / "evaluation.json").write_text('{"format": 1')
    notice = visit.page.locator("#table-problems .notice")
    notice.get_by_text(f"{second.folder}/evaluation.json: not an evaluation").wait_for()
    assert "101.5" in visit.page.locator("#table-blocks").inner_text()
    evaluated(second, {EXACT: 120.0})
    notice.wait_for(state="detached")
    row(visit, "iVAE").get_by_text("120.0").first.wait_for()


def test_a_growing_table_keeps_focus_and_scroll_position(
    visit: Visit,
    serve,
    tmp_path: Path,
) -> None:
    evaluated(make(tmp_path, "vae"), {EXACT: 101.5, ("mi", "whole"): 1.0})
    late = make(tmp_path, "ivae")
    visit.page.set_viewport_size({"width": 800, "height": 800})
    opened(visit, f"{serve(tmp_path)}/tables")
    row(visit, "VAE").first.locator("button.marks").last.focus()
    visit.page.wait_for_function("document.querySelector('.wide').scrollLeft > 0")
    evaluated(late, {EXACT: 120.0})
    row(visit, "iVAE").get_by_text("120.0").first.wait_for()
    assert visit.page.evaluate("document.querySelector('.wide').scrollLeft") > 0
    assert visit.page.evaluate("document.activeElement.className") == "marks"


def test_wide_tables_scroll_in_their_box_beside_the_methods(
    visit: Visit,
    address: str,
) -> None:
    visit.page.set_viewport_size({"width": 1024, "height": 800})
    opened(visit, address)
    method = row(visit, "SA-VAE").locator("th")
    before = method.bounding_box()["x"]
    visit.page.evaluate("document.querySelector('.wide').scrollLeft = 200")
    visit.page.wait_for_function("document.querySelector('.wide').scrollLeft > 0")
    assert method.bounding_box()["x"] == before
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_foreign_words_in_evaluations_are_never_run_as_html(
    visit: Visit,
    serve,
    tmp_path: Path,
) -> None:
    evil = "<img src=x onerror='document.title=1'>"
    run = make(tmp_path, "vae")
    info = json.loads((run.folder / "run.json").read_text())
    write_json(run.folder / "run.json", info | {"label": evil, "spec": evil})
    evaluated(open_run(run.folder, tmp_path), {("kl", evil): 1.0}, missing=[("mi", evil)])
    opened(visit, f"{serve(tmp_path)}/tables", rows=11)
    visit.page.locator("tbody button.marks").last.hover()
    visit.page.get_by_role("tooltip").wait_for()
    assert visit.page.locator("img[src=x]").count() == 0
    assert visit.page.title() == "Latent Lab"


@pytest.mark.parametrize("query", ["", "?table=ivae:7", "?table=../x&hide=%00&blocks=9"])
def test_a_table_that_cannot_be_filled_is_the_default(root: Path, query: str) -> None:
    found = page.shown(View(root), State.parse(query))
    assert found.part.reference == "clvae:1"
    assert found.part.columns == found.whole.columns


def test_an_empty_folder_says_what_to_type(visit: Visit, serve, tmp_path: Path) -> None:
    visit.page.goto(f"{serve(tmp_path)}/tables")
    visit.page.get_by_text("latentlab demo").wait_for()
    visit.page.get_by_role("button", name="Show its 1 block").click()
    visit.page.locator(".comparison").wait_for()

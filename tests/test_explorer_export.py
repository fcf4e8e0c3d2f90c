"""What leaves the explorer as a file: figures, the selected items, a whole view."""

# ruff: noqa: F811

import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from browsing import Visit
from explorer_runs import write_all
from test_explorer_security import ALERT, NASTY, OWN, RUN, calm, dialogs, hostile  # noqa: F401

from apps.explorer import cards, create_app, exporting, report
from apps.explorer.selection import Selection
from apps.explorer.view import View
from lab.errors import UserError

SQUARE = np.array([[0, 9, 9, 0], [-9, -9, 9, 9]], float)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_all(folder, count=60, epochs=2)
    return folder


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evil")
    hostile(folder)
    return folder


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_report_escapes_every_name_and_may_ask_nobody(evil: Path) -> None:
    view = View(evil)
    parts = report.frame(
        view, ALERT, f"/?a={ALERT}", view.listing.runs, ["gap", "x", ALERT], "dark"
    )
    page = "".join(parts)
    found = Tags(page)
    assert found.tags.count("script") == 3 and not {"img", "link", "iframe"} & set(found.tags)
    assert found.words.count(ALERT) >= 8
    assert "default-src 'none'" in page and "'unsafe-inline'" not in page.split("style-src")[0]
    assert page.count("id='about-") == 1 and "Density gap" in page


def test_a_report_says_how_its_runs_were_trained(root: Path) -> None:
    view = View(root)
    run = view.find("grammar/dg_vae(aggregation=32)/0")
    page = Tags("".join(report.frame(view, "Holes", "/holes?x=a3", [run], [], "light")))
    for words in ("Holes", "/holes?x=a3", "DG-VAE (|b| = 32)", run.spec, "1 to 2", view.root.name):
        assert words in page.words


def test_the_report_route_reads_its_address_as_the_pages_do(root: Path) -> None:
    client = create_app(root).server.test_client()
    asked = {"path": "/holes", "search": "?run=grammar%2Fae%2F0&x=zz", "caption": ["holes", "<b>"]}
    before, between, after = client.get("/_export/report", query_string=asked, headers=OWN).json
    assert "<h1>Holes</h1>" in before and after.strip().endswith("</html>")
    assert between.count("<th><span class='swatch'") == 1 and "id='about-holes'" in between


def test_selected_items_are_those_inside_with_their_means(root: Path) -> None:
    view = View(root)
    name = "grammar/dg_vae(aggregation=32)/0"
    selection = Selection(name, 1, ("z2", "z3"), *SQUARE)
    run, epoch, items = exporting.selected_items(view, selection)
    mean = run.latents(1).mean
    inside = np.flatnonzero(mean[:, 1] > 0)
    assert (run.id, epoch) == (name, 1) and 0 < len(items) < 60
    assert items["id"].to_list() == inside.tolist()
    assert items.columns[:4] == ["id", "split", "text", "length"] and "topic" in items.columns
    np.testing.assert_array_equal(items.select(r"^z\d$").to_numpy(), mean[inside])


def test_parquet_is_exact_and_csv_holds_no_formula(evil: Path) -> None:
    view = View(evil)
    selection = Selection("grammar/vae/0", 9, ("a1", "a2"), *SQUARE)
    run, epoch, items = exporting.selected_items(view, selection)
    file = exporting.as_parquet(run, epoch, items)
    assert pl.read_parquet(io.BytesIO(file)).equals(items)
    assert pl.read_parquet_metadata(io.BytesIO(file))["run"] == run.id
    back = pl.read_csv(exporting.as_csv(items))
    assert back.shape == items.shape
    for text, written in zip(items["text"], back["text"], strict=True):
        assert written == (f"'{text}" if text.startswith("=") else text)


def test_too_many_items_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_NUMBERS", 10)
    selection = Selection("grammar/ae/0", 9, ("a1", "a2"), *SQUARE)
    with pytest.raises(UserError, match="too many"):
        exporting.selected_items(View(root), selection)


def test_no_cell_of_a_csv_is_a_formula() -> None:
    items = pl.DataFrame({"id": [1, 2], "=HYPERLINK(1)": ["@SUM(A1)", "a word"], "z1": [-1.5, 2.0]})
    lines = exporting.as_csv(items).decode().splitlines()
    assert lines == ["id,'=HYPERLINK(1),z1", "1,'@SUM(A1),-1.5", "2,a word,2.0"]


def test_a_pdf_is_drawn_without_any_other_host() -> None:
    pytest.importorskip("kaleido")
    figure = {"data": [{"type": "heatmap", "z": [[1, 2], [3, 4]]}], "layout": {}}
    assert exporting.pdf({**figure, "width": 300, "height": 200}).startswith(b"%PDF")


def test_without_kaleido_a_pdf_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "has_kaleido", lambda: False)
    with pytest.raises(UserError, match=r"pip install kaleido.*latentlab figures"):
        exporting.pdf({})


@pytest.mark.parametrize(
    "figure",
    [
        None, [], {}, {"data": 5, "layout": {}, "width": 300, "height": 300},
        {"data": [], "layout": {}, "width": 1e9, "height": 300},
        {"data": [{"type": "image", "source": "http://x"}], "layout": {}, "width": 99, "height": 9},
        {"data": [], "layout": {"images": [{"source": "http://x"}]}, "width": 300, "height": 300},
        {"data": [], "layout": {"mapbox": {"style": "http://x"}}, "width": 300, "height": 300},
    ],
)  # fmt: skip
def test_only_the_pages_own_figures_become_pdfs(
    monkeypatch: pytest.MonkeyPatch, figure: object
) -> None:
    monkeypatch.setattr(exporting, "has_kaleido", lambda: True)
    monkeypatch.setattr(exporting, "_printed", lambda *_: pytest.fail("drawn"))
    with pytest.raises(UserError):
        exporting.pdf(figure)


def test_kaleido_draws_a_figure_and_its_failure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "has_kaleido", lambda: True)
    figure = {"data": [{"type": "scatter", "y": [1]}], "layout": {}, "width": 300, "height": 200}
    monkeypatch.setattr(exporting, "_printed", lambda _, *sizes: json.dumps(sizes).encode())
    assert json.loads(exporting.pdf(figure)) == [300, 200]

    def fail(*_: object) -> bytes:
        raise RuntimeError("no Chrome\nmore")

    monkeypatch.setattr(exporting, "_printed", fail)
    with pytest.raises(UserError, match=r"no Chrome$"):
        exporting.pdf(figure)


def test_runs_are_searched_by_all_words_of_name_and_folder(root: Path) -> None:
    view = View(root)

    def found(words: str) -> set[str]:
        boxes = str([part.to_plotly_json() for part in cards.choices(view, words)])
        return {run.id for run in view.listing.runs if f"value='{run.id}'" in boxes}

    assert found("") == {run.id for run in view.listing.runs}
    assert found("toy") == {"toy-4/vae/0"}
    assert found("VAE γ") == {"grammar/bn_vae(gamma=1.2)/0"}
    assert found("no such run") == set()


@pytest.fixture(scope="module")
def address(serve_all: Callable[[Path], str], root: Path) -> str:
    return serve_all(root)


def saved(visit: Visit, kind: str, tmp_path: Path) -> Path:
    """The first panel's figure as a file, by its menu."""
    visit.page.locator("button.save").first.click()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("menuitem", name=kind).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    visit.page.locator(".save-menu").wait_for(state="detached")
    return path


def test_a_figure_is_saved_as_png_and_svg_under_its_name(
    visit: Visit, address: str, tmp_path: Path
) -> None:
    visit.page.goto(f"{address}/?run=grammar%2Fbn_vae(gamma%3D1.2)%2F0")
    visit.drawn("density", 1)
    png, svg = (saved(visit, kind, tmp_path) for kind in ("PNG", "SVG"))
    assert png.name.startswith("aggregated-posterior-bn-vae-γ-1.2") and png.suffix == ".png"
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "Aggregated posterior" in svg.read_text() and "BN-VAE (γ = 1.2)" in svg.read_text()


def test_the_menu_is_worked_by_keys_and_says_what_a_pdf_needs(
    visit: Visit, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "has_kaleido", lambda: False)
    visit.page.goto(f"{address}/?run=grammar%2Fae%2F0")
    visit.drawn("density", 1)
    opener = visit.page.locator("button.save").first
    opener.focus()
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("ArrowUp")
    visit.page.keyboard.press("Enter")
    visit.page.locator(".save-menu p", has_text="pip install kaleido").wait_for()
    visit.page.keyboard.press("Escape")
    assert visit.page.locator(".save-menu").count() == 0
    assert opener.evaluate("button => button === document.activeElement")


def opened(visit: Visit, path: Path, figures: int) -> None:
    """Open a saved page without a server and wait until its figures are drawn."""
    visit.page.goto(path.as_uri())
    visit.page.wait_for_function(
        "n => [...document.querySelectorAll('[data-figure]')].filter(p => p._fullData).length == n",
        arg=figures,
    )


def test_a_single_figure_opens_without_a_server(visit: Visit, address: str, tmp_path: Path) -> None:
    visit.page.goto(f"{address}/?run=grammar%2Fae%2F0")
    visit.drawn("centres", 1)
    opened(visit, saved(visit, "HTML", tmp_path), figures=1)
    assert visit.page.locator("h3", has_text="AE").count() > 0
    assert visit.page.locator("#about-density").is_visible()


def test_a_whole_view_opens_without_a_server_and_its_texts_are_data(
    visit: Visit, serve: Callable[[Path], str], evil: Path, dialogs: list[str], tmp_path: Path
) -> None:
    visit.page.goto(f"{serve(evil)}/?run={RUN}&x=z2")
    visit.drawn("centres", 1)
    visit.lasso("centres", 0)
    visit.page.locator("#selected-rows .ag-row").first.wait_for()
    calm(visit, ALERT)
    with visit.page.expect_download() as download:
        visit.page.locator("#report").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    visit.page.locator("#report", has_text="Saved").wait_for()
    figures = visit.page.locator("main .js-plotly-plot").count()
    opened(visit, path, figures)
    words = visit.page.locator("body").inner_text()
    assert ALERT in words and "Across z₂" in words and "x=z2" in words and NASTY[5] in words
    assert (
        visit.page.locator("img, main button:not(.modebar *), main input, main script").count() == 0
    )
    assert not re.search(r"<(link|iframe|img)\b", path.read_text().split("<script")[0])


def test_the_selection_is_saved_and_searched(visit: Visit, address: str, tmp_path: Path) -> None:
    visit.page.goto(f"{address}/?run=grammar%2Fae%2F0")
    visit.drawn("centres", 1)
    visit.lasso("centres", 0)
    visit.page.locator("#selected-rows .ag-row").first.wait_for()
    counted = visit.page.locator("#selected p").first.inner_text()
    for kind, read in {"csv": pl.read_csv, "parquet": pl.read_parquet}.items():
        with visit.page.expect_download() as download:
            visit.page.locator(f"#selection-{kind}").click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        assert path.name == f"selection-grammar-ae-0-epoch-2.{kind}"
        assert counted.startswith(f"{len(read(path))} of 60 items")
    visit.page.locator("#selected-search").fill("food")
    visit.page.wait_for_function(
        """() => { const rows = [...document.querySelectorAll("#selected-rows .ag-row")];
            return rows.length && rows.every(row => row.textContent.includes("food")); }"""
    )


def test_the_picker_finds_a_run_and_keeps_the_others(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/?run=grammar%2Fvae%2F0")
    visit.drawn("density", 1)
    visit.page.locator("#picker").click()
    visit.page.locator("#picked-search").fill("toy")
    visit.page.wait_for_function(
        "document.querySelectorAll('.choices input[type=checkbox]').length == 1"
    )
    visit.page.get_by_role("checkbox", name="VAE, seed 0").check()
    visit.page.wait_for_url("**run=toy-4*")
    assert len(visit.query()["run"]) == 2


def test_the_bar_is_one_line_in_a_narrow_window(visit: Visit, address: str) -> None:
    visit.page.set_viewport_size({"width": 1024, "height": 800})
    visit.page.goto(f"{address}/runs")
    visit.page.locator(".ag-row").first.wait_for()
    boxes = [e.bounding_box() for e in visit.page.locator(".bar a, .bar button").all()]
    middles = {round(b["y"] + b["height"] / 2) for b in boxes}
    assert max(middles) - min(middles) <= 2
    assert max(b["x"] + b["width"] for b in boxes) <= 1024
    visit.page.wait_for_function(
        """() => { const verdict = document.querySelector("[role=columnheader][col-id=verdict]");
            return verdict && verdict.getBoundingClientRect().right < 1024; }"""
    )

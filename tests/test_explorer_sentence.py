"""The page of one sentence: what it computes of each family, and how a reader moves on it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browsing import Visit
from explorer_runs import sentences, write_run

from apps.explorer import neighbours, sentence_column
from apps.explorer.ellipse import posterior_draws, posterior_traces, two_of
from apps.explorer.neighbours import Dump, Posteriors
from apps.explorer.sentence import others
from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError
from lab.runs import Latents, RunWriter
from lab.runs.writer import items_table

HOSTILE = "<b onclick=alert(1)>cat</b> \u202edog %{x}"


class Parrot:
    """Says where it is asked."""

    def decode(self, z: np.ndarray, greedy: bool = True, seed: int = 0, max_length: int = 1):
        return [f"{'best' if greedy else 'drawn'} {code[0]:+.2f}" for code in z]


def write_directions(root: Path, count: int) -> None:
    """A run on the sphere."""
    random = np.random.default_rng(0)
    mean = random.normal(size=(count, 8))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    info = {
        "spec": "vmf_vae", "label": "vMF-VAE", "corpus": {"name": "grammar"}, "seed": 0,
        "settings": {}, "created": "2026-01-09", "latent": {"family": "vmf", "dimensions": 8},
    }  # fmt: skip
    with RunWriter(root / "grammar" / "vmf_vae" / "0", info) as writer:
        writer.write_items(items_table(count, sentences(count), {}, "valid"))
        for epoch in (1, 2):
            latents = Latents("vmf", mean, concentration=np.full(count, 13.0))
            writer.write_epoch(epoch, latents, [], [])
        writer.commit(status="finished", epoch=2, best_epoch=2)


def with_checkpoint(folder: Path) -> None:
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best.safetensors").touch()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    texts = [*sentences(89), HOSTILE]
    many = {"count": 90, "epochs": 3, "stored": False, "texts": texts}
    with_checkpoint(write_run(folder, "vae", "collapsed", label="VAE", **many))
    with_checkpoint(
        write_run(folder, "bn_vae", "holes", label="BN-VAE", created="2026-01-02", **many)
    )
    write_run(folder, "ivae", "samples", label="iVAE", created="2026-01-03", **many)
    write_run(folder, "ae", "points", label="AE", created="2026-01-04", **many)
    write_directions(folder, 90)
    return folder


@pytest.fixture(scope="module")
def posteriors(root: Path) -> Posteriors:
    return Posteriors(View(root))


def run_id(spec: str) -> str:
    return f"grammar/{spec}/0"


def words_of(component: object) -> str:
    """All texts of a component."""
    if isinstance(component, list | tuple):
        return " ".join(map(words_of, component))
    if component is None or isinstance(component, str | int | float):
        return "" if component is None else str(component)
    return words_of(getattr(component, "children", None))


def test_the_ellipse_is_one_and_two_standard_deviations() -> None:
    mean, log_variance = np.array([[1.0, 0, -2]]), np.log([[0.25, 1.0, 4.0]])
    latents = Latents("gaussian", mean, log_variance)
    lines, cross = posterior_traces(latents, 0, two_of(latents, (0, 2)), "light")
    x, y = np.array(lines.x), np.array(lines.y)
    radius = np.hypot((x - 1) / 0.5, (y + 2) / 2)
    drawn = radius[~np.isnan(radius)]
    half = len(drawn) // 2
    np.testing.assert_allclose(drawn[:half], 1)
    np.testing.assert_allclose(drawn[half:], 2)
    assert (cross.x[0], cross.y[0]) == (1, -2)


def test_on_turned_axes_the_ellipse_is_that_of_the_projected_covariance() -> None:
    random = np.random.default_rng(3)
    latents = Latents("gaussian", random.normal(size=(4, 5)), random.normal(size=(4, 5)))
    axes = np.linalg.qr(random.normal(size=(5, 2)))[0]
    lines, cross = posterior_traces(latents, 2, axes, "light")
    away = np.stack([lines.x, lines.y], 1) - latents.mean[2] @ axes
    covariance = axes.T @ np.diag(np.exp(latents.log_variance[2])) @ axes
    square = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away)
    drawn = square[~np.isnan(square)]
    np.testing.assert_allclose(drawn, np.repeat([1.0, 4.0], len(drawn) // 2))
    np.testing.assert_allclose([cross.x[0], cross.y[0]], latents.mean[2] @ axes)


def test_other_families_have_draws_or_a_point_alone() -> None:
    samples = np.random.default_rng(0).normal(size=(3, 8, 2))
    implicit = Latents("samples", samples.mean(1), samples=samples)
    draws = posterior_draws(implicit, 1)
    np.testing.assert_array_equal(draws, samples[1])
    names = [t.name for t in posterior_traces(implicit, 1, np.eye(2), "dark", draws)]
    assert names == ["draws", "mean"]
    point = Latents("point", samples[:, 0])
    traces = posterior_traces(point, 1, np.eye(2), "dark", posterior_draws(point, 1))
    assert [t.name for t in traces] == ["mean"]
    directions = Latents("vmf", np.eye(3), concentration=np.full(3, 50.0))
    np.testing.assert_allclose(np.linalg.norm(posterior_draws(directions, 1), axis=1), 1)


@pytest.mark.parametrize("spec", ["vae", "bn_vae", "ivae", "ae", "vmf_vae"])
@pytest.mark.parametrize("near", ["kl", "wasserstein", "euclidean"])
def test_every_family_has_a_column_or_says_why_not(
    posteriors: Posteriors, spec: str, near: str
) -> None:
    state = State(item=5, near=near, k=5)
    figure, _, facts, _ = sentence_column.picture_column(posteriors, state, run_id(spec), "light")
    assert figure.data[0].type == "heatmap" and figure.data[-1].name in ("mean", "decoded")
    without = (spec, near) in (("ae", "kl"), ("vmf_vae", "wasserstein"))
    table = words_of(sentence_column.near_column(posteriors, state, run_id(spec)))
    moved = words_of(sentence_column.moved_column(posteriors, state, run_id(spec)))
    expected = "choose" if without else "overlap"
    assert expected in table and expected in moved
    assert ("nats" in words_of(facts)) == (spec != "ae")


def test_neighbours_are_compared_with_any_dump_and_any_run(posteriors: Posteriors) -> None:
    def table(against: str, spec: str = "bn_vae") -> str:
        state = State(item=5, k=5, against=against)
        return words_of(sentence_column.near_column(posteriors, state, run_id(spec)))

    assert "shared with epoch 2" in table("before")
    assert "shared with epoch 1" in table("first") and "shared with epoch 1" in table("e1")
    assert "shared with VAE, epoch 3" in table("r" + run_id("vae"))
    assert "This is the run compared with" in table("r" + run_id("bn_vae"))
    assert "This is the dump compared with" in table("e3")
    assert "epoch 77 was not dumped" in table("e77")
    assert "no longer in the folder" in table("rnobody")


def test_runs_of_other_sentences_have_nothing_in_common(
    posteriors: Posteriors, tmp_path: Path
) -> None:
    write_run(tmp_path, "vae", "holes", count=40, epochs=2, texts=sentences(40, seed=9))
    write_run(tmp_path, "ae", "points", count=60, epochs=2, texts=sentences(60))
    here = Posteriors(View(tmp_path))
    state = State(item=5, near="euclidean", against="r" + run_id("ae"))
    column = words_of(sentence_column.near_column(here, state, run_id("vae")))
    assert "did not dump this sentence" in column
    moved = words_of(sentence_column.moved_column(here, state, run_id("vae")))
    assert "dumped other sentences" in moved
    missing = State(item=50, runs=(run_id("ae"), run_id("vae")))
    figure = sentence_column.picture_column(here, missing, run_id("vae"), "light")[0]
    assert "did not dump" in figure.layout.annotations[0].text


def test_items_common_to_two_runs_are_paired_by_text(tmp_path: Path) -> None:
    texts = sentences(30)
    write_run(tmp_path, "vae", "holes", count=30, epochs=1, texts=texts)
    write_run(tmp_path, "ae", "points", count=20, epochs=1, texts=texts[:10] + texts[20:])
    found = Posteriors(View(tmp_path))
    one, other = (found.view.find(run_id(spec)) for spec in ("vae", "ae"))
    here, there = found.common(one, other)
    assert here.tolist() == there.tolist() == list(range(10))
    assert (found.common(one, one)[0] == np.arange(30)).all()


def test_the_item_whose_neighbours_change_leads_the_list(posteriors: Posteriors) -> None:
    run = posteriors.view.find(run_id("bn_vae"))
    now, before = (Dump(run, epoch, run.time(epoch)) for epoch in (3, 1))
    found = neighbours.moved(posteriors, State(k=5), now, before)
    assert (np.diff(found.overlap) >= 0).all() and found.count == found.total == 90
    assert found.overlap[0] <= found.mean and 0 < found.chance < 0.1


def test_damaged_dumps_are_a_line_on_their_own_card(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "vae", "holes", count=30, epochs=2)
    write_run(tmp_path, "ae", "points", count=30, epochs=2)
    next((folder / "latents").glob("*2.safetensors")).write_bytes(b"nothing")
    found = Posteriors(View(tmp_path))
    figure = sentence_column.picture_column(found, State(), run_id("vae"), "light")[0]
    assert "truncated" in figure.layout.annotations[0].text.replace("<br>", " ")
    assert "truncated" in words_of(sentence_column.near_column(found, State(), run_id("vae")))
    sound = sentence_column.picture_column(found, State(), run_id("ae"), "light")[0]
    assert sound.data[0].type == "heatmap"


def test_only_the_epoch_of_the_checkpoint_is_decoded(
    posteriors: Posteriors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.explorer.paths.load", lambda run: Parrot())
    run = posteriors.view.find(run_id("bn_vae"))
    mean = posteriors.view.latents(run, 3).mean[5, 0]
    now, past = (
        words_of(sentence_column.said_column(posteriors, State(item=5, epoch=e), run.id))
        for e in (3, 1)
    )
    assert f"best {mean:+.2f}" in now and "drawn" in now and "checkpoint" not in now
    assert "at epoch 3, the checkpoint's" in past and f"best {mean:+.2f}" in past
    none = words_of(sentence_column.said_column(posteriors, State(), run_id("ae")))
    assert none == "No checkpoint to decode with."


def test_the_url_holds_the_whole_page() -> None:
    state = State.parse("?item=17&near=wasserstein&k=20&against=rgrammar%2Fvae%2F0&epoch=2")
    assert (state.item, state.near, state.k) == (17, "wasserstein", 20)
    assert state.against == "rgrammar/vae/0" and state.epoch == 2
    assert State.parse("?item=-1&near=cosine&k=7&against=x") == State()
    assert State.parse("?against=e12").against == "e12"


def test_an_unknown_item_is_said_in_words(posteriors: Posteriors) -> None:
    state = State(item=4000)
    assert "No item 4000" in words_of(sentence_column.item_words(posteriors.view, state))
    with pytest.raises(UserError, match="No item"):
        neighbours.row_in(posteriors.view, state, posteriors.view.listing.runs[0])
    assert {g["group"] for g in others(posteriors.view, posteriors.view.chosen(()))} == {
        "Same run", "Another run",
    }  # fmt: skip


@pytest.fixture(scope="module")
def address(root: Path, serve_all: Callable[[Path], str]) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("apps.explorer.paths.load", lambda run: Parrot())
        yield f"{serve_all(root)}/sentence"


@pytest.fixture
def page(visit: Visit) -> object:
    return visit.page


def query(page: object) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_columns_show_map_texts_neighbours_and_what_moved(page: object, address: str) -> None:
    page.goto(f"{address}?item=5&run=grammar%2Fbn_vae%2F0&run=grammar%2Fae%2F0")
    page.locator(".utterances").wait_for()
    column = page.locator("article").first
    column.get_by_text(re.compile("shared with epoch 2: overlap")).wait_for()
    column.get_by_text(re.compile("on average, 0.0.. by chance")).wait_for()
    assert column.locator("[id*='sentence-near'] tbody tr").count() >= 10
    assert "drawn" in column.locator(".utterances").inner_text()
    page.get_by_text("No checkpoint to decode with.").first.wait_for()
    page.get_by_text("have no KL between them").first.wait_for()
    assert page.locator(".shown p").inner_text() == sentences(89)[5]


def test_a_clicked_neighbour_and_a_found_sentence_go_into_the_url(
    page: object, address: str
) -> None:
    page.goto(f"{address}?item=5&run=grammar%2Fbn_vae%2F0")
    first = page.locator("[id*='sentence-near'] .go").first
    words = first.inner_text()
    first.click()
    page.wait_for_function("!location.search.includes('item=5')")
    page.locator(".shown p", has_text=words).wait_for()
    page.locator("#sentence-item").fill("onclick")
    page.locator("[role=option]", has_text="onclick").click()
    page.wait_for_function("location.search.includes('item=89')")
    page.locator(".shown p", has_text="<b onclick").wait_for()
    assert page.locator("#sentence-item").input_value() == ""
    assert query(page)["run"] == ["grammar/bn_vae/0"]


def test_choices_change_every_column_and_survive_a_reload(page: object, address: str) -> None:
    page.goto(f"{address}?item=5&run=grammar%2Fbn_vae%2F0&run=grammar%2Fvae%2F0")
    page.get_by_text("shared with epoch 2").nth(1).wait_for()
    page.locator("#sentence-near").click()
    page.get_by_role("option", name="Wasserstein").click()
    page.get_by_text("W₂").nth(1).wait_for()
    page.locator("#sentence-against").click()
    page.get_by_role("option", name="VAE", exact=True).click()
    page.get_by_text("shared with VAE, epoch 3").wait_for()
    page.get_by_text("This is the run compared with.").first.wait_for()
    found = query(page)
    assert found["near"] == ["wasserstein"] and found["against"] == ["rgrammar/vae/0"]
    page.reload()
    page.get_by_text("shared with VAE, epoch 3").wait_for()
    assert page.locator("#sentence-against").input_value() == "VAE"


def test_a_narrow_window_scrolls_nothing_but_the_columns(page: object, address: str) -> None:
    page.set_viewport_size({"width": 1024, "height": 800})
    page.goto(f"{address}?item=5&run=grammar%2Fbn_vae%2F0&run=grammar%2Fvae%2F0")
    page.get_by_text("shared with epoch 2").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

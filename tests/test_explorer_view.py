"""The explorer's view of a runs folder: confined, cached, calm about what lies in it."""

import json
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from explorer_runs import write_all, write_run

from apps.explorer import panels
from apps.explorer.app import create_app
from apps.explorer.cache import Cache
from apps.explorer.guard import allowed
from apps.explorer.selection import Selection, inside
from apps.explorer.server import serve
from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_all(folder, count=90, epochs=3)
    return folder


@pytest.fixture(scope="module")
def view(root: Path) -> View:
    return View(root)


def run_of(view: View, spec: str):
    return next(r for r in view.listing.runs if r.spec == spec)


def test_state_survives_its_own_query_string() -> None:
    query = (
        "?run=a%2Fb(c%3D1%2Cd%3D2)%2F0&run=x&x=z3&y=a2&epoch=7&colour=topic&limit=8&prior=1"
        "&a=one+two&b=three"
    )
    expected = State(("a/b(c=1,d=2)/0", "x"), "z3", "a2", 7, "topic", 8.0, True, "one two", "three")
    assert State.parse(query) == expected


@pytest.mark.parametrize(
    "query", ["?x=z0x&epoch=-3&limit=9e9", "?epoch=%00&y=a²", "?epoch=99999999999", "?x=q", None]
)
def test_nonsense_in_the_url_is_the_default(query: str | None) -> None:
    assert State.parse(query) == State()


@pytest.mark.parametrize(
    "run_id", ["../../etc", "/etc/passwd", "grammar/../grammar/vae/0", "grammar/vae/0/"]
)
def test_only_listed_ids_are_found(view: View, run_id: str) -> None:
    with pytest.raises(UserError):
        view.find(run_id)
    assert view.chosen((run_id,)) == []


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside, inside_ = tmp_path / "outside", tmp_path / "runs"
    write_run(outside, epochs=1, count=20)
    inside_.mkdir()
    (inside_ / "link").symlink_to(outside, target_is_directory=True)
    os.makedirs(inside_ / "fake")
    (inside_ / "fake" / "run.json").symlink_to(outside / "grammar" / "vae" / "0" / "run.json")
    assert View(inside_).listing.runs == ()


def test_default_choice_is_one_corpus(view: View) -> None:
    chosen = view.chosen(())
    assert {r.corpus for r in chosen} == {"grammar"}
    assert [r.spec for r in chosen][:2] == ["vae", "bn_vae(gamma=1.2)"]


def test_unreadable_folders_are_listed_as_problems(tmp_path: Path) -> None:
    write_run(tmp_path, epochs=1, count=20)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "run.json").write_text(json.dumps({"format": 99}))
    listing = View(tmp_path).listing
    assert len(listing.runs) == 1
    assert len(listing.problems) == 1 and "odd" in listing.problems[0]


def test_revision_changes_with_the_folder_only(tmp_path: Path) -> None:
    write_run(tmp_path, epochs=1, count=20)
    view = View(tmp_path)
    first = view.refresh()
    assert view.refresh() == first
    write_run(tmp_path, "ae", "points", epochs=1, count=20)
    assert view.refresh() != first
    assert {r.spec for r in view.listing.runs} == {"vae", "ae"}


def test_a_folder_that_vanishes_comes_back(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    write_run(root, epochs=1, count=20)
    view = View(root)
    shutil.move(root, tmp_path / "elsewhere")
    view.refresh()
    assert view.listing.missing and view.listing.runs == ()
    shutil.move(tmp_path / "elsewhere", root)
    view.refresh()
    assert not view.listing.missing and len(view.listing.runs) == 1


def test_files_that_vanish_under_a_listed_run_are_a_note(tmp_path: Path) -> None:
    folder = write_run(tmp_path, epochs=2, count=20)
    view = View(tmp_path)
    shutil.rmtree(folder / "latents")
    figure, *_ = panels.density_column(view, State(), view.listing.runs[0].id, "light")
    assert "are gone" in figure.layout.annotations[0].text.replace("<br>", " ")


@pytest.mark.parametrize(("asked", "shown"), [(None, 3), (2, 2), (0, 1), (9, 3)])
def test_a_panel_shows_the_last_dump_by_then(view: View, asked: int | None, shown: int) -> None:
    assert view.dumped_epoch(run_of(view, "vae"), asked) == shown


def test_figures_at_an_epoch_leave_out_later_records(view: View) -> None:
    run = run_of(view, "bn_vae(gamma=1.2)")
    assert {r["epoch"] for r in view.at(run, 2).metrics("valid")} == {1, 2}


def test_axes_by_activity_and_by_index(view: View) -> None:
    run = run_of(view, "bn_vae(gamma=1.2)")
    order = view.order(run)
    assert view.axis(run, "a1") == (order[0], 0)
    assert view.axis(run, "z5")[0] == 4
    assert order[view.axis(run, "z5")[1]] == 4
    assert view.axis(run, "z999")[0] == 7


def test_densities_are_computed_once(view: View) -> None:
    run = run_of(view, "vae")
    first = view.density(run, 3, (0, 1), 4.0)
    assert view.density(run, 3, (0, 1), 4.0) is first
    assert view.density(run, 2, (0, 1), 4.0) is not first


def test_cache_forgets_the_least_recently_used() -> None:
    cache = Cache(3)
    for key in "abc":
        cache.get(key, key.lower)
    cache.get("a", lambda: "again")
    cache.get("d", lambda: "d")
    assert cache.get("a", lambda: "again") == "a"
    assert cache.get("b", lambda: "again") == "again"
    assert len(cache) == 3


def test_inside_a_triangle_matches_its_half_planes() -> None:
    x, y = np.random.default_rng(0).uniform(-1, 2, (2, 500))
    found = inside(x, y, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    assert np.array_equal(found, (x > 0) & (y > 0) & (x + y < 1))


def outline(run_id: str, half: float = 9.0) -> dict:
    return {
        "run": run_id,
        "search": "",
        "x": [-half, half, half, -half],
        "y": [-half, -half, half, half],
    }


def test_selection_marks_the_same_items_elsewhere(view: View) -> None:
    source, other = run_of(view, "bn_vae(gamma=1.2)"), run_of(view, "ae")
    drawn = {**outline(source.id), "x": [0, 9, 9, 0]}
    run, rows = Selection.parse(drawn).rows(view)
    assert run is source and 0 < len(rows) < len(source.items)
    assert np.array_equal(view.matching_rows(source, rows, other), rows)
    toy = next(r for r in view.listing.runs if r.corpus == "toy-4")
    assert len(view.matching_rows(source, rows, toy)) == 0


def test_items_in_another_order_are_matched_by_what_they_are(tmp_path: Path) -> None:
    texts = [f"sentence {i}" for i in range(30)]
    write_run(tmp_path, "vae", count=30, epochs=1, texts=texts)
    write_run(
        tmp_path,
        "ae",
        "points",
        count=40,
        epochs=1,
        texts=[*texts[:20], *[f"new {i}" for i in range(20)]],
    )
    first, second = (run_of(View(tmp_path), s) for s in ("vae", "ae"))
    assert View(tmp_path).matching_rows(first, np.array([3, 19, 25]), second).tolist() == [3, 19]


@pytest.mark.parametrize(
    "data",
    [None, 3, {}, {"run": "r", "x": "abc", "y": [1], "search": ""}, {"run": 1, "x": [1], "y": [2]}],
)
def test_what_is_no_selection_is_none(data: object) -> None:
    assert Selection.parse(data) is None


def test_untrusted_names_and_texts_are_shown_as_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><b>x</b>"
    write_run(
        tmp_path,
        "vae",
        "points",
        label=evil,
        count=150,
        epochs=1,
        texts=[evil] * 150,
        labels={evil: [evil] * 150},
    )
    view = View(tmp_path)
    run = view.listing.runs[0]
    figure = panels.centres_column(view, State(), run.id, "light", Selection.parse(outline(run.id)))
    drawn = figure.to_json()
    assert "<script" not in drawn and "<b>" not in drawn
    assert "&lt;script&gt;" in drawn


@pytest.mark.parametrize(
    ("requested", "host", "answer"),
    [
        ("127.0.0.1:8050", "127.0.0.1", True),
        ("localhost:8050", "127.0.0.1", True),
        ("[::1]:8050", "127.0.0.1", True),
        ("evil.example:8050", "127.0.0.1", False),
        ("192.168.1.4:8050", "127.0.0.1", False),
        ("192.168.1.4:8050", "0.0.0.0", True),
        ("evil.example", "0.0.0.0", False),
        ("", "127.0.0.1", False),
    ],
)  # fmt: skip
def test_only_its_own_names_are_answered(requested: str, host: str, answer: bool) -> None:
    assert allowed(requested, host) is answer


def test_a_foreign_host_is_refused_and_pages_may_call_nobody_else(root: Path) -> None:
    client = create_app(root).server.test_client()
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    page = client.get("/", headers={"Host": "127.0.0.1:8050"})
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


def test_a_taken_port_is_a_users_error(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"{port}.*--port"):
            serve(root, port=port, open_browser=False)


def test_a_missing_folder_is_a_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        serve(tmp_path / "nowhere", open_browser=False)

"""The explorer's view of a runs folder: confined, cached, calm about what lies in it."""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from explorer_runs import sentences, write_all, write_epoch, write_run

from apps.explorer import cards, colours, panels
from apps.explorer.app import create_app
from apps.explorer.cache import Cache
from apps.explorer.guard import allowed
from apps.explorer.selection import Selection, inside
from apps.explorer.server import serve
from apps.explorer.state import State
from apps.explorer.view import View
from lab import verdicts
from lab.errors import UserError
from lab.runs import RunWriter, open_run
from lab.runs.layout import write_json, write_table
from lab.runs.writer import items_table


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
    figure = panels.picture(view, State(), view.listing.runs[0].id, "density", "light")
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


def test_a_run_that_fails_within_the_second_is_not_called_healthy(tmp_path: Path) -> None:
    folder = write_run(tmp_path, kind="consistent", epochs=1, count=60)
    view = View(tmp_path)
    before = view.at(view.listing.runs[0])
    assert not before.info["error"]
    rewrite(folder / "run.json", status="failed", error="KL became NaN")
    view.refresh()
    now = view.at(view.listing.runs[0])
    assert now.info["updated"] == before.info["updated"]
    assert verdicts.verdict(now) == "Failed: KL became NaN"


def test_items_written_anew_are_matched_and_coloured_anew(tmp_path: Path) -> None:
    texts = [f"sentence {i}" for i in range(30)]
    for spec in ("vae", "ae"):
        write_run(tmp_path, spec, epochs=1, count=30, texts=texts)
    view, state = View(tmp_path), State(colour="number")
    first, second = (run_of(view, spec) for spec in ("vae", "ae"))
    assert view.matching_rows(first, np.array([3]), second).tolist() == [3]
    before = colours.groups(view, state, first, [first])[1]
    folder = first.folder
    write_table(
        folder / "items.parquet",
        items_table(30, texts[::-1], {"number": [i // 15 for i in range(30)]}, "valid"),
    )
    rewrite(folder / "run.json")
    view.refresh()
    first, second = (run_of(view, spec) for spec in ("vae", "ae"))
    assert view.matching_rows(first, np.array([3]), second).tolist() == []
    after = colours.groups(view, state, first, [first])[1]
    assert before[:4].tolist() == [0, 1, 0, 1] and after[:4].tolist() == [0, 0, 0, 0]


def rewrite(path: Path, **changes: object) -> None:
    """Write a run's description again, some time later by the clock of the file system."""
    write_json(path, {**json.loads(path.read_text()), **changes})
    later = path.stat().st_mtime_ns + 10**6
    os.utime(path, ns=(later, later))


def test_a_folder_that_vanishes_while_it_is_walked_keeps_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, epochs=1, count=20)
    view = View(tmp_path)
    revision, listing = view.listing.revision, view.listing
    write_run(tmp_path, "ae", "points", epochs=1, count=20)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rglob", vanished)
        assert view.refresh() == revision and view.listing is listing
        patched.setattr(View, "_fingerprint", lambda _: ("new",))
        view.refresh()
        assert view.listing is listing
    view.refresh()
    assert len(view.listing.runs) == 2


def vanished(path: Path, pattern: str) -> Iterator[Path]:
    raise FileNotFoundError(path)
    yield path


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


def outline(run_id: str, left: float = -9.0) -> Selection:
    return Selection(
        run_id, 99, ("a1", "a2"), np.array([left, 9.0, 9, left]), np.array([-9.0, -9, 9, 9])
    )


def test_selection_marks_the_same_items_elsewhere(view: View) -> None:
    source, other = run_of(view, "bn_vae(gamma=1.2)"), run_of(view, "ae")
    run, rows = outline(source.id, left=0).rows(view)
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
    "words",
    ["", "1,2|a1|a2|3|r", "1,2,3|a1|a2|3|r", "0,0,1,0,1,nan|a1|a2|3|r", "0,0,1,0,1,1|b|a2|3|r",
     "0,0,1,0,1,1|a1|a2|x|r", "0,0,1,0,1,1|a1|a2|3", "1,1" + 99 * ",1,1" + "|a1|a2|3|r"],
)  # fmt: skip
def test_what_is_no_selection_is_none(words: str) -> None:
    assert Selection.parse(words) is None


def test_a_selection_survives_the_url_and_later_epochs(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "vae", "holes", epochs=2, planned=3, status="running")
    view = View(tmp_path)
    turn = np.linspace(0, 2 * np.pi, 300)
    drawn = {"run": "grammar/vae/0", "x": 2 * np.cos(turn), "y": 2 * np.sin(turn)}
    state = State(x="z2", y="z3", runs=("grammar/vae/0",))
    words = str(Selection.drawn(view, state, drawn))
    known = Selection.parse(words)
    assert str(known) == words and known.epoch == 2 and len(known.x) == 48
    rows = known.rows(view)[1]
    with RunWriter(folder, dict(open_run(folder).info)) as writer:
        write_epoch(writer, "holes", 3, 3, sentences(240))
        writer.commit(status="finished", epoch=3)
    view.refresh()
    assert view.dumped_epoch(view.listing.runs[0], None) == 3
    assert np.array_equal(known.rows(view)[1], rows) and 0 < len(rows) < 240


def test_runs_of_one_name_show_what_tells_them_apart(tmp_path: Path) -> None:
    for spec in ("dg_vae", "dg_vae(anneal=2)"):
        write_run(tmp_path, spec, label="DG-VAE", epochs=1, count=20)
    write_run(tmp_path, "vae", label="VAE", epochs=1, count=20)
    write_run(tmp_path, "vae", label="VAE", seed=1, epochs=1, count=20)
    view = View(tmp_path)
    places = {
        run.id: cards.heading(view, run, "")[1].children[0].children for run in view.listing.runs
    }
    assert places == {
        "grammar/dg_vae/0": "dg_vae · grammar · seed 0",
        "grammar/dg_vae(anneal=2)/0": "dg_vae(anneal=2) · grammar · seed 0",
        "grammar/vae/0": "grammar · seed 0",
        "grammar/vae/1": "grammar · seed 1",
    }


def test_no_map_has_one_dimension_on_both_axes(tmp_path: Path) -> None:
    write_run(tmp_path, "vae", "holes", width=1, epochs=1)
    write_run(tmp_path, "ae", "points", width=3, epochs=1)
    view = View(tmp_path)
    note = panels.picture(view, State(), "grammar/vae/0", "density", "light")
    words = note.layout.annotations[0].text.replace("<br>", " ")
    assert words == "This run has one dimension; a map needs two."
    run = run_of(view, "ae")
    order = view.order(run).tolist()
    assert view.dims(run, "a1", "a2") == (order[0], order[1])
    assert view.dims(run, "a1", f"z{order[0] + 1}") == (order[0], order[1])
    assert view.dims(run, f"z{order[2] + 1}", "a3") == (order[2], order[1])
    assert view.dims(run, "z5", "z9")[0] == 2 and len({*view.dims(run, "z5", "z9")}) == 2


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
    state = State(brush=str(outline(run.id)))
    figure = panels.picture(view, state, run.id, "centres", "light")
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

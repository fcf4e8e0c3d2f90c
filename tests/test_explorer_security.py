"""What the explorer refuses, and what damaged or hostile runs cannot do."""

import json
import math
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
import pytest
from browsing import Visit
from explorer_runs import write_all, write_run
from flask.testing import FlaskClient

from apps.explorer import create_app, runs
from apps.explorer.address import notice, unread
from apps.explorer.app import PAGES
from apps.explorer.server import address_of
from apps.explorer.state import State
from apps.explorer.view import View
from lab.errors import UserError
from lab.runs.layout import read_jsonl, write_jsonl, write_tensors

Value = TypeVar("Value")

OWN = {"Host": "127.0.0.1:8050"}
LAN = {"Host": "192.168.1.5:8050"}
TOKEN = "a-token-of-some-length"
RUN = "grammar%2Fvae%2F0"
ALERT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
NASTY = [
    ALERT,
    "javascript:alert(3)",
    "right‮to left‬ and ‏marks",
    "a NUL \x00 and a bell \x07",
    "word" * 25_000,
    "=HYPERLINK(\"http://evil.example\")",
    "</script><script>alert(4)</script>",
    "{{7*7}} ${alert(5)} %{x} \\u003cb>",
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_all(folder, count=60, epochs=2)
    return folder


@pytest.fixture(scope="module")
def client(root: Path) -> FlaskClient:
    return create_app(root).server.test_client()


@pytest.fixture
def remote(root: Path) -> FlaskClient:
    return create_app(root, "0.0.0.0", TOKEN).server.test_client()


def hostile(root: Path) -> None:
    """Runs whose names, labels and texts try to be more than text."""
    texts = [NASTY[i % len(NASTY)] for i in range(64)]
    labels = {ALERT: texts, "number": list(range(64))}
    for seed, kind in enumerate(("holes", "samples", "points")):
        folder = write_run(
            root, "vae", kind, label=ALERT, seed=seed, count=64, epochs=2, texts=texts,
            labels=labels,
        )  # fmt: skip
        change(folder, about=ALERT, corpus={"name": NASTY[2] + ALERT}, settings={"a": {"b": ALERT}})
    # A corpus of the papers, so that the page of tables names the run.
    known = write_run(root, "vae", label=ALERT, corpus="ptb", count=64, epochs=2, texts=texts)
    spoil_model(known)
    change(known, corpus={"name": "ptb", "fingerprint": ALERT})
    failed = write_run(root, "ae", "points", seed=3, epochs=0, status="failed", error=ALERT)
    change(failed, spec=ALERT)


def spoil_model(folder: Path) -> None:
    """Give a run a checkpoint and settings that no model can be rebuilt from."""
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best.safetensors").write_bytes(b"x" * 400)
    change(folder, settings={"network": {"kind": ALERT, "latent": None}, "training": ALERT})


def change(folder: Path, **values: object) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_foreign_page_cannot_ask(client: FlaskClient) -> None:
    assert client.get("/", headers={**OWN, "Origin": "http://127.0.0.1:8050"}).status_code == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        refused = client.post("/_dash-update-component", headers={**OWN, "Origin": origin})
        assert refused.status_code == 403
        assert not any(name.startswith("Access-Control") for name, _ in refused.headers)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::1", "a:b:c", "@"])
def test_foreign_and_broken_host_names_are_refused(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code in (400, 403)


def test_pages_may_reach_nothing_else_and_stand_in_no_frame(client: FlaskClient) -> None:
    page = client.get("/", headers=OWN)
    policy = page.headers["Content-Security-Policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts and "http" not in policy
    assert "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_without_its_token_nothing_is_answered(remote: FlaskClient) -> None:
    for path in ("/", "/runs", "/_dash-layout", "/assets/explorer.css", "/_export/report"):
        for query in ("", "?token=", "?token=wrong", f"?token={TOKEN}x", "?token=%C3%A9"):
            refused = remote.get(path + query, headers=LAN)
            assert refused.status_code == 403
            assert "token" in refused.text and "grammar" not in refused.text
    assert remote.post("/_dash-update-component", headers=LAN).status_code == 403


def test_the_token_is_given_once_and_kept_as_a_strict_cookie(remote: FlaskClient) -> None:
    first = remote.get(f"/curves?epoch=1&token={TOKEN}", headers=LAN)
    assert first.status_code == 200 and "url=/curves?epoch=1'" in first.text
    assert TOKEN not in first.text and first.headers["Cache-Control"] == "no-store"
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "8050" in cookie.split("=")[0]
    remote.set_cookie(*cookie.split(";")[0].split("=", 1), domain="192.168.1.5")
    assert remote.get("/curves?epoch=1", headers=LAN).status_code == 200
    assert remote.get("/curves", headers={"Host": "192.168.1.5:8051"}).status_code == 403


def test_the_way_on_stays_on_this_server(remote: FlaskClient) -> None:
    other = {"PATH_INFO": "//evil.example/'><b>"}
    answer = remote.get(f"/?token={TOKEN}&x=%22'%3E%3Cb%3E", headers=LAN, environ_overrides=other)
    assert "url=/evil.example/" in answer.text and "<b>" not in answer.text


def test_only_a_named_host_needs_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    assert address_of("127.0.0.1", 8050) == "http://localhost:8050/"
    assert address_of("192.168.1.5", 80, "t") == "http://192.168.1.5:80/?token=t"
    assert address_of("fe80::1", 80, "t") == "http://[fe80::1]:80/?token=t"
    assert "0.0.0.0" not in address_of("0.0.0.0", 80, "t")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py", "/assets/..%2fapp.py", "/assets/%2e%2e/app.py",
        "/assets/..%5capp.py", "/assets//etc/passwd", "/assets/%00",
        "/_dash-component-suites/dash/../../etc/passwd",
        "/_dash-component-suites/dash/%2e%2e/%2e%2e/dash.py",
        "/_dash-component-suites/os/path.py",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_assets(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers=OWN)
    assert "import" not in answer.text and "root:" not in answer.text
    assert answer.status_code >= 400 or "_dash-config" in answer.text


@pytest.mark.parametrize("name", ["..", "../secret/vae/0", "%2e%2e/secret", "/etc", "a\x00b", ""])
def test_a_runs_name_is_never_a_path(root: Path, name: str) -> None:
    view = View(root)
    with pytest.raises(UserError, match="no longer in the folder"):
        view.find(name)
    assert view.chosen((name,)) == []


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    secret = write_run(tmp_path / "secret", epochs=1)
    write_run(root, "ae", "points", epochs=1)
    one, two, three = (write_run(root, seed=seed, epochs=1) for seed in (1, 2, 3))
    (root / "linked").symlink_to(secret)
    dump = one / "latents" / "epoch-0001.safetensors"
    dump.unlink()
    dump.symlink_to(secret / "latents" / dump.name)
    shutil.rmtree(two / "latents")
    (two / "latents").symlink_to(secret / "latents")
    (three / "run.json").unlink()
    (three / "run.json").symlink_to(secret / "run.json")
    (root / "circle").symlink_to(root / "circle")
    (root / "self").symlink_to(root)
    view = View(root)
    assert [run.id for run in view.listing.runs] == ["grammar/ae/0"]
    told = "\n".join(view.listing.problems)
    for name in ("linked", "vae/1/latents/epoch-0001", "vae/2/latents", "vae/3/run.json"):
        assert f"{name}" in told
    assert len(view.listing.problems) == 4 and "leads out" in told


def test_a_link_over_a_link_and_one_made_later_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    secret = write_run(tmp_path / "secret", epochs=1)
    run = write_run(root, epochs=2)
    (root / "aside").mkdir()
    (root / "aside" / "x").symlink_to(secret)
    other = write_run(root, seed=1, epochs=1)
    (other / "more").symlink_to(root / "aside")
    view = View(root)
    assert [r.id for r in view.listing.runs] == ["grammar/vae/0"]
    dump = run / "latents" / "epoch-0002.safetensors"
    dump.unlink()
    dump.symlink_to(secret / "latents" / "epoch-0001.safetensors")
    with pytest.raises(UserError, match="leads out of"):
        view.latents(view.listing.runs[0], 2)


def test_links_within_the_folder_are_fine(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path, seed=seed, epochs=1) for seed in (0, 1))
    (second / "items.parquet").unlink()
    (second / "items.parquet").symlink_to(first / "items.parquet")
    view = View(tmp_path)
    assert len(view.listing.runs) == 2 and view.listing.problems == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"spec": 5}, {"label": ["x"]}, {"corpus": {"name": {}}}, {"dumped": None},
        {"dumped": [2, 1]}, {"dumped": ["1"]}, {"dumped": [-1]}, {"seed": "0"}, {"latent": 3},
        {"latent": {"family": "cauchy", "dimensions": 2}}, {"unit": {}}, {"epoch": "many"},
        {"created": 3}, {"error": {"a": 1}}, {"items": -1}, {"status": None},
        {"items": 0}, {"items": 1}, {"unit": {"name": ALERT[:20], "per_epoch": 1}},
        {"unit": {"name": "e" * 25, "per_epoch": 1}}, {"unit": {"name": "", "per_epoch": 1}},
        {"unit": {"name": None, "per_epoch": 1}}, {"unit": {"name": "epoch", "per_epoch": 0}},
    ],
)  # fmt: skip
def test_a_description_that_makes_no_sense_is_a_notice(tmp_path: Path, wrong: dict) -> None:
    write_run(tmp_path, "ae", "points", epochs=1)
    change(write_run(tmp_path, epochs=1), **wrong)
    view = View(tmp_path)
    assert [run.spec for run in view.listing.runs] == ["ae"]
    (line,) = view.listing.problems
    assert "grammar/vae/0/run.json" in line and repr(next(iter(wrong))) in line


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "items.parquet", "latents/x"])
def test_what_could_be_waited_for_without_end_is_a_notice(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, "ae", "points", epochs=1)
    path = write_run(tmp_path, epochs=1) / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    told = promptly(lambda: View(tmp_path))
    assert [run.spec for run in told.listing.runs] == ["ae"]
    (line,) = told.listing.problems
    assert f"grammar/vae/0/{name}: " in line and "delete it" in line
    assert len(promptly(lambda: runs.rows(told))) == 1


def test_a_link_to_a_pipe_and_a_socket_are_notices(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    linked, bound = (write_run(root, seed=seed, epochs=1) for seed in (0, 1))
    os.mkfifo(root / "pipe")
    (linked / "extra").symlink_to(root / "pipe")
    here = os.open(bound, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/extra")  # its full path may be too long for a socket
    os.close(here)
    view = promptly(lambda: View(root))
    assert view.listing.runs == ()
    assert ["neither a file" in line for line in view.listing.problems] == [True, True]


def promptly(work: Callable[[], Value]) -> Value:
    """What `work` returns, in a thread of its own: it may never end."""
    found: list[Value] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert found, "waits without end"
    return found[0]


@pytest.mark.parametrize(
    ("search", "wrong"),
    [
        ("", []), ("?x=a2&epoch=3&limit=8&colour=topic", []), ("?limit=4&prior=0&epoch=", []),
        ("?x=zz&limit=99&epoch=soon", ["x", "limit", "epoch"]), ("?nonsense=1", ["nonsense"]),
        ("?at=1,2,3&k=7&near=far&blocks=some", ["at", "k", "near", "blocks"]), ("?a=%FF%00", []),
        ("?x=a1&active=2&active=-1", ["active"]), ("?" + "&" * 500, []), ("?x[]=1", ["x[]"]),
        ("?brush=0,0,1,0,1,1%7Ca1%7Ca2%7C3%7Cr", []), ("?brush=0,0,1,0%7Ca1", ["brush"]),
    ],
)  # fmt: skip
def test_whatever_an_address_asks_for_in_vain_is_known(search: str, wrong: list[str]) -> None:
    assert unread(search) == wrong


def test_a_malformed_address_is_said_in_one_line_with_a_way_out(root: Path) -> None:
    view = View(root)
    assert notice(view, "/", "?run=grammar%2Fae%2F0&x=a2") is None
    told = notice(view, "/curves", "?run=grammar%2Fae%2F0&run=gone&x=zz&epoch=1").to_plotly_json()
    words = "".join(part for part in told["props"]["children"] if isinstance(part, str))
    assert "x=zz" in words and "Not in this folder: gone" in words
    assert told["props"]["children"][-1].href == "/curves?run=grammar%2Fae%2F0&epoch=1"
    long = notice(view, "/", "?" + "&".join(f"q{k}={'y' * 5000}" for k in range(50)))
    assert len("".join(p for p in long.children if isinstance(p, str))) < 400


def test_any_query_string_is_a_state() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        search = "?" + bytes(random.integers(1, 256, 60).tolist()).decode("latin-1")
        assert isinstance(State.parse(search), State)
        unread(search)


def spoil_dumps(folder: Path) -> None:
    """Make every value of every dump of a run NaN."""
    arrays = dict.fromkeys(("mean", "log_variance"), np.full((60, 8), np.nan, np.float32))
    for path in (folder / "latents").iterdir():
        write_tensors(path, arrays, {"family": "gaussian"})


DAMAGE: dict[str, Callable[[Path], object]] = {
    "latents": lambda f: cut(f / "latents" / "epoch-0002.safetensors"),
    "items": lambda f: cut(f / "items.parquet"),
    "metrics": lambda f: (f / "metrics.jsonl").write_text('{"split": \n[]\n'),
    "foreign records": lambda f: (f / "metrics.jsonl").write_text("[1]\n5\n{}\n"),
    "figures": lambda f: (f / "metrics.jsonl").write_text(
        '{"split": "valid", "epoch": 1, "kl": "low", "au": NaN}\n'
    ),
    "foreign table": lambda f: pl.DataFrame({"a": [1]}).write_parquet(f / "dimensions.parquet"),
    "foreign items": lambda f: pl.DataFrame({"a": [1]}).write_parquet(f / "items.parquet"),
    "dimensions": lambda f: cut(f / "dimensions.parquet"),
    "interpolations": lambda f: (f / "interpolations.jsonl").write_text("[1]\n"),
    "model": spoil_model,
    "description": lambda f: cut(f / "run.json"),
    "gone": shutil.rmtree,
    "values": spoil_dumps,
    "repeated rows": lambda f: pl.concat(
        2 * [pl.read_parquet(f / "dimensions.parquet")]
    ).write_parquet(f / "dimensions.parquet"),
    "paths": lambda f: write_jsonl(
        f / "interpolations.jsonl",
        [{**r, "pair": [0, 10**6]} for r in read_jsonl(f / "interpolations.jsonl")],
    ),
    "infinite figures": lambda f: write_jsonl(
        f / "metrics.jsonl",
        [{**r, "kl": math.inf, "mi": math.nan} for r in read_jsonl(f / "metrics.jsonl")],
    ),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def evil(serve_all: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("evil")
    hostile(root)
    return serve_all(root)


def calm(visit: Visit, words: str) -> None:
    """Wait until the page shows these words and nothing of it is being asked for."""
    visit.page.wait_for_function(
        """words => document.querySelector("main")?.textContent.includes(words)
            && !document.querySelector("main [data-dash-is-loading]")""",
        arg=words,
    )


@pytest.fixture
def dialogs(visit: Visit) -> Iterator[list[str]]:
    seen: list[str] = []

    def hear(dialog: object) -> None:
        seen.append(dialog.message)
        dialog.dismiss()

    visit.page.on("dialog", hear)
    yield seen
    visit.page.remove_listener("dialog", hear)
    assert seen == []


@pytest.mark.parametrize("path", PAGES)
def test_texts_and_names_are_data_on_every_page(
    visit: Visit, evil: str, dialogs: list[str], path: str
) -> None:
    visit.page.goto(f"{evil}{path}?colour=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&item=0")
    calm(visit, ALERT)
    assert visit.page.locator("main img, main script, main b:text-is('alert')").count() == 0


def test_hover_table_and_title_show_hostile_texts_as_they_are(
    visit: Visit, evil: str, dialogs: list[str]
) -> None:
    visit.page.goto(f"{evil}/?run={RUN}")
    visit.drawn("centres", 1)
    visit.lasso("centres", 0)
    visit.page.locator("#selected-rows .ag-row").first.wait_for()
    visit.page.locator("#selected-search").fill("onerror")
    visit.page.wait_for_function(
        """() => [...document.querySelectorAll("#selected-rows .ag-row")].every(
            row => row.textContent.includes("onerror"))"""
    )
    plot = "document.querySelector('[id*=centres] .js-plotly-plot')"
    for point in range(len(NASTY)):
        visit.page.evaluate(
            f"""k => {{ const plot = {plot}; const curve = plot._fullData.findIndex(
                t => (t.text || t.hovertext || []).length > k);
                Plotly.Fx.hover(plot, [{{curveNumber: curve, pointNumber: k}}]) }}""",
            point,
        )
        visit.page.locator(".hoverlayer .hovertext").first.wait_for()
    assert visit.page.locator("main img, main script").count() == 0
    assert visit.page.title() == "Latent Lab"


@pytest.fixture(scope="module")
def damaged(
    serve_all: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """One healthy run among those with one damage each, all of them open."""
    root = tmp_path_factory.mktemp("damaged")
    write_run(root, "dg_vae", "consistent", label="Healthy", count=60, epochs=2)
    for seed, (name, damage) in enumerate(DAMAGE.items()):
        damage(write_run(root, label=f"Broken {name}", seed=seed, count=60, epochs=2))
    return serve_all(root), root


@pytest.mark.parametrize("path", PAGES)
def test_damaged_runs_break_nothing_else(
    visit: Visit, damaged: tuple[str, Path], path: str
) -> None:
    every = [f"grammar%2Fvae%2F{seed}" for seed in range(len(DAMAGE))]
    query = "&run=".join([*every, "grammar%2Fdg_vae%2F0"])
    visit.page.goto(f"{damaged[0]}{path}?run={query}&item=0")
    calm(visit, "its 1 block" if path == "/tables" else "Healthy")
    visit.page.locator("#unread", has_text="Not in this folder: grammar/vae/10").wait_for()
    visit.page.locator("#notices", has_text="run.json").wait_for()


def test_a_run_deleted_while_open_leaves_and_the_others_stay(
    visit: Visit, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    write_run(tmp_path, "ae", "points", label="Stays", count=60, epochs=2)
    doomed = write_run(tmp_path, label="Doomed", count=60, epochs=2)
    visit.page.goto(f"{serve(tmp_path)}/?run=grammar%2Fvae%2F0&run=grammar%2Fae%2F0")
    visit.drawn("density", 2)
    shutil.rmtree(doomed)
    visit.page.locator("#unread", has_text="Not in this folder: grammar/vae/0").wait_for()
    visit.drawn("density", 1)
    visit.page.get_by_text("Forget it").click()
    visit.page.wait_for_url("**/?run=grammar%2Fae%2F0")
    visit.page.locator("#unread .notice").wait_for(state="detached")


def test_two_browsers_do_not_see_each_others_selections(
    visit: Visit, browser: object, serve: Callable[[Path], str], root: Path
) -> None:
    home = f"{serve(root)}/?run=grammar%2Fae%2F0"
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    other = Visit(context.new_page())
    for one in (visit, other):
        one.page.goto(home)
        one.drawn("centres", 1)
    visit.lasso("centres", 0)
    visit.page.locator("#selected-rows").wait_for()
    visit.page.locator("#limit").click()
    visit.page.get_by_role("option", name="± 2").click()
    visit.page.wait_for_url("**limit=2*")
    other.page.locator("#scheme").click()  # makes it ask the server for every picture anew
    other.drawn("centres", 1)
    assert other.page.locator("#selected-rows").count() == 0
    assert other.page.locator("#limit").input_value() == "± 4"
    assert other.page.url == home
    context.close()

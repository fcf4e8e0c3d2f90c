"""The explorer in a real browser: fixtures for whatever opens its pages."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from werkzeug.serving import make_server

from apps.explorer import create_app

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic",
)  # fmt: skip
COUNT_CONTEXTS = """
window.webgl = 0;
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    const known = this.counted;
    if (/webgl/.test(kind) && !known) { window.webgl += 1; this.counted = true; }
    return original.call(this, kind, ...rest);
};"""
DRAWN = """kind => [...document.querySelectorAll(`[id*='${kind}'] .js-plotly-plot`)].map(
    plot => plot._fullData?.length ?? 0)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs a chromium for the explorer's tests")
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield launched
        launched.close()


class Stage:
    """A server of one address, whichever folder it shows."""

    def __init__(self) -> None:
        self._app: Callable[..., Any] | None = None
        self._server = make_server("127.0.0.1", 0, self, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __call__(self, *request: Any) -> Any:
        return self._app(*request)

    def show(self, root: Path) -> str:
        """The address at which the explorer shows a folder from now on."""
        self._app = create_app(root).server
        return f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def serve_all() -> Iterator[Callable[[Path], str]]:
    """Shows a folder to all tests of a module."""
    stages: list[Stage] = []

    def start(root: Path) -> str:
        stages.append(Stage())
        return stages[-1].show(root)

    yield start
    for stage in stages:
        stage.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@pytest.fixture
def serve(stage: Stage) -> Callable[[Path], str]:
    """Shows a folder to one test: at one address, whose scripts the browser knows."""
    return stage.show


@dataclass
class Visit:
    """A page, and what it must not do."""

    page: object
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def drawn(self, kind: str, count: int) -> None:
        """Wait until `count` panels of a kind hold a trace."""
        self.page.wait_for_function(
            f"([kind, n]) => ({DRAWN})(kind).filter(Boolean).length == n", arg=[kind, count]
        )

    def traces(self, kind: str) -> list[int]:
        return self.page.evaluate(DRAWN, kind)

    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.page.url).query)

    def lasso(self, kind: str, index: int) -> None:
        """Draw around the upper left quarter of one panel."""
        area = self.page.locator(f"[id*='{kind}'] .nsewdrag").nth(index).bounding_box()
        corners = [(0.05, 0.05), (0.5, 0.05), (0.5, 0.5), (0.05, 0.5), (0.05, 0.06)]
        places = [
            (area["x"] + area["width"] * x, area["y"] + area["height"] * y) for x, y in corners
        ]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=5)
        self.page.mouse.up()


@pytest.fixture(scope="module")
def tab(browser: object) -> Iterator[object]:
    """One page for all tests of a module, as a browser reads the scripts of a page it knows in a
    third of the time.
    """
    context = browser.new_context()
    context.set_default_timeout(60_000)  # a machine under load is slow, not wrong
    context.add_init_script(COUNT_CONTEXTS)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


@pytest.fixture
def visit(tab: object) -> Iterator[Visit]:
    made = Visit(tab)
    heard = {
        "console": lambda m: made.errors.append(m.text) if m.type == "error" else None,
        "pageerror": lambda e: made.errors.append(str(e)),
        "request": lambda r: made.hosts.add(urlsplit(r.url).hostname) if r.url[:4] == "http" else 0,
    }
    for event, hear in heard.items():
        tab.on(event, hear)
    tab.set_viewport_size({"width": 1440, "height": 1000})
    yield made
    for event, hear in heard.items():
        tab.remove_listener(event, hear)
    # The next test finds a browser that remembers nothing and does nothing, in the same process.
    tab.evaluate("localStorage.clear()")
    saved = tab.url.startswith("file:")
    tab.goto("about:blank" if saved else urljoin(tab.url, "/assets/export.css"))
    assert made.errors == []
    assert made.hosts == {"127.0.0.1"}

"""Time from `latentlab explore` on 100 runs until the first page can be used.

PYTHONPATH=tests python tests/benchmarks/explorer_start.py [RUNS]
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browsing import DRAWN, FLAGS
from explorer_runs import write_run
from playwright.sync_api import sync_playwright

RUNS, BAR = 100, 3.0
KINDS = ("collapsed", "holes", "consistent", "samples", "points")


def write_runs(root: Path, count: int) -> None:
    """Runs of all kinds, 500 items of 32 dimensions at three epochs each."""
    for k in range(count):
        spec = ("vae", "bn_vae", "dg_vae", "ivae", "ae")[k % 5]
        write_run(root, spec, KINDS[k % 5], seed=k, count=500, width=32, epochs=3)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def answered(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.01)


def measure(root: Path, page: object) -> None:
    """One start, the browser being open already, as a reader's is."""
    port = free_port()
    command = [shutil.which("latentlab"), "explore", root, "--port", str(port), "--no-browser"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        answered(port)
        served = time.perf_counter() - start
        page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
        page.locator("#epoch [role=slider]").wait_for()
        usable = time.perf_counter() - start
        page.wait_for_function(f"({DRAWN})('centres').filter(Boolean).length == 5")
        page.wait_for_function(f"({DRAWN})('density').filter(Boolean).length == 5")
        shown = time.perf_counter() - start
        server.terminate()
    print(f"{served:8.2f} s {usable:10.2f} s {shown:10.2f} s")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        root = Path(folder)
        write_runs(root, count)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        print(f"{count} runs   server answers   controls work   all maps drawn   bar {BAR} s")
        for title in ("cold", "again", "again"):
            print(f"{title:<10}", end="", flush=True)
            measure(root, browser.new_page())
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)

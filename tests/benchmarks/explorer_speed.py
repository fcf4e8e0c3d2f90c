"""Server time and memory of the explorer's latent page on dumps of 100,000 and 1,000,000 items.

python tests/benchmarks/explorer_speed.py [COUNT ...]
"""

import sys
import tempfile
import time
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np
import polars as pl

from apps.explorer import panels
from apps.explorer.ahead import Ahead
from apps.explorer.selection import Selection
from apps.explorer.state import State
from apps.explorer.view import View
from lab.runs import Latents, RunWriter
from lab.runs.layout import latents_file, write_table, write_tensors
from lab.runs.writer import dimension_table, items_table

COUNTS, WIDTH, EPOCHS = (100_000, 1_000_000), 32, 6
MEGABYTE = 2**20
BARS = {"open": 1.0, "zoom": 0.5, "epoch": 0.15}  # seconds at 1,000,000 items


def write_dump(root: Path, count: int) -> None:
    """One Gaussian run of `count` items at EPOCHS epochs, with a label of four values."""
    random = np.random.default_rng(0)
    folder = root / "large" / "vae" / "0"
    with RunWriter(folder, {"spec": "vae", "corpus": {"name": "large"}, "settings": {}}) as writer:
        texts = [f"sentence {i} of so many words" for i in range(count)]
        topics = [f"topic {i % 4}" for i in range(count)]
        writer.write_items(items_table(count, texts, {"topic": topics}, "valid"))
        tables = []
        for epoch in range(1, EPOCHS + 1):
            scale = np.linspace(1, 0.01, WIDTH, dtype=np.float32)
            mean = random.standard_normal((count, WIDTH), np.float32) * scale
            spread = random.standard_normal((count, WIDTH), np.float32) / 2 - 2
            arrays = {"mean": mean, "log_variance": spread}
            write_tensors(latents_file(folder, epoch), arrays, {"family": "gaussian"})
            some = Latents("gaussian", mean[:1000], spread[:1000])
            tables.append(dimension_table(epoch, some))
        write_table(folder / "dimensions.parquet", pl.concat(tables))
        writer.info["latent"] = {"family": "gaussian", "dimensions": WIDTH}
        writer.info["dumped"] = list(range(1, EPOCHS + 1))
        writer.commit(status="finished", epoch=EPOCHS)


def timed(title: str, work: Callable[[], object], bar: float | None = None) -> None:
    start, busy = time.perf_counter(), time.process_time()
    work()
    passed, busy = time.perf_counter() - start, time.process_time() - busy
    limit = f"   bar {bar:.2f} s" if bar else ""
    print(f"{title:<40}{passed:8.3f} s {busy:8.3f} s of the processor{limit}")


def show(view: View, state: State) -> None:
    """What one change of the state costs the server: all figures and words of a column, as sent."""
    run_id = view.listing.runs[0].id
    for layer in state.show:
        panels.picture(view, state, run_id, layer, "light").to_json()
    panels.words(view, state, run_id)


def look_ahead(view: View, state: State) -> None:
    """What the page does in the background while the reader looks at one epoch."""
    wishes = Wishes()
    panels.look_ahead(view, wishes, state, view.listing.runs[0].id)
    for work in wishes.found:
        work()


class Wishes(Ahead):
    """Wishes that are kept, to be done in their turn."""

    def __init__(self) -> None:
        self.found: list[Callable[[], object]] = []

    def wish(self, key: Hashable, work: Callable[[], object]) -> None:
        self.found.append(work)


def resident() -> float:
    """Megabytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MEGABYTE


def measure(folder: Path, count: int) -> None:
    dump = (2 * count * WIDTH * 4) / MEGABYTE
    print(f"\n{count:,} items, {WIDTH} dimensions, {EPOCHS} epochs of {dump:,.0f} MB")
    before, view = resident(), View(folder)
    run_id = view.listing.runs[0].id
    corners = np.array([[0, 2, 2, 0], [0, 0, 2, 2]], float)
    marked = State(brush=str(Selection(run_id, EPOCHS, ("a1", "a2"), *corners)))
    timed("open: first density", lambda: show(view, State(show=("density",))), BARS["open"])
    timed("open: centres", lambda: show(view, State(show=("centres",))), BARS["open"])
    timed("another epoch, never seen", lambda: show(view, State(epoch=2)), BARS["epoch"])
    look_ahead(view, State(epoch=2))
    timed("its neighbour, made ready meanwhile", lambda: show(view, State(epoch=1)), BARS["epoch"])
    timed("a far one, made ready meanwhile", lambda: show(view, State(epoch=5)), BARS["epoch"])
    timed("zoom", lambda: show(view, State(zoom=(-1.0, 0.5, -0.5, 1.0))), BARS["zoom"])
    timed("zoom until points", lambda: show(view, State(zoom=(0.0, 0.1, 0.0, 0.1))), BARS["zoom"])
    timed("gap of what is shown", lambda: show(view, State(show=("gap",))))
    timed("other dimensions", lambda: show(view, State(x="z3", y="z7")))
    timed("other colours", lambda: show(view, State(colour="length")))
    timed("back to what was seen before", lambda: show(view, State()))
    timed("lasso around a quarter of the items", lambda: show(view, marked))
    used = resident() - before
    print(f"{'memory':<40}{used:8,.0f} MB   bar {3 * dump:,.0f} MB")


def main(counts: tuple[int, ...]) -> None:
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            write_dump(Path(folder), count)
            measure(Path(folder), count)


if __name__ == "__main__":
    main(tuple(int(c) for c in sys.argv[1:]) or COUNTS)

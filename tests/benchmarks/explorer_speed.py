"""Server time of the explorer's latent page on a dump of 100,000 items."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from apps.explorer import panels
from apps.explorer.selection import Selection
from apps.explorer.state import State
from apps.explorer.view import View
from lab.runs import write_latents

COUNT, WIDTH, EPOCHS = 100_000, 32, 3


def write_dump(root: Path) -> None:
    """One Gaussian run of COUNT items at EPOCHS epochs, with a label of four values."""
    random = np.random.default_rng(0)
    texts = [f"sentence {i} of so many words" for i in range(COUNT)]
    labels = {"topic": [f"topic {i % 4}" for i in range(COUNT)]}
    for epoch in range(1, EPOCHS + 1):
        mean = random.normal(size=(COUNT, WIDTH)) * np.linspace(1, 0.01, WIDTH)
        spread = random.normal(-2, 0.5, size=(COUNT, WIDTH))
        write_latents(
            root / "large" / "vae" / "0",
            mean=mean,
            log_variance=spread,
            texts=texts,
            labels=labels,
            epoch=epoch,
        )


def timed(title: str, work: Callable[[], object]) -> None:
    start = time.perf_counter()
    work()
    print(f"{title:<48}{time.perf_counter() - start:8.3f} s")


def show(view: View, state: State, selection: Selection | None = None) -> None:
    """What one change of the state costs the server: both figures of a column, as sent."""
    run_id = view.listing.runs[0].id
    figure, *_ = panels.density_column(view, state, run_id, "light")
    figure.to_json()
    panels.centres_column(view, state, run_id, "light", selection).to_json()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_dump(Path(folder))
        view = View(folder)
        run_id = view.listing.runs[0].id
        drawn = {"run": run_id, "search": "", "x": [0, 2, 2, 0], "y": [0, 0, 2, 2]}
        print(f"{COUNT:,} items, {WIDTH} dimensions, {EPOCHS} epochs")
        timed("open: list, read, density, centres", lambda: show(View(folder), State()))
        show(view, State())
        timed("another epoch", lambda: show(view, State(epoch=2)))
        timed("another epoch, other dimensions", lambda: show(view, State(epoch=1, x="z5", y="z9")))
        timed("other dimensions of an epoch in memory", lambda: show(view, State(x="z3", y="z7")))
        timed("other colours", lambda: show(view, State(colour="length")))
        timed("back to what was seen before", lambda: show(view, State()))
        timed(
            "lasso around a quarter of the items",
            lambda: show(view, State(), Selection.parse(drawn)),
        )


if __name__ == "__main__":
    main()

"""Server time of a click on the page of holes, without the decoder's own, at 100,000 x 32."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from apps.explorer import hole_parts
from apps.explorer.looked_at import LookedAt
from apps.explorer.state import State
from apps.explorer.view import View
from lab.metrics import density_gap
from lab.runs import write_latents

COUNT, WIDTH = 100_000, 32
Value = TypeVar("Value")


class Mute:
    """A decoder that takes no time."""

    def decode(self, z: np.ndarray, **_options: object) -> list[str]:
        return ["so many words"] * len(z)


def write_dump(root: Path) -> None:
    """One Gaussian run of COUNT items with a checkpoint in name."""
    random = np.random.default_rng(0)
    write_latents(
        root / "large" / "vae" / "0",
        mean=random.normal(size=(COUNT, WIDTH)) * np.linspace(1, 0.01, WIDTH),
        log_variance=random.normal(-2, 0.5, size=(COUNT, WIDTH)),
        texts=[f"sentence {i} of so many words" for i in range(COUNT)],
        epoch=1,
    )
    weights = root / "large" / "vae" / "0" / "checkpoints" / "best.safetensors"
    weights.parent.mkdir()
    weights.touch()


def timed(title: str, work: Callable[[], Value]) -> Value:
    start = time.perf_counter()
    value = work()
    print(f"{title:<56}{time.perf_counter() - start:8.3f} s")
    return value


def click(looked: LookedAt, state: State) -> None:
    """All that one click costs the server: map, place, nearest sentences, list, texts."""
    run_id = looked.view.listing.runs[0].id
    figure, *_ = hole_parts.column(looked, state, run_id, "light")
    figure.to_json()
    hole_parts.ranking(looked.places, state, run_id)
    hole_parts.texts(looked, state, run_id)


def main() -> None:
    """Print the times; check that the numbers shown are those of the metrics."""
    with tempfile.TemporaryDirectory() as folder:
        write_dump(Path(folder))
        looked = LookedAt(View(folder))
        places = looked.places
        run = places.view.listing.runs[0]
        places.decoder._models.get((run.id, run.stamp), Mute)
        print(f"{COUNT:,} items, {WIDTH} dimensions")
        timed("open: read, map", lambda: hole_parts.column(looked, State(), run.id, "light"))
        found = timed("find and rank holes", lambda: places.find(run, 1))
        timed("click on the map, nearest code", lambda: click(looked, State(at=(1.0, -0.5))))
        timed("click on the map, zeros", lambda: click(looked, State(at=(0.5, 2.0), fill="zeros")))
        on_axes = State(at=(1.5, 0.5), of="pca")
        timed("click on the principal axes, once", lambda: click(looked, on_axes))
        timed("click on them again", lambda: click(looked, replace(on_axes, at=(0.5, 1.5))))
        timed("click on a row", lambda: click(looked, State(draw=int(found.listed[0]))))
        latents, z = places.view.latents(run, 1), found.z[found.listed]
        expected = density_gap(latents.mean, latents.log_variance, z)
        assert np.allclose(found.gap[found.listed], expected, atol=1e-4)


if __name__ == "__main__":
    main()

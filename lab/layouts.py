"""UMAP and t-SNE layouts, made in a process that can be stopped, and that ends with its caller's.

`python -m lab.layouts` reads frames from its standard input, the kind's name, points [N, D] and
where they start [N, 2] (or [0, 2]), and answers each with a layout [N, 2] or with an error's words.
"""

import importlib.util
import io
import os
import queue
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

import numpy as np
from safetensors.numpy import load, save

from lab.errors import UserError
from lab.projection import turn

NAMES = {"umap": "UMAP", "tsne": "t-SNE"}
NEIGHBOURS = 15
FEWEST = NEIGHBOURS + 1  # distinct points
PERPLEXITY = 30.0
# Steps of a layout that starts from another one; of their own UMAP takes 500 and t-SNE 1,000.
FOLLOWING = {"umap": 200, "tsne": 500}
HEADER = struct.Struct("<Q")


class NoLayout(UserError):
    """These very points have no layout; others may have one."""


class Layouter:
    """Makes layouts one after another; its process starts with the first one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def layout(
        self, kind: str, points: np.ndarray, start: np.ndarray | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> np.ndarray:  # fmt: skip
        """Points [N, D] as one of NAMES lays them out, [N, 2], as `made` returns it.

        NoLayout for damaged or too few distinct points and where the method fails; UserError if
        its package is missing, or if the process was closed meanwhile or is `stopped` already.
        """
        _check(kind, points)
        process = self._started()
        if stopped():  # by a close before there was a process
            raise UserError("Stopped before it began.")
        begin = np.empty((0, 2)) if start is None else start
        try:
            write_frame(process.stdin, kind=_bytes(kind), points=points, start=begin)
            answer = read_frame(process.stdout)
        except (OSError, ValueError):
            answer = None
        if answer is None:
            self._end(process)
            raise UserError("The process that makes layouts ended; try again.")
        if "error" in answer:
            raise NoLayout(f"{NAMES[kind]} failed: {bytes(answer['error']).decode()}")
        return answer["layout"]

    def close(self) -> None:
        """End the process, also in the middle of a layout."""
        if self._process is not None:
            self._end(self._process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if self._process is process:
                self._process = None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream.close()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "lab.layouts"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C in the terminal is for the server
                    env=os.environ | {"OMP_NUM_THREADS": "1"},  # more threads add up differently
                )  # fmt: skip
            return self._process


def _check(kind: str, points: np.ndarray) -> None:
    if kind == "umap" and importlib.util.find_spec("umap") is None:
        raise UserError("UMAP needs one more package: pip install 'latent-lab[umap]'")
    if not np.isfinite(points).all():
        raise NoLayout("The points hold NaN or infinite values; this dump is damaged.")
    distinct = len(np.unique(points, axis=0))
    if distinct < FEWEST:
        raise NoLayout(f"{NAMES[kind]} needs {FEWEST} distinct codes; here are {distinct}.")


def made(kind: str, points: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """A layout [N, 2] made in this process: centred, its farthest point at 1, seeded.

    From `start` [N, 2] the points move to where their neighbours pull them, and the layout is
    turned back onto it.
    """
    found = {"umap": _umap, "tsne": _tsne}[kind](points, start)
    found = found - found.mean(axis=0, dtype=np.float64)
    found = found / np.linalg.norm(found, axis=1).max()
    return found if start is None else found @ turn(found, start)[0]


def _umap(points: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about TensorFlow, which nothing here uses
        from umap import UMAP

        given = {} if start is None else {"init": start, "n_epochs": FOLLOWING["umap"]}
        return UMAP(NEIGHBOURS, n_jobs=1, random_state=0, **given).fit_transform(points)


def _tsne(points: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    from sklearn.manifold import TSNE

    given = {"init": "pca" if points.shape[1] > 1 else "random"}
    if start is not None:
        # As wide as t-SNE makes it, and not first drawn together: points would lose their places.
        begin = (start * np.sqrt(len(start))).astype(np.float32)
        given = {"init": begin, "early_exaggeration": 1.0, "max_iter": FOLLOWING["tsne"]}
    near = min(PERPLEXITY, (len(points) - 1) / 3)
    return TSNE(perplexity=near, n_jobs=1, random_state=0, **given).fit_transform(points)


def write_frame(stream: BinaryIO, **arrays: np.ndarray) -> None:
    """Write named arrays after their length in bytes."""
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    stream.write(HEADER.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> dict[str, np.ndarray] | None:
    """The next frame; None where the stream ends."""
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    (length,) = HEADER.unpack(head)
    data = stream.read(length)
    return load(data) if len(data) == length else None


def _read(stream: BinaryIO, frames: queue.Queue[dict[str, np.ndarray]]) -> None:
    """Hand on what is asked; the end of the stream, that of the caller, ends this process."""
    while (frame := read_frame(stream)) is not None:
        frames.put(frame)
    os._exit(0)


def _answer(frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    try:
        start = frame["start"] if len(frame["start"]) else None
        return {"layout": made(bytes(frame["kind"]).decode(), frame["points"], start)}
    except Exception as error:
        return {"error": _bytes(f"{type(error).__name__}: {error}"[:300])}


def _bytes(words: str) -> np.ndarray:
    return np.frombuffer(words.encode(), np.uint8)


def main() -> None:
    """Answer frames until the standard input ends."""
    frames: queue.Queue[dict[str, np.ndarray]] = queue.Queue()
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = io.StringIO()  # whatever else prints must not end up between the frames
    threading.Thread(target=_read, args=(sys.stdin.buffer, frames), daemon=True).start()
    while True:
        write_frame(out, **_answer(frames.get()))


if __name__ == "__main__":
    main()

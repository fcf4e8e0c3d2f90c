"""Decoding for all pages: models loaded once, requests bounded in number, length and time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from apps.explorer import paths
from apps.explorer.cache import Cache
from apps.explorer.view import View
from lab.errors import UserError
from lab.runs import Run

MODELS_KEPT = 24  # twice the runs of a page; of the usual sizes 10 to 100 MB each
TEXTS_KEPT = 20_000
MOST_CODES, MOST_WORDS, MOST_SECONDS = 256, 60, 30.0
CHUNK = 16  # codes decoded between two looks at the clock


class Decoder:
    """Models by run and what they said, by code; one model works at a time."""

    def __init__(self) -> None:
        self._models = Cache(MODELS_KEPT)
        self._texts = Cache(TEXTS_KEPT)
        self._lock = Lock()

    @contextmanager
    def model(self, run: Run) -> Iterator[Any]:
        """The run's model, which nobody else uses meanwhile.

        Raises UserError if the run has no checkpoint, it does not fit, or the decoder stays busy.
        """
        if not run.can_decode:
            raise UserError("No checkpoint to decode with.")
        if not self._lock.acquire(timeout=MOST_SECONDS):
            raise UserError("The decoder is busy with other requests; try again in a moment.")
        try:
            yield self._models.get(_key(run), lambda: paths.load(run))
        finally:
            self._lock.release()

    def texts(self, run: Run, z: np.ndarray, greedy: bool = True, seed: int = 0) -> list[str]:
        """What the run says at codes z [M, D], at most 60 words each; remembered.

        Raises UserError as `model`, for more than 256 codes and after 30 seconds.
        """
        if len(z) > MOST_CODES:
            raise UserError(f"At most {MOST_CODES} codes are decoded at once, not {len(z)}.")
        codes = np.ascontiguousarray(z, np.float32)
        key = (*_key(run), codes.tobytes(), greedy, seed)
        return self._texts.get(key, lambda: self._decode(run, codes, greedy, seed), len)

    def _decode(self, run: Run, codes: np.ndarray, greedy: bool, seed: int) -> list[str]:
        texts: list[str] = []
        end = time.monotonic() + MOST_SECONDS
        for first in range(0, len(codes), CHUNK):
            # Anew for each part, so that a short request need not wait for a long one.
            with self.model(run) as model:
                part = codes[first : first + CHUNK]
                texts += _said(model, part, greedy=greedy, seed=seed + first)
            if time.monotonic() > end and len(texts) < len(codes):
                raise UserError(f"Decoding took longer than {MOST_SECONDS:.0f} s; try again later.")
        return texts


def _said(model: Any, codes: np.ndarray, **options: Any) -> list[str]:
    try:
        return model.decode(codes, max_length=MOST_WORDS, **options)
    except RuntimeError as error:  # torch's word for arrays that do not fit
        raise UserError("The checkpoint does not fit these codes; was it trained anew?") from error


def _key(run: Run) -> tuple[object, ...]:
    return run.id, run.stamp


_decoders: WeakKeyDictionary[View, Decoder] = WeakKeyDictionary()


def shared(view: View) -> Decoder:
    """The decoder that all pages of one explorer share."""
    return _decoders.setdefault(view, Decoder())

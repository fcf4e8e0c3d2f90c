"""Ctrl-C and SIGTERM, which end a training after the step it is at.

A signal raises KeyboardInterrupt at whatever line is being run. Where Python cannot raise, in a
callback of its import system or of a library, that is lost or becomes another error; so it is
remembered too.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked = False


@contextmanager
def listening() -> Iterator[None]:
    """Hear both signals within the block; those ignored from outside stay ignored."""
    global _asked
    _asked = False
    heard = [s for s in SIGNALS if signal.getsignal(s) is not signal.SIG_IGN]
    before = {s: signal.signal(s, _ask) for s in heard}
    try:
        yield
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)


def stops(error: BaseException) -> bool:
    """Whether an error is, or may come from, a signal heard by `listening`."""
    return _asked or isinstance(error, KeyboardInterrupt)


def check() -> None:
    """Raises KeyboardInterrupt if a signal came."""
    if _asked:
        raise KeyboardInterrupt


def _ask(*_: object) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt

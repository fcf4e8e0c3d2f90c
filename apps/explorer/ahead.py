"""What the reader will probably ask for next, made while nobody waits for it."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Condition, Thread


class Ahead:
    """One background thread that does the newest of the wishes, one of each key."""

    def __init__(self) -> None:
        self._wishes: OrderedDict[Hashable, Callable[[], object]] = OrderedDict()
        self._changed = Condition()
        self._started = False

    def wish(self, key: Hashable, work: Callable[[], object]) -> None:
        """Do this when there is time; what the same key wished before is forgotten."""
        with self._changed:
            self._wishes.pop(key, None)
            self._wishes[key] = work
            if not self._started:
                self._started = True
                Thread(target=self._serve, daemon=True).start()
            self._changed.notify()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wishes)
                _, work = self._wishes.popitem()
            with suppress(Exception):  # whoever asks for it is told then
                work()

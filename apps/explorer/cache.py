"""A bounded memory of what was computed last, shared by the server's threads."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar

Value = TypeVar("Value")


class Cache:
    """Keeps the most recently used values whose sizes in bytes add up to at most `capacity`."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self._entries: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(
        self, key: Hashable, make: Callable[[], Value], size: Callable[[Value], int] = lambda _: 1
    ) -> Value:
        """The remembered value of `key`, or what `make` returns; two threads may both make it."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key][0]
        value = make()
        self._keep(key, value, size(value))
        return value

    def _keep(self, key: Hashable, value: object, size: int) -> None:
        with self._lock:
            self.used += size - self._entries.pop(key, (None, 0))[1]
            self._entries[key] = (value, size)
            while self.used > self.capacity and len(self._entries) > 1:
                _, (_, freed) = self._entries.popitem(last=False)
                self.used -= freed

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
        self._gates: dict[Hashable, Lock] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(
        self, key: Hashable, make: Callable[[], Value], size: Callable[[Value], int] = lambda _: 1
    ) -> Value:
        """The remembered value of `key`, or what `make` returns; a second thread waits for it."""
        with self._lock:
            if key in self._entries:
                return self._found(key)
            gate = self._gates.setdefault(key, Lock())
        with gate:
            with self._lock:
                if key in self._entries:
                    return self._found(key)
            try:
                value = make()
                self._keep(key, value, size(value))
            finally:
                with self._lock:
                    self._gates.pop(key, None)
        return value

    def _found(self, key: Hashable) -> Value:
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def _keep(self, key: Hashable, value: object, size: int) -> None:
        with self._lock:
            self.used += size - self._entries.pop(key, (None, 0))[1]
            self._entries[key] = (value, size)
            while self.used > self.capacity and len(self._entries) > 1:
                _, (_, freed) = self._entries.popitem(last=False)
                self.used -= freed

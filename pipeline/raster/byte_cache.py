"""A cache whose content is limited in bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ByteCache(Generic[Value]):
    """The values used last, up to `limit` bytes, for all threads of a process. A single larger one is kept alone."""

    def __init__(self, limit: int, size: Callable[[Value], int]) -> None:
        self.limit = limit
        self._size = size
        """bytes of a value"""
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self.bytes = 0
        """of all values that are kept"""

    def get(self, key: Hashable) -> Value | None:
        """The value of a key, None where none is kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value, and drop the ones used longest ago as far as it needs their bytes."""
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self.bytes += self._size(value)
            while self.bytes > self.limit and len(self._values) > 1:
                self.bytes -= self._size(self._values.popitem(last=False)[1])

    def get_or_make(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where none is kept. One is made at a time: threads that need the same one wait for
        it, and do not each hold the memory that making it takes. Raises what `make` raises."""
        if (value := self.get(key)) is not None:
            return value
        with self._making:
            if (value := self.get(key)) is None:
                value = make()
                self.put(key, value)
            return value

    def drop(self, key: Hashable) -> None:
        """Forget a value, if it is kept."""
        with self._lock:
            if key in self._values:
                self.bytes -= self._size(self._values.pop(key))

    def clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._values.clear()
            self.bytes = 0

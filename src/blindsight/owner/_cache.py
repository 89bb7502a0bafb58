"""A bounded cache for several threads: what two ask for at once is made once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["BoundedCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps what was made last, up to a number of bytes. Thread-safe.

    Args:
        make: gives the value of a key; an exception is the value's as long as it is kept, and is raised each time.
        size: bytes of a value.
        limit: bytes to keep; what is being waited for counts only once it is made.
    """

    def __init__(self, make: Callable[[K], V], size: Callable[[V], int], limit: int) -> None:
        self._make, self._size, self._limit = make, size, limit
        self._lock = threading.Lock()
        self._held: OrderedDict[K, Future[V]] = OrderedDict()
        self._bytes: dict[K, int] = {}
        self._total = 0

    def get(self, key: K) -> V:
        """The value of a key, made by the first thread that asks and awaited by the others."""
        with self._lock:
            future = self._held.get(key)
            mine = future is None
            if future is None:
                future = self._held[key] = Future()
            self._held.move_to_end(key)
        if mine:
            self._fill(key, future)
        return future.result()

    def _fill(self, key: K, future: "Future[V]") -> None:
        try:
            value = self._make(key)
        except BaseException as error:
            with self._lock:
                if isinstance(error, Exception):  # remembered, at no cost in bytes
                    self._bytes[key] = 0
                else:  # an interrupt says nothing about the value
                    self._held.pop(key, None)
            future.set_exception(error)
            return
        future.set_result(value)
        with self._lock:
            self._bytes[key] = self._size(value)
            self._total += self._bytes[key]
            for old in list(self._held):
                if self._total <= self._limit:
                    break
                if self._bytes.get(old):  # finished, and not a remembered failure
                    self._total -= self._bytes.pop(old)
                    del self._held[old]

"""A bounded cache for several threads: what two ask for at once is made once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from blindsight.errors import ImageError

__all__ = ["BoundedCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps what was used last, up to a number of bytes. Thread-safe.

    An image that cannot be read stays so: its message is remembered, and raised anew each time. Other errors say
    nothing about the value, and are not remembered.

    Args:
        make: gives the value of a key.
        size: bytes of a value.
        limit: bytes to keep.
    """

    def __init__(self, make: Callable[[K], V], size: Callable[[V], int], limit: int) -> None:
        self._make, self._size, self._limit = make, size, limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._pending: dict[K, Future[V]] = {}
        self._unreadable: dict[K, str] = {}
        self._total = 0

    def get(self, key: K) -> V:
        """The value of a key, made by the first thread that asks and awaited by the others.

        Raises:
            ImageError: as ``make`` did, now or earlier.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            if key in self._unreadable:
                raise ImageError(self._unreadable[key])
            future = self._pending.get(key)
            mine = future is None
            if future is None:
                future = self._pending[key] = Future()
        if mine:
            self._fill(key, future)
        return future.result()

    def _fill(self, key: K, future: "Future[V]") -> None:
        try:
            value = self._make(key)
        except BaseException as error:
            with self._lock:
                del self._pending[key]
                if isinstance(error, ImageError):
                    self._unreadable[key] = str(error)
            future.set_exception(error)
            return
        with self._lock:
            del self._pending[key]
            self._kept[key] = value
            self._total += self._size(value)
            while self._total > self._limit:
                self._total -= self._size(self._kept.popitem(last=False)[1])
        future.set_result(value)

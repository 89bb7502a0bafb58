"""Many tasks, a few threads, little in memory. Decoding, encoding and the kernels release the GIL."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["default_workers", "in_parallel"]

T = TypeVar("T")
R = TypeVar("R")


def default_workers() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(tasks: Sequence[T], make: Callable[[T], R], workers: int) -> "Iterator[tuple[T, Future[R]]]":
    """Results as they come, with few tasks in flight, so that memory does not grow with the data set.

    Args:
        tasks: what to do, in order.
        make: does one, in a thread.
        workers: threads.

    Yields:
        Each task with its finished future. When the consumer stops early, tasks in flight are waited for.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="blindsight")
    flying: dict[Future[R], T] = {}
    try:
        for task in tasks:
            flying[pool.submit(make, task)] = task
            if len(flying) >= 2 * workers:
                yield from _landed(flying)
        while flying:
            yield from _landed(flying)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _landed(flying: "dict[Future[R], T]") -> "Iterator[tuple[T, Future[R]]]":
    """Waits for the next results; failures come last, so that what is done is recorded before one ends the run."""
    done, _ = wait(flying, return_when=FIRST_COMPLETED)
    for future in sorted(done, key=lambda future: future.exception() is not None):
        yield flying.pop(future), future

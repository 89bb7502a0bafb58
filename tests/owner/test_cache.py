"""The bounded cache: never more bytes than its limit, nothing made twice at once."""

import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from blindsight.errors import ImageError
from blindsight.owner._cache import BoundedCache


def test_it_keeps_what_was_used_last_within_its_limit():
    made = []
    cache = BoundedCache(lambda key: made.append(key) or bytes(10), len, 30)
    for key in (1, 2, 3, 1, 4, 1, 2):
        assert cache.get(key) == bytes(10)
        assert sum(map(len, cache._kept.values())) == cache._total <= 30
    assert made == [1, 2, 3, 4, 2]  # 4 put 2 out, which had not been used for longest


def test_a_value_above_the_limit_is_given_and_not_kept():
    made = []
    cache = BoundedCache(lambda key: made.append(key) or bytes(10), len, 9)
    assert cache.get(1) == cache.get(1) == bytes(10)
    assert made == [1, 1]
    assert cache._total == 0


def test_what_many_ask_for_at_once_is_made_once():
    made, gate = [], threading.Event()

    def make(key):
        made.append(key)
        gate.wait(5)
        return key

    cache = BoundedCache(make, lambda _: 1, 10)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(cache.get, "a") for _ in range(8)]
        time.sleep(0.05)
        gate.set()
        assert {future.result(5) for future in futures} == {"a"}
    assert made == ["a"]


def test_a_failure_is_remembered_and_an_interrupt_is_not():
    made = []

    def fail(key):
        made.append(key)
        raise key("unreadable")

    cache = BoundedCache(fail, lambda _: 1, 10)
    for kind in (ImageError, KeyboardInterrupt):
        for _ in range(2):
            with pytest.raises(kind):
                cache.get(kind)
    assert made == [ImageError, KeyboardInterrupt, KeyboardInterrupt]


def test_a_remembered_failure_holds_on_to_nothing():
    def fail(_):
        raise ImageError("a.png is no image")

    cache = BoundedCache(fail, lambda _: 1, 10)
    lengths = set()
    for _ in range(20):
        with pytest.raises(ImageError, match=r"a\.png is no image") as caught:
            cache.get("a")
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert max(lengths) <= 6
    assert cache._unreadable == {"a": "a.png is no image"}


def test_a_full_cache_costs_no_more_a_miss_than_an_empty_one():
    """Ten times the values take about ten times as long, not a hundred times."""

    def seconds(count):
        cache = BoundedCache(lambda _: bytes(8), len, 8 * count)
        started = time.process_time()
        for key in range(count):
            cache.get(key)
        return time.process_time() - started

    seconds(2000)
    assert seconds(20_000) < 40 * max(seconds(2000), 1e-3)

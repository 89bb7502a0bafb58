"""Section 8 of ciphers.md in plain Python, written from its text alone, gives what the code gives."""

import math
from fractions import Fraction

import numpy as np
import pytest
from ciphers_by_spec import Stream

from blindsight.owner.keys import SecretKey
from blindsight.owner.reductions import Reduction

MASTER = bytes(range(32))
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)


def coins(stream: Stream, above: list[int], t: int) -> list[bool]:
    heads, live, k = [False] * len(above), list(range(len(above))), 1
    while live:
        xs = [stream.below(t) for _ in live]
        ys = [stream.below(k) for _ in live]
        going = [i for i, x, y in zip(live, xs, ys, strict=True) if x < above[i] and y == 0]
        for i in live:
            if i not in going:
                heads[i] = k % 2 == 1
        live, k = going, k + 1
    return heads


def laplace(stream: Stream, count: int, t: int, s: int) -> list[int]:
    found: dict[int, int] = {}
    while len(found) < count:
        missing = [i for i in range(count) if i not in found]
        remainders = [stream.below(t) for _ in missing]
        kept = [(i, u) for i, u, coin in zip(missing, remainders, coins(stream, remainders, t), strict=True) if coin]
        scales, live = dict.fromkeys((i for i, _ in kept), 0), [i for i, _ in kept]
        while live:
            live = [i for i, coin in zip(live, coins(stream, [1] * len(live), 1), strict=True) if coin]
            for i in live:
                scales[i] += 1
        negative = [stream.below(2) for _ in kept]
        for (i, u), b in zip(kept, negative, strict=True):
            m = (u + t * scales[i]) // s
            if not (b == 1 and m == 0):
                found[i] = -m if b == 1 else m
    return [found[i] for i in range(count)]


@pytest.mark.parametrize(("epsilon", "cell", "pixels"), [("1", 4, 1), ("12.5", 2, 3), ("40", 1, 1)])
def test_noise(epsilon: str, cell: int, pixels: int) -> None:
    text = f"noise:epsilon={epsilon},cell={cell},pixels={pixels}"
    height, width, channels = PIXELS.shape
    scale = Fraction(255 * channels * pixels) / Fraction(epsilon)
    rows, cols, n = height // cell, width // cell, cell * cell
    stream = Stream(MASTER, "reduction", text, "some-id")
    noise = iter(laplace(stream, rows * cols * channels, scale.numerator, scale.denominator))
    expected = np.empty_like(PIXELS)
    for y in range(0, height, cell):
        for x in range(0, width, cell):
            for c in range(channels):
                total = int(PIXELS[y : y + cell, x : x + cell, c].astype(int).sum()) + next(noise)
                expected[y : y + cell, x : x + cell, c] = min(255, max(0, (2 * total + n) // (2 * n)))
    found = Reduction.parse(text).apply(PIXELS, 4, SecretKey(MASTER), "some-id")
    assert np.array_equal(found, expected)


def test_jitter() -> None:
    stream = Stream(MASTER, "reduction", "jitter:strength=0.5", "some-id")
    gamma, contrast, shift = (0.5 * (2 * stream.uniform() - 1) for _ in range(3))
    found = Reduction.parse("jitter").apply(PIXELS, 4, SecretKey(MASTER), "some-id")
    for x, y in zip(PIXELS.ravel().tolist(), found.ravel().tolist(), strict=True):
        bright = ((x / 255) ** math.exp(gamma) - 0.5) * math.exp(contrast) + 0.5 + shift / 2
        assert y == min(255, max(0, round(255 * bright)))

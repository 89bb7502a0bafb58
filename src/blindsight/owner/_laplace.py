"""Exact samples of the discrete Laplace distribution from a key stream, in whole numbers alone.

Rounded logarithms of random floats would break the guarantee that the noise is for (Mironov, CCS 2012). Canonne,
Kamath & Steinke, "The Discrete Gaussian for Differential Privacy", arXiv 2004.00010, section 5, draw by comparisons of
whole numbers.
"""

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ParameterError
from blindsight.owner.keystream import WORD_VALUES, KeyStream

__all__ = ["discrete_laplace"]

Integers = NDArray[np.int64]


def discrete_laplace(stream: KeyStream, size: int, scale: int, part: int = 1) -> Integers:
    """Draws k with probability proportional to ``exp(-|k| * part / scale)``.

    Args:
        stream: the choices; how many it gives depends on what they are.
        size: how many numbers.
        scale: at least 1.
        part: at least 1.

    Returns:
        (size,) int64.

    Raises:
        ParameterError: a scale that 32-bit draws cannot serve.
    """
    if scale < 1 or part < 1 or scale > WORD_VALUES:
        raise ParameterError(f"noise of scale {scale}/{part} cannot be drawn; choose a larger or rounder epsilon")
    out = np.zeros(size, np.int64)
    left = np.arange(size)
    while len(left):
        # Geometric numbers with parameter exp(-1 / scale): a remainder below scale, and a number of whole scales.
        remainder = stream.below(scale, len(left))
        kept = _coins(stream, remainder, scale)
        tried, remainder = left[kept], remainder[kept]
        whole = _successes(stream, len(tried))
        magnitude = (remainder + scale * whole) // part
        negative = stream.below(2, len(tried)) == 1
        # Zero would be drawn under both signs.
        valid = ~(negative & (magnitude == 0))
        out[tried[valid]] = np.where(negative, -magnitude, magnitude)[valid]
        done = np.zeros(size, bool)
        done[tried[valid]] = True
        left = left[~done[left]]
    return out


def _coins(stream: KeyStream, above: Integers, below: int) -> NDArray[np.bool_]:
    """True with probability ``exp(-above / below)`` each, 0 <= above <= below: von Neumann's series of coins."""
    rounds = np.zeros(len(above), np.int64)
    live = np.arange(len(above))
    k = 1
    while len(live):
        # Two coins for above / below and 1 / k: one for both would need numbers of more than 32 bits.
        won = (stream.below(below, len(live)) < above[live]) & (stream.below(k, len(live)) == 0)
        live = live[won]
        rounds[live] += 1
        k += 1
    # Heads as often as not before the first tails: an even number of them.
    even: NDArray[np.bool_] = rounds % 2 == 0
    return even


def _successes(stream: KeyStream, size: int) -> Integers:
    """How many coins of exp(-1) come up in a row."""
    count = np.zeros(size, np.int64)
    live = np.arange(size)
    while len(live):
        live = live[_coins(stream, np.ones(len(live), np.int64), 1)]
        count[live] += 1
    return count

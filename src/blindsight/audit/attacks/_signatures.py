"""Signatures: what a sample, or a block, is over all known pairs, modulo what its key may do to it.

A sample that is XORed with a mask of a group keeps its *word*: its values over the pairs, XORed with the one mask that
brings the first value to the smallest that the group reaches. Equal words can be source and destination of each other,
and the mask between them is the XOR of the two *leads*, so it is always known where the source is.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pairing", "hashed", "pair_up", "words"]


def words(values: NDArray[np.uint8], masks: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Words and leads of samples.

    Args:
        values: uint8 (..., K), what each sample is in the K pairs.
        masks: a group under XOR.

    Returns:
        uint8 (..., K), the words, and uint8 (...), the leads: ``values ^ lead`` is the word.
    """
    reached = np.arange(256)[:, None] ^ np.array(masks)
    table = np.array(masks, np.uint8)[reached.argmin(axis=1)]
    lead = table[values[..., 0]]
    return values ^ lead[..., None], lead


def hashed(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """A 64-bit number for each row of integers: equal rows have equal ones, others hardly ever.

    Linear, with the outputs of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) as weights. Whoever relies on it checks
    the key that comes out against the pairs.

    Args:
        rows: int (..., L).
    """
    z = (np.arange(rows.shape[-1], dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    weights = (z ^ (z >> np.uint64(31))) | np.uint64(1)
    total: NDArray[np.uint64] = rows.astype(np.uint64) @ weights
    return total


class Pairing:
    """Destinations and the sources that they may come from, by equal signatures.

    Attributes:
        source: int64 (m,), a source for each destination, each once; consistent with the signatures where they fit.
        alone: bool (m,), whether no other source has the signature.
        fits: whether as many sources as destinations have each signature.
        groups: pairs (destinations, sources), int64 arrays of one length above 1: members of one signature.
    """

    def __init__(self, destination: NDArray[np.uint64], source: NDArray[np.uint64]) -> None:
        m = len(destination)
        _, numbers = np.unique(np.concatenate([destination, source]), return_inverse=True)
        a, b = numbers[:m], numbers[m:]
        in_a, in_b = np.bincount(a, minlength=2 * m), np.bincount(b, minlength=2 * m)
        order_a, order_b = np.argsort(a, kind="stable"), np.argsort(b, kind="stable")
        self.fits = bool((in_a == in_b).all())
        self.alone: NDArray[np.bool_] = (in_a[a] == 1) & (in_b[a] == 1)
        self.source: NDArray[np.int64] = np.full(m, -1)
        self.groups: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        if self.fits:
            self.source[order_a] = order_b
        else:
            # The n-th of a signature belongs to the n-th; what is left over is paired in any order.
            ranked_a, ranked_b = _ranked(a, order_a, m), _ranked(b, order_b, m)
            _, here, there = np.intersect1d(ranked_a, ranked_b, assume_unique=True, return_indices=True)
            self.source[here] = there
            left = np.setdiff1d(np.arange(m), there)
            self.source[self.source < 0] = left
        starts = np.concatenate([[0], np.cumsum(in_a)])
        for number in np.flatnonzero((in_a == in_b) & (in_a > 1)):
            members = order_a[starts[number] : starts[number + 1]]
            self.groups.append((members, self.source[members]))


def _ranked(numbers: NDArray[np.int64], order: NDArray[np.int64], m: int) -> NDArray[np.int64]:
    """Distinct numbers: class, and which of its class."""
    counts = np.bincount(numbers)
    starts = np.concatenate([[0], np.cumsum(counts)])
    rank = np.empty(m, np.int64)
    rank[order] = np.arange(m) - starts[numbers[order]]
    return numbers * (m + 1) + rank


def pair_up(destination: NDArray[Any], source: NDArray[Any]) -> Pairing:
    """Pairs rows of two integer arrays (m, L) that are equal."""
    return Pairing(hashed(destination), hashed(source))

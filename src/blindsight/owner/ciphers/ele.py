"""ELE, extended learnable encryption: LE with another key in each block, then the blocks change places.

Madono, Tanaka, Onishi & Ogawa, "Block-wise Scrambled Image Recognition Using Adaptation Network", arXiv 2001.07761. The
paper's figure 2 has the blocks move first, its code last; with random keys both draw from the same set of images.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blindsight.algebra import BlockGrid, TilePermutation
from blindsight.algebra.permutation import as_integers, check_permutation
from blindsight.errors import ParameterError
from blindsight.owner.ciphers.nibbles import NibbleReverse, NibbleShuffle, tanaka_tiles
from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import BlockScramble, Step

__all__ = ["ele_from_arrays"]


@register_cipher("ele", block_size=4)
def ele(paper: bool = False) -> Sequence[Step]:
    """ELE: LE with a key for each block, then scramble the blocks; paper: reversal follows from the shuffle."""
    if paper:
        return NibbleShuffle(shared=False, tied=True), BlockScramble()
    return NibbleReverse(shared=False), NibbleShuffle(shared=False), BlockScramble()


def ele_from_arrays(
    grid: BlockGrid, keys: ArrayLike, scramble: ArrayLike, reverse: ArrayLike | None = None
) -> TilePermutation:
    """An ELE key brought over from other software, in the conventions of the code published with arXiv 2001.07761.

    Args:
        grid: block geometry, of n blocks of S samples.
        keys: (n, 2 S), the LE key of each block where it lies *before* the blocks move; see
            :func:`~blindsight.owner.ciphers.le.le_from_arrays`.
        scramble: (n,), source block of each destination, a permutation of 0..n-1.
        reverse: 0 or 1 (n, 2 S), the places to reverse; None for that code's own, ``keys > S``.

    Raises:
        ParameterError: arrays of another shape or range.
    """
    source = as_integers(scramble, "scramble")
    if source.shape != (grid.blocks,):
        raise ParameterError(f"scramble needs one entry for each of {grid.blocks} blocks, got shape {source.shape}")
    check_permutation(source, grid.blocks, "scramble")

    def moved(table: ArrayLike) -> NDArray[np.generic]:
        rows = np.asarray(table)
        return rows[source] if len(rows) == grid.blocks else rows  # another length is refused further on

    return tanaka_tiles(grid, source, moved(keys), None if reverse is None else moved(reverse))

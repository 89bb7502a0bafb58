"""LE, learnable image encryption: 4-bit halves are reversed and change places inside a block, alike in all blocks.

Tanaka, "Learnable Image Encryption", ICCE-TW 2018.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from blindsight.algebra import BlockGrid, TilePermutation
from blindsight.owner.ciphers.nibbles import NibbleReverse, NibbleShuffle, tanaka_tiles
from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import Step

__all__ = ["le_from_arrays"]


@register_cipher("le", block_size=4)
def le(paper: bool = False) -> Sequence[Step]:
    """LE: reverse 4-bit halves of samples and shuffle them inside the block, alike in all blocks; paper: one key."""
    return (NibbleShuffle(tied=True),) if paper else (NibbleReverse(), NibbleShuffle())


def le_from_arrays(grid: BlockGrid, key: ArrayLike, reverse: ArrayLike | None = None) -> TilePermutation:
    """An LE key brought over from other software, in the conventions of Tanaka's code.

    That code reverses halves before and after it shuffles them, at the same places both times. Where a key reverses
    once, before or after, :func:`~blindsight.owner.ciphers.nibbles.half_tiles` takes it.

    Args:
        grid: block geometry, of blocks of S samples.
        key: (2 S,), a permutation: half h of a block comes from half ``key[h]``. Low halves are 0 to S - 1.
        reverse: 0 or 1 (2 S,), the places to reverse; None for that code's own, ``key > S``.

    Raises:
        ParameterError: arrays of another length or range.
    """
    return tanaka_tiles(grid, None, np.atleast_2d(key), None if reverse is None else np.atleast_2d(reverse))

"""EtC, encryption-then-compression: block-wise scrambling that leaves images compressible.

Chuman, Sirichotedumrong & Kiya, arXiv 1811.00236; MaungMaung & Kiya, arXiv 2204.07707, for isotropic networks.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.algebra.permutation import as_integers
from blindsight.algebra.states import orientation_of
from blindsight.errors import ParameterError
from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import BlockRotateFlip, BlockScramble, ColorShuffle, NegativePositive, Step

__all__ = ["etc_from_arrays"]

# The published code's colour codes are RBG, GRB, GBR, BRG, BGR, RGB: ours, moved by one.
_PUBLISHED_COLORS = (1, 2, 3, 4, 5, 0)


@register_cipher("etc")
def etc() -> Sequence[Step]:
    """EtC: scramble blocks, rotate or flip each, negate each or not, shuffle each one's colours."""
    return BlockScramble(), BlockRotateFlip(), NegativePositive(per="block"), ColorShuffle(per="block")


def etc_from_arrays(
    grid: BlockGrid,
    scramble: ArrayLike,
    rotation: ArrayLike,
    inversion: ArrayLike,
    negative: ArrayLike,
    color: ArrayLike | None = None,
) -> BlockPermutation:
    """An EtC key brought over from other software, in the conventions of the code published with arXiv 2204.07707.

    That code takes the inversion from the rotation key by mistake; pass ``rotation`` twice to get its images.

    Args:
        grid: block geometry; every array has one entry for each of its n destination blocks.
        scramble: source block of each destination, a permutation of 0..n-1.
        rotation: 0: 90, 1: 180, 2: 270 degrees counter-clockwise, 3: none.
        inversion: 0: flip vertically, 1: horizontally, 2: both, 3: none.
        negative: 1: negate.
        color: 0: RBG, 1: GRB, 2: GBR, 3: BRG, 4: BGR, 5: RGB; None for grayscale.

    Raises:
        ParameterError: arrays of another length or range.
    """
    turns = _codes("rotation", rotation, 4)
    flips = _codes("inversion", inversion, 4)
    table = np.array([[orientation_of(r + 1, i in (0, 2), i in (1, 2)) for i in range(4)] for r in range(4)])
    colors = None if color is None else np.array(_PUBLISHED_COLORS)[_codes("color", color, 6)]
    return BlockPermutation(grid, scramble, table[turns, flips], negative, colors)


def _codes(name: str, values: ArrayLike, limit: int) -> NDArray[np.int64]:
    """Codes in range; a negative one would silently count from the end of a table."""
    array = as_integers(values, name)
    if array.size and (array.min() < 0 or array.max() >= limit):
        raise ParameterError(f"{name} entries must be 0 to {limit - 1}, got {array.min()} to {array.max()}")
    return array

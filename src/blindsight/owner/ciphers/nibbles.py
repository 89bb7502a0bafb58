"""The steps that act on 4-bit halves of samples: what LE and ELE are made of.

Tanaka, ICCE-TW 2018; Madono et al., AAAI-20 workshops, arXiv 2001.07761. Halves are numbered as in their code: of a
block of S samples, half h is the low half of sample h, and half S + h is its high half.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blindsight.algebra import BlockGrid, SignedPermutation, TilePermutation
from blindsight.algebra.permutation import as_integers, check_permutation
from blindsight.errors import ParameterError
from blindsight.owner.keystream import KeyStream

__all__ = ["NibbleReverse", "NibbleShuffle", "half_tiles", "reversed_by_code", "tanaka_tiles"]


@dataclass(frozen=True)
class NibbleReverse:
    """Halves are reversed, v -> 15 - v, where ``below(2)`` is 1.

    Attributes:
        shared: the bits of one block, used in every block (LE); else each block has its own (ELE).
    """

    shared: bool = True
    name: ClassVar[str] = "nibble-reverse"
    jpeg_safe: ClassVar[bool] = False

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        rows, halves = 1 if self.shared else grid.blocks, 2 * grid.block_samples
        bits = stream.below(2, rows * halves).reshape(rows, halves)
        return half_tiles(grid, None, None, bits)


@dataclass(frozen=True)
class NibbleShuffle:
    """The 2 * M * M * C halves inside a block change places: half h afterwards is half ``permutation(2 S)[h]``.

    Attributes:
        shared: one permutation for every block (LE); else one a block, drawn block after block (ELE).
        tied: reverse halves too, and let the permutation say which, as the published code does
            (:func:`reversed_by_code`). It draws nothing for that: there are as many keys as permutations.
    """

    shared: bool = True
    tied: bool = False
    jpeg_safe: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "nibble-shuffle-tied" if self.tied else "nibble-shuffle"

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        order = stream.permutations(1 if self.shared else grid.blocks, 2 * grid.block_samples)
        return half_tiles(grid, None, order, reversed_by_code(order) if self.tied else None)


def reversed_by_code(order: NDArray[Any], reverse: NDArray[Any] | None = None) -> NDArray[Any]:
    """Which halves come out reversed where a reversal stands before and after the shuffle, as in Tanaka's code.

    Args:
        order: int (rows, 2 S), permutations of halves: half h afterwards is half ``order[h]`` before.
        reverse: 0 or 1 (rows, 2 S), the places that both reversals act on; None for the code's own,
            ``order > len(order) / 2``.

    Returns:
        0 or 1 (rows, 2 S): a half is reversed where one of the two met it. Two cancel each other.
    """
    places = order > order.shape[1] // 2 if reverse is None else reverse.astype(bool)
    both: NDArray[Any] = places ^ np.take_along_axis(places, order.astype(np.int64), axis=1)
    return both


def half_tiles(
    grid: BlockGrid, source: ArrayLike | None, order: ArrayLike | None, reverse: ArrayLike | None
) -> TilePermutation:
    """The permutation that half orders and reversals stand for.

    Args:
        grid: block geometry, of blocks of S samples.
        source: int (n,), source block of each destination block; None keeps them in place.
        order: int (1 or n, 2 S): half h of a block is half ``order[h]`` of its source block; None keeps them.
        reverse: 0 or 1 (1 or n, 2 S): 1 where the half that comes out is reversed; None for none.

    Raises:
        ParameterError: arrays of another shape or range.
    """
    samples = grid.block_samples
    index = None if order is None else _checked(grid, "order", order)
    mask = None if reverse is None else _checked(grid, "reverse", reverse)
    if mask is not None:
        mask = _side_by_side(_bits(mask) * np.uint8(15), samples)
    if index is not None:
        # The algebra has a sample's two halves side by side.
        index = _side_by_side(index % samples * 2 + index // samples, samples)
    return TilePermutation(grid, source, index, mask, sample="nibble")


def tanaka_tiles(
    grid: BlockGrid, source: ArrayLike | None, key: ArrayLike, reverse: ArrayLike | None
) -> TilePermutation:
    """As :func:`half_tiles`, with the reversals of Tanaka's code, which stand before and after the shuffle.

    Args:
        grid, source: as for :func:`half_tiles`.
        key: int (1 or n, 2 S): half h of a block is half ``key[h]`` of its source block.
        reverse: 0 or 1 (1 or n, 2 S), the places to reverse both times; None for the code's own.

    Raises:
        ParameterError: arrays of another shape or range.
    """
    order = _checked(grid, "key", key)
    check_permutation(order, order.shape[1], "key")
    places = None if reverse is None else _bits(_checked(grid, "reverse", reverse))
    return half_tiles(grid, source, order, reversed_by_code(order, places))


def _bits(reverse: NDArray[Any]) -> NDArray[np.uint8]:
    if reverse.min() < 0 or reverse.max() > 1:
        raise ParameterError(f"reverse entries must be 0 or 1, got {reverse.min()} to {reverse.max()}")
    return reverse.astype(np.uint8)


def _checked(grid: BlockGrid, name: str, values: ArrayLike) -> NDArray[Any]:
    table, halves = as_integers(values, name), 2 * grid.block_samples
    if table.ndim != 2 or table.shape[1] != halves or len(table) not in (1, grid.blocks):
        raise ParameterError(f"{name} must have shape (1 or {grid.blocks}, {halves}), got {table.shape}")
    return table


def _side_by_side(table: NDArray[Any], samples: int) -> NDArray[Any]:
    """(rows, 2 S), all low halves before all high ones -> the same with each sample's two halves together."""
    return table.reshape(-1, 2, samples).swapaxes(1, 2).reshape(-1, 2 * samples)

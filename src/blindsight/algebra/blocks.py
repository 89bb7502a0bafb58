"""The table forms: signed permutations with block structure, which stay small and fast at any image size."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blindsight.algebra import kernels
from blindsight.algebra.geometry import BlockGrid
from blindsight.algebra.permutation import (
    Sample,
    SignedPermutation,
    as_integers,
    check_mask,
    check_permutation,
    frozen,
    merge_nibbles,
    samples_per_byte,
    split_nibbles,
)
from blindsight.algebra.states import (
    COLOR_COMPOSE,
    COLOR_INVERSE,
    COLOR_ORDERS,
    ORIENTATION_COMPOSE,
    ORIENTATION_INVERSE,
    orient,
)
from blindsight.errors import ParameterError

__all__ = ["BlockPermutation", "TilePermutation"]


class _TableForm(SignedPermutation):
    """A signed permutation whose flat tables are derived on demand."""

    def __init__(self, grid: BlockGrid, sample: Sample) -> None:
        self._grid = grid
        self._shape = grid.shape
        self._sample = sample
        self._device_tables = {}

    @property
    def grid(self) -> BlockGrid:
        """The block geometry it acts on."""
        return self._grid

    def _table(self, name: str, values: ArrayLike | None, limit: int) -> NDArray[np.uint8]:
        """One small code a block, checked; None stands for zeros."""
        n = self._grid.blocks
        array = np.zeros(n, np.int64) if values is None else as_integers(values, name)
        if array.shape != (n,):
            raise ParameterError(f"{name} needs one entry for each of {n} blocks, got shape {array.shape}")
        if array.min() < 0 or array.max() >= limit:
            raise ParameterError(f"{name} entries must be 0 to {limit - 1}, got {array.min()} to {array.max()}")
        return frozen(array.astype(np.uint8))

    def _sources(self, values: ArrayLike | None) -> NDArray[np.int32]:
        n = self._grid.blocks
        array = np.arange(n) if values is None else as_integers(values, "source")
        if array.shape != (n,):
            raise ParameterError(f"source needs one entry for each of {n} blocks, got shape {array.shape}")
        check_permutation(array, n, "source")
        return frozen(array.astype(np.int32))


class BlockPermutation(_TableForm):
    """Whole blocks move, turn, flip, turn negative and change their colour order: the form of EtC.

    Destination block i is source block ``source[i]``, oriented by ``orientation[i]``, negated (p -> 255 - p) where
    ``negative[i]``, its colours in order ``color[i]``. The last three act inside a block and commute.

    Args:
        grid: block geometry.
        source: int (n,), a permutation of the blocks; None keeps them in place.
        orientation: 0..7 (n,), see :mod:`blindsight.algebra.states`; None is no change.
        negative: 0 or 1 (n,); None is no change.
        color: 0..5 (n,), a position in ``COLOR_ORDERS``; None is no change, which grayscale requires.

    Raises:
        ParameterError: tables of another length or range.
    """

    def __init__(
        self,
        grid: BlockGrid,
        source: ArrayLike | None = None,
        orientation: ArrayLike | None = None,
        negative: ArrayLike | None = None,
        color: ArrayLike | None = None,
    ) -> None:
        super().__init__(grid, "byte")
        self.source = self._sources(source)
        # One pixel has a single orientation: without this, equal permutations could have unequal tables.
        self.orientation = self._table("orientation", orientation if grid.block > 1 else None, 8)
        self.negative = self._table("negative", negative, 2)
        self.color = self._table("color", color, 6)
        if grid.channels == 1 and self.color.any():
            raise ParameterError("grayscale images have one colour order: color must be all 0")

    @property
    def index(self) -> NDArray[np.int64]:
        return self.as_tiles().index

    @property
    def mask(self) -> NDArray[np.uint8]:
        return self.as_tiles().mask

    def _apply_batch(self, batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return kernels.apply_block_tables(
            batch, self._grid, self.source, self.orientation, self.negative, COLOR_ORDERS[self.color]
        )

    def _compose_tables(self, other: SignedPermutation) -> SignedPermutation | None:
        if isinstance(other, BlockPermutation) and other._grid == self._grid:
            s = self.source
            return BlockPermutation(
                self._grid,
                other.source[s],
                ORIENTATION_COMPOSE[self.orientation, other.orientation[s]],
                self.negative ^ other.negative[s],
                COLOR_COMPOSE[self.color, other.color[s]],
            )
        if isinstance(other, TilePermutation) and other._grid == self._grid:
            return self.as_tiles()._compose_tables(other)
        return None

    def inverse(self) -> "BlockPermutation":
        back = np.empty_like(self.source)
        back[self.source] = np.arange(len(back), dtype=np.int32)
        return BlockPermutation(
            self._grid,
            back,
            ORIENTATION_INVERSE[self.orientation[back]],
            self.negative[back],
            COLOR_INVERSE[self.color[back]],
        )

    def _equal_tables(self, other: SignedPermutation) -> bool | None:
        if not isinstance(other, BlockPermutation) or other._grid != self._grid:
            return None
        names = ("source", "orientation", "negative", "color")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    def as_nibbles(self) -> "TilePermutation":
        return self.as_tiles().as_nibbles()

    def as_tiles(self) -> "TilePermutation":
        """The same permutation with each block's state spelled out sample by sample.

        Where all blocks are in one state the tables have one row, so products with shared tables stay shared.
        """
        m, c = self._grid.block, self._grid.channels
        places = np.arange(m * m * c).reshape(m, m, c)
        orders = COLOR_ORDERS if c == 3 else np.zeros((1, 1), np.uint8)
        states = np.array([[orient(places, o)[..., order].reshape(-1) for order in orders] for o in range(8)])
        moves = self.orientation * np.uint8(6) + self.color
        codes = moves[:1] if (moves == moves[0]).all() else moves
        signs = self.negative[:1] if (self.negative == self.negative[0]).all() else self.negative
        mask = np.repeat((signs * np.uint8(255))[:, None], m * m * c, axis=1)
        return TilePermutation(self._grid, self.source, states[codes // 6, codes % 6], mask)


class TilePermutation(_TableForm):
    """Blocks move and samples move and are masked inside them: the form of pixel shuffling and pixel-wise negation.

    Sample j of destination block i is sample ``index[i, j]`` of block ``source[i]``, XOR ``mask[i, j]``; tables with
    one row are shared by all blocks.

    Args:
        grid: block geometry.
        source: int (n,), a permutation of the blocks; None keeps them in place.
        tile_index: int (1 or n, S), each row a permutation of 0..S-1; S is M * M * C bytes, or twice that in nibbles.
        tile_mask: uint8 (1 or n, S); None is zeros.
        sample: ``byte`` or ``nibble``.

    Raises:
        ParameterError: tables of another shape or range.
    """

    def __init__(
        self,
        grid: BlockGrid,
        source: ArrayLike | None,
        tile_index: ArrayLike | None = None,
        tile_mask: ArrayLike | None = None,
        *,
        sample: Sample = "byte",
    ) -> None:
        super().__init__(grid, sample)
        size = grid.block_samples * samples_per_byte(sample)
        self.source = self._sources(source)
        index = np.arange(size)[None] if tile_index is None else as_integers(tile_index, "tile_index")
        mask = np.zeros((1, size), np.uint8) if tile_mask is None else as_integers(tile_mask, "tile_mask")
        for name, table in (("tile_index", index), ("tile_mask", mask)):
            if table.ndim != 2 or table.shape[1] != size or table.shape[0] not in (1, grid.blocks):
                raise ParameterError(f"{name} must have shape (1 or {grid.blocks}, {size}), got {table.shape}")
        check_permutation(index, size, "tile_index")
        # Most tables fit 16 bits, which halves what the kernel reads.
        self.tile_index = frozen(index.astype(np.uint16 if size <= 1 << 16 else np.uint32))
        self.tile_mask = frozen(check_mask(mask, sample))

    @property
    def index(self) -> NDArray[np.int64]:
        size = self.tile_index.shape[1]
        parts = size // self._grid.block_samples
        bytes_ = self._grid.sample_index
        samples = bytes_ if parts == 1 else (2 * bytes_[..., None] + np.arange(2)).reshape(len(bytes_), -1)
        taken = np.take_along_axis(samples[self.source], self._rows(self.tile_index).astype(np.int64), axis=1)
        return self._raster(taken)

    @property
    def mask(self) -> NDArray[np.uint8]:
        return self._raster(self._rows(self.tile_mask))

    def _rows(self, table: NDArray) -> NDArray:  # type: ignore[type-arg]
        return np.broadcast_to(table, (self._grid.blocks, table.shape[1]))

    def _raster(self, table: NDArray) -> NDArray:  # type: ignore[type-arg]
        """Block order (n, S) -> flat image order."""
        parts = table.shape[1] // self._grid.block_samples
        flat = np.empty((self._grid.sample_index.size, parts), table.dtype)
        flat[self._grid.sample_index.reshape(-1)] = table.reshape(-1, parts)
        return flat.reshape(-1)

    def _apply_batch(self, batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._sample == "byte":
            return kernels.apply_tile_tables(batch, self._grid, self.source, self.tile_index, self.tile_mask)
        return kernels.apply_nibble_tables(batch, self._grid, self.source, self.tile_index, self._byte_mask)

    @cached_property
    def _byte_mask(self) -> NDArray[np.uint8]:
        """Of nibbles: the masks of a byte's two halves in one, uint8 (1 or n, M * M * C)."""
        return frozen(merge_nibbles(self.tile_mask))

    def as_nibbles(self) -> "TilePermutation":
        if self._sample == "nibble":
            return self
        index = (2 * self.tile_index.astype(np.int64)[..., None] + np.arange(2)).reshape(len(self.tile_index), -1)
        return TilePermutation(self._grid, self.source, index, split_nibbles(self.tile_mask), sample="nibble")

    def _compose_tables(self, other: SignedPermutation) -> SignedPermutation | None:
        if isinstance(other, BlockPermutation):
            other = other.as_tiles()
        if not isinstance(other, TilePermutation) or other._grid != self._grid:
            return None
        if other._sample != self._sample:
            return self.as_nibbles()._compose_tables(other.as_nibbles())
        # Tables of one row broadcast: what both factors share, the product shares.
        mine = self.tile_index.astype(np.int64)
        index = np.take_along_axis(_in_order(other.tile_index, self.source), mine, axis=1)
        mask = np.take_along_axis(_in_order(other.tile_mask, self.source), mine, axis=1) ^ self.tile_mask
        return TilePermutation(self._grid, other.source[self.source], index, mask, sample=self._sample)

    def inverse(self) -> "TilePermutation":
        back = np.empty_like(self.source)
        back[self.source] = np.arange(len(back), dtype=np.int32)
        undone = np.argsort(self.tile_index, axis=1)
        mask = np.take_along_axis(self.tile_mask, undone, axis=1)
        return TilePermutation(self._grid, back, _in_order(undone, back), _in_order(mask, back), sample=self._sample)

    def _equal_tables(self, other: SignedPermutation) -> bool | None:
        if isinstance(other, BlockPermutation):
            other = other.as_tiles()
        if not isinstance(other, TilePermutation) or other._grid != self._grid:
            return None
        if other._sample != self._sample:
            return self.as_nibbles()._equal_tables(other.as_nibbles())
        return np.array_equal(self.source, other.source) and all(
            np.array_equal(self._rows(a), other._rows(b))
            for a, b in ((self.tile_index, other.tile_index), (self.tile_mask, other.tile_mask))
        )


def _in_order(table: NDArray, order: NDArray) -> NDArray:  # type: ignore[type-arg]
    """The rows of a table in another order; one row serves all."""
    return table[order] if len(table) > 1 else table

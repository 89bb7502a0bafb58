"""The block kernels in NumPy, for where numba is not installed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.geometry import BlockGrid
from blindsight.algebra.states import orient

__all__ = ["move_blocks", "move_nibbles", "move_tiles"]

# Bytes gathered at a time: their positions take half a megabyte and stay in the processor's cache.
SPAN = 1 << 16


def move_blocks(
    batch: NDArray[np.uint8],
    grid: BlockGrid,
    source: NDArray[np.int32],
    orientation: NDArray[np.uint8],
    negative: NDArray[np.uint8],
    color: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Gathers through flat positions that are made for a few rows of blocks at a time; see ``kernels``."""
    m, c = grid.block, grid.channels
    first = grid.block_offsets[:, :, 0]
    oriented = np.array([orient(first, code).reshape(-1) for code in range(8)])
    corner = (source // grid.cols * m * grid.width + source % grid.cols * m).astype(np.int64)[:, None] * c
    channel = corner + color if c == 3 else corner
    mask = (negative * np.uint8(255))[:, None]
    flat = batch.reshape(len(batch), grid.blocks * grid.block_samples)
    out = np.empty_like(batch)
    tiles = out.reshape(len(batch), grid.rows, m, grid.cols, m * c)
    step = max(1, SPAN // (grid.width * m * c))
    for top in range(0, grid.rows, step):
        blocks = slice(top * grid.cols, (top + step) * grid.cols)
        moved = oriented[orientation[blocks]]
        positions = np.empty((*moved.shape, c), np.int64)
        for k in range(c):  # a broadcast over three channels would be an inner loop of three
            np.add(moved, channel[blocks, k, None], out=positions[:, :, k])
        # Positions are in range; mode="clip" only spares NumPy a second pass that checks them.
        taken = np.take(flat, positions.reshape(len(moved), -1), axis=1, mode="clip")
        taken ^= mask[blocks]
        rows = len(moved) // grid.cols
        tiles[:, top : top + rows] = taken.reshape(len(batch), rows, grid.cols, m, m * c).swapaxes(2, 3)
    return out


def move_tiles(
    batch: NDArray[np.uint8],
    grid: BlockGrid,
    source: NDArray[np.int32],
    tile_index: NDArray[Any],
    tile_mask: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Moves blocks, then bytes inside them; see ``kernels``."""
    taken = _inside(grid.to_blocks(batch)[:, source], tile_index)
    return grid.from_blocks(taken ^ tile_mask)


def move_nibbles(
    batch: NDArray[np.uint8],
    grid: BlockGrid,
    source: NDArray[np.int32],
    tile_index: NDArray[Any],
    byte_mask: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Moves blocks, then nibbles inside them; see ``kernels``."""
    blocks = grid.to_blocks(batch)[:, source]
    # Gathering the byte that a half lies in and shifting takes half the work of gathering from unpacked halves.
    shift = ((tile_index & 1) * 4).astype(np.uint8)
    byte = tile_index >> 1
    moved = (_inside(blocks, byte[:, ::2]) >> shift[:, ::2]) & np.uint8(15)
    moved |= (_inside(blocks, byte[:, 1::2]) >> shift[:, 1::2]) << np.uint8(4)
    return grid.from_blocks(moved ^ byte_mask)


def _inside(blocks: NDArray[np.uint8], tile_index: NDArray[Any]) -> NDArray[np.uint8]:
    """(N, n, S) blocks, each gathered by its row of the index, or all by its only one."""
    taken: NDArray[np.uint8]
    if len(tile_index) == 1:
        taken = np.take(blocks, tile_index[0], axis=2)
    else:
        # One flat gather is several times faster than NumPy's take_along_axis.
        places = tile_index + np.arange(0, blocks.shape[1] * blocks.shape[2], blocks.shape[2])[:, None]
        flat = blocks.reshape(len(blocks), blocks.shape[1] * blocks.shape[2])
        taken = np.take(flat, places.reshape(-1), axis=1, mode="clip").reshape(len(blocks), *places.shape)
    return taken

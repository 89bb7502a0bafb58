"""The two loops that move pixels, with a numba and a NumPy implementation that agree bit for bit.

numba (the extra ``fast``) is used where it is installed; :func:`use` chooses by hand, for tests and measurements.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.geometry import BlockGrid
from blindsight.algebra.states import orient
from blindsight.errors import MissingDependencyError

__all__ = ["apply_block_tables", "apply_tile_tables", "backend", "use"]

Backend = Literal["numba", "numpy"]
_chosen: Backend | None = None


@cache
def _compiled() -> ModuleType | None:
    try:
        from blindsight.algebra import _numba
    except ImportError:
        return None
    return _numba


def backend() -> Backend:
    """The implementation in use: ``numba`` or ``numpy``."""
    return _chosen or ("numba" if _compiled() is not None else "numpy")


@contextmanager
def use(name: Backend) -> Iterator[None]:
    """Runs a ``with`` block on one implementation (process-wide).

    Raises:
        MissingDependencyError: numba is asked for and not installed.
    """
    global _chosen
    if name == "numba" and _compiled() is None:
        raise MissingDependencyError.of("numba", "fast", "the numba kernel")
    before, _chosen = _chosen, name
    try:
        yield
    finally:
        _chosen = before


def apply_block_tables(
    batch: NDArray[np.uint8],
    grid: BlockGrid,
    source: NDArray[np.int32],
    orientation: NDArray[np.uint8],
    negative: NDArray[np.uint8],
    color: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Moves whole blocks.

    Args:
        batch: uint8 (N, H, W, C), contiguous.
        grid: block geometry of (H, W, C).
        source: int32 (n,).
        orientation: uint8 (n,) codes.
        negative: uint8 (n,), 0 or 1.
        color: uint8 (n, 3), input channel of each output channel; ignored for grayscale.

    Returns:
        A new uint8 (N, H, W, C) array.
    """
    compiled = _compiled()
    if backend() == "numba" and compiled is not None:
        # Walk the source in raster order and scatter: random stores are buffered, random loads stall.
        target = np.empty_like(source)
        target[source] = np.arange(len(source), dtype=np.int32)
        out = np.empty_like(batch)
        compiled.scatter_blocks(batch, out, grid.block, target, orientation, negative, color)
        return out
    m, c = grid.block, grid.channels
    blocks = grid.to_blocks(batch)[:, source].reshape(len(batch), grid.blocks, m, m, c)
    for code in range(1, 8):
        chosen = np.flatnonzero(orientation == code)
        turned = orient(blocks[:, chosen].transpose(2, 3, 0, 1, 4), code)
        blocks[:, chosen] = turned.transpose(2, 3, 0, 1, 4)
    blocks ^= (negative * np.uint8(255))[None, :, None, None, None]
    if c == 3:
        blocks = np.take_along_axis(blocks, color[None, :, None, None, :].astype(np.intp), axis=4)
    return grid.from_blocks(blocks)


def apply_tile_tables(
    batch: NDArray[np.uint8],
    grid: BlockGrid,
    source: NDArray[np.int32],
    tile_index: NDArray[Any],
    tile_mask: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Moves blocks, and bytes inside them.

    Args:
        batch: uint8 (N, H, W, C), contiguous.
        grid: block geometry of (H, W, C).
        source: int32 (n,).
        tile_index: uint16 or uint32 (1 or n, M * M * C).
        tile_mask: uint8 (1 or n, M * M * C).

    Returns:
        A new uint8 (N, H, W, C) array.
    """
    compiled = _compiled()
    if backend() == "numba" and compiled is not None:
        m, c = grid.block, grid.channels
        # Where sample j of a block lies, seen from the block's first byte.
        places = np.arange(m * m * c)
        offset = ((places // (m * c)) * (grid.width * c) + places % (m * c)).astype(np.int64)
        out = np.empty_like(batch)
        compiled.gather_tiles(batch, out, m, source, offset, tile_index, tile_mask)
        return out
    blocks = grid.to_blocks(batch)[:, source]
    if len(tile_index) == 1:
        taken = np.take(blocks, tile_index[0], axis=2)
    else:
        taken = np.take_along_axis(blocks, tile_index[None].astype(np.intp), axis=2)
    return grid.from_blocks(taken ^ tile_mask)

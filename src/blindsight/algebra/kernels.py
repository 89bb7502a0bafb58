"""The three loops that move pixels, with a numba and a NumPy implementation that agree bit for bit.

numba (the extra ``fast``) is used where it is installed; :func:`use` chooses by hand, for tests and measurements.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import _numpy
from blindsight.algebra.geometry import BlockGrid
from blindsight.errors import MissingDependencyError

__all__ = ["apply_block_tables", "apply_nibble_tables", "apply_tile_tables", "backend", "use"]

Backend = Literal["numba", "numpy"]
_chosen: Backend | None = None


@cache
def _compiled() -> ModuleType | None:
    try:
        from blindsight.algebra import _numba
    except (ImportError, RuntimeError):  # RuntimeError: numba found no folder that it may write its cache to
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
        out = np.empty_like(batch)
        compiled.scatter_blocks(batch, out, grid.block, _target(source), orientation, negative, color)
        return out
    return _numpy.move_blocks(batch, grid, source, orientation, negative, color)


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
        out = np.empty_like(batch)
        offsets = grid.block_offsets.reshape(-1)
        compiled.scatter_tiles(batch, out, grid.block, _target(source), offsets, tile_index, tile_mask)
        return out
    return _numpy.move_tiles(batch, grid, source, tile_index, tile_mask)


def apply_nibble_tables(
    batch: NDArray[np.uint8],
    grid: BlockGrid,
    source: NDArray[np.int32],
    tile_index: NDArray[Any],
    byte_mask: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Moves blocks, and nibbles inside them.

    Args:
        batch: uint8 (N, H, W, C), contiguous.
        grid: block geometry of (H, W, C).
        source: int32 (n,).
        tile_index: uint16 or uint32 (1 or n, 2 * M * M * C); nibbles 2i and 2i + 1 are the halves of byte i, low first.
        byte_mask: uint8 (1 or n, M * M * C), the masks of both halves of a byte in one.

    Returns:
        A new uint8 (N, H, W, C) array.
    """
    compiled = _compiled()
    if backend() == "numba" and compiled is not None:
        out = np.empty_like(batch)
        offsets = grid.block_offsets.reshape(-1)
        compiled.scatter_nibbles(batch, out, grid.block, _target(source), offsets, tile_index, byte_mask)
        return out
    return _numpy.move_nibbles(batch, grid, source, tile_index, byte_mask)


def _target(source: NDArray[np.int32]) -> NDArray[np.int32]:
    """Where each source block goes: the inverse permutation."""
    target = np.empty_like(source)
    target[source] = np.arange(len(source), dtype=np.int32)
    return target

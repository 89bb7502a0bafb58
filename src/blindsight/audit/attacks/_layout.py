"""What a scheme does to samples, asked of the scheme itself: its public parameters under keys that protect nothing."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from blindsight.algebra import BlockGrid, TilePermutation
from blindsight.audit.threat import Observation
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey

__all__ = ["Layout", "groups", "layout_of"]

#: One key may by chance leave in place what others move.
_THROWAWAY = tuple(SecretKey(bytes([k]) * 32) for k in (1, 2, 3))


@dataclass(frozen=True)
class Layout:
    """What may happen to the samples of an image under a scheme.

    Attributes:
        grid: blocks of the protected images.
        sample: ``byte`` or ``nibble``.
        moves: blocks change places.
        shared: the samples of all blocks are treated alike.
        shuffles: samples change places inside a block: not at all, only within their pixel, or anywhere.
        negates: samples may turn negative.
    """

    grid: BlockGrid
    sample: Literal["byte", "nibble"]
    moves: bool
    shared: bool
    shuffles: Literal["none", "colors", "all"]
    negates: bool


def layout_of(observation: Observation) -> Layout | None:
    """The layout of an observation's scheme; None where it is no cipher that treats samples inside blocks (EtC moves
    whole blocks; mixes have no key)."""
    profile = observation.profile
    if profile.kind != "cipher" or profile.scheme is None:
        return None
    cipher = create_cipher(profile.scheme, profile.block_size, profile.channels, **profile.parameters)
    height, width = observation.images.shape[1:3]
    compiled = [cipher.compile(key, height, width) for key in _THROWAWAY]
    tables = [table for table in compiled if isinstance(table, TilePermutation)]
    if len(tables) < len(compiled):
        return None
    grid, sample = tables[0].grid, tables[0].sample
    places = np.arange(tables[0].tile_index.shape[1])
    pixel = grid.channels * (2 if sample == "nibble" else 1)
    stay = all(np.array_equal(table.tile_index, np.broadcast_to(places, table.tile_index.shape)) for table in tables)
    within = sample == "byte" and all((table.tile_index // pixel == places // pixel).all() for table in tables)
    return Layout(
        grid,
        sample,
        moves=any((table.source != np.arange(grid.blocks)).any() for table in tables),
        shared=all(len(table.tile_index) == len(table.tile_mask) == 1 for table in tables),
        shuffles="none" if stay else "colors" if within else "all",
        negates=any(table.tile_mask.any() for table in tables),
    )


def groups(observation: Observation) -> list[slice]:
    """Which images may be pooled: all of them under one key, else each alone."""
    count = len(observation.images)
    if observation.profile.key_scope == "dataset":
        return [slice(0, count)]
    return [slice(k, k + 1) for k in range(count)]

"""What the keys of a scheme look like: the part of a signed permutation that an attacker need not find out.

Kerckhoffs's principle, taken at its word: whoever knows the scheme can encrypt with keys of his own and look. So this
holds for any registered cipher, ours or a third party's, and no scheme is named here.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation, TilePermutation
from blindsight.algebra.permutation import Sample, samples_per_byte, split_nibbles
from blindsight.errors import UnknownNameError
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey
from blindsight.profile import Profile

__all__ = ["KeyForm", "key_form"]

_FEW_BLOCKS = 64
_TRIES = (16, 8)  # keys to look at, of images with few blocks and with more: each says something of every block


@dataclass(frozen=True)
class KeyForm:
    """What is known of every key of a scheme at one geometry.

    Attributes:
        shape: (H, W, C) of the images.
        grid: of the blocks; None where the scheme is unknown or keeps to none.
        kind: ``states``: blocks move and take one of at most 96 states. ``tiles``: blocks move, and samples inside
            them. ``flat``: any sample may go anywhere.
        sample: ``byte`` or ``nibble``.
        moves: whether blocks change places.
        reach: how far a sample can go inside its block: nowhere (``sample``), inside its pixel, inside the block.
        shared: whether all blocks share one table (``tiles``).
        masks: what a sample may be XORed with; a group.
        orientations, negatives, colors: the codes that a block's state is made of (``states``).
    """

    shape: tuple[int, int, int]
    grid: BlockGrid | None = None
    kind: Literal["states", "tiles", "flat"] = "flat"
    sample: Sample = "nibble"
    moves: bool = False
    reach: Literal["sample", "pixel", "block"] = "block"
    shared: bool = False
    masks: tuple[int, ...] = tuple(range(16))
    orientations: int = 1
    negatives: int = 1
    colors: int = 1

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Flat sample numbers in block order: int64 (n, S), nibbles where samples are; one block without a grid."""
        parts = samples_per_byte(self.sample)
        if self.grid is None or self.kind == "flat":
            return np.arange(int(np.prod(self.shape)) * parts)[None]
        inside = self.grid.sample_index
        return inside if parts == 1 else (2 * inside[..., None] + np.arange(2)).reshape(len(inside), -1)

    @property
    def levels(self) -> int:
        """How many values a sample has."""
        return 16 if self.sample == "nibble" else 256

    def samples(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (N, H, W, C) -> (N, samples)."""
        flat = images.reshape(len(images), -1)
        return split_nibbles(flat) if self.sample == "nibble" else flat

    def in_blocks(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (N, H, W, C) -> (n, S, N): what each sample of each block is over the images."""
        taken: NDArray[np.uint8] = self.samples(images)[:, self.places]
        return np.ascontiguousarray(taken.transpose(1, 2, 0))


def key_form(profile: Profile, shape: tuple[int, int, int]) -> KeyForm:
    """What every key of the profile's scheme has in common, for images of a shape (H, W, C).

    A scheme that is not registered here is taken for any signed permutation of nibbles with any masks.
    """
    try:
        cipher = create_cipher(profile.scheme or "", profile.block_size, shape[2], **profile.parameters)
    except UnknownNameError:
        return KeyForm(shape)
    blocks = shape[0] * shape[1] // cipher.block_size**2
    tries = range(_TRIES[blocks >= _FEW_BLOCKS])
    keys = [cipher.compile(SecretKey(bytes([number]) * 32), *shape[:2]) for number in tries]
    if all(isinstance(key, BlockPermutation) for key in keys):
        return _states(shape, [key for key in keys if isinstance(key, BlockPermutation)])
    if all(isinstance(key, TilePermutation) for key in keys):
        return _tiles(shape, [key for key in keys if isinstance(key, TilePermutation)])
    sample = keys[0].sample
    return KeyForm(shape, kind="flat", sample=sample, masks=_group([key.mask for key in keys], sample))


def _states(shape: tuple[int, int, int], keys: list[BlockPermutation]) -> KeyForm:
    turns = any(key.orientation.any() for key in keys) and keys[0].grid.block > 1
    negates = any(key.negative.any() for key in keys)
    return KeyForm(
        shape,
        keys[0].grid,
        "states",
        "byte",
        moves=_moves(keys),
        masks=(0, 255) if negates else (0,),
        orientations=8 if turns else 1,
        negatives=2 if negates else 1,
        colors=6 if any(key.color.any() for key in keys) else 1,
    )


def _tiles(shape: tuple[int, int, int], keys: list[TilePermutation]) -> KeyForm:
    sample, pixel = keys[0].sample, shape[2] * samples_per_byte(keys[0].sample)
    inside = np.arange(keys[0].tile_index.shape[1])
    reach: Literal["sample", "pixel", "block"] = "sample"
    for key in keys:
        if (key.tile_index // pixel != inside // pixel).any():
            reach = "block"
        elif reach == "sample" and (key.tile_index != inside).any():
            reach = "pixel"
    return KeyForm(
        shape,
        keys[0].grid,
        "tiles",
        sample,
        moves=_moves(keys),
        reach=reach,
        shared=all(len(key.tile_index) == len(key.tile_mask) == 1 for key in keys),
        masks=_group([key.tile_mask for key in keys], sample),
    )


def _moves(keys: list[BlockPermutation] | list[TilePermutation]) -> bool:
    return any((key.source != np.arange(len(key.source))).any() for key in keys)


def _group(seen: list[NDArray[np.uint8]], sample: Sample) -> tuple[int, ...]:
    """The smallest usual group that holds the masks seen: none, the negation, or all."""
    full = 15 if sample == "nibble" else 255
    values = set(np.unique(np.concatenate([mask.reshape(-1) for mask in seen])).tolist())
    for group in ((0,), (0, full)):
        if values <= set(group):
            return group
    return tuple(range(full + 1))

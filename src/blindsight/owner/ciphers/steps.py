"""The steps that ciphers are lists of. Each turns a key stream and a block geometry into one signed permutation.

Draws are made in block order (raster order of blocks, then of the samples inside), so that ``spec/ciphers.md`` can
state each step in one line. Fields are public parameters; keys live in the stream alone.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation, SignedPermutation, TilePermutation
from blindsight.algebra.states import COLOR_ORDERS
from blindsight.errors import ParameterError
from blindsight.owner.keystream import KeyStream

__all__ = ["BlockRotateFlip", "BlockScramble", "ColorShuffle", "NegativePositive", "PixelShuffle", "Step"]

Per = Literal["block", "pixel"]


@runtime_checkable
class Step(Protocol):
    """One keyed operation.

    Attributes:
        name: names the step in the key path; distinct within a scheme.
        shared: True where one draw serves every block, so that the key does not depend on the number of blocks.
        jpeg_safe: True where the result compresses like a photograph, block by block.
    """

    @property
    def name(self) -> str: ...

    @property
    def shared(self) -> bool: ...

    @property
    def jpeg_safe(self) -> bool: ...

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        """The permutation of (H, W, C) images that this stream stands for."""
        ...


@dataclass(frozen=True)
class BlockScramble:
    """Blocks change places: destination block i is source block ``permutation(n)[i]`` (K1 of EtC).

    Attributes:
        share: of the blocks that take part, 0 to 1; below 1 the others stay (Horio et al., arXiv 2408.08529).
    """

    share: float = 1.0
    shared: ClassVar[bool] = False
    jpeg_safe: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_share(self.share)

    @property
    def name(self) -> str:
        return "block-scramble" if self.share == 1 else "block-scramble-part"

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        return BlockPermutation(grid, source=_partial_permutation(stream, grid.blocks, self.share))


@dataclass(frozen=True)
class BlockRotateFlip:
    """Each block takes one of 8 orientations, ``below(8)`` (K2 of EtC: rotation and inversion)."""

    name: ClassVar[str] = "block-rotate-flip"
    shared: ClassVar[bool] = False
    jpeg_safe: ClassVar[bool] = True

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        return BlockPermutation(grid, orientation=stream.below(8, grid.blocks))


@dataclass(frozen=True)
class NegativePositive:
    """Values turn negative, p -> 255 - p, where ``below(2)`` is 1 (K3 of EtC; pixel-based encryption).

    Attributes:
        per: ``block``: one bit a block. ``pixel``: one bit for each pixel and colour component.
        shared: with ``pixel`` only: the bits of one block, used in every block.
    """

    per: Per = "block"
    shared: bool = False

    def __post_init__(self) -> None:
        _check_per(self.per)
        if self.shared and self.per == "block":
            raise ParameterError("negation per block has nothing to share; use per='pixel' with shared=True")

    @property
    def name(self) -> str:
        return f"negative-positive-{self.per}"

    @property
    def jpeg_safe(self) -> bool:
        return self.per == "block"

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        if self.per == "block":
            return BlockPermutation(grid, negative=stream.below(2, grid.blocks))
        rows = 1 if self.shared else grid.blocks
        bits = stream.below(2, rows * grid.block_samples).astype(np.uint8)
        return TilePermutation(grid, None, tile_mask=(bits * np.uint8(255)).reshape(rows, -1))


@dataclass(frozen=True)
class ColorShuffle:
    """R, G and B change places, in order ``below(6)`` (K4 of EtC). Grayscale images stay as they are.

    Attributes:
        per: ``block``: one order a block. ``pixel``: one order a pixel.
    """

    per: Per = "block"
    shared: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_per(self.per)

    @property
    def name(self) -> str:
        return f"color-shuffle-{self.per}"

    @property
    def jpeg_safe(self) -> bool:
        return self.per == "block"

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        if grid.channels == 1:
            return BlockPermutation(grid)
        if self.per == "block":
            return BlockPermutation(grid, color=stream.below(6, grid.blocks))
        pixels = grid.block * grid.block
        orders = COLOR_ORDERS[stream.below(6, grid.blocks * pixels)].reshape(grid.blocks, pixels, 3)
        index = 3 * np.arange(pixels)[:, None] + orders
        return TilePermutation(grid, None, tile_index=index.reshape(grid.blocks, -1))


@dataclass(frozen=True)
class PixelShuffle:
    """The M * M * C samples inside a block change places, across pixels and colours alike.

    Attributes:
        shared: one permutation for every block, which a patch embedding can absorb (Kiya et al., arXiv 2207.05366);
            else one a block, drawn block after block.
        share: of the samples that take part, 0 to 1; below 1 the others stay (Horio et al., arXiv 2408.08529).
    """

    shared: bool = True
    share: float = 1.0
    jpeg_safe: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_share(self.share)

    @property
    def name(self) -> str:
        return "pixel-shuffle" if self.share == 1 else "pixel-shuffle-part"

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        rows, samples = 1 if self.shared else grid.blocks, grid.block_samples
        if self.share == 1:
            return TilePermutation(grid, None, tile_index=stream.permutations(rows, samples))
        index = np.stack([_partial_permutation(stream, samples, self.share) for _ in range(rows)])
        return TilePermutation(grid, None, tile_index=index)


def _partial_permutation(stream: KeyStream, n: int, share: float) -> NDArray[np.int64]:
    """A permutation that leaves all but ``floor(share * n + 1/2)`` places alone; which ones is drawn first."""
    if share == 1:
        return stream.permutation(n)
    moving = np.sort(stream.permutation(n)[: int(share * n + 0.5)])
    index = np.arange(n)
    index[moving] = moving[stream.permutation(len(moving))]
    return index


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ParameterError(f"share must be from 0 (nothing moves) to 1 (everything may), got {share}")


def _check_per(per: str) -> None:
    if per not in ("block", "pixel"):
        raise ParameterError(f"per must be 'block' or 'pixel', got {per!r}")

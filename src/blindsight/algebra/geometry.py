"""Block geometry: how an image of H x W pixels and C channels is cut into square blocks of side M."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ParameterError

__all__ = ["BlockGrid"]


@dataclass(frozen=True)
class BlockGrid:
    """A grid of square blocks over an image.

    Blocks and the samples inside a block are numbered in raster order: block ``row * cols + col``; sample
    ``(y * block + x) * channels + channel``.

    Attributes:
        height: image height H in pixels, a multiple of ``block``.
        width: image width W in pixels, a multiple of ``block``.
        channels: samples a pixel, 1 (grayscale) or 3 (RGB).
        block: side M of a block in pixels.

    Raises:
        ParameterError: a size that is not a positive multiple of the block, or a channel count other than 1 or 3.
    """

    height: int
    width: int
    channels: int
    block: int

    def __post_init__(self) -> None:
        if self.block < 1:
            raise ParameterError(f"block size must be at least 1 pixel, got {self.block}")
        if self.channels not in (1, 3):
            raise ParameterError(f"channels must be 1 (grayscale) or 3 (RGB), got {self.channels}")
        for name, length in (("height", self.height), ("width", self.width)):
            if length < 1 or length % self.block:
                raise ParameterError(
                    f"{name} {length} is not a positive multiple of the block size {self.block}; "
                    f"fit the image first (pad, crop or resize) or choose another block size"
                )

    @property
    def rows(self) -> int:
        return self.height // self.block

    @property
    def cols(self) -> int:
        return self.width // self.block

    @property
    def blocks(self) -> int:
        """Number of blocks n."""
        return self.rows * self.cols

    @property
    def block_samples(self) -> int:
        """Number of byte samples in a block, M * M * C."""
        return self.block * self.block * self.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return (self.height, self.width, self.channels)

    @cached_property
    def block_offsets(self) -> NDArray[np.int64]:
        """Where the samples of a block lie in the image, seen from its first one: int64 (M, M, C)."""
        m, c = self.block, self.channels
        offsets = np.arange(m)[:, None, None] * (self.width * c) + np.arange(m * c).reshape(m, c)
        offsets.flags.writeable = False
        return offsets

    @cached_property
    def sample_index(self) -> NDArray[np.int64]:
        """Flat (H, W, C) sample numbers in block order: int64 (n, M * M * C)."""
        every = np.arange(self.height * self.width * self.channels, dtype=np.int64).reshape(1, *self.shape)
        blocks: NDArray[np.int64] = self.to_blocks(every)[0]
        blocks.flags.writeable = False  # kept, and shared by all who ask
        return blocks

    def to_blocks(self, images: NDArray) -> NDArray:  # type: ignore[type-arg]
        """(N, H, W, C) -> (N, n, M * M * C), a copy."""
        m, c = self.block, self.channels
        tiles = images.reshape(-1, self.rows, m, self.cols, m, c).transpose(0, 1, 3, 2, 4, 5)
        return tiles.reshape(-1, self.blocks, m * m * c)

    def from_blocks(self, blocks: NDArray) -> NDArray:  # type: ignore[type-arg]
        """(N, n, M * M * C) -> (N, H, W, C), the inverse of :meth:`to_blocks`."""
        m, c = self.block, self.channels
        tiles = blocks.reshape(-1, self.rows, self.cols, m, m, c).transpose(0, 1, 3, 2, 4, 5)
        return tiles.reshape(-1, *self.shape)

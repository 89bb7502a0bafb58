"""Random orthogonal matrices: every block of an image, a vector of normalised values, is multiplied by a keyed matrix.

Aso, Chuman & Kiya, "A Privacy Preserving Method with a Random Orthogonal Matrix for ConvMixer Models", arXiv
2301.03843. This stands beside the ciphers: its results are fractions, which no image file holds, so it is no signed
permutation and no scheme for ``protect``. It serves models whose first linear layer takes the matrix up.
"""

from typing import NoReturn, Self, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blindsight.algebra import BlockGrid
from blindsight.errors import ParameterError
from blindsight.owner.keys import SecretKey

__all__ = ["OrthogonalBlocks"]

#: Blocks of 32 x 32 RGB pixels: a matrix of 9.4 million entries. Work grows with the sixth power of the block's side.
MAX_SAMPLES = 3072


class OrthogonalBlocks:
    """One orthogonal matrix Q for all blocks: y = Q x, with x the S = M * M * C values of a block in raster order.

    A linear embedding W x of patches that are the blocks becomes ``W Q^T`` and then gives for y what W gave for x.
    Lengths and angles stay as they are: whoever compares blocks, compares them under Q as well.

    Args:
        matrix: float (S, S), orthogonal.
        block_size: side M of the blocks in pixels.
        channels: 3 (RGB) or 1 (grayscale).

    Raises:
        ParameterError: a matrix of another shape, or one that is not orthogonal.
    """

    def __init__(self, matrix: ArrayLike, block_size: int, channels: int = 3) -> None:
        samples = BlockGrid(block_size, block_size, channels, block_size).block_samples
        values = np.array(matrix, np.float64)
        if values.shape != (samples, samples):
            raise ParameterError(
                f"blocks of {block_size} with {channels} channels need a matrix of {samples}x{samples}, "
                f"got {values.shape}"
            )
        if not np.allclose(values @ values.T, np.eye(samples), atol=1e-6):
            raise ParameterError("the matrix is not orthogonal: its product with its transpose is not the identity")
        values.flags.writeable = False
        self.matrix: NDArray[np.float64] = values
        self.block_size = block_size
        self.channels = channels

    @classmethod
    def from_key(cls, key: SecretKey, block_size: int, channels: int = 3, *scope: str) -> Self:
        """Draws the matrix from a key, uniformly among all orthogonal matrices.

        Normal numbers from the key's stream (Box-Muller), then the Q of their QR decomposition with R's diagonal
        positive (Mezzadri, Notices of the AMS 54(5), 2007). Logarithms, cosines and QR may differ between machines in
        their last digits, and so may the matrix: it is equal up to rounding, not bit for bit, and no part of ``spec/``.

        Args:
            key: the owner's key.
            block_size: side M of the blocks in pixels.
            channels: 3 (RGB) or 1 (grayscale).
            scope: further key path elements, as for :meth:`blindsight.owner.ciphers.Cipher.compile`.

        Raises:
            ParameterError: blocks that are too large, or no blocks.
        """
        samples = BlockGrid(block_size, block_size, channels, block_size).block_samples
        if samples > MAX_SAMPLES:
            raise ParameterError(
                f"blocks of {block_size} have {samples} values, and a matrix takes at most {MAX_SAMPLES}; "
                f"choose smaller blocks, such as 16"
            )
        stream = key.stream("orthogonal", "matrix", f"block={block_size},channels={channels}", *scope)
        u = stream.uniform(2 * samples * samples).reshape(2, samples, samples)
        normal = np.sqrt(-2 * np.log(1 - u[0])) * np.cos(2 * np.pi * u[1])
        q, r = np.linalg.qr(normal)
        return cls(q * np.where(np.diag(r) < 0, -1.0, 1.0), block_size, channels)

    def apply(self, images: NDArray[np.floating]) -> NDArray[np.floating]:
        """Multiplies every block by the matrix.

        Args:
            images: float (..., H, W, C), H and W multiples of the block size; normalised, such as to -1 to 1 with
                ``pixels / 127.5 - 1``, so that the embedding's bias need not change.

        Returns:
            The same shape and dtype.

        Raises:
            ParameterError: bytes, or another shape.
        """
        if not isinstance(images, np.ndarray) or images.dtype.kind != "f":
            kind = getattr(images, "dtype", type(images).__name__)
            raise ParameterError(f"images must be an array of floats, got {kind}; normalise bytes: pixels / 127.5 - 1")
        if images.ndim < 3 or images.shape[-1] != self.channels:
            raise ParameterError(f"images must be (..., H, W, {self.channels}), got {images.shape}")
        grid = BlockGrid(images.shape[-3], images.shape[-2], self.channels, self.block_size)
        moved = grid.to_blocks(images.reshape(-1, *grid.shape)) @ self.matrix.T.astype(images.dtype)
        result: NDArray[np.floating] = grid.from_blocks(moved).reshape(images.shape)
        return result

    __call__ = apply

    def inverse(self) -> "OrthogonalBlocks":
        """What undoes this one, up to rounding: the transpose."""
        return OrthogonalBlocks(self.matrix.T, self.block_size, self.channels)

    def __matmul__(self, other: "OrthogonalBlocks") -> "OrthogonalBlocks":
        """``(a @ b).apply(x)`` is ``a.apply(b.apply(x))``, up to rounding."""
        if not isinstance(other, OrthogonalBlocks):
            return NotImplemented
        if (self.block_size, self.channels) != (other.block_size, other.channels):
            raise ParameterError(f"cannot combine {self!r} and {other!r}")
        return OrthogonalBlocks(self.matrix @ other.matrix, self.block_size, self.channels)

    def __repr__(self) -> str:
        # Never the matrix: it is what the key stands for.
        return f"OrthogonalBlocks(block_size={self.block_size}, channels={self.channels})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            "an OrthogonalBlocks is never pickled or copied, since its matrix stands for the key; "
            "draw it again from the key with from_key"
        )

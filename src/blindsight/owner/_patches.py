"""What a cipher does, as a patch embedding sees it: which patch comes, and how the samples inside it lie."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.errors import IncompatibleModelError, ParameterError

__all__ = ["PatchStates"]


@dataclass(frozen=True)
class PatchStates:
    """A patch-local signed permutation, on samples that are normalised so that negation is a change of sign.

    Patch i of the encrypted image is patch ``source[i]`` of the plain one, and its sample j is
    ``sign[v, j] * x[index[v, j]]`` with ``v = variant[i]``. Patches are numbered in raster order, the S samples inside
    one as a convolution's weight has them: (channel, row, column). Variants are numbered as they first occur.

    Attributes:
        source: int64 (n,), a permutation of the patches.
        variant: int32 (n,), 0..V-1.
        index: int64 (V, S), each row a permutation of 0..S-1.
        sign: int8 (V, S), -1 or 1.
        rows: rows of the patch grid.
        cols: columns of the patch grid.
    """

    # Never printed: the tables are what the key stands for.
    source: NDArray[np.int64] = field(repr=False)
    variant: NDArray[np.int32] = field(repr=False)
    index: NDArray[np.int64] = field(repr=False)
    sign: NDArray[np.int8] = field(repr=False)
    rows: int
    cols: int

    @classmethod
    def of(cls, permutation: SignedPermutation, patch: tuple[int, int], scheme: str, block: int) -> "PatchStates":
        """Takes a permutation of images apart.

        Args:
            permutation: of (H, W, C) images.
            patch: (height, width) of the patches in pixels.
            scheme: what to call the cipher in messages.
            block: its block size, for messages.

        Raises:
            ParameterError: the permutation acts on halves of samples, or masks single bits: it is not linear.
            IncompatibleModelError: patches do not tile the image, or samples move between them.
        """
        height, width, channels = permutation.shape
        h, w = patch
        if permutation.sample != "byte" or not np.isin(permutation.mask, (0, 255)).all():
            raise ParameterError(
                f"scheme '{scheme}' acts on parts of a sample's bits, so it is no linear function of an image's values "
                f"and no layer absorbs it; choose a scheme that moves and negates whole samples, such as shf or etc"
            )
        if height % h or width % w:
            raise IncompatibleModelError(
                f"patches of {h}x{w} do not tile images of {height}x{width}; choose a model or size where they do"
            )
        rows, cols = height // h, width // w
        count, samples = rows * cols, channels * h * w
        every = np.arange(height * width * channels).reshape(rows, h, cols, w, channels)
        places = every.transpose(0, 2, 4, 1, 3).reshape(count, samples)
        number = np.empty(places.size, np.int64)
        number[places.reshape(-1)] = np.arange(places.size)
        taken = number[permutation.index[places]]
        origin = taken // samples
        if not (origin == origin[:, :1]).all():
            raise IncompatibleModelError(
                f"scheme '{scheme}' with blocks of {block} moves samples from one patch of {h}x{w} into another, and a "
                f"patch embedding sees one patch at a time; "
                + (f"encrypt with --block-size {h}" if h == w else "choose a model with square patches")
            )
        sign = np.where(permutation.mask[places] > 0, -1, 1).astype(np.int8)
        states = np.concatenate([taken % samples, sign], axis=1)
        _, first, variant = np.unique(states, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        renumber = np.empty(len(order), np.int32)
        renumber[order] = np.arange(len(order))
        chosen = states[first[order]]
        return cls(
            origin[:, 0],
            renumber[variant.reshape(-1)],
            chosen[:, :samples],
            chosen[:, samples:].astype(np.int8),
            rows,
            cols,
        )

    @property
    def moves(self) -> bool:
        """Whether a patch changes its place."""
        return not np.array_equal(self.source, np.arange(len(self.source)))

    def relative(self) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """Tables that turn a patch of variant v into one of variant 0: int32 and int8 (V, S), row 0 the identity.

        ``z[k] = sign[v, k] * y[index[v, k]]``: what a keyed embedding stores.
        """
        back = np.argsort(self.index, axis=1)
        index = back[:, self.index[0]]
        sign = self.sign[0] * np.take_along_axis(self.sign, index, axis=1)
        return index.astype(np.int32), sign.astype(np.int8)

    def same_tables(self, index: NDArray[np.int32], sign: NDArray[np.int8], variant: NDArray[np.int32]) -> bool:
        """Whether a keyed embedding's tables are these."""
        mine, signs = self.relative()
        return np.array_equal(mine, index) and np.array_equal(signs, sign) and np.array_equal(self.variant, variant)

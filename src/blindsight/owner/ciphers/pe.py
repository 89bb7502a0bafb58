"""PE, pixel-based encryption: every colour component of every pixel is negated or not, then each pixel's colours move.

Sirichotedumrong, Maekawa, Kinoshita & Kiya, ICIP 2019, arXiv 1905.01827. With a key an image (key scope ``image``) it
is the variant "without key management" of Sirichotedumrong, Kinoshita & Kiya, IEEE Access 7, 2019.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from blindsight.algebra import BlockGrid, SignedPermutation, TilePermutation
from blindsight.algebra.permutation import as_integers
from blindsight.algebra.states import COLOR_ORDERS
from blindsight.errors import ParameterError
from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import ColorShuffle, NegativePositive, Step

__all__ = ["pe_from_arrays"]


@register_cipher("pe")
def pe(color_shuffle: bool = True) -> Sequence[Step]:
    """PE: negate each pixel's components one by one, then shuffle each pixel's colours; no pixel moves."""
    negation = NegativePositive(per="pixel")
    return (negation, ColorShuffle(per="pixel")) if color_shuffle else (negation,)


def pe_from_arrays(negative: ArrayLike, color: ArrayLike | None = None) -> SignedPermutation:
    """A PE key brought over from other software; its arrays have the shape of the image, so there are no blocks.

    Args:
        negative: 0 or 1 (H, W, C), 1: negate this component, before the colours move.
        color: 0 to 5 (H, W), the order of each pixel's colours in the numbering of arXiv 1905.01827: 0 RGB, 1 RBG,
            2 GRB, 3 GBR, 4 BRG, 5 BGR; None leaves them, which grayscale requires.

    Raises:
        ParameterError: arrays of another shape or range.
    """
    signs = as_integers(negative, "negative")
    if signs.ndim != 3 or 0 in signs.shape or signs.shape[2] not in (1, 3):
        raise ParameterError(f"negative must have the image's shape (H, W, 1 or 3), got {signs.shape}")
    _check_range("negative", signs, 2)
    height, width, channels = signs.shape
    grid = BlockGrid(height, width, channels, 1)
    negation = TilePermutation(grid, None, None, signs.reshape(grid.blocks, channels).astype(np.uint8) * np.uint8(255))
    if color is None:
        return negation
    codes = as_integers(color, "color")
    if codes.shape != (height, width) or channels == 1:
        raise ParameterError(f"color must have shape {(height, width)} and belongs to RGB, got {codes.shape}")
    _check_range("color", codes, 6)
    return TilePermutation(grid, None, COLOR_ORDERS[codes.reshape(-1)]) @ negation


def _check_range(name: str, values: np.ndarray, limit: int) -> None:
    if values.min() < 0 or values.max() >= limit:
        raise ParameterError(f"{name} entries must be 0 to {limit - 1}, got {values.min()} to {values.max()}")

"""What mixing does to pixels: pure functions of uint8 images and the random choices."""

import numpy as np
from numpy.typing import NDArray

from blindsight.owner.mixing.draws import UNIT

__all__ = ["blend", "flip_signs", "replace_blocks", "replace_box"]

Pixels = NDArray[np.uint8]


def replace_blocks(target: Pixels, donors: list[Pixels], choice: NDArray[np.int64]) -> Pixels:
    """Label-based pixel block mixing (arXiv 2105.08876): each block is the target's own or the same block of a donor.

    Args:
        target: uint8 (H, W, C).
        donors: uint8 (H, W, C) each.
        choice: (rows, columns), 0 for the target, k for ``donors[k - 1]``; rows divide H and columns divide W.

    Returns:
        uint8 (H, W, C); the target is not changed.
    """
    height, width, channels = target.shape
    rows, columns = choice.shape
    grid = (rows, height // rows, columns, width // columns, channels)
    mixed = target.copy()
    blocks = mixed.reshape(grid)
    for number in np.unique(choice[choice > 0]):
        where = choice == number
        row, column = np.nonzero(where)
        blocks[row, :, column] = donors[number - 1].reshape(grid)[row, :, column]
    return mixed


def blend(images: list[Pixels], weights: list[int]) -> Pixels:
    """The weighted mean of images, rounded half up (Mixup, arXiv 1710.09412; InstaHide, arXiv 2010.02772).

    Args:
        images: uint8 of one shape.
        weights: of each, in units of 1/65,536; they sum to 65,536.
    """
    total = np.full(images[0].shape, UNIT // 2, np.uint32)
    for image, weight in zip(images, weights, strict=True):
        total += image.astype(np.uint32) * np.uint32(weight)
    return (total >> 16).astype(np.uint8)


def replace_box(target: Pixels, donor: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    """The target with a rectangle of the donor (CutMix, arXiv 1905.04899).

    Args:
        target: uint8 (H, W, C).
        donor: uint8 (H, W, C).
        box: (top, left, bottom, right) in pixels.
    """
    top, left, bottom, right = box
    mixed = target.copy()
    mixed[top:bottom, left:right] = donor[top:bottom, left:right]
    return mixed


def flip_signs(image: Pixels, bits: NDArray[np.uint8]) -> Pixels:
    """InstaHide's random signs: with mean = std = 0.5 a change of sign is the negative, v -> 255 - v.

    Args:
        image: uint8 (H, W, C).
        bits: H * W * C zeros and ones, row by row; 1 negates the sample.
    """
    return image ^ (bits.reshape(image.shape) * np.uint8(255))

"""Augmentation that a provider can do without the key, because it commutes with the protection.

All functions are pure: images in, images out, with the random choices as arguments or from a given NumPy generator.
Batches are tensors (N, C, H, W), floats in [-1, 1] or uint8; they stay on their device. Names follow timm.

- mixup (Zhang et al., arXiv 1710.09412) is linear and a signed permutation of normalised samples is linear, so mixing
  protected images is protecting mixed ones.
- CutMix (Yun et al., arXiv 1905.04899) and random erasing (Zhong et al., arXiv 1708.04896) act on whole blocks, since
  half an encrypted block is no part of any image. On a scrambled image the blocks of a rectangle come from all over
  the plain one; the share of the picture, and so of the label, is the same.
"""

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["block_box", "cutmix", "erase", "mixup", "random_erase"]

Box = tuple[int, int, int, int]


def mixup(images: Tensor, partner: Tensor, lam: float) -> Tensor:
    """``lam * images + (1 - lam) * images[partner]``.

    Args:
        images: (N, C, H, W), floats.
        partner: (N,) indices into the batch.
        lam: weight of the image itself, 0 to 1.
    """
    return images.mul(lam).add_(images[partner], alpha=1 - lam)


def block_box(height: int, width: int, block: int, lam: float, rng: np.random.Generator) -> tuple[Box, float]:
    """A rectangle of whole blocks with about ``1 - lam`` of the image's area.

    Args:
        height: of the image, a multiple of ``block``.
        width: likewise.
        block: side of the blocks; 1 gives ordinary CutMix.
        lam: part of the image to keep, 0 to 1.
        rng: for the place.

    Returns:
        (top, left, bottom, right) in pixels, and the part of the image that really is kept.
    """
    rows, columns = height // block, width // block
    side = math.sqrt(1 - lam)
    tall, wide = round(rows * side), round(columns * side)
    top = int(rng.integers(rows - tall + 1))
    left = int(rng.integers(columns - wide + 1))
    box = (top * block, left * block, (top + tall) * block, (left + wide) * block)
    return box, 1 - (tall * wide) / (rows * columns)


def cutmix(images: Tensor, partner: Tensor, box: Box) -> Tensor:
    """Replaces a rectangle of every image by the same rectangle of its partner.

    Args:
        images: (N, C, H, W), any type; not changed.
        partner: (N,) indices into the batch.
        box: (top, left, bottom, right) in pixels.
    """
    top, left, bottom, right = box
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    return mixed


def erase(images: Tensor, chosen: Tensor, block: int, value: float = 0.0) -> Tensor:
    """Sets whole blocks to one value.

    Args:
        images: (N, C, H, W); not changed.
        chosen: (N, H / block, W / block) booleans, True where a block goes.
        block: side of the blocks.
        value: 0 is mid-grey on the normalised scale, and its own negative.
    """
    pixels = chosen.repeat_interleave(block, 1).repeat_interleave(block, 2).unsqueeze(1)
    return images.masked_fill(pixels, value)


def random_erase(
    images: Tensor,
    block: int,
    probability: float,
    rng: np.random.Generator,
    *,
    area: tuple[float, float] = (0.02, 1 / 3),
    aspect: float = 3.3,
    value: float = 0.0,
) -> Tensor:
    """Random erasing on the block grid, one rectangle of whole blocks in some of the images.

    Args:
        images: (N, C, H, W).
        block: side of the blocks.
        probability: part of the images erased from.
        rng: for which, where and how much.
        area: least and largest part of an image erased.
        aspect: largest ratio of the rectangle's sides, either way.
        value: what is put there.
    """
    count, _, height, width = images.shape
    rows, columns = height // block, width // block
    u = torch.from_numpy(rng.random((count, 5)))
    part = area[0] + (area[1] - area[0]) * u[:, 1]
    ratio = torch.exp((2 * u[:, 2] - 1) * math.log(aspect))
    tall = (rows * (part * ratio).sqrt()).round().clamp(1, rows)
    wide = (columns * (part / ratio).sqrt()).round().clamp(1, columns)
    top = (u[:, 3] * (rows - tall + 1)).floor()
    left = (u[:, 4] * (columns - wide + 1)).floor()
    r, c = torch.arange(rows)[None], torch.arange(columns)[None]
    in_rows = (r >= top[:, None]) & (r < (top + tall)[:, None])
    in_columns = (c >= left[:, None]) & (c < (left + wide)[:, None])
    chosen = in_rows[:, :, None] & in_columns[:, None, :] & (u[:, 0] < probability)[:, None, None]
    return erase(images, chosen.to(images.device), block, value)

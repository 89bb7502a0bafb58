"""Fills places of images that nothing is known of, smoothly from around them."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_in"]

Pixels = NDArray[np.uint8]

#: Steps of relaxation; a hole of 16 pixels is smooth long before.
STEPS = 300


def fill_in(images: Pixels, missing: NDArray[np.bool_]) -> Pixels:
    """Harmonic filling: every missing pixel becomes the mean of its neighbours, by relaxation.

    Args:
        images: uint8 (N, H, W, C).
        missing: bool (N, H, W). An image of which all is missing becomes mid-grey.

    Returns:
        uint8 (N, H, W, C); pixels that are not missing are left as they are.
    """
    hole = missing[..., None]
    known = (~hole).sum(axis=(1, 2), keepdims=True)
    total = np.where(hole, 0.0, images).sum(axis=(1, 2), keepdims=True)
    start = np.where(known > 0, total / np.maximum(known, 1), 127.5)
    filled = np.where(hole, start, images).astype(np.float32)
    if not missing.any():
        return images.copy()
    for _ in range(STEPS):
        around = np.pad(filled, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        mean = (around[:, :-2, 1:-1] + around[:, 2:, 1:-1] + around[:, 1:-1, :-2] + around[:, 1:-1, 2:]) / 4
        filled = np.where(hole, mean, filled)
    return np.where(hole, np.clip(np.rint(filled), 0, 255), images).astype(np.uint8)

"""Augmented views, drawn by the owner before encryption because crops and flips do not commute with it.

The usual random resized crop and horizontal flip, with every draw from the key stream of the image and view, so that a
view is the same on every machine and in every resumed run.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blindsight.owner.keys import SecretKey
from blindsight.owner.keystream import KeyStream

__all__ = ["augmented_view", "random_crop"]

SCALE = (0.25, 1.0)
RATIO = (3 / 4, 4 / 3)
TRIES = 10


def augmented_view(
    pixels: NDArray[np.uint8], size: tuple[int, int], key: SecretKey, image_id: str
) -> NDArray[np.uint8]:
    """One random resized crop, flipped or not.

    Area 25 to 100 % of the image, aspect ratio 3/4 to 4/3 (log-uniform), flipped with probability 1/2.

    Args:
        pixels: uint8 (H, W, C), the plain image before fitting.
        size: (height, width) of the result.
        key: the owner's key.
        image_id: id of this view; the draws come from the stream ``("views", "crop-flip", image_id)``.

    Returns:
        uint8 (height, width, C).
    """
    return random_crop(pixels, size, key.stream("views", "crop-flip", image_id), SCALE[0])


def random_crop(
    pixels: NDArray[np.uint8], size: tuple[int, int], stream: KeyStream, smallest: float
) -> NDArray[np.uint8]:
    """As :func:`augmented_view`, of at least a share ``smallest`` of the area, by 41 draws of a stream."""
    height, width, channels = pixels.shape
    draws = stream.uniform(4 * TRIES + 1)
    box = (0, 0, width, height)
    for area, shape, left, top in draws[1:].reshape(TRIES, 4):
        target = height * width * (smallest + area * (SCALE[1] - smallest))
        ratio = math.exp(math.log(RATIO[0]) + shape * (math.log(RATIO[1]) - math.log(RATIO[0])))
        w, h = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(left * (width - w + 1)), int(top * (height - h + 1))
            box = (x, y, x + w, y + h)
            break
    picture = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])
    cropped = np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BICUBIC, box=box))
    if draws[0] < 0.5:
        cropped = cropped[:, ::-1]
    return np.ascontiguousarray(cropped.reshape(*size, channels))

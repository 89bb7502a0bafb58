"""Small pictures for the attacks that know or choose plain images."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_image

Pixels = NDArray[np.uint8]


def noise(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    """uint8 (count, height, width, channels), in which no two samples are alike for long."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)


@cache
def crops(count: int, side: int, step: int = 1) -> Pixels:
    """uint8 (count, side, side, 3): crops of scikit-learn's photographs, every ``step``-th pixel."""
    rng = np.random.default_rng(5)
    photographs = [np.asarray(load_sample_image(name))[::step, ::step] for name in ("china.jpg", "flower.jpg")]
    found = []
    for number in range(count):
        picture = photographs[number % 2]
        top, left = (int(rng.integers(0, length - side)) for length in picture.shape[:2])
        found.append(picture[top : top + side, left : left + side])
    made = np.stack(found)
    made.flags.writeable = False
    return made


def exact(found: Pixels, truth: Pixels) -> float:
    """The share of images that are restored bit for bit."""
    return float((found == truth).reshape(len(truth), -1).all(axis=1).mean())

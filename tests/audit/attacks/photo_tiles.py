"""Crops of scikit-learn's two bundled photographs, as small sets of natural images."""

import numpy as np
from sklearn.datasets import load_sample_image


def tiles(count, side=32, step=1, first=0):
    """uint8 (count, side, side, 3): tiles that do not overlap, of both photographs in turn, in a fixed random order."""
    found = []
    for name in ("china.jpg", "flower.jpg"):
        photo = load_sample_image(name)[::step, ::step]
        rows, columns = photo.shape[0] // side, photo.shape[1] // side
        grid = photo[: rows * side, : columns * side].reshape(rows, side, columns, side, 3).swapaxes(1, 2)
        every = grid.reshape(-1, side, side, 3)
        found.append(every[np.random.default_rng(0).permutation(len(every))])
    least = min(len(one) for one in found)
    return np.stack([one[:least] for one in found], axis=1).reshape(-1, side, side, 3)[first : first + count]

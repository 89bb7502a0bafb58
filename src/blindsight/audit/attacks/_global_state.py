"""The states of a whole image that leave all joins as they are, and which of them is the likeliest.

Whoever puts an image together from its blocks finds it up to one of 8 orientations, a negation and one of 6 colour
orders: 96 states in which all joins are the same. Public images of the same kind tell them apart by where they are
bright, and in which colours. Without such images only rules of thumb are left.
"""

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.algebra.states import orient
from blindsight.audit.attacks._freedom import Freedom

__all__ = ["global_states", "likeliest_state"]

Pixels = NDArray[np.uint8]
#: Images are compared as thumbnails of at most this many pixels a side.
THUMBNAIL = 8
#: Images that are looked at, at most.
LOOKED_AT = 256


def global_states(grid: BlockGrid, freedom: Freedom) -> list[BlockPermutation]:
    """All states that a whole image may be in, the identity first: 96 for EtC on square colour images.

    Args:
        grid: geometry; where the image is not as high as wide, it cannot be transposed.
        freedom: the states of single blocks.
    """
    places = np.arange(grid.blocks).reshape(grid.rows, grid.cols)
    ones = np.ones(grid.blocks, np.uint8)
    turns = [code for code in range(freedom.orientations) if not code & 4 or grid.rows == grid.cols]
    return [
        BlockPermutation(grid, orient(places, code).reshape(-1), ones * code, ones * sign, ones * color)
        for sign in range(freedom.signs)
        for color in range(freedom.colors)
        for code in turns
    ]


def likeliest_state(images: Pixels, public: Pixels | None, states: list[BlockPermutation]) -> BlockPermutation:
    """The state that makes images look most like public ones, or by rules of thumb most like photographs.

    Args:
        images: uint8 (N, H, W, C), all in one state.
        public: uint8 (P, H, W, C), plain images of the same kind; None where there are none.
        states: the candidates.
    """
    images = images[:LOOKED_AT]
    judge = _unlike_photographs if public is None or len(public) < 2 else _Unlikeness(_thumbnails(public))
    scores = []
    for state in states:
        seen = state.apply(images)
        assert isinstance(seen, np.ndarray)  # arrays in, arrays out
        scores.append(judge(_thumbnails(seen)))
    return states[int(np.argmin(scores))]


def _thumbnails(images: Pixels) -> NDArray[np.float64]:
    """Means over rectangles, float64 (N, h, w, C), in -1 to 1."""
    height, width = images.shape[1:3]
    rows = np.arange(0, height, -(-height // THUMBNAIL))
    cols = np.arange(0, width, -(-width // THUMBNAIL))
    sums = np.add.reduceat(np.add.reduceat(images.astype(np.float64), rows, axis=1), cols, axis=2)
    counts = np.diff([*rows, height])[:, None] * np.diff([*cols, width])
    means: NDArray[np.float64] = sums / counts[:, :, None] / 127.5 - 1
    return means


class _Unlikeness:
    """The mean Mahalanobis distance of thumbnails from those of public images, in squares."""

    def __init__(self, public: NDArray[np.float64]) -> None:
        rows = public.reshape(len(public), -1)
        self._mean = rows.mean(axis=0)
        covariance = np.cov(rows, rowvar=False)
        # Few images make a rough estimate: it is drawn to a sphere, the more the fewer there are.
        share = rows.shape[1] / (rows.shape[1] + len(rows))
        sphere = np.eye(len(covariance)) * (np.trace(covariance) / len(covariance))
        self._precision = np.linalg.inv((1 - share) * covariance + share * sphere + 1e-6 * np.eye(len(covariance)))

    def __call__(self, images: NDArray[np.float64]) -> float:
        away = images.reshape(len(images), -1) - self._mean
        return float(np.einsum("ni,ij,nj->n", away, self._precision, away).mean())


def _unlike_photographs(images: NDArray[np.float64]) -> float:
    """Rules of thumb: light comes from above, blue more than red; green lies between; more is dark than light."""
    bright = images.mean(axis=3)
    half = (bright.shape[1] + 1) // 2
    scale = float(bright.std()) + 1e-6
    found = (bright[:, :half].mean() - bright[:, -half:].mean() - bright.mean()) / scale
    if images.shape[3] == 3:
        warm = images[..., 2] - images[..., 0]
        found += (warm[:, :half].mean() - warm[:, -half:].mean()) / scale
        odd = np.abs(images - bright[..., None]).mean(axis=(0, 1, 2))
        found -= (odd[1] - odd.mean()) / scale
    return -float(found)

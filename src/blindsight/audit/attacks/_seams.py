"""Whether a layout of blocks that was found on some images is that of others, told by the seams it leaves there.

Under the right layout pixels on the two sides of a seam are alike; under another one the layout is as good as random.
So each image's seams under a layout are compared with those under random layouts of the same image, which says at the
same time how much they vary by chance. The state of the whole does not matter, nor that some blocks lie wrong.
"""

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.audit.attack import Budget
from blindsight.audit.attacks._freedom import Freedom

__all__ = ["SeamTest"]

#: Random layouts that each image is compared with.
_RANDOM, _FEW = 40, 4
#: Grey levels squared: seams that are smoother than this are equally smooth.
_SMOOTH = 1.0
#: Images at a time: bounds the memory.
_AT_A_TIME = 256


class SeamTest:
    """Tests layouts on a set of images.

    Args:
        images: uint8 (N, H, W, C), as published.
        grid: block geometry.
        freedom: the states that blocks may be in.
        budget: draws random layouts; a few will do where its time is up.
    """

    def __init__(self, images: NDArray[np.uint8], grid: BlockGrid, freedom: Freedom, budget: Budget) -> None:
        self._images, self._grid = images, grid
        rng, every = budget.rng(21), np.arange(len(images))
        found: list[NDArray[np.float64]] = []
        while len(found) < _RANDOM and not (len(found) >= _FEW and budget.over()):
            found.append(self._seams(_random(grid, freedom, rng), every))
        chance = np.stack(found)
        self._mean, self._spread = chance.mean(0), chance.std(0, ddof=1) + 1e-3

    def __call__(self, layout: BlockPermutation, which: NDArray[np.intp]) -> NDArray[np.float64]:
        """By how many standard deviations of chance images ``which`` are smoother under a layout: float64 (len,)."""
        smoother: NDArray[np.float64] = (self._mean[which] - self._seams(layout, which)) / self._spread[which]
        return smoother

    def _seams(self, layout: BlockPermutation, which: NDArray[np.intp]) -> NDArray[np.float64]:
        """Mean logarithm of squared differences at the seams of each image."""
        found = np.empty(len(which))
        for start in range(0, len(which), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            plain = layout.apply(self._images[which[part]])
            assert isinstance(plain, np.ndarray)  # arrays in, arrays out
            values = plain.astype(np.float32)
            both = np.concatenate([self._across(values), self._across(values.swapaxes(1, 2))], axis=1)
            found[part] = both.mean(axis=1, dtype=np.float64)
        return found

    def _across(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, H, W, C) -> (N, seams): both sides are carried on by half a pixel."""
        m = self._grid.block
        left, right = values[:, :, m - 1 : -1 : m], values[:, :, m::m]
        before, after = values[:, :, m - 2 : -1 : m][:, :, : left.shape[2]], values[:, :, m + 1 :: m]
        steps = 1.5 * (right - left) - 0.5 * (after - before)
        squares = np.square(steps).mean(axis=3)
        blocks = squares.reshape(len(squares), -1, m, squares.shape[2]).mean(axis=2)
        found: NDArray[np.float32] = np.log(blocks + _SMOOTH).reshape(len(squares), -1)
        return found


def _random(grid: BlockGrid, freedom: Freedom, rng: np.random.Generator) -> BlockPermutation:
    n = grid.blocks
    states = [rng.integers(count, size=n) for count in (freedom.orientations, freedom.signs, freedom.colors)]
    return BlockPermutation(grid, rng.permutation(n), *states)

"""Which images share a key, and what each key does: layouts found on single images, tested on all others.

A layout put together from one image alone is partly wrong, and yet far from random on the images under the same key:
their seams tell. The images that it fits are solved together, which mends it, and the mended layout finds the rest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.audit.attack import Budget
from blindsight.audit.attacks._assembly import Assembly, grow
from blindsight.audit.attacks._edges import find_edges
from blindsight.audit.attacks._freedom import Freedom
from blindsight.audit.attacks._joins import Joins
from blindsight.audit.attacks._likeliest_state import StateModel
from blindsight.audit.attacks._seams import SeamTest
from blindsight.audit.attacks._solver import Solution, as_permutation, shapes_of, solve

__all__ = ["Pool", "Pools"]

Images = NDArray[np.uint8]
Ints = NDArray[np.intp]
#: Standard deviations of chance from which on a layout fits an image. A million tests of random layouts reach 5.
FITS = 6.0
#: Growths of which the cheapest is the first layout of an image.
_GROWTHS = 12
#: Images that a key is solved from, at most.
_TOGETHER = 48
#: Times that a layout is mended by the images that it fits.
_MENDED = 2


@dataclass(frozen=True, eq=False)
class Pool:
    """One key.

    Attributes:
        decrypts: the permutation that makes its images plain, up to a state of the whole.
        members: indices of the images under it, increasing.
    """

    decrypts: BlockPermutation
    members: Ints


class Pools:
    """The keys found so far.

    Args:
        images: uint8 (N, H, W, C), as published.
        grid: block geometry.
        freedom: the states that blocks may be in.
        keys: how many there are at most.
        budget: to be kept.
        model: what chooses the state of the whole.
    """

    def __init__(
        self, images: Images, grid: BlockGrid, freedom: Freedom, keys: int, budget: Budget, model: StateModel
    ) -> None:
        self._images, self._grid, self._freedom, self._keys = images, grid, freedom, keys
        self._budget, self._model = budget, model
        self._test = SeamTest(images, grid, freedom, budget)
        self.found: list[Pool] = []
        self.of = np.full(len(images), -1, np.intp)  # the pool of each image

    @property
    def complete(self) -> bool:
        """Whether all keys are found."""
        return len(self.found) == self._keys

    def rough(self, number: int) -> BlockPermutation:
        """A quick layout of one image alone."""
        joins = Joins(find_edges(self._images[number : number + 1], self._grid), self._freedom)
        shapes = shapes_of(self._grid, self._freedom)
        best: Assembly | None = None
        for turn, seed in enumerate(self._budget.rng(22, number).permutation(joins.blocks)[:_GROWTHS]):
            shape = shapes[turn % len(shapes)]
            made = grow(joins, Assembly.seed(int(seed), shape), shape)
            best = made if best is None or made.cost < best.cost else best
            if self._budget.over():
                break
        assert best is not None  # there is at least one block
        return as_permutation(best, self._grid, self._freedom)

    def alone(self, number: int) -> Solution:
        """The layout of one image alone, as good as it gets."""
        return self._solved(np.array([number]), 23, number)

    def take(self, number: int, layout: BlockPermutation) -> None:
        """Opens a pool with image ``number`` where its layout fits other images that have no pool yet."""
        free = np.flatnonzero(self.of < 0)
        fits = self._fitting(layout, free, number)
        for turn in range(_MENDED):
            if len(fits) < 2:
                return
            layout = self._solved(fits[:_TOGETHER], 24, number, turn).decrypts
            fits = self._fitting(layout, free, None)
        if number not in fits or len(fits) < 2:
            return
        self.of[fits] = len(self.found)
        self.found.append(Pool(layout, np.sort(fits)))

    def settle(self) -> None:
        """Images without a pool go where they fit best; where all keys are known, half the evidence will do."""
        free = np.flatnonzero(self.of < 0)
        if not self.found or not len(free):
            return
        scores = np.stack([self._test(pool.decrypts, free) for pool in self.found])
        best = scores.argmax(0)
        fits = scores.max(0) >= (FITS / 2 if self.complete else FITS)
        self.of[free[fits]] = best[fits]
        self.found = [Pool(pool.decrypts, np.flatnonzero(self.of == k)) for k, pool in enumerate(self.found)]

    def _fitting(self, layout: BlockPermutation, free: Ints, first: int | None) -> Ints:
        """Of some images those that a layout fits, the best first, and ``first`` before them."""
        scores = self._test(layout, free)
        order = np.argsort(-scores, kind="stable")
        fits: Ints = free[order][scores[order] >= FITS]
        return fits if first is None else np.concatenate([[first], fits[fits != first]])

    def _solved(self, which: Ints, *of: int) -> Solution:
        images = self._images[np.sort(which)]
        done = float((self.of >= 0).mean())
        return solve(images, self._grid, self._freedom, self._budget, *of, model=self._model, told=(done, done))

"""Blocks that the pairs cannot tell apart are put where they fit their neighbours in the images to be reconstructed.

The fit is that of jigsaw solvers: the squared difference across the borders to neighbours that are there already,
summed over the images. From the determined blocks the picture grows outwards, each time by the best assignment of the
open blocks to the open places that have neighbours.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.algebra import BlockGrid

__all__ = ["Placing"]

_IMAGES = 32  # images to look at; more change little
_LARGEST = 400  # blocks that are weighed at a time: the assignment takes the cube of it
Group = tuple[NDArray[np.int64], NDArray[np.int64]]


class Placing:
    """The images to be reconstructed, as far as their blocks have a place.

    Args:
        grid: block geometry.
        targets: uint8 (N, H, W, C), encrypted.
    """

    def __init__(self, grid: BlockGrid, targets: NDArray[np.uint8]) -> None:
        self._grid = grid
        self._images = min(len(targets), _IMAGES)
        self._blocks = np.zeros((grid.blocks, self._images, grid.block, grid.block, grid.channels), np.float32)
        self._there = np.zeros(grid.blocks, bool)

    def put(self, place: int, view: NDArray[np.uint8]) -> None:
        """Lays a decrypted block (N, M, M, C) into its place."""
        self._blocks[place] = view[: self._images]
        self._there[place] = True

    def fill(
        self,
        groups: list[Group],
        states: Callable[[int, int], NDArray[np.int64]],
        views: Callable[[int, NDArray[np.int64]], NDArray[np.uint8]],
    ) -> list[tuple[int, int, int]]:
        """Assigns the blocks of each group to its places, as far as neighbours tell.

        Args:
            groups: (destination blocks, source places) of one length.
            states: (destination block, source place) -> the states that the pairs leave open, one at least.
            views: (destination block, states) -> uint8 (states, N, M, M, C), the block with each of them undone.

        Returns:
            (destination block, source place, state) of every block that was put.
        """
        chosen: list[tuple[int, int, int]] = []
        rest = [(list(map(int, blocks)), list(map(int, places))) for blocks, places in groups]
        while True:
            before = len(chosen)
            for blocks, places in rest:
                ready = [s for s in places if self._neighbours(s)][:_LARGEST]
                if not ready:
                    continue
                some = blocks[:_LARGEST]
                cost, state = self._weigh(some, ready, states, views)
                for row, column in zip(*linear_sum_assignment(cost), strict=True):
                    d, s = some[row], ready[column]
                    k = int(state[row, column])
                    self.put(s, views(d, np.array([k]))[0])
                    chosen.append((d, s, k))
                    places.remove(s)
                for d, _, _ in chosen[before:]:
                    if d in blocks:
                        blocks.remove(d)
            if len(chosen) == before:
                return chosen

    def _weigh(
        self,
        blocks: list[int],
        places: list[int],
        states: Callable[[int, int], NDArray[np.int64]],
        views: Callable[[int, NDArray[np.int64]], NDArray[np.uint8]],
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Mean squared difference across borders of every block in every place, and the state that it is in."""
        cost = np.empty((len(blocks), len(places)))
        state = np.empty(cost.shape, np.int64)
        for row, d in enumerate(blocks):
            every = [states(d, s) for s in places]
            known = np.unique(np.concatenate(every))
            edges = [_edge(views(d, known)[:, : self._images].astype(np.float32), side) for side in range(4)]
            for column, s in enumerate(places):
                far = np.mean(
                    [((edges[side] - other) ** 2).mean(axis=(1, 2, 3)) for side, other in self._neighbours(s)], axis=0
                )
                far[~np.isin(known, every[column])] = np.inf
                cost[row, column], state[row, column] = far.min(), known[far.argmin()]
        return cost, state

    def _neighbours(self, place: int) -> list[tuple[int, NDArray[np.float32]]]:
        """(side, the neighbour's edge there (N, M, C)) of each neighbour that is there; top, bottom, left, right."""
        row, col = divmod(place, self._grid.cols)
        found = []
        for side, (r, c) in enumerate(((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1))):
            if 0 <= r < self._grid.rows and 0 <= c < self._grid.cols:
                other = r * self._grid.cols + c
                if self._there[other]:
                    found.append((side, _edge(self._blocks[other], side ^ 1)))
        return found


def _edge(views: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """(..., M, M, C) -> (..., M, C): top, bottom, left or right."""
    if side < 2:
        return views[..., -side, :, :]
    return views[..., :, -(side - 2), :]

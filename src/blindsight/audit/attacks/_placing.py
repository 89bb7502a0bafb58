"""Blocks that the pairs cannot tell apart are put where they fit their neighbours in the images to be reconstructed.

The fit is that of jigsaw solvers: the squared difference across the borders to neighbours that are there already, in
each image in units of what it is between blocks in place, summed over the images. From the determined blocks the
picture grows outwards, each time by the best assignment of the open blocks to the open places that have neighbours; in
the end all are assigned anew.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.algebra import BlockGrid

__all__ = ["Placing"]

_IMAGES = 32  # images to look at; more change little
_POLISH = 2  # times that all are assigned anew
_LARGEST = 400  # blocks that are weighed at a time: the assignment takes the cube of it
_NEVER = 1e12  # the cost of what the pairs rule out
Group = tuple[NDArray[np.int64], NDArray[np.int64]]
#: (destination block, source place) -> the states that the pairs leave open, and what each costs by them.
States = Callable[[int, int], tuple[NDArray[np.int64], NDArray[np.float64]]]
#: (destination block, states) -> uint8 (states, N, M, M, C), the block with each of them undone.
Views = Callable[[int, NDArray[np.int64]], NDArray[np.uint8]]


class Placing:
    """The images to be reconstructed, as far as their blocks have a place.

    Args:
        grid: block geometry.
        targets: uint8 (N, H, W, C), encrypted.
        over: whether the time is up; then it ends with what it has.
    """

    def __init__(self, grid: BlockGrid, targets: NDArray[np.uint8], over: Callable[[], bool] = lambda: False) -> None:
        self._grid = grid
        self._over = over
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
        states: States,
        views: Views,
    ) -> list[tuple[int, int, int]]:
        """Assigns the blocks of each group to its places, as far as neighbours tell.

        Args:
            groups: (destination blocks, source places) of one length.
            states: what the pairs say. Costs are squares in units of the error that they have, as those of borders.
            views: the blocks in any state.

        Returns:
            (destination block, source place, state) of every block that was put.
        """
        chosen: list[tuple[int, int, int]] = []
        rest = [(list(map(int, blocks)), list(map(int, places))) for blocks, places in groups]
        while True:
            before = len(chosen)
            for blocks, places in rest:
                ready = [s for s in places if self._neighbours(s)][:_LARGEST]
                if not ready or self._over():
                    continue
                some = blocks[:_LARGEST]
                cost, state = self._weigh(some, ready, states, views)
                for row, column in zip(*linear_sum_assignment(cost), strict=True):
                    if cost[row, column] >= _NEVER:
                        continue
                    d, s = some[row], ready[column]
                    k = int(state[row, column])
                    self.put(s, views(d, np.array([k]))[0])
                    chosen.append((d, s, k))
                    places.remove(s)
                for d, _, _ in chosen[before:]:
                    if d in blocks:
                        blocks.remove(d)
            if len(chosen) == before:
                break
        for _ in range(_POLISH):
            chosen = self._polished(chosen, groups, states, views)
        return chosen

    def _polished(
        self,
        chosen: list[tuple[int, int, int]],
        groups: list[Group],
        states: States,
        views: Views,
    ) -> list[tuple[int, int, int]]:
        """Assigns the blocks of each group to their places anew, now that there are neighbours on all sides."""
        put = {d: s for d, s, _ in chosen}
        again: list[tuple[int, int, int]] = []
        for members, _ in groups:
            blocks = [d for d in members.tolist() if d in put][:_LARGEST]
            if not blocks or self._over():
                continue
            cost, state = self._weigh(blocks, [put[d] for d in blocks], states, views)
            places = [put[d] for d in blocks]
            for row, column in zip(*linear_sum_assignment(cost), strict=True):
                d, s, k = blocks[row], places[column], int(state[row, column])
                self.put(s, views(d, np.array([k]))[0])
                again.append((d, s, k))
        new = {d for d, _, _ in again}
        return again + [entry for entry in chosen if entry[0] not in new]

    def _weigh(
        self,
        blocks: list[int],
        places: list[int],
        states: States,
        views: Views,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The cost of every block in every place, and the state that it is in."""
        weight = self._weights()
        square = np.zeros(len(places))
        beside: list[tuple[list[int], NDArray[np.float32]]] = []
        found = [self._neighbours(s) for s in places]
        for side in range(4):
            columns = [column for column, edges in enumerate(found) if side in edges]
            rows = [(found[column][side] * weight).reshape(-1) for column in columns]
            beside.append((columns, np.array(rows, np.float32)))
            square[columns] += [float(row @ row) for row in rows]
        cost = np.empty((len(blocks), len(places)))
        state = np.empty(cost.shape, np.int64)
        for row, d in enumerate(blocks):
            every = [states(d, s) for s in places]
            known = np.unique(np.concatenate([which for which, _ in every]))
            if not len(known):
                cost[row], state[row] = _NEVER, 0
                continue
            views_of = views(d, known)[:, : self._images].astype(np.float32)
            far = np.broadcast_to(square, (len(known), len(places))).copy()
            for side, (columns, others) in enumerate(beside):
                if columns:
                    mine = (_edge(views_of, side) * weight).reshape(len(known), -1)
                    far[:, columns] += (mine * mine).sum(axis=1)[:, None] - 2 * (mine @ others.T)
            for column, (which, by_pairs) in enumerate(every):
                extra = np.full(len(known), _NEVER)
                extra[np.searchsorted(known, which)] = by_pairs
                far[:, column] += extra
            cost[row], state[row] = far.min(axis=0), known[far.argmin(axis=0)]
        return cost, state

    def _weights(self) -> NDArray[np.float32]:
        """One over how much borders of blocks in place differ in each image: float32 (N, 1, 1)."""
        rows, cols = self._grid.rows, self._grid.cols
        grid = np.arange(rows * cols).reshape(rows, cols)
        total = np.full(self._images, 1.0)
        for side, (a, b) in ((1, (grid[:-1], grid[1:])), (3, (grid[:, :-1], grid[:, 1:]))):
            both = self._there[a] & self._there[b]
            if both.any():
                far = _edge(self._blocks[a[both]], side) - _edge(self._blocks[b[both]], side ^ 1)
                total += (far**2).mean(axis=(0, 2, 3))
        weight: NDArray[np.float32] = (1 / np.sqrt(total)).astype(np.float32)[:, None, None]
        return weight

    def _neighbours(self, place: int) -> dict[int, NDArray[np.float32]]:
        """Side -> the neighbour's edge there (N, M, C), of each neighbour that is there; top, bottom, left, right."""
        row, col = divmod(place, self._grid.cols)
        found = {}
        for side, (r, c) in enumerate(((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1))):
            if 0 <= r < self._grid.rows and 0 <= c < self._grid.cols:
                other = r * self._grid.cols + c
                if self._there[other]:
                    found[side] = _edge(self._blocks[other], side ^ 1)
        return found


def _edge(views: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """(..., M, M, C) -> (..., M, C): top, bottom, left or right."""
    if side < 2:
        return views[..., -side, :, :]
    return views[..., :, 2 - side, :]

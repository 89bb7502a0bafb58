<<<<<<< HEAD
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
=======
"""Blocks that are decoded but out of place, all in one orientation: where each belongs, by how borders go together.

What speaks for b to the right of a is the log-likelihood ratio of their borders, two samples deep on either side, under
a joint Gaussian of public images against two independent ones, summed over images. Arrangements are grown from single
blocks, the best fitting next, and then polished by swaps.
"""

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid
from blindsight.algebra.states import COLOR_ORDERS
from blindsight.audit.attack import Budget
from blindsight.audit.attacks._matching import Matrix, Order, Term, cost, polish
from blindsight.audit.attacks._moments import centred

__all__ = ["Borders", "place"]

_DEEP = 2
_WINDOWS = 20_000
_RIDGE = 3e-3
_SEEDS = 24


class Borders:
    """What public images say about borders of blocks.

    Args:
        public: uint8 (P, H, W, C).
        block: side of the blocks.
        rng: for the windows that are looked at.
        high: of high halves, not of bytes.
    """

    def __init__(self, public: NDArray[np.uint8], block: int, rng: np.random.Generator, *, high: bool = False) -> None:
        count, height, width, _ = public.shape
        deep = min(_DEEP, block)
        self._block, self.deep = block, deep
        self._right: list[Matrix] = []
        self._down: list[Matrix] = []
        for vertical, pieces in ((False, self._right), (True, self._down)):
            tall, wide = (2 * deep, block) if vertical else (block, 2 * deep)
            which = rng.integers(count, size=_WINDOWS)[:, None, None]
            top = rng.integers(height - tall + 1, size=_WINDOWS)[:, None] + np.arange(tall)
            left = rng.integers(width - wide + 1, size=_WINDOWS)[:, None] + np.arange(wide)
            values = centred(public[which, top[:, :, None], left[:, None, :]], high=high)
            first, second = np.split(values, 2, axis=1 if vertical else 2)
            a, b = first.reshape(_WINDOWS, -1), second.reshape(_WINDOWS, -1)
            both = np.concatenate([a, b], axis=1).astype(np.float64)
            covariance = both.T @ both / _WINDOWS
            covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
            size = a.shape[1]
            joint: Matrix = np.linalg.inv(covariance).astype(np.float64)
            apart = [np.linalg.inv(covariance[k : k + size, k : k + size]) for k in (0, size)]
            pieces += [joint[:size, :size] - apart[0], joint[size:, size:] - apart[1], joint[:size, size:]]

    def symmetric(self, channels: int) -> tuple[Matrix, Matrix, Matrix]:
        """Quadratic forms of a left border, a right one and both, alike for both axes and all colour orders.

        Borders are (M, deep, C), flattened, as they lie to the left and to the right of a join.
        """
        shape = (self._block, self.deep, channels)
        orders = COLOR_ORDERS if channels == 3 else np.zeros((1, 1), np.uint8)
        numbers = np.arange(int(np.prod(shape))).reshape(shape)
        found = []
        for k in range(3):
            # Of a vertical join borders are (deep, M, C).
            flat = np.arange(numbers.size).reshape(self.deep, self._block, channels).swapaxes(0, 1).reshape(-1)
            mean = (self._right[k] + self._down[k][np.ix_(flat, flat)]) / 2
            # Mirrored along the join, borders are as likely.
            places = [m[..., order].reshape(-1) for m in (numbers, numbers[::-1]) for order in orders]
            found.append(np.mean([mean[np.ix_(p, p)] for p in places], axis=0))
        # The two sides of a join are as likely the other way round.
        swap = numbers[:, ::-1].reshape(-1)
        own = (found[0] + found[1][np.ix_(swap, swap)]) / 2
        mixed = (found[2] + found[2].T[np.ix_(swap, swap)]) / 2
        return own, own[np.ix_(swap, swap)], mixed

    def costs(self, blocks: NDArray[np.float32]) -> tuple[Matrix, Matrix]:
        """Decoded blocks (N, n, M, M, C), centred -> (n, n) each: cost of b to the right of a, of b below a."""
        deep, count = self.deep, blocks.shape[1]
        right = self._cost(blocks[:, :, :, -deep:], blocks[:, :, :, :deep], self._right, count)
        down = self._cost(blocks[:, :, -deep:], blocks[:, :, :deep], self._down, count)
        return right, down

    def _cost(self, a: NDArray[np.float32], b: NDArray[np.float32], pieces: list[Matrix], count: int) -> Matrix:
        first = a.reshape(len(a), count, -1).astype(np.float64)
        second = b.reshape(len(b), count, -1).astype(np.float64)
        own = np.einsum("nai,ij,naj->a", first, pieces[0], first, optimize=True)
        other = np.einsum("nbi,ij,nbj->b", second, pieces[1], second, optimize=True)
        mixed = (first @ pieces[2]).transpose(1, 0, 2).reshape(count, -1) @ second.transpose(1, 0, 2).reshape(
            count, -1
        ).T
        found: Matrix = (own[:, None] + other + 2 * mixed) / len(a)
        return found


def place(right: Matrix, down: Matrix, grid: BlockGrid, budget: Budget) -> tuple[Order, float]:
    """Which block stands at each position: int (n,), and its cost a join.

    Args:
        right: (n, n), cost of the second to the right of the first.
        down: likewise, below.
        grid: rows and columns of blocks.
        budget: its time ends the search.
    """
    n = grid.blocks
    terms = [Term(right, _neighbours(grid, 0, 1)), Term(down, _neighbours(grid, 1, 0))]
    ones = np.ones(n)
    # Seeds are the blocks with the surest neighbours.
    surest = np.argsort(np.minimum(_off(right).min(1), _off(down).min(1)), kind="stable")[:_SEEDS]
    best: tuple[float, Order] | None = None
    for seed in surest:
        order = _grow(right, down, grid, int(seed))
        value = cost(terms, None, order, ones)
        if best is None or value < best[0]:
            order, _ = polish(terms, None, order, ones, signs=False, budget=budget)
            value = cost(terms, None, order, ones)
            best = (value, order)
        if budget.over():
            break
    assert best is not None
    return best[1], best[0] / max(1, 2 * n - grid.rows - grid.cols)


def _off(table: Matrix) -> Matrix:
    """No block is its own neighbour."""
    return table + np.diag(np.full(len(table), np.inf))


def _neighbours(grid: BlockGrid, down: int, right: int) -> Matrix:
    table = np.zeros((grid.blocks, grid.blocks))
    numbers = np.arange(grid.blocks).reshape(grid.rows, grid.cols)
    first = numbers[: grid.rows - down, : grid.cols - right].ravel()
    table[first, numbers[down:, right:].ravel()] = 1
    return table


def _grow(right: Matrix, down: Matrix, grid: BlockGrid, seed: int) -> Order:
    """Greedy growth: of all free cells beside placed blocks and all free blocks, the cheapest by mean cost, with a
    bonus where several neighbours agree; the box never exceeds the grid."""
    n, rows, cols = grid.blocks, grid.rows, grid.cols
    placed: dict[tuple[int, int], int] = {(0, 0): seed}
    free = np.ones(n, bool)
    free[seed] = False
    sums: dict[tuple[int, int], tuple[NDArray[np.float64], int]] = {}

    def touch(y: int, x: int) -> None:
        block = placed[y, x]
        for v, u, column in (
            (y, x + 1, right[block]),
            (y, x - 1, right[:, block]),
            (y + 1, x, down[block]),
            (y - 1, x, down[:, block]),
        ):
            if (v, u) not in placed:
                old, many = sums.get((v, u), (np.zeros(n), 0))
                sums[v, u] = (old + column, many + 1)

    touch(0, 0)
    top = bottom = left = end = 0
    while len(placed) < n:
        best: tuple[float, tuple[int, int], int] | None = None
        for (y, x), (total, _) in sums.items():
            if max(bottom, y) - min(top, y) >= rows or max(end, x) - min(left, x) >= cols:
                continue
            # Costs are log-likelihood ratios: they add up, so cells with several neighbours come first by themselves.
            choice = np.where(free, total, np.inf)
            block = int(np.argmin(choice))
            if best is None or choice[block] < best[0]:
                best = (float(choice[block]), (y, x), block)
        assert best is not None  # the box is not full
        _, (y, x), block = best
        placed[y, x] = block
        free[block] = False
        del sums[y, x]
        touch(y, x)
        top, bottom, left, end = min(top, y), max(bottom, y), min(left, x), max(end, x)
    order = np.empty(n, np.int64)
    for (y, x), block in placed.items():
        order[(y - top) * cols + x - left] = block
    return order
>>>>>>> pixels

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

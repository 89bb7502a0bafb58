"""Blocks that are decoded each up to a state of its own (orientation, negation, colour order) and out of place.

As :mod:`blindsight.audit.attacks._placing`, over all relative states: costs of pairs pooled over images, then greedy
growth. Border statistics are made symmetric in colours and axes, so that a cost depends on relative states alone.
"""

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid
from blindsight.algebra.states import COLOR_COMPOSE, COLOR_ORDERS, ORIENTATION_COMPOSE, orient
from blindsight.audit.attack import Budget
from blindsight.audit.attacks._borders import Borders

__all__ = ["BlockStates", "pair_costs", "place_turned"]

_TRANSPOSE = 4
_SEEDS = 12

#: int (n, 4): for each position the block, its orientation, negation and colour order.
BlockStates = NDArray[np.int64]
Costs = NDArray[np.float32]


def pair_costs(borders: Borders, blocks: NDArray[np.float32], *, negated: bool) -> Costs:
    """Cost of each b to the right of each a: (n, 8, n, 8, 2, 6): a, its orientation, b, its orientation, sign, colours.

    Args:
        borders: of public images.
        blocks: (N, n, M, M, C), centred.
        negated: whether blocks may be negative.
    """
    count, n, side, _, channels = blocks.shape
    deep = borders.deep
    own_a, own_b, mixed = borders.symmetric(channels)
    turned = np.stack([orient(blocks.transpose(2, 3, 0, 1, 4), code).transpose(2, 3, 0, 1, 4) for code in range(8)], 2)
    a = turned[..., side - deep :, :].reshape(count, n * 8, -1)
    b = turned[..., :deep, :].reshape(count, n * 8, -1)
    first = np.einsum("nai,ij,naj->a", a, own_a, a, optimize=True)
    second = np.einsum("nbi,ij,nbj->b", b, own_b, b, optimize=True)
    reach = np.ascontiguousarray((a @ mixed).transpose(1, 0, 2)).reshape(n * 8, -1)
    orders = COLOR_ORDERS if channels == 3 else np.zeros((1, 1), np.uint8)
    out = np.full((n * 8, n * 8, 2, len(orders)), np.inf, np.float32)
    for code, order in enumerate(orders):
        colored = b.reshape(count, n * 8, -1, channels)[..., order]
        product = 2 * reach @ np.ascontiguousarray(colored.transpose(1, 0, 2, 3)).reshape(n * 8, -1).T
        out[:, :, 0, code] = first[:, None] + second + product
        if negated:
            out[:, :, 1, code] = first[:, None] + second - product
    found: Costs = (out / count).reshape(n, 8, n, 8, 2, len(orders))
    return found


def place_turned(costs: Costs, grid: BlockGrid, budget: Budget) -> tuple[BlockStates, float]:
    """Which block in which state stands at each position, up to one global state; and the cost a join.

    Args:
        costs: of :func:`pair_costs`.
        grid: rows and columns of blocks; turned by a quarter only where it is square.
        budget: its time ends the search.
    """
    n = grid.blocks
    best_of = costs.min(axis=(1, 3, 4, 5)) + np.diag(np.full(n, np.inf, np.float32))
    best: tuple[float, BlockStates] | None = None
    for seed in np.argsort(best_of.min(1), kind="stable")[:_SEEDS]:
        # The seed's own orientation turns the whole picture; where the grid is not square it matters which.
        for turn in (0,) if grid.rows == grid.cols else (0, _TRANSPOSE):
            found = _grow(costs, grid, int(seed), turn)
            if best is None or found[0] < best[0]:
                best = found
        if budget.over():
            break
    assert best is not None
    return best[1], best[0] / max(1, 2 * n - grid.rows - grid.cols)


#: h with COLOR_COMPOSE[a, h] = b: b's colour order as seen from a.
_COLOR_FROM = np.array([[int(np.flatnonzero(COLOR_COMPOSE[a] == b)[0]) for b in range(6)] for a in range(6)])


def _toward(costs: Costs, state: NDArray[np.int64], direction: int) -> Costs:
    """Costs of every block in every state (n, 8, 2, 6) beside a placed one: 0 right of it, 1 left, 2 below, 3 above."""
    block, turn, negative, color = (int(v) for v in state)
    # Transposing both makes what is below stand to the right.
    by = ORIENTATION_COMPOSE[_TRANSPOSE] if direction >= 2 else np.arange(8)
    colors = costs.shape[5]
    if direction % 2 == 0:
        table = costs[block, by[turn]][:, by]  # (n, 8, 2, colors)
        seen = _COLOR_FROM[color, :colors]
    else:
        table = costs[:, :, block, by[turn]][:, by]
        seen = _COLOR_FROM[:colors, color]
    found: Costs = table[:, :, [negative, 1 - negative]][..., seen]
    return found


def _grow(costs: Costs, grid: BlockGrid, seed: int, turn: int) -> tuple[float, BlockStates]:
    n, rows, cols = grid.blocks, grid.rows, grid.cols
    placed: dict[tuple[int, int], NDArray[np.int64]] = {(0, 0): np.array([seed, turn, 0, 0])}
    free = np.ones(n, bool)
    sums: dict[tuple[int, int], Costs] = {}
    surest: dict[tuple[int, int], tuple[float, int]] = {}
    top = bottom = left = end = 0
    total, cell = 0.0, (0, 0)
    while True:
        state = placed[cell]
        free[state[0]] = False
        y, x = cell
        for direction, near in enumerate(((y, x + 1), (y, x - 1), (y + 1, x), (y - 1, x))):
            if near not in placed:
                toward = _toward(costs, state, direction)
                sums[near] = sums[near] + toward if near in sums else toward
                surest.pop(near, None)
        if len(placed) == n:
            break
        choices = []
        for (y, x), table in sums.items():
            if max(bottom, y) - min(top, y) >= rows or max(end, x) - min(left, x) >= cols:
                continue
            known = surest.get((y, x))
            if known is None or not free[known[1] // table[0].size]:
                open_ = np.where(free[:, None, None, None], table, np.inf)
                at = int(np.argmin(open_))
                known = surest[y, x] = float(open_.reshape(-1)[at]), at
            choices.append((known[0], (y, x), known[1]))
        value, cell, at = min(choices)
        shape = sums[cell].shape
        placed[cell] = np.array(np.unravel_index(at, shape), np.int64)
        total += value
        del sums[cell]
        surest.pop(cell, None)
        top, bottom = min(top, cell[0]), max(bottom, cell[0])
        left, end = min(left, cell[1]), max(end, cell[1])
    out = np.empty((n, 4), np.int64)
    for (y, x), state in placed.items():
        out[(y - top) * cols + x - left] = state
    return total, out

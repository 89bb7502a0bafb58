"""How well any two blocks go together, in every relative state: one table for the whole search.

The number of images drops out here: of all images together only sums of squares and products between sides are kept.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.states import COLOR_COMPOSE, COLOR_INVERSE, COLOR_ORDERS, ORIENTATION_COMPOSE
from blindsight.audit.attacks._edges import SIDES, Edges
from blindsight.audit.attacks._freedom import Freedom

__all__ = ["DIRECTIONS", "NEIGHBOURS", "Joins"]

Ints = NDArray[np.intp]
#: Steps in (row, column) to the right, down, left and up; the opposite is two further.
DIRECTIONS = ((0, 1), (1, 0), (0, -1), (-1, 0))
#: Of a layout (rows, cols): all places that have one to the right, and those; likewise down.
NEIGHBOURS: tuple[tuple[Any, Any], tuple[Any, Any]] = ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:]))
# Orientations that turn an image so that what lay in each direction lies to the right.
_TURN = np.array([0, 4, 1, 5])
_FLIP_ROWS, _FLIP_COLUMNS = 2, 1
_COMPOSE = ORIENTATION_COMPOSE.astype(np.intp)
_SLOT = np.array([SIDES.index(code & ~_FLIP_ROWS) for code in range(8)])
#: A side's costs are in units of its best but for this share: what is small for a flat block is not for a rich one.
QUANTILE = 0.01
# Bytes of one piece of the table while it is being made.
_PIECE = 1 << 26


class Joins:
    """The costs of all joins.

    Args:
        edges: the sides of n blocks.
        freedom: the states that blocks may be in.

    A cost is the logarithm of a mean squared difference in units of what either side usually finds at its best: below
    0 speaks for a join, above 0 against it. Costs of joins add up, like logarithms of likelihoods.
    """

    def __init__(self, edges: Edges, freedom: Freedom) -> None:
        self.freedom = freedom
        self.blocks = len(edges.values)
        self._table = _costs(edges, freedom)  # (4n, n, 8 * tones)
        sign, color = np.divmod(np.arange(freedom.tones), freedom.colors)
        relative = COLOR_COMPOSE[COLOR_INVERSE[color][:, None], color[None]].astype(np.intp)
        # [tone of one, tone of the other]: the other's tone as the one sees it
        self._relative = (sign[:, None] ^ sign[None]) * freedom.colors + relative

    def _columns(self, state: Ints, other: Ints, direction: int) -> tuple[Ints, Ints]:
        """Which of the 4 sides of a block in a state, and which column of the table for the other in its state."""
        free = self.freedom
        mine = _COMPOSE[_TURN[direction], free.orientation[state]]
        theirs = _COMPOSE[_FLIP_COLUMNS, _COMPOSE[_TURN[direction], free.orientation[other]]]
        # A pair of edges read upwards is the same pair read downwards.
        theirs = theirs ^ (mine & _FLIP_ROWS)
        tone = self._relative[free.tone[state], free.tone[other]]
        return _SLOT[mine], theirs * free.tones + tone

    def cost(self, block: Ints, state: Ints, other: Ints, other_state: Ints, direction: int) -> NDArray[np.float32]:
        """Costs of joins of ``block`` and the ``other`` that lies in a direction from it; arrays of one shape."""
        side, column = self._columns(state, other_state, direction)
        found: NDArray[np.float32] = self._table[4 * block + side, other, column]
        return found

    @contextmanager
    def favouring(self, layouts: Iterable[tuple[Ints, Ints]], bonus: float) -> Iterator[None]:
        """Makes the joins of some layouts, (block, state) each (rows, cols), cheaper for a while."""
        kept: list[tuple[tuple[Ints, Ints, Ints], NDArray[np.float32]]] = []
        for block, state in layouts:
            for direction, (one, other) in enumerate(NEIGHBOURS):
                for a, b, towards in ((one, other, direction), (other, one, direction + 2)):
                    side, column = self._columns(state[a], state[b], towards)
                    place = (4 * block[a] + side, block[b], column)
                    kept.append((place, self._table[place]))
                    self._table[place] -= np.float32(bonus)
        yield
        for place, costs in reversed(kept):  # a join of two layouts was changed twice
            self._table[place] = costs

    def beside(self, block: int, state: int, direction: int) -> NDArray[np.float32]:
        """float32 (n, states): costs of each block in each state as the neighbour in a direction."""
        side, columns = self._columns(np.array(state), np.arange(self.freedom.states), direction)
        costs: NDArray[np.float32] = self._table[4 * block + int(side)].take(columns, axis=1)
        return costs


def _costs(edges: Edges, freedom: Freedom) -> NDArray[np.float32]:
    """float32 (4n, n, 8 * tones): of each side and each oriented block that lies to the right of it."""
    n, _, channels, images, m = edges.values.shape
    scaled = edges.values * edges.weight[:, :, None, :, None]
    mine = scaled.reshape(4 * n, channels, images * m)
    # Column (b, y) is the right edge of block b in orientation y.
    theirs = np.stack([_read(scaled, code) for code in range(8)], axis=1).reshape(8 * n, channels, images * m)
    weight = edges.weight.reshape(4 * n, images)
    energy = np.square(scaled).sum(axis=(2, 4)).reshape(4 * n, images) / weight  # w |e|^2
    columns = (4 * np.arange(n)[:, None] + _SLOT).reshape(-1)
    orders = COLOR_ORDERS if freedom.colors == 6 else COLOR_ORDERS[:1]
    orders = orders[:, :channels]
    table = np.empty((4 * n, n, 8, freedom.tones), np.float32)
    step = max(1, _PIECE // (8 * n * 4 * (9 + freedom.tones)))
    for start in range(0, 4 * n, step):
        rows = slice(start, min(start + step, 4 * n))
        both = weight[rows] @ weight[columns].T
        base = (energy[rows] @ weight[columns].T + weight[rows] @ energy[columns].T) / both
        product = [[mine[rows, c] @ theirs[:, d].T / both for d in range(channels)] for c in range(channels)]
        for color, order in enumerate(orders):
            cross = 2 * sum((product[c][order[c]] for c in range(1, channels)), product[0][order[0]])
            for sign in range(freedom.signs):
                table[rows, :, :, sign * freedom.colors + color] = (base + cross if sign else base - cross).reshape(
                    -1, n, 8
                )
    return _in_own_units(table, n)


def _read(values: NDArray[np.float32], code: int) -> NDArray[np.float32]:
    """The right edge of all blocks in an orientation: (n, C, N, M)."""
    side = values[:, _SLOT[code]]
    return side[..., ::-1] if code & _FLIP_ROWS else side


def _in_own_units(table: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Logarithms, less those of what the two sides find at their best; a block is no neighbour of its own."""
    place = max(1, int(QUANTILE * table[0].size))
    usual = np.empty(4 * n, np.float32)
    for row in range(4 * n):
        table[row, row // 4] = np.inf
        usual[row] = np.partition(table[row], place, axis=None)[place]
    small = 1e-3 * float(np.median(usual)) + 1e-6
    unit = np.log(np.maximum(usual, 0) + small)
    for row in range(4 * n):
        own = np.log(np.maximum(table[row], 0) + small)
        table[row] = own - (unit[row] + unit.reshape(n, 4)[:, _SLOT])[:, :, None] / 2
    return table.reshape(4 * n, n, -1)

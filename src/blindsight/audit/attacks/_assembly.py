"""Putting blocks together: greedy growth inside a box.

Growth places, again and again, the block that stands out most anywhere beside what is placed (Gallagher, CVPR 2012,
builds trees of joins; here all neighbours of a place count at once). Where the picture lies is not known, only how
large it is, so the box moves along.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attacks._joins import DIRECTIONS, NEIGHBOURS, Joins

__all__ = ["Assembly", "grow", "join_costs", "largest_part"]

Ints = NDArray[np.intp]
#: A cost from which on a rival is none.
HOPELESS = 3.0


@dataclass(frozen=True, eq=False)
class Assembly:
    """All blocks in a box, or some of them.

    Attributes:
        block: intp (rows, cols): which protected block lies in each place; -1 is none.
        state: intp (rows, cols): what it takes to make it plain, a number of :class:`Freedom`.
        cost: sum over all joins.
    """

    block: Ints
    state: Ints
    cost: float

    @classmethod
    def of(cls, joins: Joins, block: Ints, state: Ints) -> "Assembly":
        """A finished layout and what it costs."""
        return cls(block, state, float(sum(costs.sum() for costs in join_costs(joins, block, state))))

    @classmethod
    def seed(cls, block: int, shape: tuple[int, int]) -> "Assembly":
        """One block alone, as it is; where in the box does not matter."""
        blocks = np.full(shape, -1)
        blocks[0, 0] = block
        return cls(blocks, np.zeros(shape, np.intp), 0.0)


def join_costs(joins: Joins, block: Ints, state: Ints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Costs of the joins to the right (rows, cols - 1) and down (rows - 1, cols)."""
    found = []
    for direction, (one, other) in enumerate(NEIGHBOURS):
        costs = joins.cost(block[one], state[one], block[other], state[other], direction)
        found.append(costs)
    return found[0], found[1]


def grow(joins: Joins, start: Assembly, shape: tuple[int, int]) -> Assembly:
    """Grows an assembly until the box is full.

    Args:
        joins: the costs.
        start: some blocks, connected, in a box of ``shape``; its box may come to lie elsewhere around them.
        shape: (rows, cols) of the box.
    """
    growth = _Growth(joins, shape)
    for row, col in np.argwhere(start.block >= 0):
        growth.place((int(row + shape[0]), int(col + shape[1])), int(start.block[row, col]), int(start.state[row, col]))
    growth.fill()
    block, state = growth.box()
    return Assembly.of(joins, block, state)


class _Growth:
    """A canvas three boxes wide, the open places beside what is placed, and the best block for each of them."""

    def __init__(self, joins: Joins, shape: tuple[int, int]) -> None:
        self.joins, self.shape = joins, shape
        self.block = np.full((3 * shape[0], 3 * shape[1]), -1)
        self.state = np.zeros_like(self.block)
        self.used = np.zeros((joins.blocks, 1), np.float32)  # infinite for blocks that are placed
        self.scores: dict[tuple[int, int], NDArray[np.float32]] = {}
        #: place -> (how much the best block stands out there, negative; its block and state; the runner-up's block)
        self.best: dict[tuple[int, int], tuple[float, int, int]] = {}
        self.low, self.high = [1 << 30, 1 << 30], [-1, -1]

    def place(self, at: tuple[int, int], block: int, state: int) -> None:
        self.block[at], self.state[at] = block, state
        self.used[block] = np.inf
        self.scores.pop(at, None)
        self.best.pop(at, None)
        for axis in (0, 1):
            self.low[axis], self.high[axis] = min(self.low[axis], at[axis]), max(self.high[axis], at[axis])
        fresh = set()
        for direction, (down, right) in enumerate(DIRECTIONS):
            there = (at[0] + down, at[1] + right)
            if self.block[there] >= 0 or not self._in_reach(there):
                continue
            costs = self.joins.beside(block, state, direction)
            self.scores[there] = self.scores[there] + costs if there in self.scores else costs + self.used
            fresh.add(there)
        states = self.joins.freedom.states
        for there, scores in self.scores.items():
            scores[block] = np.inf
            if there in fresh or block in (self.best[there][1] // states, self.best[there][2]):
                self.best[there] = _standing_out(scores)

    def fill(self) -> None:
        """Places the best of all open places until none is left."""
        states = self.joins.freedom.states
        while np.isfinite(self.used.min()):
            inside = [there for there in self.best if self._in_reach(there)]
            there = min(inside, key=lambda place: self.best[place][0])
            self.place(there, *divmod(self.best[there][1], states))

    def box(self) -> tuple[Ints, Ints]:
        inside = np.s_[self.low[0] : self.high[0] + 1, self.low[1] : self.high[1] + 1]
        return self.block[inside], self.state[inside]

    def _in_reach(self, at: tuple[int, int]) -> bool:
        return all(max(self.high[axis], at[axis]) - min(self.low[axis], at[axis]) < self.shape[axis] for axis in (0, 1))


def _standing_out(scores: NDArray[np.float32]) -> tuple[float, int, int]:
    """By how much the best block is better than the next, negative; block and state of the best; block of the next.

    A join that has no rival is safer than a cheap one among many that are as cheap.
    """
    found = int(scores.argmin())
    block = found // scores.shape[1]
    of_blocks = scores.min(axis=1)
    best = float(of_blocks[block])
    of_blocks[block] = np.inf
    rival = int(of_blocks.argmin())
    return best - min(float(of_blocks[rival]), HOPELESS), found, rival


def largest_part(right: NDArray[np.bool_], down: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest set of places that are connected by joins that hold.

    Args:
        right: bool (rows, cols - 1), whether the join to the right of each place holds.
        down: bool (rows - 1, cols).

    Returns:
        bool (rows, cols).
    """
    shape = (right.shape[0], down.shape[1])
    label = np.arange(shape[0] * shape[1]).reshape(shape)
    while True:
        before = label.copy()
        for (one, other), holds in zip(NEIGHBOURS, (right, down), strict=True):
            least = np.minimum(label[one], label[other])
            label[one] = np.where(holds, least, label[one])
            label[other] = np.where(holds, np.minimum(least, label[other]), label[other])
        if np.array_equal(before, label):
            largest: NDArray[np.bool_] = label == np.bincount(label.reshape(-1)).argmax()
            return largest

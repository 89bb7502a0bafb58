"""From protected images under one key to what makes them plain: sides, joins, search, and the state of the whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.algebra.states import ORIENTATION_COMPOSE
from blindsight.audit.attack import Budget
from blindsight.audit.attacks._assembly import Assembly
from blindsight.audit.attacks._edges import find_edges
from blindsight.audit.attacks._freedom import Freedom
from blindsight.audit.attacks._global_state import global_states, likeliest_state
from blindsight.audit.attacks._joins import Joins
from blindsight.audit.attacks._search import find_assembly

__all__ = ["Solution", "as_permutation", "shapes_of", "solve"]

_TRANSPOSE = 4


@dataclass(frozen=True, eq=False)
class Solution:
    """What was found.

    Attributes:
        decrypts: the permutation that makes the images plain.
        images: uint8 (N, H, W, C), the images made plain.
        mean_cost: of a join; well below 0 where joins were found, near 0 where there was nothing to find.
        assemblies: how many were made.
    """

    decrypts: BlockPermutation
    images: NDArray[np.uint8]
    mean_cost: float
    assemblies: int


def solve(
    images: NDArray[np.uint8],
    grid: BlockGrid,
    freedom: Freedom,
    budget: Budget,
    *of: int,
    public: NDArray[np.uint8] | None = None,
    told: tuple[float, float] = (0.0, 1.0),
) -> Solution:
    """Puts images under one key together.

    Args:
        images: uint8 (N, H, W, C), as published.
        grid: block geometry.
        freedom: the states that blocks may be in.
        budget: to be kept.
        of: tells its chance from that of other calls.
        public: plain images of the same kind, for the state of the whole.
        told: the shares of progress between which it tells.
    """
    joins = Joins(find_edges(images, grid), freedom)
    best, made = find_assembly(joins, shapes_of(grid, freedom), budget, *of, told=told)
    found = as_permutation(best, grid, freedom)
    seen = found.apply(images)
    assert isinstance(seen, np.ndarray)  # arrays in, arrays out
    state = likeliest_state(seen, public, global_states(grid, freedom))
    plain = state.apply(seen)
    whole = state @ found
    assert isinstance(plain, np.ndarray)
    assert isinstance(whole, BlockPermutation)
    count = 2 * grid.blocks - grid.rows - grid.cols
    return Solution(whole, plain, best.cost / max(1, count), made)


def shapes_of(grid: BlockGrid, freedom: Freedom) -> list[tuple[int, int]]:
    """(rows, cols) of the box; two of them where nobody can tell which way up it is."""
    shapes = [(grid.rows, grid.cols)]
    if freedom.orientations > 1 and grid.rows != grid.cols:
        shapes.append((grid.cols, grid.rows))
    return shapes


def as_permutation(found: Assembly, grid: BlockGrid, freedom: Freedom) -> BlockPermutation:
    """What lays the blocks out as an assembly says."""
    block, state = found.block, found.state
    orientation = freedom.orientation[state]
    if block.shape != (grid.rows, grid.cols):
        block, state = block.T, state.T
        orientation = ORIENTATION_COMPOSE[_TRANSPOSE, orientation.T]
    sign, color = np.divmod(freedom.tone[state].reshape(-1), freedom.colors)
    return BlockPermutation(grid, block.reshape(-1), orientation.reshape(-1), sign, color)

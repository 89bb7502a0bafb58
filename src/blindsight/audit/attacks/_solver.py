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
from blindsight.audit.attacks._joins import Joins
from blindsight.audit.attacks._likeliest_state import StateModel
from blindsight.audit.attacks._search import find_assembly
from blindsight.audit.global_states import global_states, in_state, state_permutation

__all__ = ["Solution", "as_permutation", "shapes_of", "solve", "state_model"]

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
    model: StateModel,
    told: tuple[float, float] = (0.0, 1.0),
) -> Solution:
    """Puts images under one key together.

    Args:
        images: uint8 (N, H, W, C), as published.
        grid: block geometry.
        freedom: the states that blocks may be in.
        budget: to be kept.
        of: tells its chance from that of other calls.
        model: what chooses the state of the whole, as :func:`state_model` makes it.
        told: the shares of progress between which it tells.
    """
    joins = Joins(find_edges(images, grid), freedom)
    best, made = find_assembly(joins, shapes_of(grid, freedom), budget, *of, told=told)
    found = as_permutation(best, grid, freedom)
    seen = found.apply(images)
    assert isinstance(seen, np.ndarray)  # arrays in, arrays out
    state = model.likeliest(seen)
    whole = state_permutation(grid, state) @ found
    assert isinstance(whole, BlockPermutation)  # products of table forms are table forms
    count = 2 * grid.blocks - grid.rows - grid.cols
    return Solution(whole, in_state(seen, state), best.cost / max(1, count), made)


def state_model(public: NDArray[np.uint8] | None, grid: BlockGrid, freedom: Freedom, budget: Budget) -> StateModel:
    """What chooses among the states that a whole image may be in where its blocks have a freedom.

    Args:
        public: plain images of the same kind; None where there are none.
        grid: block geometry.
        freedom: the states that blocks may be in.
        budget: for the draw of public images.
    """
    among = global_states(
        grid.shape, oriented=freedom.orientations > 1, negated=freedom.signs > 1, colored=freedom.colors > 1
    )
    return StateModel(public, among, budget)


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

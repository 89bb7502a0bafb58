"""The states of blocks: what a key that moves whole blocks may do to each."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.algebra.states import COLOR_INVERSE, ORIENTATION_INVERSE
from blindsight.audit.attacks._key_form import KeyForm

__all__ = ["State", "are_grey", "grid_of", "in_state", "key_of", "stacks", "states_of", "undone"]

Pixels = NDArray[np.uint8]
#: Orientation, negation and colour order.
State = tuple[int, int, int]


def grid_of(form: KeyForm) -> BlockGrid:
    assert form.grid is not None  # forms of kind states have one
    return form.grid


def are_grey(images: Pixels) -> bool:
    return bool((images == images[..., :1]).all())


def states_of(form: KeyForm) -> list[State]:
    return list(product(range(form.orientations), range(form.negatives), range(form.colors)))


def in_state(grid: BlockGrid, state: State) -> BlockPermutation:
    """All blocks in one state, in their places."""
    orientation, negative, color = (np.full(grid.blocks, code) for code in state)
    return BlockPermutation(grid, None, orientation, negative, color)


def stacks(images: object, grid: BlockGrid) -> Pixels:
    """(K, H, W, C) -> (n, K * S)."""
    assert isinstance(images, np.ndarray)  # arrays in, arrays out
    return np.ascontiguousarray(grid.to_blocks(images).swapaxes(0, 1)).reshape(grid.blocks, -1)


def undone(images: Pixels, grid: BlockGrid, block: int, states: list[State]) -> Pixels:
    """One block of the images with each state undone: uint8 (states, N, M, M, C)."""
    m, c = grid.block, grid.channels
    row, col = divmod(int(block), grid.cols)
    cut = np.ascontiguousarray(images[:, row * m : (row + 1) * m, col * m : (col + 1) * m])
    one = BlockGrid(m, m, c, m)
    found = [
        in_state(one, (int(ORIENTATION_INVERSE[o]), negative, int(COLOR_INVERSE[color]))).apply(cut)
        for o, negative, color in states
    ]
    return np.stack([np.asarray(view) for view in found])


def key_of(
    grid: BlockGrid, source: NDArray[np.int64], state: NDArray[np.int64], states: list[State]
) -> BlockPermutation:
    orientation, negative, color = np.array(states)[state].T
    return BlockPermutation(grid, source, orientation, negative, color)

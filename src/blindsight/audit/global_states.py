"""The states that nothing observed tells apart: pictures turned or flipped, negated, colours in another order.

A puzzle that is solved is solved up to one of them: 8 orientations (4 where the picture is not square), 2 signs, 6
colour orders (1 for grayscale), 96 in all. A person picks the right one by eye.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.algebra.states import orient
from blindsight.audit.metrics import ssim

__all__ = ["best_states", "global_state", "global_states"]

Pixels = NDArray[np.uint8]
#: States of least squared error that are looked at more closely.
SHORTLIST = 4
#: Images that decide on a state that all share.
JURY = 32


def global_state(grid: BlockGrid, orientation: int, negative: int, color: int) -> BlockPermutation:
    """The state as a permutation of the picture's blocks; composed with a key of the same grid it stays in blocks.

    Args:
        grid: of the pictures.
        orientation: 0..7; below 4 where the grid is not square.
        negative: 0 or 1.
        color: 0..5; 0 for grayscale.
    """
    places = np.arange(grid.blocks).reshape(grid.rows, grid.cols)
    n = grid.blocks
    return BlockPermutation(
        grid,
        np.ascontiguousarray(orient(places, orientation)).reshape(-1),
        np.full(n, orientation),
        np.full(n, negative),
        np.full(n, color),
    )


def global_states(grid: BlockGrid) -> Iterator[BlockPermutation]:
    """All of them, the identity first."""
    for color in range(6 if grid.channels == 3 else 1):
        for negative in range(2):
            for orientation in range(8 if grid.height == grid.width else 4):
                yield global_state(grid, orientation, negative, color)


def best_states(found: Pixels, wanted: Pixels, grid: BlockGrid, *, shared: bool) -> list[BlockPermutation]:
    """The state that makes each reconstruction most like its original: by SSIM, among the few of least squared error
    and the one in which it is.

    Args:
        found: uint8 (N, H, W, C), reconstructions.
        wanted: the same shape, the originals.
        grid: of these images.
        shared: one state for all, where all have one key; else each image its own.

    Returns:
        A state for each image.
    """
    states = list(global_states(grid))
    errors = np.stack([_squared_errors(state.apply(found), wanted) for state in states])
    if shared:
        return [states[_best(states, errors.mean(axis=1), found[:JURY], wanted[:JURY])]] * len(found)
    return [states[_best(states, errors[:, k], found[k : k + 1], wanted[k : k + 1])] for k in range(len(found))]


def _best(states: list[BlockPermutation], errors: NDArray[np.float64], found: Pixels, wanted: Pixels) -> int:
    # The picture as it is stays in the choice: a state that is nearer in squares can be less alike.
    nearest = {0, *np.argsort(errors, kind="stable")[:SHORTLIST].tolist()}

    def likeness(number: int) -> float:
        turned = states[number].apply(found)
        return sum(ssim(a, b) for a, b in zip(turned, wanted, strict=True))

    return int(max(nearest, key=likeness))


def _squared_errors(a: Pixels, b: Pixels) -> NDArray[np.float64]:
    errors: NDArray[np.float64] = ((a.astype(np.float32) - b) ** 2).mean(axis=(1, 2, 3), dtype=np.float64)
    return errors

"""The states that nothing observed tells apart: pictures turned or flipped, negated, colours in another order.

A puzzle that is solved is solved up to one of them: 8 orientations (4 where the picture is not square), 2 signs, 6
colour orders (1 for grayscale), 96 in all. A person picks the right one by eye.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.algebra.states import COLOR_ORDERS, orient
from blindsight.audit.metrics import ssim

__all__ = ["State", "best_states", "global_states", "in_state", "state_permutation"]

Pixels = NDArray[np.uint8]
#: (orientation, negative, colour order) as :mod:`blindsight.algebra.states` numbers them.
State = tuple[int, int, int]

#: States of least squared error that are looked at more closely.
SHORTLIST = 4
#: Images that decide on a state that all share.
JURY = 32


def global_states(
    shape: tuple[int, ...], *, oriented: bool = True, negated: bool = True, colored: bool = True
) -> list[State]:
    """The states of (..., H, W, C) images; the first changes nothing.

    Args:
        shape: of the images.
        oriented: orientations count; 8 of a square image, 4 of another.
        negated: negation counts.
        colored: colour orders count.
    """
    turns = (8 if shape[-3] == shape[-2] else 4) if oriented else 1
    colors = 6 if colored and shape[-1] == 3 else 1
    return list(product(range(turns), range(2 if negated else 1), range(colors)))


def in_state(images: Pixels, state: State) -> Pixels:
    """Images (N, H, W, C) oriented, negated and with their colours in another order; a copy."""
    turn, negative, color = state
    turned = orient(images.transpose(1, 2, 0, 3), turn).transpose(2, 0, 1, 3)
    if images.shape[3] == 3:
        turned = turned[..., COLOR_ORDERS[color]]
    return np.ascontiguousarray(255 - turned if negative else turned)


def state_permutation(grid: BlockGrid, state: State) -> BlockPermutation:
    """The state as a permutation of a picture's blocks; composed with a key of the same grid it stays in blocks.

    It does to images of the grid what :func:`in_state` does.
    """
    turn, negative, color = state
    n = grid.blocks
    places = orient(np.arange(n).reshape(grid.rows, grid.cols), turn).reshape(-1)
    return BlockPermutation(grid, places, np.full(n, turn), np.full(n, negative), np.full(n, color))


def best_states(found: Pixels, wanted: Pixels, *, shared: bool) -> list[State]:
    """The state that makes each reconstruction most like its original: by SSIM, among the few of least squared error
    and the one in which it is.

    Args:
        found: uint8 (N, H, W, C), reconstructions.
        wanted: the same shape, the originals.
        shared: one state for all, where all have one key; else each image its own.

    Returns:
        A state for each image.
    """
    states = global_states(found.shape)
    errors = np.stack([_squared_errors(in_state(found, state), wanted) for state in states])
    if shared:
        return [_best(states, errors.mean(axis=1), found[:JURY], wanted[:JURY])] * len(found)
    return [_best(states, errors[:, k], found[k : k + 1], wanted[k : k + 1]) for k in range(len(found))]


def _best(states: Sequence[State], errors: NDArray[np.float64], found: Pixels, wanted: Pixels) -> State:
    # The picture as it is stays in the choice: a state that is nearer in squares can be less alike.
    nearest = {0, *np.argsort(errors, kind="stable")[:SHORTLIST].tolist()}

    def likeness(number: int) -> float:
        turned = in_state(found, states[number])
        return sum(ssim(a, b) for a, b in zip(turned, wanted, strict=True))

    return states[max(nearest, key=likeness)]


def _squared_errors(a: Pixels, b: Pixels) -> NDArray[np.float64]:
    errors: NDArray[np.float64] = ((a.astype(np.float32) - b) ** 2).mean(axis=(1, 2, 3), dtype=np.float64)
    return errors

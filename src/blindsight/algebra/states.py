"""The two small groups that act on one block: its 8 orientations and the 6 orders of its colours.

An orientation is a code ``4 * transpose + 2 * flip_rows + flip_columns``: transpose first, then flip; 0 is the
identity.
A colour order is a position in :data:`COLOR_ORDERS`: output channel k is input channel ``COLOR_ORDERS[code][k]``
(the numbering of Sirichotedumrong & Kiya, arXiv 1905.01827); 0 is the identity.
"""

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COLOR_COMPOSE",
    "COLOR_INVERSE",
    "COLOR_ORDERS",
    "ORIENTATION_COMPOSE",
    "ORIENTATION_INVERSE",
    "orient",
    "orientation_of",
]


def orient(block: NDArray, code: int) -> NDArray:  # type: ignore[type-arg]
    """Applies one of the 8 orientations to the first two axes of a square array; a view."""
    if code & 4:
        block = block.swapaxes(0, 1)
    if code & 2:
        block = block[::-1]
    if code & 1:
        block = block[:, ::-1]
    return block


def orientation_of(rotation: int, flip_rows: bool = False, flip_columns: bool = False) -> int:
    """The code of "rotate by ``rotation`` quarter turns counter-clockwise, then flip", in 0..7."""
    mark = np.arange(4).reshape(2, 2)
    turned = np.rot90(mark, rotation)
    if flip_rows:
        turned = turned[::-1]
    if flip_columns:
        turned = turned[:, ::-1]
    return next(code for code in range(8) if np.array_equal(orient(mark, code), turned))


def _orientation_table() -> NDArray[np.uint8]:
    mark = np.arange(4).reshape(2, 2)
    seen = {orient(mark, code).tobytes(): code for code in range(8)}
    pairs = [[seen[orient(orient(mark, first), then).tobytes()] for first in range(8)] for then in range(8)]
    return np.array(pairs, np.uint8)


#: ``ORIENTATION_COMPOSE[a, b]``: the orientation "first b, then a".
ORIENTATION_COMPOSE = _orientation_table()
#: ``ORIENTATION_INVERSE[a]``: the orientation that undoes a.
ORIENTATION_INVERSE = np.argmin(ORIENTATION_COMPOSE, axis=0).astype(np.uint8)

#: (6, 3): 0 RGB, 1 RBG, 2 GRB, 3 GBR, 4 BRG, 5 BGR.
COLOR_ORDERS = np.array(sorted(permutations(range(3))), np.uint8)


def _color_table() -> NDArray[np.uint8]:
    number = {tuple(order): code for code, order in enumerate(COLOR_ORDERS.tolist())}
    # Output k of "first b, then a" is b's output a[k], that is input b[a[k]].
    pairs = [[number[tuple(b[k] for k in a)] for b in COLOR_ORDERS.tolist()] for a in COLOR_ORDERS.tolist()]
    return np.array(pairs, np.uint8)


#: ``COLOR_COMPOSE[a, b]``: the colour order "first b, then a".
COLOR_COMPOSE = _color_table()
#: ``COLOR_INVERSE[a]``: the colour order that undoes a.
COLOR_INVERSE = np.argmin(COLOR_COMPOSE, axis=0).astype(np.uint8)

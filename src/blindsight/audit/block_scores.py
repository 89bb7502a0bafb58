"""How much of a block permutation an attack has found: Dc, Nc and Lc, the scores of jigsaw solvers.

Gallagher (CVPR 2012) scores square pieces of unknown orientation so, and Chuman, Kurihara & Kiya (IEICE Trans.
E101-D(1), 2018) encrypted ones. Whole images are known up to a state (one of 8 orientations, a negation, one of 6
colour orders) that no join tells; scores are those of the state in which most blocks are right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockPermutation, SignedPermutation
from blindsight.algebra.states import ORIENTATION_INVERSE, orient
from blindsight.audit.attacks._assembly import largest_part
from blindsight.audit.global_states import global_states, state_permutation
from blindsight.errors import ParameterError

__all__ = ["BlockScores", "score_blocks"]


@dataclass(frozen=True)
class BlockScores:
    """Shares from 0 to 1.

    Attributes:
        direct: Dc, direct comparison: of the blocks, those in the right place and in the right state.
        neighbour: Nc, neighbour comparison: of the joins of two blocks side by side, those that join in this way in
            the original.
        largest: Lc, largest component: of the blocks, those in the largest set that right joins connect.
        placed: of the blocks, those in the right place, in whatever state; blocks that are flat or grey look alike in
            several.
    """

    direct: float
    neighbour: float
    largest: float
    placed: float

    @property
    def exact(self) -> bool:
        """Whether the whole permutation was found, up to the state of the whole."""
        return self.direct == 1.0


def score_blocks(found: BlockPermutation, truth: BlockPermutation) -> BlockScores:
    """Compares a recovered permutation with the true one; both encrypt.

    Args:
        found: what an attack thinks encrypts.
        truth: what does.

    Raises:
        ParameterError: they act on different grids.
    """
    if found.grid != truth.grid:
        raise ParameterError(f"the permutations act on different blocks: {found.grid} and {truth.grid}")
    grid = truth.grid
    # What becomes of an original that is encrypted truly and decrypted as found.
    result = found.inverse() @ truth
    assert isinstance(result, BlockPermutation)
    direct, placed = max(_direct(state_permutation(grid, state) @ result) for state in global_states(grid.shape))
    right, down = _right_joins(result)
    joins = right.size + down.size
    return BlockScores(
        direct=direct,
        neighbour=float((right.sum() + down.sum()) / joins) if joins else 1.0,
        largest=float(largest_part(right, down).mean()),
        placed=placed,
    )


def _direct(result: SignedPermutation) -> tuple[float, float]:
    assert isinstance(result, BlockPermutation)  # products of table forms are table forms
    placed = result.source == np.arange(len(result.source))
    same = placed & (result.orientation == 0) & (result.negative == 0) & (result.color == 0)
    return float(same.mean()), float(placed.mean())


def _right_joins(result: BlockPermutation) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which joins to the right (rows, cols - 1) and down (rows - 1, cols) are joins of the original."""
    grid = result.grid
    shape = (grid.rows, grid.cols)
    row, col = (part.reshape(shape) for part in np.divmod(result.source, grid.cols))
    state = (result.orientation.astype(np.int64) * 2 + result.negative) * 6 + result.color
    state, orientation = state.reshape(shape), result.orientation.reshape(shape)
    found = []
    for one, other, step in ((np.s_[:, :-1], np.s_[:, 1:], (0, 1)), (np.s_[:-1], np.s_[1:], (1, 0))):
        # Where this step leads in the original: the orientation of the block, undone.
        steps = np.array([_step_before(code, step) for code in range(8)])[orientation[one]]
        found.append(
            (state[one] == state[other])
            & (row[other] - row[one] == steps[..., 0])
            & (col[other] - col[one] == steps[..., 1])
        )
    return found[0], found[1]


def _step_before(code: int, step: tuple[int, int]) -> tuple[int, int]:
    """The step in an image that becomes ``step`` when the image takes an orientation."""
    mark = np.zeros((3, 3), np.uint8)
    mark[1 + step[0], 1 + step[1]] = 1
    row, col = np.argwhere(orient(mark, int(ORIENTATION_INVERSE[code])))[0]
    return int(row) - 1, int(col) - 1

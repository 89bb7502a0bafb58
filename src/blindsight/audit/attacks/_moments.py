"""Second moments of samples, inside blocks and to neighbouring ones: of public images, and of protected ones.

A window of two by two blocks is taken for Gaussian. Its precision matrix, cut into blocks, says what each pair of
blocks in each of five relations contributes to the likelihood: within one, to the right, below, and on both diagonals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid
from blindsight.audit.attacks._matching import Matrix, Term

__all__ = ["RELATIONS", "PublicMoments", "centred", "moments", "public_moments"]

#: (rows down, columns right) from the first block to the second.
RELATIONS = ((0, 0), (0, 1), (1, 0), (1, 1), (1, -1))
_WINDOWS = 30_000
_WORK = 20_000_000_000  # multiplications; large blocks are learned from fewer windows
_RIDGE = 1e-2

Values = NDArray[np.float32]


def centred(blocks: NDArray[np.uint8], *, high: bool) -> Values:
    """Bytes as -1 to 1, or their high halves alone: negation is a change of sign."""
    if high:
        return ((blocks >> 4).astype(np.float32) - 7.5) / 7.5
    return (blocks.astype(np.float32) - 127.5) / 127.5


def moments(values: NDArray[np.floating]) -> list[Matrix]:
    """Mean products of samples for each of :data:`RELATIONS`; values (N, rows, cols, S) -> five (S, S).

    Relations for which the grid is too small are zeros.
    """
    rows, cols, size = values.shape[1:]
    found = []
    for down, right in RELATIONS:
        first = values[:, : rows - down, max(0, -right) : cols - max(0, right)].reshape(-1, size)
        second = values[:, down:, max(0, right) : cols - max(0, -right)].reshape(-1, size)
        found.append((first.T @ second).astype(np.float64) / max(1, len(first)))
    return found


@dataclass(frozen=True, eq=False)
class PublicMoments:
    """What public images say about the samples of blocks.

    Attributes:
        mean: float64 (S,).
        covariances: mean products for each of the relations, (S, S).
        precisions: what the cost is for each of the relations, (S, S), of a whole window.
        alone: the precision matrix of one block without its neighbours, (S, S).
    """

    mean: NDArray[np.float64]
    covariances: list[Matrix]
    precisions: list[Matrix]
    alone: Matrix

    def terms(self, observed: list[Matrix], *, smooth: bool = False) -> list[Term]:
        """What to match: minus the covariances (``smooth``: good for a start) or the likelihood."""
        scale = float(np.trace(self.covariances[0]) / max(np.trace(observed[0]), 1e-12))
        models = [-c for c in self.covariances] if smooth else self.precisions
        return [Term(scale * seen, model) for seen, model in zip(observed, models, strict=True) if seen.any()]

    def terms_alone(self, observed: Matrix, *, smooth: bool = False) -> list[Term]:
        """As :meth:`terms`, of blocks whose neighbours are not known."""
        scale = float(np.trace(self.covariances[0]) / max(np.trace(observed), 1e-12))
        return [Term(scale * observed, -self.covariances[0] if smooth else self.alone)]


def public_moments(
    public: NDArray[np.uint8], block: int, rng: np.random.Generator, *, high: bool = False
) -> PublicMoments:
    """Learns them.

    Args:
        public: uint8 (P, H, W, C), at least two blocks high and wide.
        block: side M of the blocks.
        rng: for the windows that are looked at; they may begin at any pixel.
        high: of high halves, not of bytes.
    """
    count, height, width, channels = public.shape
    grid = BlockGrid(2 * block, 2 * block, channels, block)
    size = grid.block_samples
    total = np.zeros((4 * size, 4 * size))
    summed = np.zeros(4 * size)
    done, many = 0, 2000
    windows_wanted = max(8 * size, min(_WINDOWS, _WORK // (4 * size) ** 2))
    for _ in range(-(-windows_wanted // many)):
        which = rng.integers(count, size=many)
        top = rng.integers(height - 2 * block + 1, size=many)
        left = rng.integers(width - 2 * block + 1, size=many)
        side = np.arange(2 * block)
        windows = public[which[:, None, None], (top[:, None] + side)[:, :, None], (left[:, None] + side)[:, None, :]]
        values = centred(grid.to_blocks(windows), high=high).reshape(many, -1)
        total += (values.T @ values).astype(np.float64)
        summed += values.sum(0)
        done += many
    total /= done
    c = total.reshape(4, size, 4, size)
    covariances = [
        (c[0, :, 0] + c[1, :, 1] + c[2, :, 2] + c[3, :, 3]) / 4,
        (c[0, :, 1] + c[2, :, 3]) / 2,
        (c[0, :, 2] + c[1, :, 3]) / 2,
        c[0, :, 3],
        c[1, :, 2],
    ]
    o = _inverse(total).reshape(4, size, 4, size)
    precisions = [
        o[0, :, 0] + o[1, :, 1] + o[2, :, 2] + o[3, :, 3],
        2 * (o[0, :, 1] + o[2, :, 3]),
        2 * (o[0, :, 2] + o[1, :, 3]),
        2 * o[0, :, 3],
        2 * o[1, :, 2],
    ]
    mean: NDArray[np.float64] = (summed / done).reshape(4, size).mean(0).astype(np.float64)
    return PublicMoments(mean, covariances, precisions, _inverse(covariances[0]))


def _inverse(covariance: Matrix) -> Matrix:
    """With a ridge: quantised samples and few windows must not claim to be sure."""
    ridge = _RIDGE * float(np.trace(covariance)) / len(covariance)
    found: Matrix = np.linalg.inv(covariance + ridge * np.eye(len(covariance))).astype(np.float64)
    return found

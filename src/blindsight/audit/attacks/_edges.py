"""What the sides of blocks say: edges that are carried on by half a step, whitened, and weighed image by image.

Two blocks that belong together meet in a small difference. How small, and along which patterns, the joins *inside* the
blocks tell, which nobody has to guess: there too two columns lie side by side. So differences are measured in units of
what a true join shows (the Mahalanobis gradient of Gallagher, CVPR 2012, pooled over all blocks and images), and
patterns in which true joins differ as much as strangers do are left out. Nothing here depends on a block's state:
brightness and colour have a transform each, which no order of the colours and no negation changes, and reversing an
edge commutes with both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid
from blindsight.algebra.states import orient

__all__ = ["SIDES", "Edges", "find_edges"]

Floats = NDArray[np.float32]

#: Orientations that bring the right, left, lower and upper side of a block to the right, in its reading direction.
SIDES = (0, 1, 4, 5)
#: An edge is carried on by half a pixel: the middle between two blocks.
STEP = np.float32(0.5)
#: Variance in grey levels squared that rounding alone gives.
ROUNDING = 0.05
#: Share of the usual scale that is added to a side's own: few pixels make a rough estimate.
SHRINK = 0.2


@dataclass(frozen=True)
class Edges:
    """The sides of all blocks in all images.

    Attributes:
        values: float32 (n, 4, C, N, M): by block and side (:data:`SIDES`), in units of a true join.
        weight: float32 (n, 4, N): how much a side tells in an image; a join counts as the product of its two sides.
    """

    values: Floats
    weight: Floats


def find_edges(images: NDArray[np.uint8], grid: BlockGrid) -> Edges:
    """Measures the sides of all blocks.

    Args:
        images: uint8 (N, H, W, C), blocks whole and in whatever places and states.
        grid: their geometry.
    """
    m, n, channels = grid.block, grid.blocks, grid.channels
    tiles = grid.to_blocks(images).reshape(len(images), n, m, m, channels).transpose(2, 3, 1, 4, 0)
    tiles = np.ascontiguousarray(tiles, np.float32) - np.float32(127.5)  # negation is a change of sign
    turned = [orient(tiles, side) for side in SIDES]
    # (4, M, n, C, N) each
    values = np.stack([_reach(view[:, -1], view[:, -2]) if m > 1 else view[:, -1] for view in turned])
    inner = np.stack([_inner_joins(view) for view in turned])  # (4, joins, M, n, C, N)
    bright, rest = _split(values)
    bright_inner, rest_inner = _split(inner)
    transform = _transform(bright_inner, bright)
    values = _along(transform, bright)
    nearest = _along(transform, bright_inner[:, -1])
    if channels == 3:
        transform = _transform(rest_inner, rest)
        values = values + _along(transform, rest)
        nearest = nearest + _along(transform, rest_inner[:, -1])
    rough = np.square(nearest).mean(axis=(1, 3))  # (4, n, N)
    weight = (rough + SHRINK * float(np.median(rough)) + 1e-6) ** -0.5
    return Edges(
        np.ascontiguousarray(values.transpose(2, 0, 3, 4, 1)),
        np.ascontiguousarray(weight.transpose(1, 0, 2), np.float32),
    )


def _reach(last: Floats, before: Floats) -> Floats:
    return last + STEP * (last - before)


def _inner_joins(view: Floats) -> Floats:
    """Differences at the joins of columns inside blocks, those nearest to the right side last: (joins, M, ...)."""
    m = view.shape[1]
    if m < 2:
        return np.ones((1, *view[:, 0].shape), np.float32)
    if m < 4:  # too few columns to carry both sides on
        return np.stack([view[:, j] - view[:, j + 1] for j in range(m - 1)])
    return np.stack(
        [_reach(view[:, j], view[:, j - 1]) - _reach(view[:, j + 1], view[:, j + 2]) for j in range(1, m - 2)]
    )


def _split(values: Floats) -> tuple[Floats, Floats]:
    """Brightness, the mean of the colours, and what is left. Both have the shape of the whole."""
    bright = np.broadcast_to(values.mean(axis=-2, keepdims=True), values.shape)
    return bright, values - bright


def _transform(inner: Floats, edges: Floats) -> Floats:
    """(M, M): makes true joins white, and takes each pattern as far as strangers differ more than neighbours do.

    Twice the second moment of edges is what two strangers in random states differ by. The weight 1 - 1 / ratio is that
    of the difference in the two Gaussian log-likelihoods.
    """
    near, far = _moments(inner), 2 * _moments(edges)
    near = near + np.eye(len(near)) * (ROUNDING + 0.002 * np.trace(near) / len(near))
    scale, axes = np.linalg.eigh(near)
    white = (axes * scale**-0.5).T
    ratio, axes = np.linalg.eigh(white @ far @ white.T)
    kept = np.clip(1 - 1 / np.maximum(ratio, 1), 1e-6, None)
    whole = (axes.T @ white) * np.sqrt(kept)[:, None]
    # The symmetric root of the same metric: unlike others it commutes with reversing an edge.
    scale, axes = np.linalg.eigh(whole.T @ whole)
    root: Floats = ((axes * np.sqrt(np.maximum(scale, 0))) @ axes.T).astype(np.float32)
    return root


def _moments(values: Floats) -> NDArray[np.float64]:
    """Second moments along an edge, (..., M, n, C, N) -> (M, M), the same for an edge and for its reverse."""
    rows = np.moveaxis(values, -4, 0).reshape(values.shape[-4], -1)
    moments = (rows @ rows.T / rows.shape[1]).astype(np.float64)
    both: NDArray[np.float64] = (moments + moments[::-1, ::-1]) / 2
    return both


def _along(transform: Floats, values: Floats) -> Floats:
    """Transforms (4, M, n, C, N) along the edges."""
    shape = values.shape
    moved: Floats = np.matmul(transform, values.reshape(shape[0], shape[1], -1)).reshape(shape)
    return moved

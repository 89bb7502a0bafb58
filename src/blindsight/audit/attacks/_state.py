"""Which of the global states that no attack can tell apart by smoothness is the likeliest, judged by public images.

A decoded set may be turned or mirrored, negative, or in another colour order, all images alike. Photographs are not
symmetric: skies are above and blue, textures below, dark values more common than bright ones. A conditional logit model
(McFadden, 1974) learns from public images which state of an image is the true one; its log-odds add up over a set.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from blindsight.algebra import BlockGrid, BlockPermutation, TilePermutation
from blindsight.algebra.states import COLOR_ORDERS, orient
from blindsight.audit.attack import Budget

__all__ = ["State", "StateModel", "cell_means", "in_state", "state_permutation", "states"]

Pixels = NDArray[np.uint8]
#: (orientation, negative, colour order) as :mod:`blindsight.algebra.states` numbers them.
State = tuple[int, int, int]

_PUBLIC, _JUDGED = 8000, 200  # states of public images learned from, images judged
_THUMBNAIL, _COARSE = 8, 4
_PENALTY = 3e-2


def states(shape: tuple[int, ...], *, oriented: bool = True, negated: bool = True, colored: bool = True) -> list[State]:
    """The global states of (..., H, W, C) images; the first changes nothing.

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


def state_permutation(grid: BlockGrid, state: State) -> TilePermutation:
    """What brings images of a grid into a state, block by block: as :func:`in_state`."""
    turn, negative, color = state
    n = grid.blocks
    numbers = orient(np.arange(n).reshape(grid.rows, grid.cols), turn).reshape(-1)
    return BlockPermutation(grid, numbers, np.full(n, turn), np.full(n, negative), np.full(n, color)).as_tiles()


class StateModel:
    """Which state makes images look most like the public ones.

    Args:
        public: uint8 (P, H, W, C); without any the first state is always taken.
        among: the states to choose from; the first is the one that changes nothing.
        budget: for the draw of public images.
    """

    def __init__(self, public: Pixels | None, among: Sequence[State], budget: Budget) -> None:
        self._among, self._weights = list(among), None
        if public is None or len(among) < 2:
            return
        known = _small(public[budget.rng(96).permutation(len(public))[: max(100, _PUBLIC // len(among))]])
        features = np.stack([_features(in_state(known, state)) for state in among], axis=1)  # (P, states, F)
        self._center, self._scale = features.mean((0, 1)), features.std((0, 1)) + 1e-6
        self._weights = _logit(((features - self._center) / self._scale).astype(np.float32))

    def likeliest(self, images: Pixels) -> State:
        """The state to bring images uint8 (N, H, W, C) into, which are all in one unknown state."""
        if self._weights is None:
            return self._among[0]
        unknown = _small(images[:_JUDGED])
        scaled = [(_features(in_state(unknown, state)) - self._center) / self._scale for state in self._among]
        return self._among[int(np.argmax([float((each @ self._weights).sum()) for each in scaled]))]


def _logit(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weights under which the first alternative is the likeliest: (P, states, F) -> (F,)."""
    count, _, width = features.shape

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = features @ weights.astype(np.float32)
        scores -= scores.max(1, keepdims=True)
        odds = np.exp(scores)
        odds /= odds.sum(1, keepdims=True)
        value = -float(np.log(odds[:, 0] + 1e-30).mean()) + _PENALTY * float(weights @ weights)
        residual = odds / count
        residual[:, 0] -= 1 / count
        gradient = np.tensordot(residual, features, axes=2).astype(np.float64)
        return value, gradient + 2 * _PENALTY * weights

    found = minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x)


def _small(images: Pixels) -> Pixels:
    """16 to 31 pixels a side, by means over squares: states need no detail."""
    step = max(1, min(images.shape[1:3]) // 16)
    return cell_means(images, images.shape[1] // step, images.shape[2] // step).round().astype(np.uint8)


def cell_means(maps: NDArray[np.generic], rows: int, cols: int) -> NDArray[np.float32]:
    """(N, H, W, C) -> means over a grid of cells, float32 (N, rows, cols, C)."""
    values = maps.astype(np.float32)
    for axis, cells in ((1, min(rows, maps.shape[1])), (2, min(cols, maps.shape[2]))):
        edges = np.arange(cells) * maps.shape[axis] // cells
        sizes = np.diff(np.append(edges, maps.shape[axis])).astype(np.float32)
        values = np.add.reduceat(values, edges, axis=axis)
        values /= sizes.reshape([-1 if k == axis else 1 for k in range(4)])
    return values


def _features(images: Pixels) -> NDArray[np.float64]:
    """Coarse picture, roughness along both axes, value histograms and contrasts of colours: (N, F)."""
    count = len(images)
    values = images.astype(np.float32) / 127.5 - 1
    parts = [cell_means(values, _THUMBNAIL, _THUMBNAIL)]
    parts.append(cell_means(values**2, _COARSE, _COARSE))
    for axis in (1, 2):
        rough = np.abs(np.diff(values, axis=axis))
        parts.append(np.log(cell_means(rough.mean(3, keepdims=True), _COARSE, _COARSE) + 1e-2))
        parts.append(np.log(rough.mean((1, 2)) + 1e-2))
    parts.append(np.stack([(images >> 4 == bin_).mean((1, 2)) for bin_ in range(16)], axis=1))
    channels = range(values.shape[3])
    for a, b in ((a, b) for a in channels for b in channels if a < b):
        apart = values[..., a] - values[..., b]
        together = (values[..., a] * values[..., b]).mean((1, 2))
        moments = [together, np.abs(apart).mean((1, 2)), (apart**3).mean((1, 2)), np.maximum(apart, 0).mean((1, 2))]
        parts.append(np.stack(moments, axis=1))
    return np.concatenate([part.reshape(count, -1) for part in parts], axis=1).astype(np.float64)

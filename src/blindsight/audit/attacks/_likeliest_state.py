"""Which of the global states is the likeliest: judged by public images, without them by rules of thumb.

A decoded set may be turned or mirrored, negative, or in another colour order, all images alike. Photographs are not
symmetric: skies are above and blue, textures below, dark values more common than bright ones. A conditional logit model
(McFadden, 1974) learns from public images which state of an image is the true one; its log-odds add up over a set.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from blindsight.audit.attack import Budget
from blindsight.audit.global_states import State, in_state

__all__ = ["StateModel", "cell_means"]

Pixels = NDArray[np.uint8]

#: States of public images that are learned from; images that are judged, at most.
_PUBLIC, _JUDGED = 30_000, 200
_THUMBNAIL, _COARSE = 8, 4
_PENALTY = 0.1


class StateModel:
    """Which state makes images look most like the public ones; without any, most like photographs at large.

    Args:
        public: uint8 (P, H, W, C), plain images of the same kind; None where there are none. One alone teaches nothing.
        among: the states to choose from; the first is the one that changes nothing.
        budget: for the draw of public images.
    """

    def __init__(self, public: Pixels | None, among: Sequence[State], budget: Budget) -> None:
        self._among, self._weights = list(among), None
        if public is None or len(public) < 2 or len(among) < 2:
            return
        known = _small(public[budget.rng(96).permutation(len(public))[: max(100, _PUBLIC // len(among))]])
        features = np.stack([_features(in_state(known, state)) for state in among], axis=1)  # (P, states, F)
        self._center, self._scale = features.mean((0, 1)), features.std((0, 1)) + 1e-6
        features -= self._center
        features /= self._scale
        self._weights = _logit(features)

    def likeliest(self, images: Pixels) -> State:
        """The state to bring images uint8 (N, H, W, C) into, which are all in one unknown state."""
        if len(self._among) < 2:
            return self._among[0]
        unknown = _small(images[:_JUDGED])
        return max(self._among, key=lambda state: self._likeness(in_state(unknown, state)))

    def _likeness(self, images: Pixels) -> float:
        if self._weights is None:
            return _like_photographs(images)
        return float((((_features(images) - self._center) / self._scale) @ self._weights).sum())


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


def _features(images: Pixels) -> NDArray[np.float32]:
    """Coarse picture, edges along both axes, histograms of values and of colours, contrasts of colours: (N, F)."""
    count, channels = len(images), range(images.shape[3])
    values = images.astype(np.float32) / 127.5 - 1
    parts = [cell_means(values, _THUMBNAIL, _THUMBNAIL), cell_means(values**2, _COARSE, _COARSE), _skew(values)]
    for axis in (1, 2):
        step = np.diff(values, axis=axis)
        rough = np.abs(step)
        parts.append(np.log(cell_means(rough.mean(3, keepdims=True), _COARSE, _COARSE) + 1e-2))
        parts.append(np.log(rough.mean((1, 2)) + 1e-2))
        # Which way slopes are steep, whether bright or dark parts are rough, whether lines are bright or dark.
        parts.append(_skew(step))
        parts.append((rough * (values.take(range(1, values.shape[axis]), axis) - step / 2)).mean((1, 2)))
        parts.append(_skew(np.diff(step, axis=axis)))
    parts.append(_histograms((images >> 4).reshape(count, -1, len(channels)) + 16 * np.arange(len(channels)), 16))
    if len(channels) == 3:
        parts.append(_histograms(((images >> 6) @ np.array([16, 4, 1])).reshape(count, -1, 1), 64))
    for a, b in combinations(channels, 2):
        apart = values[..., a] - values[..., b]
        together = (values[..., a] * values[..., b]).mean((1, 2))
        size, above = np.abs(apart).mean((1, 2)), np.maximum(apart, 0).mean((1, 2))
        parts.append(np.stack([together, size, _skew(apart), above], axis=1))
    return np.concatenate([part.reshape(count, -1) for part in parts], axis=1)


def _skew(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Third moments, (N, h, w, ...) -> (N, ...); products, since a power costs ten times as much."""
    moments: NDArray[np.float32] = (maps * maps * maps).mean((1, 2))
    return moments


def _histograms(codes: NDArray[np.int64], bins: int) -> NDArray[np.float32]:
    """Shares of the pixels: codes (N, pixels, C), those of channel k from ``bins * k`` on -> (N, bins * C)."""
    count, pixels, channels = codes.shape
    width = bins * channels
    rows = np.bincount((codes + width * np.arange(count)[:, None, None]).reshape(-1), minlength=count * width)
    shares: NDArray[np.float32] = (rows.reshape(count, width) / pixels).astype(np.float32)
    return shares


def _like_photographs(images: Pixels) -> float:
    """Rules of thumb: light comes from above, blue more than red; green lies between; more is dark than light."""
    seen = cell_means(images, _THUMBNAIL, _THUMBNAIL) / 127.5 - 1
    bright = seen.mean(axis=3)
    half = (bright.shape[1] + 1) // 2
    scale = float(bright.std()) + 1e-6
    found = (bright[:, :half].mean() - bright[:, -half:].mean() - bright.mean()) / scale
    if seen.shape[3] == 3:
        cold = seen[..., 2] - seen[..., 0]
        found += (cold[:, :half].mean() - cold[:, -half:].mean()) / scale
        odd = np.abs(seen - bright[..., None]).mean(axis=(0, 1, 2))
        found -= (odd[1] - odd.mean()) / scale
    return float(found)

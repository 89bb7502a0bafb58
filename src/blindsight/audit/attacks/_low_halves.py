"""The low halves of samples whose high halves are known: predicted from the high halves around, then matched.

A low half correlates with nothing much by itself. But the high halves around a pixel predict its value, and so its low
half; whichever column goes with the prediction is it. Once some are in place they help to predict the others.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.algebra import BlockGrid

__all__ = ["HIGH", "LowHalves"]

_PUBLIC = 300
_ROUNDS = 3
#: Masks of the two halves of a byte.
HIGH, LOW = np.uint8(0xF0), np.uint8(0x0F)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


class LowHalves:
    """What public images say about low halves.

    Args:
        public: uint8 (P, H, W, C).
        grid: blocks of the protected images.
    """

    def __init__(self, public: Bytes, grid: BlockGrid) -> None:
        self._grid = grid
        images = public[:_PUBLIC]
        high, low = images & HIGH, images & LOW
        # First from high halves alone, then from whole values around and the pixel's own high halves.
        self._rough = self._learn(high + np.uint8(8), high, images)
        self._fine = self._learn(images, high, images)
        predicted = self._predict(self._rough, high + np.uint8(8), high)
        self._strength = float(np.corrcoef(predicted.ravel(), low.ravel())[0, 1])

    def expected(self, high: Bytes) -> Bytes:
        """Low halves as predicted from high ones, both in place: uint8 (N, H, W, C), 0 to 15."""
        return self._predict(self._rough, high + np.uint8(8), high).round().astype(np.uint8)

    def match(
        self, high: Bytes, halves: Floats, *, shared: bool, signs: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], bool]:
        """Which column is which place's low half.

        Args:
            high: uint8 (N, H, W, C), images of high halves, low bits 0.
            halves: float (N, n, S), the low halves in unknown order, centred: -7.5 to 7.5.
            shared: one arrangement for all blocks, else one for each.
            signs: whether halves may be reversed.

        Returns:
            order, sign: (1 or n, S); whether they can be trusted: on blocks that were not used to find the arrangement
            the columns go with the predictions at least half as well as public ones.
        """
        predicted = self._blocks(self._predict(self._rough, high + np.uint8(8), high))
        order, sign = _matched(predicted, halves, shared, signs)
        trusted = self._holds(predicted, halves, shared, signs)
        if trusted:
            for _ in range(_ROUNDS):
                low = np.take_along_axis(halves * sign[None], np.broadcast_to(order, halves.shape[1:])[None], axis=2)
                images = high + self._grid.from_blocks((low + 7.5).round().astype(np.uint8))
                order, sign = _matched(self._blocks(self._predict(self._fine, images, high)), halves, shared, signs)
        return order, sign, trusted

    def _holds(self, predicted: Floats, halves: Floats, shared: bool, signs: bool) -> bool:
        # Neighbouring blocks of one image go together: halves of the set where there are several images.
        if len(halves) > 1:
            first, second = (slice(0, None, 2), slice(None)), (slice(1, None, 2), slice(None))
        elif shared:
            first, second = (slice(None), slice(0, None, 2)), (slice(None), slice(1, None, 2))
        else:
            return False
        order, sign = _matched(predicted[first], halves[first], shared, signs)
        taken = np.take_along_axis(
            halves[second] * sign, np.broadcast_to(order, halves[second].shape[1:])[None], axis=2
        )
        held = np.corrcoef(predicted[second].ravel(), taken.ravel())[0, 1]
        return bool(held > 0.5 * self._strength)

    def _blocks(self, images: Floats) -> Floats:
        found: Floats = self._grid.to_blocks(images)
        return found

    def _learn(self, around: Bytes, high: Bytes, values: Bytes) -> Floats:
        """Linear weights (features, C)."""
        features = _features(around, high).reshape(-1, _width(values))
        targets = values.reshape(-1, values.shape[3]).astype(np.float32)
        every = max(1, len(features) // 100_000)
        a, b = features[::every], targets[::every]
        square = (a.T @ a).astype(np.float64) + 1e-2 * len(a) * np.eye(a.shape[1])
        return np.linalg.solve(square, (a.T @ b).astype(np.float64)).astype(np.float32)

    def _predict(self, weights: Floats, around: Bytes, high: Bytes) -> Floats:
        values = _features(around, high) @ weights
        found: Floats = np.clip(values - high.astype(np.float32), 0, 15)
        return found


def _width(values: Bytes) -> int:
    return int(values.shape[3]) * 9 + 1


def _features(around: Bytes, high: Bytes) -> Floats:
    """The eight pixels around, the pixel's own high halves, and 1: (N, H, W, 9 C + 1)."""
    padded = np.pad(around, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge").astype(np.float32)
    height, width = high.shape[1:3]
    parts = [
        padded[:, y : y + height, x : x + width] if (y, x) != (1, 1) else high.astype(np.float32) + 8
        for y in range(3)
        for x in range(3)
    ]
    return np.concatenate([*parts, np.full((*high.shape[:3], 1), 128, np.float32)], axis=3)


def _matched(
    predicted: Floats, halves: Floats, shared: bool, signs: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(N, n, S) both -> order and sign of columns, (1 or n, S)."""
    size = halves.shape[2]
    a, b = (
        values.reshape(1, -1, size) if shared else np.ascontiguousarray(values.transpose(1, 0, 2))
        for values in (predicted, halves)
    )
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    scale = np.sqrt((a**2).sum(1))[:, :, None] * np.sqrt((b**2).sum(1))[:, None, :] + 1e-6
    related = (a.transpose(0, 2, 1) @ b) / scale  # rows, place, column
    orders, found = [], []
    for table in related:
        order = linear_sum_assignment(-np.abs(table) if signs else -table)[1]
        sign = np.ones(size)
        if signs:
            sign[order] = np.where(table[np.arange(size), order] < 0, -1.0, 1.0)
        orders.append(order)
        found.append(sign)
    return np.stack(orders).astype(np.int64), np.stack(found)

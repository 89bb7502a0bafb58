"""What a sample ought to be, by its neighbours: the mean of the four around it, and what other colours say beside.

Where a pixel's red is 10 above the red around it, its green mostly is, too. A half of a byte is predicted from the
whole byte: the high one by scaling, the low one by what the high one leaves.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attacks._key_form import KeyForm

__all__ = ["Prediction", "predict"]

Floats = NDArray[np.float32]


class Prediction(NamedTuple):
    """Predicted samples.

    Attributes:
        values: float32 (N, samples); the middle of the range where there is nothing to predict from.
        there: bool (samples,), whether there was.
        error: float32 (N, samples), mean squared error of such predictions in each image, from samples that are known.
    """

    values: Floats
    there: NDArray[np.bool_]
    error: Floats


def predict(form: KeyForm, opened: Floats, known: NDArray[np.bool_]) -> Prediction:
    """Predicts every sample from those that are known.

    Args:
        form: of the key.
        opened: float32 (N, samples), images as far as they are decrypted, in the form's samples.
        known: bool (samples,), which of them are.
    """
    n, shape = len(opened), form.shape
    if form.sample == "byte":
        values = opened.reshape(n, *shape)
        expected, there = _expected(values, known.reshape(shape))
        return _with_errors(expected.reshape(n, -1), there.reshape(-1), opened, known, 1)
    low, high = opened[:, 0::2].reshape(n, *shape), opened[:, 1::2].reshape(n, *shape)
    low_known, high_known = known[0::2].reshape(shape), known[1::2].reshape(shape)
    expected, there = _expected(16 * high + np.where(low_known, low, np.float32(7.5)), high_known)
    halves = np.stack([(expected - 16 * high).clip(0, 15), (expected - np.float32(7.5)) / 16], axis=-1)
    usable = np.stack([there & high_known, there], axis=-1)
    return _with_errors(halves.reshape(n, -1), usable.reshape(-1), opened, known, 2)


def _expected(values: Floats, known: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """(N, H, W, C) -> the same, and where (H, W, C)."""
    weight = known.astype(np.float32)
    total, count = np.zeros_like(values), np.zeros_like(weight)
    weighted = values * weight
    for axis in (0, 1):
        for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
            a = (slice(None),) * axis + (here,)
            b = (slice(None),) * axis + (there,)
            total[:, *a] += weighted[:, *b]
            count[a] += weight[b]
    mean = total / np.maximum(count, 1)
    # By how much the known samples of a pixel are above their own neighbours, in the other colours.
    above = np.where(known & (count > 0), values - mean, np.float32(0))
    used = (known & (count > 0)).astype(np.float32)
    others = used.sum(axis=2, keepdims=True) - used
    beside = (above.sum(axis=3, keepdims=True) - above) / np.maximum(others, 1)
    both = (used > 0) & (others > 0)
    square = float((beside[:, both] ** 2).sum())
    slope = float((above[:, both] * beside[:, both]).sum()) / square if square else 0.0
    return mean + np.float32(slope) * beside, count > 0


def _with_errors(
    values: Floats, there: NDArray[np.bool_], opened: Floats, known: NDArray[np.bool_], kinds: int
) -> Prediction:
    middle = 7.5 if kinds == 2 else 127.5
    values[:, ~there] = middle
    error = np.full(values.shape, middle**2 / 3, np.float32)  # that of a uniform value
    for kind in range(kinds):
        of_kind = there & (np.arange(len(there)) % kinds == kind)
        seen = of_kind & known
        if seen.any():
            squares = ((values[:, seen] - opened[:, seen]) ** 2).mean(axis=1, keepdims=True)
            error[:, of_kind] = (
                squares + middle / 100
            )  # an image that is predicted without error is not all that counts
    return Prediction(values, there, error)

"""Averages with an interval that says how far the sample can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Estimate", "estimate"]

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """An average over a sample.

    Attributes:
        mean: the average.
        low: lower end of the 95 % interval.
        high: its upper end.
        n: images in the sample.
    """

    mean: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float], ceiling: float = float("inf"), seed: int = 0) -> Estimate | None:
    """The mean with its 95 % percentile-bootstrap interval (Efron 1979), 1,000 resamples.

    Args:
        values: one an image.
        ceiling: larger values count as this: what an infinite PSNR counts as.
        seed: of the resampling; the same values and seed give the same interval.

    Returns:
        None where there is no value.
    """
    if not len(values):
        return None
    x = np.minimum(np.asarray(values, np.float64), ceiling)
    drawn = np.random.default_rng(seed).integers(0, len(x), (RESAMPLES, len(x)))
    low, high = np.percentile(x[drawn].mean(axis=1), [2.5, 97.5])
    mean = float(x.mean())
    # Rounding must not put the mean outside an interval of equal values.
    return Estimate(mean, min(float(low), mean), max(float(high), mean), len(x))

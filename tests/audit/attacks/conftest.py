"""Crops of scikit-learn's photographs at half their size, 32x32: some to protect, others for the public."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image


def _crops(rows: range, columns: range) -> np.ndarray:
    photos = [np.asarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower")]
    half = [p[:426, :640].reshape(213, 2, 320, 2, 3).mean((1, 3)).round().astype(np.uint8) for p in photos]
    return np.stack([p[y : y + 32, x : x + 32] for p in half for y in rows for x in columns])


@pytest.fixture(scope="session")
def crops() -> np.ndarray:
    """uint8 (60, 32, 32, 3), left halves of the photographs, shuffled."""
    return np.random.default_rng(1).permutation(_crops(range(0, 181, 36), range(0, 128, 27)))


@pytest.fixture(scope="session")
def public() -> np.ndarray:
    """uint8 (480, 32, 32, 3), right halves."""
    return np.random.default_rng(2).permutation(_crops(range(0, 181, 12), range(160, 288, 9)))

"""Fixtures shared by all tests."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(autouse=True)
def _few_torch_threads() -> None:
    """Test tensors are tiny; more threads than one only get in each other's way. Torch is not imported for it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The team's development data, where it is."""
    folder = os.environ.get("BLINDSIGHT_SHARED_DATA")
    path = Path(folder) if folder else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the development data set is not here")
    return path


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """A real photograph, uint8 (427, 640, 3), read-only: scikit-learn's china.jpg."""
    datasets = pytest.importorskip("sklearn.datasets")
    pixels: NDArray[np.uint8] = np.array(datasets.load_sample_image("china.jpg"))
    pixels.flags.writeable = False
    return pixels


@pytest.fixture
def noise() -> NDArray[np.uint8]:
    """A small picture in which every pixel differs from its neighbours, uint8 (40, 56, 3)."""
    return np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)

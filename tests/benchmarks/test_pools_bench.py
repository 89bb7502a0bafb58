"""benchmarks/pools.py: images are scored block by block."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def pools():
    sys.path.insert(0, str(FOLDER))  # the script takes helpers from its neighbour
    try:
        spec = importlib.util.spec_from_file_location("pools_bench", FOLDER / "pools.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def test_blocks_count_only_when_they_are_right_bit_for_bit(pools):
    truth = np.zeros((2, 8, 8, 3), np.uint8)
    found = truth.copy()
    found[0, 0, 0, 0] = found[0, 1, 1, 2] = found[1, 7, 7, 1] = 1
    assert pools.blocks_right(found, truth, 4) == 6 / 8

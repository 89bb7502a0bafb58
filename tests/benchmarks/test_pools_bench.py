"""benchmarks/pools.py: each image is scored in its own best state, block by block."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from blindsight.audit.attacks._global_state import global_states

from blindsight.algebra import BlockGrid
from blindsight.audit.attacks._freedom import Freedom

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


def test_every_image_is_taken_in_its_own_best_state(pools):
    truth = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    every = global_states(BlockGrid(8, 8, 3, 4), Freedom(8, 2, 6))
    found = np.stack([every[k].apply(image) for k, image in zip((0, 17, 90), truth, strict=True)])
    assert np.array_equal(pools.in_best_states(found, truth, 4), truth)


def test_blocks_count_only_when_they_are_right_bit_for_bit(pools):
    truth = np.zeros((2, 8, 8, 3), np.uint8)
    found = truth.copy()
    found[0, 0, 0, 0] = found[0, 1, 1, 2] = found[1, 7, 7, 1] = 1
    assert pools.blocks_right(found, truth, 4) == 6 / 8

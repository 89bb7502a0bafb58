"""Low halves: predicted from high ones, matched where there is enough to go by, and not trusted where there is not."""

import numpy as np

from blindsight.algebra import BlockGrid
from blindsight.audit.attacks._low_halves import LowHalves

GRID = BlockGrid(32, 32, 3, 4)


def _shuffled(images: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    order, sign = rng.permutation(48), rng.choice([-1.0, 1.0], 48)
    halves = np.empty((len(images), GRID.blocks, 48), np.float32)
    halves[..., order] = GRID.to_blocks(images & 15) - np.float32(7.5)
    return halves * sign.astype(np.float32), order, sign


def test_prediction_is_nearer_than_the_middle(crops: np.ndarray, public: np.ndarray) -> None:
    expected = LowHalves(public, GRID).expected(crops & 0xF0)
    assert expected.max() <= 15
    error = np.abs(expected.astype(int) - (crops & 15)).mean()
    assert error < np.abs(8 - (crops & 15).astype(int)).mean()


def test_shuffled_and_reversed_halves_are_found(crops: np.ndarray, public: np.ndarray) -> None:
    halves, order, sign = _shuffled(crops, 0)
    found, signs, trusted = LowHalves(public, GRID).match(crops & 0xF0, halves, shared=True, signs=True)
    assert trusted
    assert (found[0] == order).mean() > 0.9
    assert (signs[0] == sign).mean() > 0.9


def test_noise_is_not_trusted(crops: np.ndarray, public: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 16, (60, 64, 48)).astype(np.float32) - 7.5
    assert not LowHalves(public, GRID).match(crops & 0xF0, noise, shared=True, signs=True)[2]

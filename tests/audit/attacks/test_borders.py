"""Puzzles: blocks go back where they were, upright or turned; noise does not."""

import numpy as np
import pytest

from blindsight.algebra import BlockGrid
from blindsight.algebra.states import orient
from blindsight.audit import Budget
from blindsight.audit.attacks._borders import Borders, place
from blindsight.audit.attacks._moments import centred
from blindsight.audit.attacks._turned_placing import pair_costs, place_turned
from blindsight.audit.scenario import make_scenario

GRID = BlockGrid(32, 32, 3, 8)


@pytest.fixture(scope="module")
def borders(public: np.ndarray) -> Borders:
    return Borders(public, 8, np.random.default_rng(0))


def _blocks(images: np.ndarray) -> np.ndarray:
    return centred(GRID.to_blocks(images), high=False).reshape(len(images), GRID.blocks, 8, 8, 3)


def test_upright_blocks_go_back(crops: np.ndarray, borders: Borders) -> None:
    mixed = np.random.default_rng(0).permutation(GRID.blocks)
    order, _ = place(*borders.costs(_blocks(crops[:10])[:, mixed]), GRID, Budget())
    assert np.array_equal(mixed[order], np.arange(GRID.blocks))


def test_turned_blocks_go_back_with_their_states(crops: np.ndarray, borders: Borders) -> None:
    scenario = make_scenario(crops[:20], "etc", 8)
    blocks = _blocks(scenario.observation.images)
    placed, _ = place_turned(pair_costs(borders, blocks, negated=True), GRID, Budget())
    assert scenario.truth.key is not None
    source = scenario.truth.key.as_tiles().source[placed[:, 0]].reshape(4, 4)
    assert any(np.array_equal(orient(source, turn).ravel(), np.arange(16)) for turn in range(8))


def test_without_negation_nothing_is_found_negative(crops: np.ndarray, borders: Borders) -> None:
    placed, _ = place_turned(pair_costs(borders, _blocks(crops[:3]), negated=False), GRID, Budget())
    assert not placed[:, 2].any()


def test_noise_stays_a_puzzle(borders: Borders) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (10, 32, 32, 3), np.uint8)
    order, _ = place(*borders.costs(_blocks(noise)), GRID, Budget())
    assert (order == np.arange(GRID.blocks)).mean() < 0.5


def test_the_symmetric_forms_are_alike_for_all_colour_orders(borders: Borders) -> None:
    _, _, mixed = borders.symmetric(3)
    table = mixed.reshape(8, 2, 3, 8, 2, 3)
    assert np.allclose(table, table[:, :, [2, 0, 1]][..., [2, 0, 1]])
    assert np.allclose(table, table[::-1][:, :, :, ::-1])

"""Dc, Nc and Lc: full for every state of the whole, and counted right where a few blocks are wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.audit.block_scores import score_blocks
from blindsight.audit.global_states import global_states, state_permutation
from blindsight.errors import ParameterError

GRID = BlockGrid(16, 16, 3, 4)
STATES = [state_permutation(GRID, state) for state in global_states(GRID.shape)]


def random_key(seed: int, grid: BlockGrid = GRID) -> BlockPermutation:
    rng = np.random.default_rng(seed)
    n = grid.blocks
    return BlockPermutation(grid, rng.permutation(n), *(rng.integers(0, top, n) for top in (8, 2, 6)))


def changed(**tables: np.ndarray) -> BlockPermutation:
    """A change of the original before it is encrypted: what an attack that errs so would have found."""
    return BlockPermutation(GRID, **tables)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), state=st.integers(0, 95))
def test_a_key_found_up_to_a_state_of_the_whole_is_found(seed: int, state: int) -> None:
    truth = random_key(seed)
    scores = score_blocks(truth @ STATES[state], truth)
    assert (scores.direct, scores.neighbour, scores.largest, scores.placed) == (1, 1, 1, 1)
    assert scores.exact


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_an_unrelated_key_scores_next_to_nothing(seed: int) -> None:
    grid = BlockGrid(64, 64, 3, 4)
    scores = score_blocks(random_key(seed, grid), random_key(seed + 5000, grid))
    assert scores.direct < 0.05
    assert scores.neighbour < 0.05
    assert scores.largest < 0.05
    assert not scores.exact


@pytest.mark.parametrize("state", [0, 5, 60])
def test_columns_that_moved_on_by_one_keep_their_joins_but_no_place(state: int) -> None:
    moved = changed(source=np.roll(np.arange(16).reshape(4, 4), 1, axis=1).reshape(-1))
    truth = random_key(1)
    scores = score_blocks(truth @ moved @ STATES[state], truth)
    assert scores.direct == 0
    assert scores.neighbour == (12 + 8) / 24
    assert scores.largest == 12 / 16


def test_two_swapped_corners() -> None:
    source = np.arange(16)
    source[[0, 15]] = [15, 0]
    scores = score_blocks(random_key(2) @ changed(source=source), random_key(2))
    assert (scores.direct, scores.neighbour, scores.largest) == (14 / 16, 20 / 24, 14 / 16)


@pytest.mark.parametrize("table", ["orientation", "negative", "color"])
def test_a_block_in_its_place_but_in_another_state(table: str) -> None:
    wrong = np.zeros(16, int)
    wrong[3] = 1
    scores = score_blocks(random_key(3) @ changed(**{table: wrong}), random_key(3))
    assert (scores.direct, scores.placed) == (15 / 16, 1)
    assert (scores.neighbour, scores.largest) == (22 / 24, 15 / 16)


def test_different_grids_are_refused() -> None:
    with pytest.raises(ParameterError, match="different blocks"):
        score_blocks(random_key(0), BlockPermutation(BlockGrid(16, 16, 3, 8)))

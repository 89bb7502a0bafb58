"""Costs of joins: the same whatever states the blocks are in, the same from both sides, low where blocks belong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.audit.attacks._assembly import Assembly, grow, join_costs, largest_part
from blindsight.audit.attacks._edges import find_edges
from blindsight.audit.attacks._freedom import Freedom
from blindsight.audit.attacks._joins import DIRECTIONS, Joins

GRID = BlockGrid(32, 24, 3, 8)
FREEDOM = Freedom(8, 2, 6)


def smooth(count: int, grid: BlockGrid = GRID, seed: int = 0) -> np.ndarray:
    """Colourful images without corners: a few waves in each channel."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: grid.height, : grid.width] / 16
    waves = [
        sum(np.sin(rng.uniform(-2, 2) * rows + rng.uniform(-2, 2) * cols + rng.uniform(0, 6)) for _ in range(4))
        for _ in range(count * grid.channels)
    ]
    images = np.moveaxis(np.reshape(waves, (count, grid.channels, grid.height, grid.width)), 1, -1)
    return np.clip(127 + 40 * images + rng.normal(0, 2, images.shape), 0, 255).astype(np.uint8)


def random_key(seed: int, grid: BlockGrid = GRID) -> BlockPermutation:
    rng = np.random.default_rng(seed)
    n = grid.blocks
    color = rng.integers(0, 6, n) if grid.channels == 3 else None
    return BlockPermutation(grid, rng.permutation(n), rng.integers(0, 8, n), rng.integers(0, 2, n), color)


def layout_of(decrypts: BlockPermutation, freedom: Freedom) -> tuple[np.ndarray, np.ndarray]:
    shape = (decrypts.grid.rows, decrypts.grid.cols)
    tone = decrypts.negative.astype(np.intp) * freedom.colors + decrypts.color
    state = tone * freedom.orientations + decrypts.orientation
    return decrypts.source.astype(np.intp).reshape(shape), state.reshape(shape)


@pytest.mark.parametrize("grid", [GRID, BlockGrid(16, 16, 1, 4), BlockGrid(12, 12, 3, 3), BlockGrid(8, 8, 3, 2)])
def test_encryption_changes_no_cost(grid: BlockGrid) -> None:
    images, freedom = smooth(3, grid), Freedom(8, 2, 6 if grid.channels == 3 else 1)
    key = random_key(1, grid)
    identity = np.arange(grid.blocks).reshape(grid.rows, grid.cols), np.zeros((grid.rows, grid.cols), np.intp)
    plain = join_costs(Joins(find_edges(images, grid), freedom), *identity)
    found = join_costs(Joins(find_edges(key.apply(images), grid), freedom), *layout_of(key.inverse(), freedom))
    for one, other in zip(plain, found, strict=True):
        assert np.allclose(one, other, atol=0.02)


JOINS = Joins(find_edges(smooth(3), GRID), FREEDOM)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 11), st.integers(0, 11), st.integers(0, 95), st.integers(0, 95), st.integers(0, 3))
def test_a_join_costs_the_same_from_both_sides(a: int, b: int, s: int, t: int, direction: int) -> None:
    def cost(one: int, state: int, other: int, other_state: int, towards: int) -> float:
        return float(JOINS.cost(*(np.array(v) for v in (one, state, other, other_state)), towards))

    if a != b:
        there, back = cost(a, s, b, t, direction), cost(b, t, a, s, (direction + 2) % 4)
        assert there == pytest.approx(back, abs=0.01)
        assert JOINS.beside(a, s, direction)[b, t] == pytest.approx(there, abs=1e-5)


def test_true_neighbours_are_the_cheapest() -> None:
    for direction, (down, right) in enumerate(DIRECTIONS):
        for place in range(GRID.blocks):
            row, col = place // GRID.cols + down, place % GRID.cols + right
            if 0 <= row < GRID.rows and 0 <= col < GRID.cols:
                beside = JOINS.beside(place, 0, direction)
                assert beside.argmin() == (row * GRID.cols + col) * FREEDOM.states


def test_favours_are_taken_back() -> None:
    before = JOINS._table.copy()
    layout = layout_of(random_key(4).inverse(), FREEDOM)
    costs = np.concatenate(join_costs(JOINS, *layout), axis=None)
    with JOINS.favouring([layout, layout], 1.0):
        assert np.allclose(np.concatenate(join_costs(JOINS, *layout), axis=None), costs - 2, atol=1e-4)
    assert np.array_equal(JOINS._table, before)


def test_growth_from_any_block_ends_alike_and_fills_the_box() -> None:
    shape = (GRID.rows, GRID.cols)
    for seed in range(GRID.blocks):
        grown = grow(JOINS, Assembly.seed(seed, shape), shape)
        assert sorted(grown.block.reshape(-1)) == list(range(GRID.blocks))
        right, down = join_costs(JOINS, grown.block, grown.state)
        assert grown.cost == pytest.approx(float(right.sum() + down.sum()))


def test_growth_keeps_what_was_placed_but_may_move_it() -> None:
    shape = (GRID.rows, GRID.cols)
    part = Assembly(np.full(shape, -1), np.zeros(shape, np.intp), 0.0)
    part.block[0, :2] = [4, 5]  # the middle row of the picture, at the top of the box
    grown = grow(JOINS, part, shape)
    assert np.array_equal(grown.block, np.arange(GRID.blocks).reshape(shape))


def test_the_largest_part_is_what_joins_connect() -> None:
    right = np.array([[True, False], [True, True], [False, False]])
    down = np.array([[False, False, False], [False, True, False]])
    assert np.array_equal(largest_part(right, down), [[0, 0, 0], [1, 1, 1], [0, 1, 0]])

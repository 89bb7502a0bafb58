from itertools import product

import numpy as np
import pytest

from blindsight.algebra.states import (
    COLOR_COMPOSE,
    COLOR_INVERSE,
    COLOR_ORDERS,
    ORIENTATION_COMPOSE,
    ORIENTATION_INVERSE,
    orient,
    orientation_of,
)

CODES = range(8)
COLORS = range(6)


@pytest.fixture
def block():
    return np.random.default_rng(0).integers(0, 256, (5, 5, 3), np.uint8)


def test_an_orientation_transposes_then_flips_rows_then_columns(block):
    for transpose, rows, cols in product((0, 1), repeat=3):
        expected = np.swapaxes(block, 0, 1) if transpose else block
        expected = np.flipud(expected) if rows else expected
        expected = np.fliplr(expected) if cols else expected
        assert np.array_equal(orient(block, 4 * transpose + 2 * rows + cols), expected)


def test_the_eight_orientations_differ(block):
    assert len({orient(block, code).tobytes() for code in CODES}) == 8
    assert np.array_equal(orient(block, 0), block)


def test_orientations_compose_by_table(block):
    for then, first in product(CODES, CODES):
        both = orient(orient(block, first), then)
        assert np.array_equal(orient(block, ORIENTATION_COMPOSE[then, first]), both)


def test_orientations_are_undone_by_table(block):
    for code in CODES:
        assert np.array_equal(orient(orient(block, code), ORIENTATION_INVERSE[code]), block)


def test_orientation_of_rotations_and_flips(block):
    for rotation, rows, cols in product(range(-1, 6), (False, True), (False, True)):
        expected = np.rot90(block, rotation)
        expected = expected[::-1] if rows else expected
        expected = expected[:, ::-1] if cols else expected
        assert np.array_equal(orient(block, orientation_of(rotation, rows, cols)), expected)


def test_colour_orders_are_numbered_as_published():
    letters = ["".join("RGB"[channel] for channel in order) for order in COLOR_ORDERS]
    assert letters == ["RGB", "RBG", "GRB", "GBR", "BRG", "BGR"]


def test_colour_orders_compose_and_invert_by_table(block):
    for then, first in product(COLORS, COLORS):
        both = block[..., COLOR_ORDERS[first]][..., COLOR_ORDERS[then]]
        assert np.array_equal(block[..., COLOR_ORDERS[COLOR_COMPOSE[then, first]]], both)
    for code in COLORS:
        back = block[..., COLOR_ORDERS[code]][..., COLOR_ORDERS[COLOR_INVERSE[code]]]
        assert np.array_equal(back, block)


@pytest.mark.parametrize("table", [ORIENTATION_COMPOSE, COLOR_COMPOSE], ids=["orientations", "colours"])
def test_the_tables_are_those_of_groups(table):
    n = len(table)
    for a, b, c in product(range(n), repeat=3):
        assert table[table[a, b], c] == table[a, table[b, c]]
    assert table[0].tolist() == table[:, 0].tolist() == list(range(n))
    assert all(sorted(row) == list(range(n)) for row in (*table.tolist(), *table.T.tolist()))
    assert not np.array_equal(table, table.T), "neither group commutes"

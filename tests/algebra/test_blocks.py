"""The table forms: closed under the group, and small."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from permutation_forms import grids, images, laws, make, seeds

from blindsight.algebra import BlockGrid, BlockPermutation, SignedPermutation, TilePermutation
from blindsight.errors import ParameterError

GRID = BlockGrid(4, 6, 3, 2)
GRAY = BlockGrid(4, 6, 1, 2)
tile_forms = st.sampled_from(["tiles", "shared-tiles", "shared-index", "shared-mask"])
nibble_tile_forms = st.sampled_from(["nibble-tiles", "shared-nibble-tiles"])


@laws
@given(grids(), seeds)
def test_products_of_block_tables_are_block_tables(grid, seed):
    a, b = make("blocks", grid, seed), make("blocks", grid, seed + 1)
    product = a @ b
    assert isinstance(product, BlockPermutation)
    assert product == a.flat() @ b.flat()


@laws
@given(grids(), st.sampled_from(["blocks", "tiles", "shared-tiles"]), tile_forms, seeds)
def test_products_with_tiles_are_tiles(grid, form, other, seed):
    a, b = make(form, grid, seed), make(other, grid, seed + 1)
    for x, y in ((a, b), (b, a)):
        assert isinstance(x @ y, TilePermutation)
        assert x @ y == x.flat() @ y.flat()


@laws
@given(grids(), st.sampled_from(["nibble-tiles", "shared-nibble-tiles"]), seeds)
def test_products_of_nibble_tiles_are_nibble_tiles(grid, form, seed):
    a, b = make(form, grid, seed), make("nibble-tiles", grid, seed + 1)
    assert isinstance(a @ b, TilePermutation)
    assert (a @ b).sample == "nibble"
    assert a @ b == a.flat() @ b.flat()


@laws
@given(grids(), st.sampled_from(["blocks", "tiles", "shared-tiles"]), nibble_tile_forms, seeds)
def test_products_of_byte_and_nibble_tables_are_nibble_tiles(grid, form, other, seed):
    a, b = make(form, grid, seed), make(other, grid, seed + 1)
    for x, y in ((a, b), (b, a)):
        assert isinstance(x @ y, TilePermutation)
        assert (x @ y).sample == "nibble"
        assert x @ y == x.flat() @ y.flat()


@laws
@given(grids(), st.sampled_from(["blocks", "tiles", "shared-tiles"]), nibble_tile_forms, seeds)
def test_bytes_as_nibbles_keep_their_tables(grid, form, other, seed):
    a = make(form, grid, seed)
    nibbles = a.as_nibbles()
    assert isinstance(nibbles, TilePermutation)
    assert nibbles.sample == "nibble"
    assert nibbles == a
    assert a == nibbles
    assert nibbles == a.flat().as_nibbles()
    assert np.array_equal(nibbles.apply(images(grid, seed)), a.apply(images(grid, seed)))
    if grid.block > 1:  # a pixel's few halves can agree by chance
        assert make(other, grid, seed) != a


@laws
@given(grids(), seeds)
def test_what_nibbles_share_stays_shared(grid, seed):
    a = make("shared-nibble-tiles", grid, seed)
    scramble = BlockPermutation(grid, np.random.default_rng(seed).permutation(grid.blocks))
    for permutation in (a @ scramble, scramble @ a, a @ make("shared-tiles", grid, seed), a.inverse(), a.as_nibbles()):
        assert permutation.sample == "nibble"
        assert len(permutation.tile_index) == len(permutation.tile_mask) == 1


@laws
@given(grids(), seeds)
def test_shared_tables_stay_shared(grid, seed):
    a, b = make("shared-tiles", grid, seed), make("shared-tiles", grid, seed + 1)
    scramble = BlockPermutation(grid, np.random.default_rng(seed).permutation(grid.blocks))
    for permutation in (a @ b, a.inverse(), a @ TilePermutation(grid, None), a @ scramble, scramble @ a):
        assert len(permutation.tile_index) == len(permutation.tile_mask) == 1


@laws
@given(grids(), seeds)
def test_a_shared_index_stays_shared_beside_masks_that_are_not(grid, seed):
    a, b = make("shared-index", grid, seed), make("shared-index", grid, seed + 1)
    for permutation in (a @ b, a.inverse(), a @ make("shared-tiles", grid, seed)):
        assert (len(permutation.tile_index), len(permutation.tile_mask)) == (1, grid.blocks)


@laws
@given(grids(), seeds)
def test_block_tables_as_tiles(grid, seed):
    blocks = make("blocks", grid, seed)
    tiles = blocks.as_tiles()
    image = images(grid, seed)
    assert tiles == blocks
    assert blocks == tiles
    assert np.array_equal(tiles.apply(image), blocks.apply(image))


@laws
@given(grids(max_block=2, max_side=2), seeds)
def test_grids_of_different_blocks_compose_in_the_flat_form(grid, seed):
    double = BlockGrid(2 * grid.height, 2 * grid.width, grid.channels, 2 * grid.block)
    halved = BlockGrid(2 * grid.height, 2 * grid.width, grid.channels, grid.block)
    a, image = make("blocks", double, seed), images(double, seed)
    for form in ("blocks", "tiles", "nibble-tiles"):
        b = make(form, halved, seed)
        assert np.array_equal((a @ b).apply(image), a.apply(b.apply(image)))
        assert np.array_equal((b @ a).apply(image), b.apply(a.apply(image)))
        assert (a == b) == (a.flat() == b.flat())


def test_the_same_permutation_on_other_blocks_is_equal():
    coarse = BlockPermutation(BlockGrid(4, 4, 3, 2), negative=[1, 0, 0, 1])
    negative = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    fine = BlockPermutation(BlockGrid(4, 4, 3, 1), negative=negative.reshape(-1))
    assert coarse == fine
    assert coarse.grid != fine.grid


def test_one_pixel_has_one_orientation():
    grid = BlockGrid(2, 3, 3, 1)
    turned, plain = BlockPermutation(grid, orientation=[0, 1, 2, 3, 4, 5]), BlockPermutation(grid)
    assert turned == plain == turned.flat()
    assert not turned.orientation.any()


def test_no_tables_are_the_identity():
    for permutation in (BlockPermutation(GRID), TilePermutation(GRID, None)):
        assert permutation == SignedPermutation.identity(GRID.shape)


def test_tables_are_small():
    blocks = BlockPermutation(GRID)
    assert [getattr(blocks, n).dtype.itemsize for n in ("source", "orientation", "negative", "color")] == [4, 1, 1, 1]
    assert TilePermutation(GRID, None).tile_index.dtype == np.uint16
    large = BlockGrid(150, 150, 3, 150)
    assert TilePermutation(large, None).tile_index.dtype == np.uint32


def test_indices_beyond_16_bits_arrive():
    large = BlockGrid(150, 150, 3, 150)
    permutation, image = make("shared-tiles", large, 0), images(large, 0)
    expected = image.reshape(-1)[permutation.tile_index[0]] ^ permutation.tile_mask[0]
    assert np.array_equal(permutation.apply(image).reshape(-1), expected)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"source": [0, 1]}, r"source needs one entry for each of 6 blocks, got shape \(2,\)"),
        ({"source": [0, 1, 2, 3, 4, 4]}, "source must hold every number from 0 to 5 once; some repeat"),
        ({"source": [0, 1, 2, 3, 4, 6]}, "source must hold every number from 0 to 5 once; some are out of range"),
        ({"source": np.arange(6.0)}, "source must hold integers, got float64"),
        ({"orientation": [0] * 5}, r"orientation needs one entry for each of 6 blocks, got shape \(5,\)"),
        ({"orientation": [[0] * 6]}, r"got shape \(1, 6\)"),
        ({"orientation": [0, 0, 0, 0, 0, 8]}, "orientation entries must be 0 to 7, got 0 to 8"),
        ({"orientation": [0.9] * 6}, "orientation must hold integers, got float64"),
        ({"negative": [0, 0, 0, 0, 0, 2]}, "negative entries must be 0 to 1, got 0 to 2"),
        ({"negative": [-1] * 6}, "negative entries must be 0 to 1, got -1 to -1"),
        ({"color": [6] * 6}, "color entries must be 0 to 5, got 6 to 6"),
        ({"color": [261] * 6}, "color entries must be 0 to 5, got 261 to 261"),
    ],
)
def test_impossible_block_tables(tables, message):
    with pytest.raises(ParameterError, match=message):
        BlockPermutation(GRID, **tables)


def test_negative_may_be_bools():
    bools = np.array([True, False] * 3)
    assert BlockPermutation(GRID, negative=bools) == BlockPermutation(GRID, negative=[1, 0] * 3)


def test_grayscale_has_one_colour_order():
    assert BlockPermutation(GRAY, color=[0] * 6) == BlockPermutation(GRAY)
    with pytest.raises(ParameterError, match="grayscale images have one colour order: color must be all 0"):
        BlockPermutation(GRAY, color=[0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"tile_index": np.arange(12)}, r"tile_index must have shape \(1 or 6, 12\), got \(12,\)"),
        ({"tile_index": np.tile(np.arange(12), (2, 1))}, r"tile_index must have shape \(1 or 6, 12\), got \(2, 12\)"),
        ({"tile_index": np.zeros((1, 12), int)}, "tile_index must hold every number from 0 to 11 once; some repeat"),
        ({"tile_index": np.arange(1, 13)[None]}, "some are out of range"),
        ({"tile_index": np.arange(12.0)[None]}, "tile_index must hold integers, got float64"),
        ({"tile_mask": np.zeros((1, 24), int)}, r"tile_mask must have shape \(1 or 6, 12\), got \(1, 24\)"),
        ({"tile_mask": np.full((1, 12), 256)}, "mask entries of bytes must be 0 to 255, got 256 to 256"),
        ({"sample": "nibble", "tile_mask": np.full((1, 24), 16)}, "mask entries of nibbles must be 0 to 15"),
        ({"sample": "nibble", "tile_index": np.arange(12)[None]}, r"tile_index must have shape \(1 or 6, 24\)"),
        ({"sample": "bits"}, "sample must be 'byte' or 'nibble', got 'bits'"),
    ],
)
def test_impossible_tile_tables(tables, message):
    with pytest.raises(ParameterError, match=message):
        TilePermutation(GRID, None, **tables)

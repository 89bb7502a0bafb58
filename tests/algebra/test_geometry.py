import numpy as np
import pytest
from hypothesis import given
from permutation_forms import grids, images, laws

from blindsight.algebra import BlockGrid
from blindsight.errors import ParameterError


@laws
@given(grids())
def test_blocks_come_back(grid):
    batch = images(grid, 0, 2)
    assert np.array_equal(grid.from_blocks(grid.to_blocks(batch)), batch)


@laws
@given(grids())
def test_blocks_and_samples_are_numbered_in_raster_order(grid):
    image = images(grid, 0)
    blocks = grid.to_blocks(image[None])[0]
    assert blocks.shape == (grid.blocks, grid.block_samples)
    m = grid.block
    for i in range(grid.blocks):
        top, left = i // grid.cols * m, i % grid.cols * m
        assert blocks[i].tolist() == image[top : top + m, left : left + m].reshape(-1).tolist()


@laws
@given(grids())
def test_sample_index_says_where_block_samples_lie(grid):
    image = images(grid, 1)
    assert np.array_equal(image.reshape(-1)[grid.sample_index], grid.to_blocks(image[None])[0])


@laws
@given(grids())
def test_block_offsets_lead_from_the_first_sample_of_a_block_to_the_others(grid):
    corners = grid.sample_index[:, 0]
    assert np.array_equal(corners[:, None] + grid.block_offsets.reshape(-1), grid.sample_index)


def test_counts():
    grid = BlockGrid(8, 12, 3, 4)
    assert (grid.rows, grid.cols, grid.blocks, grid.block_samples, grid.shape) == (2, 3, 6, 48, (8, 12, 3))


def test_grids_are_values():
    assert BlockGrid(8, 12, 3, 4) == BlockGrid(8, 12, 3, 4) != BlockGrid(12, 8, 3, 4)
    assert hash(BlockGrid(8, 12, 3, 4)) == hash(BlockGrid(8, 12, 3, 4))


@pytest.mark.parametrize("name", ["sample_index", "block_offsets"])
def test_kept_tables_cannot_be_written_to(name):
    with pytest.raises(ValueError, match="read-only"):
        getattr(BlockGrid(8, 12, 3, 4), name)[0] = 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, 8, 3, 0), "block size must be at least 1 pixel, got 0"),
        ((8, 8, 2, 4), "channels must be 1 .grayscale. or 3 .RGB., got 2"),
        ((9, 8, 3, 4), "height 9 is not a positive multiple of the block size 4; fit the image first"),
        ((8, 6, 3, 4), "width 6 is not a positive multiple of the block size 4"),
        ((0, 8, 3, 4), "height 0 is not a positive multiple"),
        ((8, -4, 3, 4), "width -4 is not a positive multiple"),
    ],
)
def test_impossible_grids_are_refused(arguments, message):
    with pytest.raises(ParameterError, match=message):
        BlockGrid(*arguments)

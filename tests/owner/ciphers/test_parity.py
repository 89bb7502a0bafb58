"""The same keys in scramblekit give the same bytes.

scramblekit 0.1.0 (MIT) is the library of the authors of ELE, after the code published with LE, ELE and SIA-GAN. It is
no dependency of this project and never copied from: ``pip install --no-deps scramblekit==0.1.0`` to run this file. Its
EtC and PE duplicate colour channels unless ``channel_mode="permutation"``.
"""

import importlib.util

import numpy as np
import pytest

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.owner.ciphers.ele import ele_from_arrays
from blindsight.owner.ciphers.etc import etc_from_arrays
from blindsight.owner.ciphers.le import le_from_arrays
from blindsight.owner.ciphers.pe import pe_from_arrays

if importlib.util.find_spec("scramblekit") is None:
    pytest.skip("scramblekit==0.1.0 is not installed; it is wanted for this comparison alone", allow_module_level=True)
from scramblekit import scramble as theirs

SIZES = [(32, 32, 4), (8, 20, 4), (24, 8, 8), (3, 5, 1), (12, 9, 3)]


@pytest.fixture(params=SIZES, ids=lambda size: "x".join(map(str, size)))
def grid(request) -> BlockGrid:
    height, width, block = request.param
    return BlockGrid(height, width, 3, block)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def same(ours, scheme, grid: BlockGrid, rng: np.random.Generator) -> None:
    """Encrypted by both, and decrypted by both."""
    images = rng.integers(0, 256, (3, *grid.shape), np.uint8)
    hidden = ours.apply(images)
    assert np.array_equal(hidden, scheme(images))
    assert np.array_equal(ours.inverse().apply(hidden), images)
    assert np.array_equal(scheme.inverse(hidden), images)
    assert not np.array_equal(hidden, images)


def test_le(grid, rng):
    key = rng.permutation(2 * grid.block_samples)
    same(le_from_arrays(grid, key), theirs.LE(key, block_size=grid.block), grid, rng)


def test_ele(grid, rng):
    keys = rng.permuted(np.tile(np.arange(2 * grid.block_samples), (grid.blocks, 1)), axis=1)
    scramble = rng.permutation(grid.blocks)
    scheme = theirs.ELE((keys, scramble), block_size=grid.block, image_size=(grid.height, grid.width))
    same(ele_from_arrays(grid, keys, scramble), scheme, grid, rng)


def test_the_keys_of_the_published_experiments(rng):
    grid = BlockGrid(32, 32, 3, 4)
    scheme = theirs.ELE("paper")
    same(ele_from_arrays(grid, scheme.keys, scheme.perm), scheme, grid, rng)
    same(le_from_arrays(grid, scheme.keys[0]), theirs.LE("paper"), grid, rng)


def test_gray_le(rng):
    grid = BlockGrid(8, 12, 1, 4)
    key = rng.permutation(32)
    same(le_from_arrays(grid, key), theirs.LE(key, channels=1), grid, rng)


def test_block_shuffle(grid, rng):
    scramble = rng.permutation(grid.blocks)
    scheme = theirs.BlockShuffle(scramble, block_size=grid.block, image_size=(grid.height, grid.width))
    same(BlockPermutation(grid, scramble), scheme, grid, rng)


def test_etc(grid, rng):
    """They act on a block where it lies, then shuffle; our arrays name the place that it comes to."""
    n = grid.blocks
    scramble = rng.permutation(n)
    rotate, negaposi, reverse, channel = (rng.integers(0, limit, n) for limit in (4, 2, 3, 6))
    scheme = theirs.EtC(
        [rotate, negaposi, reverse, channel, scramble],
        block_size=grid.block,
        image_size=(grid.height, grid.width),
        channel_mode="permutation",
    )
    ours = etc_from_arrays(
        grid,
        scramble,
        rotation=rotate[scramble],
        inversion=np.array([0, 1, 3])[reverse[scramble]],
        negative=1 - negaposi[scramble],
        color=np.array([5, 1, 4, 0, 3, 2])[channel[scramble]],
    )
    same(ours, scheme, grid, rng)


def test_pe(grid, rng):
    negative = rng.integers(0, 2, grid.shape)
    color = rng.integers(0, 6, (grid.height, grid.width))
    scheme = theirs.PE(
        (1 - negative.reshape(-1), color.reshape(-1)),
        image_size=(grid.height, grid.width),
        channel_mode="permutation",
    )
    same(pe_from_arrays(negative, color), scheme, grid, rng)


def test_as_published_their_channel_steps_lose_information():
    """Why the tests above ask for ``channel_mode="permutation"``."""
    scheme = theirs.EtC(0, block_size=4, image_size=8)
    assert not scheme.invertible

"""LE and ELE against slow references written from the published code's description."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_ciphers import by_code, cut, joined, le, scrambled

from blindsight.algebra import BlockGrid, TilePermutation, kernels
from blindsight.errors import ParameterError
from blindsight.owner.ciphers import NibbleReverse, NibbleShuffle, create_cipher
from blindsight.owner.ciphers.ele import ele_from_arrays
from blindsight.owner.ciphers.le import le_from_arrays
from blindsight.owner.ciphers.nibbles import half_tiles
from blindsight.owner.keys import SecretKey
from blindsight.testing import check_cipher

KEY = SecretKey(bytes(range(32)))
GRID = BlockGrid(4, 6, 3, 2)
KEYS = 400
laws = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def block_shuffled(array: np.ndarray, block: int, source: list[int]) -> np.ndarray:
    return joined(scrambled(cut(array, block), source), array.shape, block)


@st.composite
def grids(draw: st.DrawFn) -> BlockGrid:
    block, rows, cols = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return BlockGrid(rows * block, cols * block, draw(st.sampled_from([1, 3])), block)


# --- arrays from elsewhere --------------------------------------------------------------------------------------------


@laws
@given(grids(), seeds, st.booleans())
def test_le_from_arrays_is_tanakas_le(grid, seed, own_reversal):
    rng, halves, n = np.random.default_rng(seed), 2 * grid.block_samples, grid.blocks
    key, places = rng.permutation(halves).tolist(), rng.integers(0, 2, halves).tolist()
    image = rng.integers(0, 256, grid.shape, np.uint8)
    permutation = le_from_arrays(grid, key, places if own_reversal else None)
    expected = le(image, grid.block, [key] * n, [places if own_reversal else by_code(key)] * n)
    assert np.array_equal(permutation.apply(image), expected)
    assert np.array_equal(permutation.inverse().apply(expected), image)
    assert len(permutation.tile_index) == len(permutation.tile_mask) == 1, "one table for all blocks"


@laws
@given(grids(), seeds, st.booleans())
def test_ele_from_arrays_is_le_block_by_block_and_then_a_block_shuffle(grid, seed, own_reversal):
    rng, halves, n = np.random.default_rng(seed), 2 * grid.block_samples, grid.blocks
    keys = [rng.permutation(halves).tolist() for _ in range(n)]
    places = rng.integers(0, 2, (n, halves)).tolist()
    scramble = rng.permutation(n).tolist()
    image = rng.integers(0, 256, grid.shape, np.uint8)
    permutation = ele_from_arrays(grid, keys, scramble, places if own_reversal else None)
    inside = le(image, grid.block, keys, places if own_reversal else [by_code(key) for key in keys])
    expected = block_shuffled(inside, grid.block, scramble)
    assert np.array_equal(permutation.apply(image), expected)
    assert np.array_equal(permutation.inverse().apply(expected), image)


def test_the_published_code_reverses_47_places_of_96():
    key = list(range(96))
    permutation = le_from_arrays(BlockGrid(4, 4, 3, 4), key)
    assert sum(by_code(key)) == 47
    assert not permutation.tile_mask.any(), "with the identity both reversals meet the same halves and cancel"


def test_a_half_is_reversed_where_one_of_the_two_reversals_met_it():
    grid = BlockGrid(1, 1, 1, 1)
    pixel = np.array([[[0x3A]]], np.uint8)
    assert le_from_arrays(grid, [0, 1], [1, 0]).apply(pixel) == 0x3A
    assert le_from_arrays(grid, [1, 0], [0, 0]).apply(pixel) == 0xA3
    assert le_from_arrays(grid, [1, 0], [1, 0]).apply(pixel) == 0x5C, "both halves met it once"


S24 = list(range(24))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: le_from_arrays(GRID, range(12)), r"key must have shape .1 or 6, 24., got .1, 12."),
        (lambda: le_from_arrays(GRID, [0] * 24), "key must hold every number from 0 to 23 once; some repeat"),
        (lambda: le_from_arrays(GRID, range(1, 25)), "key must hold every number from 0 to 23 once; some are out of"),
        (lambda: le_from_arrays(GRID, [0.5] * 24), "key must hold integers, got float64"),
        (lambda: le_from_arrays(GRID, S24, [2] * 24), "reverse entries must be 0 or 1, got 2 to 2"),
        (lambda: le_from_arrays(GRID, S24, [0]), r"reverse must have shape .1 or 6, 24., got .1, 1."),
        (lambda: ele_from_arrays(GRID, [S24] * 5, range(6)), r"key must have shape .1 or 6, 24., got .5, 24."),
        (lambda: ele_from_arrays(GRID, [S24] * 6, [0] * 6), "scramble must hold every number from 0 to 5 once"),
        (lambda: ele_from_arrays(GRID, [S24] * 6, range(5)), r"scramble needs one entry for each of 6 blocks, got .*5"),
        (lambda: ele_from_arrays(GRID, [S24] * 6, range(6), [S24] * 6), "reverse entries must be 0 or 1, got 0 to 23"),
        (lambda: half_tiles(GRID, None, None, [[0, 1]]), r"reverse must have shape .1 or 6, 24., got .1, 2."),
    ],
)
def test_impossible_arrays(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


# --- the schemes ------------------------------------------------------------------------------------------------------


def drawn(scheme: str, paper: bool, grid: BlockGrid, scope: tuple[str, ...] = ()) -> tuple[list, list]:
    """The keys and reversals of a scheme's streams, a row a block; the second is None where it follows."""
    shared = scheme == "le"
    inside = f"block={grid.block},channels={grid.channels}"
    geometry = inside if shared else f"grid={grid.rows}x{grid.cols},{inside}"
    count, halves = (1 if shared else grid.blocks), 2 * grid.block_samples
    stream = KEY.stream(scheme, "nibble-shuffle-tied" if paper else "nibble-shuffle", geometry, *scope)
    keys = [stream.permutation(halves).tolist() for _ in range(count)]
    bits = KEY.stream(scheme, "nibble-reverse", geometry, *scope).below(2, count * halves).reshape(count, -1).tolist()
    repeat = grid.blocks if shared else 1
    return keys * repeat, [by_code(key) for key in keys] * repeat if paper else bits * repeat


@pytest.mark.parametrize("scope", [(), ("an image",)])
@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("scheme", ["le", "ele"])
@pytest.mark.parametrize(("height", "width", "channels", "block"), [(8, 12, 3, 4), (12, 8, 1, 4), (3, 5, 3, 1)])
def test_the_schemes_draw_from_their_streams(scheme, paper, scope, height, width, channels, block):
    grid = BlockGrid(height, width, channels, block)
    keys, reverse = drawn(scheme, paper, grid, scope)
    image = noise(height, width, channels)
    if paper:
        expected = le(image, block, keys, reverse)
    else:  # one reversal, before the shuffle
        expected = le(half_reversed(image, block, reverse), block, keys, [[0] * len(keys[0])] * grid.blocks)
    if scheme == "ele":
        geometry = f"grid={grid.rows}x{grid.cols},block={block},channels={channels}"
        scramble = KEY.stream("ele", "block-scramble", geometry, *scope).permutation(grid.blocks).tolist()
        expected = block_shuffled(expected, block, scramble)
    permutation = create_cipher(scheme, block, channels, paper=paper).compile(KEY, height, width, *scope)
    assert isinstance(permutation, TilePermutation)
    assert permutation.sample == "nibble"
    assert np.array_equal(permutation.apply(image), expected)


def half_reversed(image: np.ndarray, block: int, reverse: list) -> np.ndarray:
    """v -> 15 - v on the halves that the bits name, once, and nothing else."""
    masks = []
    for bits in reverse:
        size = len(bits) // 2
        flat = [15 * bits[s] + 240 * bits[size + s] for s in range(size)]
        masks.append(np.array(flat).reshape(block, block, -1).tolist())
    return image ^ joined(masks, image.shape, block)


@pytest.mark.parametrize("paper", [False, True])
def test_tables_keep_their_block_structure(paper):
    """No flat table on the way: LE has one small table for all blocks, ELE one a block."""
    le_, ele_ = (create_cipher(name, 4, paper=paper).compile(KEY, 32, 32) for name in ("le", "ele"))
    assert le_.tile_index.shape == le_.tile_mask.shape == (1, 96)
    assert ele_.tile_index.shape == ele_.tile_mask.shape == (64, 96)
    assert np.array_equal(le_.source, np.arange(64)), "LE moves no block"
    assert not np.array_equal(ele_.source, np.arange(64))


def test_le_keeps_its_key_at_every_size():
    small, large = (create_cipher("le").compile(KEY, *size) for size in ((8, 12), (32, 4)))
    assert np.array_equal(small.tile_index, large.tile_index)
    assert np.array_equal(small.tile_mask, large.tile_mask)


def test_blocks_are_of_4_where_nobody_says_otherwise():
    assert [create_cipher(name).block_size for name in ("le", "ele", "etc")] == [4, 4, 16]
    assert create_cipher("le", 8).block_size == 8


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("scheme", ["le", "ele"])
def test_they_keep_the_laws(scheme, paper):
    check_cipher(scheme, paper=paper)
    assert not create_cipher(scheme, paper=paper).jpeg_safe


@pytest.mark.parametrize("scheme", ["le", "ele"])
def test_the_paper_and_ours_have_nothing_in_common(scheme):
    ours, paper = (create_cipher(scheme, paper=flag).compile(KEY, 8, 12) for flag in (False, True))
    assert not np.array_equal(ours.tile_index, paper.tile_index)


# --- uniformity: keys are fixed, so these fail always or never --------------------------------------------------------


def streams(text: str):
    return (SecretKey(hashlib.sha256(f"{text} {n}".encode()).digest()).stream("test") for n in range(KEYS))


def chi_square(counts: np.ndarray) -> float:
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


#: Upper 0.1 % points of the chi-square distribution.
CRITICAL = {1: 10.83, 3: 16.27, 23: 49.73, 47: 82.72}


@pytest.mark.parametrize("shared", [True, False])
def test_every_half_goes_everywhere_alike(shared):
    tables = np.array([NibbleShuffle(shared=shared).compile(s, GRID).tile_index for s in streams("shuffle")], np.int64)
    assert tables.shape == (KEYS, 1 if shared else 6, 24)
    for row in range(tables.shape[1]):
        for half in range(24):
            assert chi_square(np.bincount(tables[:, row, half], minlength=24)) < CRITICAL[23]


@pytest.mark.parametrize("shared", [True, False])
def test_every_half_is_reversed_half_the_time(shared):
    masks = np.array([NibbleReverse(shared=shared).compile(s, GRID).tile_mask for s in streams("reverse 1")])
    assert set(np.unique(masks)) == {0, 15}
    assert masks.shape == (KEYS, 1 if shared else 6, 24)
    for row in range(masks.shape[1]):
        for half in range(24):
            assert chi_square(np.bincount(masks[:, row, half] // 15, minlength=2)) < CRITICAL[1]


def compiled(scheme: str, paper: bool) -> list[TilePermutation]:
    cipher = create_cipher(scheme, 2, paper=paper)
    return [cipher.compile(SecretKey(hashlib.sha256(f"joint {n}".encode()).digest()), 4, 6) for n in range(KEYS)]


@pytest.mark.parametrize("scheme", ["le", "ele"])
def test_where_a_half_comes_from_says_nothing_about_its_sign(scheme):
    tables = compiled(scheme, paper=False)
    index = np.array([t.tile_index[0] for t in tables], np.int64)
    signs = np.array([t.tile_mask[0] for t in tables], np.int64) // 15
    for half in range(24):
        assert chi_square(np.bincount(2 * index[:, half] + signs[:, half], minlength=48)) < CRITICAL[47]


def test_in_paper_mode_it_says_everything():
    """What the mode is for, and the proof that the test above can fail."""
    tables = compiled("le", paper=True)
    of_index: dict[bytes, bytes] = {}
    for table in tables:
        assert of_index.setdefault(table.tile_index.tobytes(), table.tile_mask.tobytes()) == table.tile_mask.tobytes()
    index = np.array([t.tile_index[0] for t in tables], np.int64)
    signs = np.array([t.tile_mask[0] for t in tables], np.int64) // 15
    assert max(chi_square(np.bincount(2 * index[:, h] + signs[:, h], minlength=48)) for h in range(24)) > CRITICAL[47]


def test_the_blocks_of_ele_have_keys_of_their_own():
    """No block's key follows from its neighbour's, nor from the places of the blocks."""
    tables = compiled("ele", paper=False)
    first, second = (np.array([int(t.tile_index[i, 0] % 2) for t in tables]) for i in (0, 1))
    signs = np.array([[t.tile_mask[0, 0] // 15, t.tile_mask[1, 0] // 15] for t in tables], np.int64)
    stays = np.array([int(t.source[0] % 2) for t in tables])
    assert chi_square(np.bincount(2 * first + second, minlength=4)) < CRITICAL[3]
    assert chi_square(np.bincount(2 * signs[:, 0] + signs[:, 1], minlength=4)) < CRITICAL[3]
    assert chi_square(np.bincount(2 * stays + first, minlength=4)) < CRITICAL[3]
    assert chi_square(np.bincount(2 * stays + signs[:, 0], minlength=4)) < CRITICAL[3]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_papers_size_on_both_kernels(backend):
    if backend == "numba" and kernels._compiled() is None:
        pytest.skip("numba is not installed")
    image = noise(32, 32, 3)
    with kernels.use(backend):
        for scheme in ("le", "ele"):
            permutation = create_cipher(scheme, 4, paper=True).compile(KEY, 32, 32)
            assert np.array_equal(permutation.apply(image), permutation.flat().apply(image))

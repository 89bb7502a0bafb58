"""Schemes against slow references written from the papers."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_ciphers import EtcKeys, each_pixel, etc, shuffled_inside

from blindsight.algebra import BlockGrid, BlockPermutation, SignedPermutation, TilePermutation
from blindsight.errors import ParameterError
from blindsight.owner.ciphers import (
    BlockRotateFlip,
    BlockScramble,
    Cipher,
    ColorShuffle,
    NegativePositive,
    PixelShuffle,
    create_cipher,
    list_ciphers,
)
from blindsight.owner.ciphers.etc import etc_from_arrays
from blindsight.owner.ciphers.pe import pe_from_arrays
from blindsight.owner.keys import SecretKey
from blindsight.testing import check_cipher

KEY = SecretKey(bytes(range(32)))
LETTERS = ("RGB", "RBG", "GRB", "GBR", "BRG", "BGR")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# --- EtC --------------------------------------------------------------------------------------------------------------


def test_etc_from_arrays_for_every_code():
    codes = list(product(range(4), range(4), range(2), range(6)))
    grid = BlockGrid(12 * 3, 16 * 3, 3, 3)
    assert grid.blocks == len(codes) == 192
    rotation, inversion, negative, color = (list(column) for column in zip(*codes, strict=True))
    keys = EtcKeys(np.random.default_rng(1).permutation(192).tolist(), rotation, inversion, negative, color)
    image = noise(*grid.shape)
    permutation = etc_from_arrays(grid, keys.scramble, rotation, inversion, negative, color)
    assert np.array_equal(permutation.apply(image), etc(image, 3, keys))
    assert set(permutation.orientation.tolist()) == set(range(8)), "all 8 orientations occur"
    assert set(permutation.color.tolist()) == set(range(6)), "all 6 colour orders occur"


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_etc_from_arrays_on_any_grid(rows, cols, block, seed):
    rng = np.random.default_rng(seed)
    grid, n = BlockGrid(rows * block, cols * block, 3, block), rows * cols
    keys = EtcKeys(rng.permutation(n).tolist(), *(rng.integers(0, limit, n).tolist() for limit in (4, 4, 2, 6)))
    image = rng.integers(0, 256, grid.shape, np.uint8)
    permutation = etc_from_arrays(grid, keys.scramble, keys.rotation, keys.inversion, keys.negative, keys.color)
    assert np.array_equal(permutation.apply(image), etc(image, block, keys))
    assert np.array_equal(permutation.inverse().apply(etc(image, block, keys)), image)


def test_the_published_codes_mistake_can_be_reproduced():
    """It takes the inversion from the rotation key: four states are left, of which one is the identity."""
    grid, codes = BlockGrid(4, 4, 3, 2), [0, 1, 2, 3]
    permutation = etc_from_arrays(grid, [0, 1, 2, 3], codes, codes, [0] * 4, [5] * 4)
    assert len(set(permutation.orientation.tolist())) == 4
    keys = EtcKeys([0, 1, 2, 3], codes, codes, [0] * 4, [5] * 4)
    assert np.array_equal(permutation.apply(noise(4, 4, 3)), etc(noise(4, 4, 3), 2, keys))


def test_etc_from_arrays_in_grayscale():
    grid = BlockGrid(4, 6, 1, 2)
    keys = EtcKeys([5, 0, 3, 1, 2, 4], [0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 0, 1], [0, 1, 1, 0, 1, 0], [5] * 6)
    permutation = etc_from_arrays(grid, keys.scramble, keys.rotation, keys.inversion, keys.negative)
    assert np.array_equal(permutation.apply(noise(4, 6, 1)), etc(noise(4, 6, 1), 2, keys))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([0, 0], [0, 0], [0, 0], [0, 0], [0, 0]), "source must hold every number from 0 to 1 once"),
        (([0, 1], [0, 4], [0, 0], [0, 0], [0, 0]), "rotation entries must be 0 to 3, got 0 to 4"),
        (([0, 1], [0, 0], [-1, 0], [0, 0], [0, 0]), "inversion entries must be 0 to 3, got -1 to 0"),
        (([0, 1], [0, 0], [0, 0], [0, 2], [0, 0]), "negative entries must be 0 to 1, got 0 to 2"),
        (([0, 1], [0, 0], [0, 0], [0, 0], [0, 6]), "color entries must be 0 to 5, got 0 to 6"),
        (([0, 1], [0, 0.5], [0, 0], [0, 0], [0, 0]), "rotation must hold integers, got float64"),
        (([0, 1, 2], [0, 0], [0, 0], [0, 0], [0, 0]), "source needs one entry for each of 2 blocks"),
    ],
)
def test_impossible_arrays(arrays, message):
    with pytest.raises(ParameterError, match=message):
        etc_from_arrays(BlockGrid(2, 4, 3, 2), *arrays)


@pytest.mark.parametrize("scope", [(), ("an image",), ("pool:3",)])
@pytest.mark.parametrize(("height", "width", "channels", "block"), [(12, 20, 3, 4), (12, 20, 1, 4), (3, 5, 3, 1)])
def test_etc_draws_its_tables_from_the_key_streams(height, width, channels, block, scope):
    n = height // block * (width // block)
    geometry = f"grid={height // block}x{width // block},block={block},channels={channels}"
    scramble = KEY.stream("etc", "block-scramble", geometry, *scope).permutation(n).tolist()
    orientation = KEY.stream("etc", "block-rotate-flip", geometry, *scope).below(8, n).tolist()
    negative = KEY.stream("etc", "negative-positive-block", geometry, *scope).below(2, n).tolist()
    color = KEY.stream("etc", "color-shuffle-block", geometry, *scope).below(6, n).tolist()
    # The same states in the published code's words: a transposition is a turn and an upside-down flip.
    rotation = [0 if code & 4 else 3 for code in orientation]
    inversion = [((3, 1), (0, 2))[bool(code & 2) ^ bool(code & 4)][code & 1] for code in orientation]
    keys = EtcKeys(scramble, rotation, inversion, negative, [(c - 1) % 6 for c in color] if channels == 3 else [5] * n)
    permutation = create_cipher("etc", block, channels).compile(KEY, height, width, *scope)
    image = noise(height, width, channels)
    assert isinstance(permutation, BlockPermutation)
    assert np.array_equal(permutation.apply(image), etc(image, block, keys))


def test_all_states_occur_in_one_etc_image():
    permutation = create_cipher("etc", 16).compile(KEY, 224, 224)
    assert set(permutation.orientation.tolist()) == set(range(8))
    assert set(permutation.color.tolist()) == set(range(6))
    assert set(permutation.negative.tolist()) == {0, 1}
    assert not np.array_equal(permutation.source, np.arange(196))


# --- PE, NP, SHF ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("color_shuffle", [True, False])
@pytest.mark.parametrize("channels", [3, 1])
def test_pe_negates_components_then_shuffles_colours(color_shuffle, channels):
    geometry = f"grid=2x3,block=4,channels={channels}"
    bits = KEY.stream("pe", "negative-positive-pixel", geometry).below(2, 6 * 16 * channels).tolist()
    orders = KEY.stream("pe", "color-shuffle-pixel", geometry).below(6, 6 * 16).tolist()

    def change(block, pixel, values):
        place = block * 16 + pixel
        values = [255 - v if bits[place * channels + k] else v for k, v in enumerate(values)]
        if not color_shuffle or channels == 1:
            return values
        return [values["RGB".index(letter)] for letter in LETTERS[orders[place]]]

    cipher = create_cipher("pe", 4, channels, color_shuffle=color_shuffle)
    image = noise(8, 12, channels)
    assert np.array_equal(cipher.compile(KEY, 8, 12).apply(image), each_pixel(image, 4, change))


@pytest.mark.parametrize("channels", [3, 1])
def test_pe_from_arrays(channels):
    rng = np.random.default_rng(3)
    negative, color = rng.integers(0, 2, (5, 7, channels)), rng.integers(0, 6, (5, 7))

    def change(place, _, values):
        values = [255 - v if negative.reshape(35, channels)[place, k] else v for k, v in enumerate(values)]
        if channels == 1:
            return values
        return [values["RGB".index(letter)] for letter in LETTERS[color.reshape(-1)[place]]]

    permutation = pe_from_arrays(negative, color if channels == 3 else None)
    image = noise(5, 7, channels)
    assert np.array_equal(permutation.apply(image), each_pixel(image, 1, change))
    assert np.array_equal(permutation.inverse().apply(permutation.apply(image)), image)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.zeros((2, 2)),), r"negative must hold integers, got float64"),
        ((np.zeros((2, 2), int),), r"negative must have the image's shape .H, W, 1 or 3., got .2, 2."),
        ((np.zeros((2, 0, 3), int),), r"negative must have the image's shape"),
        ((np.full((2, 2, 3), 2),), "negative entries must be 0 to 1, got 2 to 2"),
        ((np.zeros((2, 2, 3), int), [[0, 6], [0, 0]]), "color entries must be 0 to 5, got 0 to 6"),
        ((np.zeros((2, 2, 3), int), [0, 0, 0, 0]), r"color must have shape .2, 2. and belongs to RGB, got .4"),
        ((np.zeros((2, 2, 1), int), [[0, 0], [0, 0]]), "and belongs to RGB"),
    ],
)
def test_impossible_pe_arrays(arrays, message):
    with pytest.raises(ParameterError, match=message):
        pe_from_arrays(*arrays)


@pytest.mark.parametrize("channels", [3, 1])
def test_np_shares_one_mask(channels):
    bits = KEY.stream("np", "negative-positive-pixel", f"block=4,channels={channels}").below(2, 16 * channels).tolist()

    def change(_, pixel, values):
        return [255 - v if bits[pixel * channels + k] else v for k, v in enumerate(values)]

    image = noise(8, 12, channels)
    permutation = create_cipher("np", 4, channels).compile(KEY, 8, 12)
    assert np.array_equal(permutation.apply(image), each_pixel(image, 4, change))


def test_np_block_by_block():
    bits = KEY.stream("np", "negative-positive-block", "grid=2x3,block=4,channels=3").below(2, 6).tolist()
    image = noise(8, 12, 3)
    expected = each_pixel(image, 4, lambda block, _, values: [255 - v if bits[block] else v for v in values])
    assert np.array_equal(create_cipher("np", 4, per="block").compile(KEY, 8, 12).apply(image), expected)


@pytest.mark.parametrize("negation", [True, False])
def test_shf_scrambles_blocks_and_treats_all_alike_inside(negation):
    shared = "block=4,channels=3"
    scramble = KEY.stream("shf", "block-scramble", f"grid=2x3,{shared}").permutation(6)
    order = KEY.stream("shf", "pixel-shuffle", shared).permutation(48).tolist()
    bits = KEY.stream("shf", "negative-positive-pixel", shared).below(2, 48).tolist()
    image = noise(8, 12, 3)
    expected = shuffled_inside(BlockPermutation(BlockGrid(8, 12, 3, 4), scramble).apply(image), 4, [order] * 6)
    if negation:
        expected = each_pixel(
            expected, 4, lambda _, pixel, values: [255 - v if bits[pixel * 3 + k] else v for k, v in enumerate(values)]
        )
    permutation = create_cipher("shf", 4, negation=negation).compile(KEY, 8, 12)
    assert isinstance(permutation, TilePermutation)
    assert len(permutation.tile_index) == len(permutation.tile_mask) == 1, "every block has the same in-block key"
    assert np.array_equal(permutation.apply(image), expected)


def test_shf_keeps_its_in_block_key_at_every_size():
    small, large = (create_cipher("shf", 4).compile(KEY, *size) for size in ((8, 12), (32, 4)))
    assert np.array_equal(small.tile_index, large.tile_index)
    assert np.array_equal(small.tile_mask, large.tile_mask)


# --- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", list_ciphers())
def test_every_scheme_keeps_the_laws(scheme):
    # A gray block of one pixel holds nothing that BPS could shuffle.
    check_cipher(scheme, block_sizes=(4, 8) if scheme == "bps" else (1, 4, 8))


@pytest.mark.parametrize(
    ("scheme", "parameters"), [("pe", {"color_shuffle": False}), ("np", {"per": "block"}), ("shf", {"negation": False})]
)
def test_schemes_keep_the_laws_with_other_parameters(scheme, parameters):
    check_cipher(scheme, **parameters)


def test_no_two_schemes_or_steps_share_a_stream():
    """PE and NP use the same step, under paths of their own."""
    pe, np_ = (create_cipher(name, 4) for name in ("pe", "np"))
    assert pe.steps[0].name == np_.steps[0].name
    assert not np.array_equal(pe.compile(KEY, 4, 4).mask, np_.compile(KEY, 4, 4).mask)


def test_jpeg_safe_schemes():
    assert [name for name in list_ciphers() if create_cipher(name).jpeg_safe] == ["etc"]
    assert create_cipher("np", per="block").jpeg_safe


def test_steps_of_any_kind_combine():
    steps = (PixelShuffle(shared=False), BlockScramble(), NegativePositive(per="pixel"), BlockRotateFlip())
    cipher = Cipher("mixed", (*steps, ColorShuffle(per="pixel")), 3)
    check_cipher(cipher)
    product = SignedPermutation.identity((6, 9, 3))
    for step in cipher.steps:
        stream = KEY.stream("mixed", step.name, "grid=2x3,block=3,channels=3", "id")
        product = step.compile(stream, BlockGrid(6, 9, 3, 3)) @ product
    assert cipher.compile(KEY, 6, 9, "id") == product


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cipher("x", (), 4), r"scheme 'x' needs steps of distinct names, got \[\]"),
        (lambda: Cipher("x", (BlockScramble(), BlockScramble()), 4), "needs steps of distinct names, got"),
        (lambda: create_cipher("etc", 0), "block size must be at least 1 pixel, got 0"),
        (lambda: create_cipher("etc", 4, 4), "channels must be 1 .grayscale. or 3 .RGB., got 4"),
        (lambda: create_cipher("etc", 4).compile(KEY, 9, 8), "height 9 is not a positive multiple of the block size 4"),
        (lambda: create_cipher("np", per="image"), "per must be 'block' or 'pixel', got 'image'"),
    ],
)
def test_impossible_ciphers(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_a_cipher_shows_what_it_is():
    assert repr(create_cipher("etc", 8, 1)) == "Cipher('etc', block_size=8, channels=1)"

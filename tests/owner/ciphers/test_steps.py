"""Each step: what it draws, in which order, and that the draws are uniform."""

import hashlib

import numpy as np
import pytest
from slow_ciphers import each_pixel, shuffled_inside

from blindsight.algebra import BlockGrid, BlockPermutation, TilePermutation
from blindsight.errors import ParameterError
from blindsight.owner.ciphers import (
    BlockRotateFlip,
    BlockScramble,
    Cipher,
    ColorShuffle,
    NegativePositive,
    NibbleReverse,
    NibbleShuffle,
    PixelShuffle,
    Step,
)
from blindsight.owner.keys import SecretKey
from blindsight.owner.keystream import KeyStream

GRID = BlockGrid(4, 6, 3, 2)
GRAY = BlockGrid(4, 6, 1, 2)
STEPS = [
    BlockScramble(),
    BlockRotateFlip(),
    NegativePositive(per="block"),
    NegativePositive(per="pixel"),
    NegativePositive(per="pixel", shared=True),
    ColorShuffle(per="block"),
    ColorShuffle(per="pixel"),
    PixelShuffle(shared=True),
    PixelShuffle(shared=False),
    BlockScramble(share=0.5),
    PixelShuffle(share=0.5),
    NibbleReverse(),
    NibbleReverse(shared=False),
    NibbleShuffle(),
    NibbleShuffle(shared=False),
    NibbleShuffle(tied=True),
]


def stream(number: int = 0) -> KeyStream:
    return SecretKey(hashlib.sha256(f"step {number}".encode()).digest()).stream("test")


def noise(grid: BlockGrid) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, grid.shape, np.uint8)


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_steps_are_steps(step):
    assert isinstance(step, Step)
    assert isinstance(step.compile(stream(), GRID), BlockPermutation | TilePermutation)
    assert step.compile(stream(), GRAY).shape == GRAY.shape
    assert step == type(step)(**vars(step))
    assert hash(step) == hash(type(step)(**vars(step)))


def test_names_never_change():
    assert sorted({step.name for step in STEPS}) == [
        "block-rotate-flip",
        "block-scramble",
        "block-scramble-part",
        "color-shuffle-block",
        "color-shuffle-pixel",
        "negative-positive-block",
        "negative-positive-pixel",
        "nibble-reverse",
        "nibble-shuffle",
        "nibble-shuffle-tied",
        "pixel-shuffle",
        "pixel-shuffle-part",
    ]


def test_only_whole_blocks_survive_jpeg():
    safe = [step for step in STEPS if step.jpeg_safe]
    whole = [BlockScramble(), BlockRotateFlip(), NegativePositive(per="block"), ColorShuffle(per="block")]
    assert safe == [*whole, BlockScramble(share=0.5)]


# --- what is drawn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [GRID, GRAY], ids=["RGB", "gray"])
def test_block_steps_draw_one_number_a_block(grid):
    n = grid.blocks
    assert BlockScramble().compile(stream(), grid) == BlockPermutation(grid, source=stream().permutation(n))
    assert BlockRotateFlip().compile(stream(), grid) == BlockPermutation(grid, orientation=stream().below(8, n))
    negated = NegativePositive(per="block").compile(stream(), grid)
    assert negated == BlockPermutation(grid, negative=stream().below(2, n))


def test_colours_are_shuffled_block_by_block():
    expected = BlockPermutation(GRID, color=stream().below(6, GRID.blocks))
    assert ColorShuffle(per="block").compile(stream(), GRID) == expected


@pytest.mark.parametrize("per", ["block", "pixel"])
def test_grayscale_has_no_colours_to_shuffle(per):
    assert ColorShuffle(per=per).compile(stream(), GRAY) == BlockPermutation(GRAY)


@pytest.mark.parametrize("grid", [GRID, GRAY], ids=["RGB", "gray"])
@pytest.mark.parametrize("shared", [False, True])
def test_pixelwise_negation_draws_a_bit_a_component(grid, shared):
    bits = stream().below(2, (1 if shared else grid.blocks) * grid.block_samples).tolist()

    def negate(block, pixel, values):
        first = (0 if shared else block * grid.block_samples) + pixel * grid.channels
        return [255 - value if bits[first + k] else value for k, value in enumerate(values)]

    permutation = NegativePositive(per="pixel", shared=shared).compile(stream(), grid)
    assert np.array_equal(permutation.apply(noise(grid)), each_pixel(noise(grid), grid.block, negate))
    assert len(permutation.tile_mask) == (1 if shared else grid.blocks)


def test_colours_are_shuffled_pixel_by_pixel():
    orders = stream().below(6, GRID.blocks * 4).tolist()
    letters = ("RGB", "RBG", "GRB", "GBR", "BRG", "BGR")

    def shuffle(block, pixel, values):
        return [values["RGB".index(letter)] for letter in letters[orders[block * 4 + pixel]]]

    result = ColorShuffle(per="pixel").compile(stream(), GRID).apply(noise(GRID))
    assert np.array_equal(result, each_pixel(noise(GRID), GRID.block, shuffle))


@pytest.mark.parametrize("grid", [GRID, GRAY], ids=["RGB", "gray"])
@pytest.mark.parametrize("shared", [False, True])
def test_samples_are_shuffled_inside_blocks(grid, shared):
    draws = stream()
    if shared:
        orders = [draws.permutation(grid.block_samples).tolist()] * grid.blocks
    else:
        orders = [draws.permutation(grid.block_samples).tolist() for _ in range(grid.blocks)]
    permutation = PixelShuffle(shared=shared).compile(stream(), grid)
    assert np.array_equal(permutation.apply(noise(grid)), shuffled_inside(noise(grid), grid.block, orders))
    assert len(permutation.tile_index) == (1 if shared else grid.blocks)


def test_what_blocks_share_does_not_depend_on_their_number():
    shared = [step for step in STEPS if step.shared]
    assert len(shared) == 6
    for step in shared:
        small, large = (step.compile(stream(), grid) for grid in (GRID, BlockGrid(20, 2, 3, 2)))
        assert np.array_equal(small.tile_index, large.tile_index)
        assert np.array_equal(small.tile_mask, large.tile_mask)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NegativePositive(per="image"), "per must be 'block' or 'pixel', got 'image'"),
        (lambda: ColorShuffle(per="image"), "per must be 'block' or 'pixel', got 'image'"),
        (
            lambda: NegativePositive(per="block", shared=True),
            "negation per block has nothing to share; use per='pixel'",
        ),
    ],
)
def test_impossible_steps(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


# --- uniformity -------------------------------------------------------------------------------------------------------

KEYS = 400
#: Upper 0.1 % points of the chi-square distribution. Keys are fixed, so a test fails always or never.
CRITICAL = {1: 10.83, 3: 16.27, 5: 20.52, 7: 24.32, 11: 31.26}


def compiled(step: Step, grid: BlockGrid) -> list:
    return [step.compile(stream(number), grid) for number in range(KEYS)]


def assert_uniform(values: np.ndarray, count: int) -> None:
    """Pearson's chi-square test of values 0..count-1."""
    seen = np.bincount(values.reshape(-1), minlength=count)
    assert len(seen) == count
    expected = values.size / count
    assert ((seen - expected) ** 2 / expected).sum() < CRITICAL[count - 1], seen


def test_orientations_are_uniform():
    codes = np.array([p.orientation for p in compiled(BlockRotateFlip(), GRID)])
    assert_uniform(codes, 8)
    for block in range(GRID.blocks):
        assert_uniform(codes[:, block], 8)


def test_colour_orders_are_uniform():
    codes = np.array([p.color for p in compiled(ColorShuffle(per="block"), GRID)])
    assert_uniform(codes, 6)
    for block in range(GRID.blocks):
        assert_uniform(codes[:, block], 6)


def test_signs_are_uniform():
    for block in range(GRID.blocks):
        assert_uniform(np.array([p.negative[block] for p in compiled(NegativePositive(per="block"), GRID)]), 2)
    masks = np.array([p.tile_mask for p in compiled(NegativePositive(per="pixel", shared=True), GRID)])
    assert set(np.unique(masks)) == {0, 255}
    for sample in range(GRID.block_samples):
        assert_uniform(masks[:, 0, sample] // 255, 2)


def test_every_block_goes_everywhere_alike():
    sources = np.array([p.source for p in compiled(BlockScramble(), GRID)])
    for block in range(GRID.blocks):
        assert_uniform(sources[:, block], GRID.blocks)


def test_every_sample_goes_everywhere_alike():
    orders = np.array([p.tile_index[0] for p in compiled(PixelShuffle(shared=True), GRID)], np.int64)
    for sample in range(GRID.block_samples):
        assert_uniform(orders[:, sample], GRID.block_samples)


def test_pixelwise_colour_orders_are_uniform():
    firsts = np.array([p.tile_index for p in compiled(ColorShuffle(per="pixel"), GRID)], np.int64)
    pixels = firsts.reshape(-1, 3) % 3
    letters = ["".join("RGB"[c] for c in pixel) for pixel in pixels]
    names, counts = np.unique(letters, return_counts=True)
    assert names.tolist() == ["BGR", "BRG", "GBR", "GRB", "RBG", "RGB"]
    expected = len(letters) / 6
    assert ((counts - expected) ** 2 / expected).sum() < CRITICAL[5]


def test_the_components_of_etc_are_independent():
    """No pair of block tables of one key predicts the other: 8 orientations x 2 signs, 2 signs x 6 colours."""
    cipher = Cipher("etc", (BlockRotateFlip(), NegativePositive(), ColorShuffle()), block_size=2)
    keys = [SecretKey(hashlib.sha256(f"joint {n}".encode()).digest()) for n in range(KEYS)]
    tables = [cipher.compile(key, 4, 6) for key in keys]
    signs = np.array([p.negative for p in tables]).astype(np.int64)
    colors = np.array([p.color for p in tables]).astype(np.int64)
    turned = np.array([p.orientation for p in tables]).astype(np.int64)
    assert_uniform(signs + 2 * colors, 12)
    assert_uniform(signs + 2 * (turned // 4), 4)

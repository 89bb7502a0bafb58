"""BPS and RRP: what moves, what stays, and the shares."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_ciphers import shuffled_inside

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.errors import ParameterError
from blindsight.owner.ciphers import BlockScramble, PixelShuffle, create_cipher
from blindsight.owner.keys import SecretKey
from blindsight.testing import check_cipher

KEY = SecretKey(bytes(range(32)))
GRID = BlockGrid(8, 12, 3, 4)
KEYS = 400


def stream(number: int = 0):
    return SecretKey(hashlib.sha256(f"part {number}".encode()).digest()).stream("test")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# --- BPS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("scramble", [False, True])
def test_bps_shuffles_each_block_in_its_own_way(channels, scramble):
    geometry = f"grid=2x3,block=4,channels={channels}"
    draws = KEY.stream("bps", "pixel-shuffle", geometry)
    orders = [draws.permutation(16 * channels).tolist() for _ in range(6)]
    image = noise(8, 12, channels)
    expected = shuffled_inside(image, 4, orders)
    if scramble:
        source = KEY.stream("bps", "block-scramble", geometry).permutation(6)
        expected = BlockPermutation(BlockGrid(8, 12, channels, 4), source).apply(expected)
    permutation = create_cipher("bps", 4, channels, scramble=scramble).compile(KEY, 8, 12)
    assert np.array_equal(permutation.apply(image), expected)
    assert len({tuple(row) for row in permutation.tile_index.tolist()}) == 6, "no two blocks share a key"


def test_bps_keeps_the_laws():
    check_cipher("bps", block_sizes=(4, 8))  # a gray block of one pixel has nothing to shuffle
    check_cipher("bps", scramble=True)
    assert not create_cipher("bps").jpeg_safe


# --- RRP --------------------------------------------------------------------------------------------------------------


def test_rrp_is_two_shuffles_of_parts():
    cipher = create_cipher("rrp", 4, blocks=0.5, samples=0.25)
    assert cipher.steps == (BlockScramble(share=0.5), PixelShuffle(share=0.25))
    permutation = cipher.compile(KEY, 16, 24)
    assert (permutation.source != np.arange(24)).sum() <= 12
    assert permutation.tile_index.shape == (1, 48)
    assert (permutation.tile_index[0] != np.arange(48)).sum() <= 12


def test_rrp_with_whole_shares_is_shf_without_negation():
    assert create_cipher("rrp", blocks=1, samples=1.0).steps == create_cipher("shf", negation=False).steps


def test_rrp_with_one_share_alone():
    assert create_cipher("rrp", blocks=0.0).steps == (PixelShuffle(share=0.5),)
    blocks_alone = create_cipher("rrp", samples=0.0)
    assert blocks_alone.steps == (BlockScramble(share=0.5),)
    assert blocks_alone.jpeg_safe
    assert not create_cipher("rrp").jpeg_safe


def test_rrp_keeps_the_laws():
    check_cipher("rrp")
    check_cipher("rrp", samples=0.0)
    check_cipher("rrp", blocks=0.0, block_sizes=(4, 8))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: create_cipher("rrp", blocks=0.0, samples=0.0), "with blocks=0 and samples=0 nothing moves; give one"),
        (
            lambda: create_cipher("rrp", blocks=1.5),
            r"share must be from 0 .nothing moves. to 1 .everything may., got 1.5",
        ),
        (lambda: create_cipher("rrp", samples=-0.1), "share must be from 0 .* got -0.1"),
        (lambda: BlockScramble(share=float("nan")), "share must be from 0 .* got nan"),
        (lambda: PixelShuffle(share=2), "share must be from 0 .* got 2"),
    ],
)
def test_impossible_shares(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


# --- parts ------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 99))
def test_a_part_moves_at_most_its_share_and_is_drawn_first(share, number):
    draws, n = stream(number), GRID.block_samples
    chosen = sorted(draws.permutation(n)[: int(share * n + 0.5)].tolist())
    places = draws.permutation(len(chosen)).tolist()
    index = PixelShuffle(share=share).compile(stream(number), GRID).tile_index[0].tolist()
    assert [index[place] for place in chosen] == [chosen[k] for k in places]
    assert all(index[place] == place for place in set(range(n)) - set(chosen))


def test_independent_parts_are_drawn_block_after_block():
    draws = stream()
    expected = []
    for _ in range(GRID.blocks):
        chosen = sorted(draws.permutation(48)[:19].tolist())
        row = list(range(48))
        for place, k in zip(chosen, draws.permutation(19).tolist(), strict=True):
            row[place] = chosen[k]
        expected.append(row)
    step = PixelShuffle(shared=False, share=0.4)
    assert step.compile(stream(), GRID).tile_index.tolist() == expected


def test_names_say_whether_a_part_moves():
    assert [BlockScramble().name, BlockScramble(share=0.5).name] == ["block-scramble", "block-scramble-part"]
    assert [PixelShuffle().name, PixelShuffle(share=0.5).name] == ["pixel-shuffle", "pixel-shuffle-part"]
    assert BlockScramble(share=0).compile(stream(), GRID) == BlockPermutation(GRID)


def test_every_block_takes_part_alike():
    """Chi-square tests at the 0.1 % level; keys are fixed, so they fail always or never."""
    grid = BlockGrid(4, 6, 3, 2)
    sources = np.array([BlockScramble(share=0.5).compile(stream(n), grid).source for n in range(KEYS)])
    moved = (sources != np.arange(6)).sum(axis=0)
    # Three of six are chosen; one of them moves with probability 2/3: a third of the keys.
    assert ((moved - KEYS / 3) ** 2 / (KEYS / 3)).sum() + ((moved - KEYS / 3) ** 2 / (KEYS * 2 / 3)).sum() < 22.46
    for block in range(6):
        away = sources[sources[:, block] != block, block]
        seen = np.bincount(away, minlength=6)[np.arange(6) != block]
        assert ((seen - len(away) / 5) ** 2 / (len(away) / 5)).sum() < 18.47

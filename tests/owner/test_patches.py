"""A cipher as patches see it: nothing of the permutation is lost, and what moves between patches is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.algebra import SignedPermutation
from blindsight.errors import IncompatibleModelError, ParameterError
from blindsight.owner._patches import PatchStates
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey

SCHEMES = [
    ("etc", {}), ("shf", {}), ("shf", {"negation": False}), ("np", {}), ("np", {"per": "block"}), ("pe", {}),
    ("bps", {}), ("bps", {"scramble": True}), ("rrp", {}),
]  # fmt: skip


def patches(images: np.ndarray, h: int, w: int) -> np.ndarray:
    """(N, H, W, C) -> (N, n, C * h * w), samples as a convolution has them."""
    n, height, width, c = images.shape
    cut = images.reshape(n, height // h, h, width // w, w, c)
    return cut.transpose(0, 1, 3, 5, 2, 4).reshape(n, -1, c * h * w)


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(SCHEMES), st.integers(1, 4), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3),
    st.sampled_from([1, 3]), st.binary(min_size=32, max_size=32),
)  # fmt: skip
def test_the_tables_say_all_that_the_permutation_does(scheme, patch, times, rows, cols, channels, secret):
    name, parameters = scheme
    # Whole blocks turn and turn negative; what moves samples about the block needs block = patch.
    block = patch * times if name in ("etc", "np", "pe") else patch
    permutation = create_cipher(name, block, channels, **parameters).compile(
        SecretKey(secret), rows * block, cols * block
    )
    states = PatchStates.of(permutation, (patch, patch), name, block)
    images = np.random.default_rng(0).integers(0, 256, (2, *permutation.shape), np.uint8)
    plain, hidden = (2.0 * patches(x, patch, patch) - 255 for x in (images, np.asarray(permutation.apply(images))))
    moved = plain[:, states.source]
    index, sign = states.index[states.variant], states.sign[states.variant]
    assert np.array_equal(hidden, sign * np.take_along_axis(moved, np.broadcast_to(index, moved.shape), axis=2))
    # Turned back to the gauge of the first state, all positions look alike.
    back, turn = (table[states.variant] for table in states.relative())
    common = turn * np.take_along_axis(hidden, np.broadcast_to(back.astype(np.int64), hidden.shape), axis=2)
    assert np.array_equal(common, states.sign[0] * moved[:, :, states.index[0]])
    assert states.same_tables(*states.relative(), states.variant)
    assert np.array_equal(np.unique(states.variant), np.arange(len(states.index)))
    assert states.variant[0] == 0
    assert states.moves == (not np.array_equal(states.source, np.arange(len(states.source))))


def test_states_are_as_few_as_they_can_be():
    key = SecretKey(bytes(32))
    assert len(PatchStates.of(create_cipher("shf", 4).compile(key, 32, 32), (4, 4), "shf", 4).index) == 1
    assert len(PatchStates.of(create_cipher("bps", 4).compile(key, 32, 32), (4, 4), "bps", 4).index) == 64
    assert 90 <= len(PatchStates.of(create_cipher("etc", 4).compile(key, 96, 96), (4, 4), "etc", 4).index) <= 96


@pytest.mark.parametrize(("scheme", "block", "patch"), [("shf", 8, 4), ("rrp", 8, 4), ("bps", 6, 3), ("etc", 4, 3)])
def test_what_moves_between_patches_is_refused(scheme, block, patch):
    permutation = create_cipher(scheme, block).compile(SecretKey(bytes(32)), 24, 24)
    with pytest.raises(IncompatibleModelError, match=rf"'{scheme}' with blocks of {block} .* --block-size {patch}"):
        PatchStates.of(permutation, (patch, patch), scheme, block)
    with pytest.raises(IncompatibleModelError, match="choose a model with square patches"):
        PatchStates.of(permutation, (12, 1), scheme, block)


def test_patches_larger_than_blocks_need_whole_patches_to_stay():
    key = SecretKey(bytes(32))
    assert len(PatchStates.of(create_cipher("np", 4).compile(key, 16, 24), (8, 8), "np", 4).index) == 1
    with pytest.raises(IncompatibleModelError, match="moves samples from one patch of 8x8"):
        PatchStates.of(create_cipher("etc", 4).compile(key, 16, 24), (8, 8), "etc", 4)
    with pytest.raises(IncompatibleModelError, match="patches of 5x5 do not tile images of 16x24"):
        PatchStates.of(create_cipher("np", 4).compile(key, 16, 24), (5, 5), "np", 4)


@pytest.mark.parametrize("scheme", ["le", "ele"])
def test_halves_of_samples_are_not_linear(scheme):
    permutation = create_cipher(scheme, 4).compile(SecretKey(bytes(32)), 8, 8)
    with pytest.raises(ParameterError, match=rf"'{scheme}' acts on parts of a sample's bits.*such as shf or etc"):
        PatchStates.of(permutation, (4, 4), scheme, 4)


def test_masks_of_single_bits_are_not_linear():
    permutation = SignedPermutation((4, 4, 1), np.arange(16), np.full(16, 128))
    with pytest.raises(ParameterError, match="no linear function"):
        PatchStates.of(permutation, (4, 4), "mine", 4)


def test_tables_are_never_printed():
    text = repr(PatchStates.of(create_cipher("shf", 2).compile(SecretKey(bytes(32)), 4, 4), (2, 2), "shf", 2))
    assert text == "PatchStates(rows=2, cols=2)"

"""What mixing does to pixels, against the plainest way to say it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.owner.mixing.draws import UNIT
from blindsight.owner.mixing.methods import blend, flip_signs, replace_blocks, replace_box


def images(count, height=12, width=16, channels=3, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8))


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 5),
    st.sampled_from([1, 3]),
)
def test_every_block_is_the_same_block_of_the_image_that_was_chosen(rows, columns, tall, wide, donors, channels):
    target, *others = images(donors + 1, rows * tall, columns * wide, channels)
    before = target.copy()
    choice = np.random.default_rng(donors).integers(0, donors + 1, (rows, columns))
    mixed = replace_blocks(target, others, choice)
    for r in range(rows):
        for c in range(columns):
            part = np.s_[r * tall : (r + 1) * tall, c * wide : (c + 1) * wide]
            assert (mixed[part] == [target, *others][choice[r, c]][part]).all()
    assert (target == before).all()
    assert mixed.dtype == np.uint8


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any))
def test_blending_is_the_rounded_weighted_mean(parts):
    units = [part * UNIT // sum(parts) for part in parts]
    units[0] += UNIT - sum(units)
    pictures = images(len(parts))
    exact = sum(p.astype(np.float64) * u for p, u in zip(pictures, units, strict=True)) / UNIT
    assert (blend(pictures, units) == np.floor(exact + 0.5)).all()


def test_blending_with_all_weight_on_one_image_is_that_image():
    a, b = images(2)
    assert (blend([a, b], [UNIT, 0]) == a).all()
    white = np.full((2, 2, 3), 255, np.uint8)
    assert (blend([white] * 5, [UNIT - 4, 1, 1, 1, 1]) == 255).all()


@pytest.mark.parametrize("box", [(0, 0, 12, 16), (3, 5, 7, 16), (2, 2, 2, 9)])
def test_a_box_is_the_donors_and_the_rest_the_targets(box):
    target, donor = images(2)
    top, left, bottom, right = box
    mixed = replace_box(target, donor, box)
    inside = np.zeros((12, 16), bool)
    inside[top:bottom, left:right] = True
    assert (mixed[inside] == donor[inside]).all()
    assert (mixed[~inside] == target[~inside]).all()


def test_flipping_signs_twice_is_nothing_and_once_is_the_negative():
    (image,) = images(1)
    bits = np.random.default_rng(1).integers(0, 2, image.size, np.uint8)
    flipped = flip_signs(image, bits)
    assert (flip_signs(flipped, bits) == image).all()
    assert (flipped == np.where(bits.reshape(image.shape) == 1, 255 - image, image)).all()

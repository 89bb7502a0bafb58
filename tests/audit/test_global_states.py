"""Global states: a group of its size, the same on pixels and on blocks, and found again where the truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_image

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.audit.global_states import State, best_states, global_states, in_state, state_permutation
from blindsight.audit.metrics import ssim

GRID = BlockGrid(16, 16, 3, 4)
FLOWER = load_sample_image("flower.jpg")
#: Eight crops of a photograph, uint8 (8, 16, 16, 3).
CROPS = np.stack([FLOWER[y : y + 64 : 4, x : x + 64 : 4] for y in (60, 200) for x in (80, 200, 320, 440)])


@settings(max_examples=8, deadline=None)
@given(side=st.sampled_from([(8, 8), (8, 12)]), channels=st.sampled_from([1, 3]))
def test_the_states_are_a_group_of_its_size(side: tuple[int, int], channels: int) -> None:
    grid = BlockGrid(*side, channels, 4)
    states = [state_permutation(grid, state) for state in global_states(grid.shape)]
    assert len(states) == (8 if side[0] == side[1] else 4) * 2 * (6 if channels == 3 else 1)
    image = np.random.default_rng(0).integers(0, 256, grid.shape, np.uint8)
    assert len({state.apply(image).tobytes() for state in states}) == len(states)
    assert np.array_equal(states[0].apply(image), image)
    assert all(state.inverse() in states for state in states[::7])
    assert all(isinstance(state @ states[-1], BlockPermutation) for state in states)
    assert all(state @ states[-1] in states for state in states[::11])


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"oriented": False}, 12),
        ({"negated": False}, 48),
        ({"colored": False}, 16),
        ({"oriented": False, "negated": False, "colored": False}, 1),
    ],
)
def test_fewer_states_where_less_is_open(options: dict[str, bool], count: int) -> None:
    assert len(global_states((1, 8, 8, 3), **options)) == count


@pytest.mark.parametrize("state", global_states(GRID.shape)[::7])
def test_a_state_is_a_permutation_of_blocks(state: State) -> None:
    assert np.array_equal(state_permutation(GRID, state).apply(CROPS), in_state(CROPS, state))


def test_a_state_turns_the_whole_picture() -> None:
    state = (6, 1, 5)
    assert np.array_equal(in_state(CROPS, state)[0], 255 - CROPS[0].swapaxes(0, 1)[::-1, :, ::-1])
    hidden = state_permutation(GRID, state).inverse().apply(CROPS)
    assert best_states(hidden, CROPS, shared=True) == [state] * 8
    assert best_states(hidden[:2], CROPS[:2], shared=False) == [state] * 2


def test_each_image_may_have_a_state_of_its_own() -> None:
    states = [(3, 0, 4), (4, 1, 0)]
    hidden = [state_permutation(GRID, state).inverse().apply(crop) for state, crop in zip(states, CROPS, strict=False)]
    assert best_states(np.stack(hidden), CROPS[:2], shared=False) == states


@pytest.mark.parametrize("shared", [True, False])
def test_the_best_state_is_no_worse_than_none(shared: bool) -> None:
    found = CROPS[::-1]
    states = best_states(found, CROPS, shared=shared)
    turned = [in_state(one[None], state)[0] for one, state in zip(found, states, strict=True)]
    likeness = [sum(ssim(a, b) for a, b in zip(images, CROPS, strict=True)) for images in (found, turned)]
    assert likeness[1] >= likeness[0]

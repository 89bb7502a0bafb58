"""Global states: what they are, and that public images tell which is the true one."""

import numpy as np
import pytest

from blindsight.algebra import BlockGrid
from blindsight.audit import Budget
from blindsight.audit.attacks._state import StateModel, in_state, state_permutation, states

NOISE = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)


def test_a_square_colour_image_has_96_states_and_the_first_changes_nothing() -> None:
    every = states(NOISE.shape)
    assert len(every) == 96
    assert len({in_state(NOISE, state).tobytes() for state in every}) == 96
    assert np.array_equal(in_state(NOISE, every[0]), NOISE)


@pytest.mark.parametrize(
    ("shape", "options", "count"),
    [
        ((1, 8, 12, 3), {}, 48),
        ((1, 8, 8, 1), {}, 16),
        ((1, 8, 8, 3), {"oriented": False}, 12),
        ((1, 8, 8, 3), {"oriented": False, "negated": False, "colored": False}, 1),
    ],
)
def test_fewer_states_where_less_is_open(shape: tuple[int, ...], options: dict[str, bool], count: int) -> None:
    assert len(states(shape, **options)) == count


@pytest.mark.parametrize("state", states(NOISE.shape)[::7])
def test_a_state_is_a_signed_permutation_of_blocks(state: tuple[int, int, int]) -> None:
    permutation = state_permutation(BlockGrid(8, 8, 3, 4), state)
    assert np.array_equal(permutation.apply(NOISE), in_state(NOISE, state))


def test_public_images_tell_the_sign_and_the_colours(crops: np.ndarray, public: np.ndarray) -> None:
    among = states(crops.shape, oriented=False)
    model = StateModel(public, among, Budget())
    assert model.likeliest(crops) == (0, 0, 0)
    assert model.likeliest(255 - crops) == (0, 1, 0)
    assert model.likeliest(crops[..., [1, 2, 0]]) == (0, 0, 4)  # BRG takes GBR back


def test_without_public_images_nothing_is_changed() -> None:
    assert StateModel(None, states(NOISE.shape), Budget()).likeliest(255 - NOISE) == (0, 0, 0)

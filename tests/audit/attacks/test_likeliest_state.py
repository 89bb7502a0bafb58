"""Which global state is the true one: public images tell it, and rules of thumb where there are none."""

import numpy as np
import pytest

from blindsight.algebra import BlockGrid
from blindsight.audit import Budget
from blindsight.audit.attacks._likeliest_state import StateModel
from blindsight.audit.global_states import State, global_states, in_state, state_permutation

EVERY = global_states((16, 16, 3))
SOME = [EVERY[number] for number in (0, 7, 33, 50, 95)]


def landscapes(count: int, seed: int) -> np.ndarray:
    """A bright bluish sky over a dark reddish ground, brighter on the left."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 16, 16, 3))
    images[:, :8] = (120, 150, 210)
    images[:, 8:] = (90, 60, 30)
    images[:, :, :8] += 20
    return np.clip(images + rng.normal(0, 15, images.shape) + rng.normal(0, 25, (count, 1, 1, 1)), 0, 255).astype(
        np.uint8
    )


def hidden(images: np.ndarray, state: State) -> np.ndarray:
    """Images that only this state makes plain."""
    return state_permutation(BlockGrid(16, 16, 3, 16), state).inverse().apply(images)


@pytest.fixture(scope="module")
def learned() -> StateModel:
    return StateModel(landscapes(100, 2), EVERY, Budget())


@pytest.mark.parametrize("state", SOME)
@pytest.mark.parametrize("count", [1, 10])
def test_public_images_tell_the_state_even_of_one_image(learned: StateModel, state: State, count: int) -> None:
    assert learned.likeliest(hidden(landscapes(count, 1), state)) == state


@pytest.mark.parametrize("state", SOME)
def test_without_them_light_comes_from_above(state: State) -> None:
    plain = landscapes(10, 1)
    found = StateModel(None, EVERY, Budget()).likeliest(hidden(plain, state))
    seen = in_state(hidden(plain, state), found)
    assert np.array_equal(seen, plain) or np.array_equal(seen, plain[:, :, ::-1])


def test_public_images_of_photographs_tell_the_sign_and_the_colours(crops: np.ndarray, public: np.ndarray) -> None:
    model = StateModel(public, global_states(crops.shape, oriented=False), Budget())
    assert model.likeliest(crops) == (0, 0, 0)
    assert model.likeliest(255 - crops) == (0, 1, 0)
    assert model.likeliest(crops[..., [1, 2, 0]]) == (0, 0, 4)  # BRG takes GBR back


def test_grey_and_oblong_images_have_states_too() -> None:
    grey = landscapes(60, 3)[:, :, :12, :1]
    model = StateModel(grey, global_states(grey.shape), Budget())
    assert model.likeliest(255 - grey[:20, ::-1]) == (2, 1, 0)


def test_a_single_state_is_not_judged() -> None:
    assert StateModel(landscapes(3, 0), EVERY[:1], Budget()).likeliest(255 - landscapes(1, 1)) == (0, 0, 0)


def test_one_public_image_teaches_nothing() -> None:
    one, none = StateModel(landscapes(1, 0), EVERY, Budget()), StateModel(None, EVERY, Budget())
    seen = hidden(landscapes(5, 1), EVERY[50])
    assert one.likeliest(seen) == none.likeliest(seen)

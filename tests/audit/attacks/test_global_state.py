"""States of the whole: a group that joins cannot tell apart, and the choice among them."""

import numpy as np
import pytest

from blindsight.algebra import BlockGrid
from blindsight.audit.attacks._freedom import Freedom
from blindsight.audit.attacks._global_state import global_states, likeliest_state

SQUARE, WIDE, GRAY = BlockGrid(16, 16, 3, 4), BlockGrid(16, 24, 3, 8), BlockGrid(16, 16, 1, 4)


@pytest.mark.parametrize(
    ("grid", "freedom", "count"),
    [
        (SQUARE, Freedom(8, 2, 6), 96),
        (WIDE, Freedom(8, 2, 6), 48),
        (GRAY, Freedom(8, 2, 1), 16),
        (SQUARE, Freedom(1, 1, 1), 1),
    ],
)
def test_states_are_distinct_and_closed(grid: BlockGrid, freedom: Freedom, count: int) -> None:
    states = global_states(grid, freedom)
    image = np.random.default_rng(0).integers(0, 256, grid.shape, np.uint8)
    seen = {state.apply(image).tobytes() for state in states}
    assert len(states) == len(seen) == count
    assert states[0].apply(image).tobytes() == image.tobytes()
    last = states[-1].apply(image)
    assert {state.apply(last).tobytes() for state in states} == seen


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


@pytest.mark.parametrize("number", [0, 7, 33, 50, 95])
def test_public_images_tell_the_state(number: int) -> None:
    states = global_states(SQUARE, Freedom(8, 2, 6))
    hidden = states[number].apply(landscapes(10, 1))
    found = likeliest_state(hidden, landscapes(200, 2), states)
    assert np.array_equal(found.apply(hidden), landscapes(10, 1))


@pytest.mark.parametrize("number", [0, 7, 33, 50, 95])
def test_without_them_light_comes_from_above(number: int) -> None:
    states = global_states(SQUARE, Freedom(8, 2, 6))
    plain = landscapes(10, 1)
    found = likeliest_state(states[number].apply(plain), None, states).apply(states[number].apply(plain))
    assert np.array_equal(found, plain) or np.array_equal(found, plain[:, :, ::-1])

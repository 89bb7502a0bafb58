"""Pools of keys: images are sorted by key and solved; a key an image and noise leave nothing to sort."""

import numpy as np
import pytest

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.audit import Budget, get_attack
from blindsight.audit.attacks._freedom import Freedom
from blindsight.audit.attacks._seams import SeamTest
from blindsight.audit.global_states import global_states, in_state, state_permutation
from blindsight.audit.scenario import make_scenario

ATTACK = get_attack("pool-jigsaw")
GRID, FREEDOM = BlockGrid(32, 32, 3, 8), Freedom(8, 2, 6)


def right_share(found: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """For each image the share of pixels that are right in its best state of the whole."""
    states = global_states(plain.shape)
    return np.max([(in_state(found, state) == plain).all(3).mean((1, 2)) for state in states], axis=0)


def test_images_are_sorted_by_key_and_solved(crops: np.ndarray) -> None:
    made = make_scenario(crops[:16], "etc", 8, seed=1, key_scope="pool:2")
    assert ATTACK.why_not(made.observation) is None
    found = ATTACK.run(made.observation, Budget(seed=1))
    assert found.facts["keys_found"] == 2
    assert found.facts["images_sorted"] == 16
    assert found.symmetric
    assert found.key is None
    assert right_share(found.images, made.truth.images).mean() > 0.95


def test_a_pool_of_one_is_one_key(crops: np.ndarray) -> None:
    made = make_scenario(crops[:8], "etc", 8, seed=2, key_scope="pool:1")
    found = ATTACK.run(made.observation, Budget(seed=1))
    assert found.facts["keys_found"] == 1
    assert right_share(found.images, made.truth.images).mean() > 0.95


@pytest.mark.parametrize("null", ["keys per image", "noise"])
def test_nulls_leave_nothing_to_sort(crops: np.ndarray, null: str) -> None:
    plain = crops[:5]
    if null == "noise":
        plain = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    made = make_scenario(plain, "etc", 8, seed=3, key_scope="image" if null == "keys per image" else "pool:2")
    found = ATTACK.run(made.observation, Budget(3, seed=1))
    assert found.facts["keys_found"] == 0
    assert found.facts["images_sorted"] == 0
    if null == "noise":
        assert right_share(found.images, plain).max() < 0.5


def test_without_time_images_come_back_as_they_are(crops: np.ndarray) -> None:
    made = make_scenario(crops[:4], "etc", 8, seed=1, key_scope="pool:2")
    found = ATTACK.run(made.observation, Budget(1e-6))
    assert np.array_equal(found.images, made.observation.images)
    assert found.facts["tried_alone"] == 0


@pytest.mark.parametrize(
    ("scheme", "scope", "said"),
    [
        ("etc", "dataset", "draw their keys from a pool"),
        ("etc", "image", "draw their keys from a pool"),
        ("pe", "pool:2", "blocks that stay whole"),
    ],
)
def test_it_says_why_it_cannot_be_tried(crops: np.ndarray, scheme: str, scope: str, said: str) -> None:
    assert said in str(ATTACK.why_not(make_scenario(crops[:2], scheme, 8, key_scope=scope).observation))


def test_seams_tell_the_layout_whatever_the_state_of_the_whole(crops: np.ndarray) -> None:
    made = make_scenario(crops[:6], "etc", 8, seed=4)
    other = make_scenario(crops[:6], "etc", 8, seed=5)
    test = SeamTest(made.observation.images, GRID, FREEDOM, Budget())
    assert isinstance(made.truth.key, BlockPermutation)
    assert isinstance(other.truth.key, BlockPermutation)
    right, wrong = made.truth.key.inverse(), other.truth.key.inverse()
    every = np.arange(6)
    scores = test(right, every)
    assert scores.min() > 4
    assert np.abs(test(wrong, every)).max() < 4
    turned = state_permutation(GRID, global_states((32, 32, 3))[37]) @ right
    assert isinstance(turned, BlockPermutation)
    assert np.allclose(test(turned, every), scores, atol=1e-4)
    assert np.array_equal(test(right, every[2:4]), scores[2:4])

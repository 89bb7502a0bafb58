"""The jigsaw of single images: keys per image do not stop it; noise does."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from blindsight.algebra import BlockPermutation
from blindsight.audit import Budget, get_attack
from blindsight.audit.block_scores import score_blocks
from blindsight.audit.global_states import global_states, in_state
from blindsight.audit.scenario import make_scenario
from blindsight.audit.threat import Observation
from blindsight.profile import Profile

ATTACK = get_attack("jigsaw")
FLOWER = load_sample_image("flower.jpg")
#: Three parts of a photograph, 64x64.
PLAIN = np.stack([FLOWER[100:164, left : left + 64] for left in (200, 264, 328)])


def wrong_share(found: np.ndarray, plain: np.ndarray) -> float:
    """The share of pixels that are wrong in the best state of the whole."""
    turned = (in_state(found[None], state)[0] for state in global_states(plain.shape))
    return min(float((one != plain).any(axis=-1).mean()) for one in turned)


def test_keys_per_image_do_not_stop_it() -> None:
    made = make_scenario(PLAIN, "etc", 16, key_scope="image", seed=1)
    assert ATTACK.why_not(made.observation) is None
    found = ATTACK.run(made.observation, Budget(seed=1))
    assert found.facts["solved"] == 3
    assert found.key is None
    assert [wrong_share(*pair) for pair in zip(found.images, PLAIN, strict=True)] == [0, 0, 0]


def test_one_image_gives_its_key() -> None:
    made = make_scenario(PLAIN[:1], "etc", 16, "one-image", seed=2)
    found = ATTACK.run(made.observation, Budget(seed=1))
    assert isinstance(found.key, BlockPermutation)
    assert isinstance(made.truth.key, BlockPermutation)
    assert score_blocks(found.key, made.truth.key).exact


def test_noise_is_not_solved() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    found = ATTACK.run(make_scenario(noise, "etc", 8, "one-image").observation, Budget(2))
    assert wrong_share(found.images[0], noise[0]) > 0.9


def test_images_without_time_come_back_as_they_are() -> None:
    made = make_scenario(PLAIN, "etc", 16, key_scope="image", seed=1)
    found = ATTACK.run(made.observation, Budget(1e-6))
    assert found.facts["solved"] == 1
    assert np.array_equal(found.images[1:], made.observation.images[1:])


@pytest.mark.parametrize("scheme", ["bps", "pe"])
def test_it_says_why_it_cannot_be_tried(scheme: str) -> None:
    reason = ATTACK.why_not(make_scenario(PLAIN, scheme, 16).observation)
    assert reason is not None
    assert "stay whole" in reason


def test_images_of_no_known_cipher_are_not_tried() -> None:
    profile = make_scenario(PLAIN, "etc", 16).observation.profile
    unknown = profile.model_copy(update={"scheme": "etd"})
    assert "unknown scheme 'etd'" in (ATTACK.why_not(Observation(profile=unknown, images=PLAIN)) or "")
    reason = ATTACK.why_not(Observation(profile=Profile(kind="plain"), images=PLAIN))
    assert reason == "needs images whose blocks a cipher has moved"

"""Minimum difference, alone and pooled: a slope without noise, photographs, keys per image, and where it applies."""

import numpy as np
import pytest

from blindsight.audit import Budget, get_attack
from blindsight.audit.global_states import global_states, in_state
from blindsight.audit.metrics import ssim
from blindsight.audit.scenario import make_scenario


def _best(found: np.ndarray, truth: np.ndarray) -> float:
    return max(
        float(np.mean([ssim(a, b) for a, b in zip(truth, in_state(found, state), strict=True)]))
        for state in global_states(truth.shape)
    )


def _slope() -> np.ndarray:
    """One grey value a step; the distances from the middle of the three colours never meet."""
    ramp = np.arange(16)[:, None] + np.arange(16)
    return np.stack([ramp + 215, ramp + 170, ramp + 90], axis=2).astype(np.uint8)[None]


@pytest.mark.parametrize("name", ["minimum-difference", "pooled-minimum-difference"])
def test_a_slope_comes_back_up_to_48_states(name: str) -> None:
    plain = _slope()
    scenario = make_scenario(plain, "pe", 4, "protected-set")
    found = get_attack(name).run(scenario.observation, Budget()).images
    signs = [np.where(np.array(s), 255, 0).astype(np.uint8) for s in np.ndindex(2, 2, 2)]
    assert any(np.array_equal(found[..., list(o)] ^ s, plain) for o in np.ndindex(3, 3, 3) for s in signs)


@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_one_image_is_enough(scope: str) -> None:
    scenario = make_scenario(_slope(), "pe", 4, "one-image", key_scope=scope)
    assert get_attack("minimum-difference").why_not(scenario.observation) is None
    assert get_attack("pooled-minimum-difference").why_not(scenario.observation) is None


def test_pooled_over_ten_photographs_the_key_is_found(crops: np.ndarray, public: np.ndarray) -> None:
    scenario = make_scenario(crops[:12, :16, :16], "pe", 4, public=public[:100, :16, :16])
    found = get_attack("pooled-minimum-difference").run(scenario.observation, Budget())
    assert found.key is not None
    assert scenario.truth.key is not None
    # What the key says and what the images show are one thing.
    assert np.array_equal(found.key.apply(found.images), scenario.observation.images)
    assert _best(found.images, scenario.truth.images) > 0.9


def test_more_images_decode_better_than_one(crops: np.ndarray) -> None:
    attack = get_attack("pooled-minimum-difference")
    scores = []
    for count in (1, 12):
        scenario = make_scenario(crops[:count, 8:24, 8:24], "pe", 4)
        found = attack.run(scenario.observation, Budget())
        scores.append(_best(found.images[:1], scenario.truth.images[:1]))
    assert scores[1] > scores[0]


def test_pooling_images_with_keys_of_their_own_is_refused_and_would_fail(crops: np.ndarray) -> None:
    scenario = make_scenario(crops[:12, :16, :16], "pe", 4, key_scope="image")
    attack = get_attack("pooled-minimum-difference")
    assert "keys of their own" in str(attack.why_not(scenario.observation))
    found = attack.run(scenario.observation, Budget())
    assert _best(found.images, scenario.truth.images) < 0.4


@pytest.mark.parametrize("scheme", ["le", "shf", "etc", "bps"])
def test_where_pixels_move_it_does_not_apply(scheme: str) -> None:
    reason = get_attack("minimum-difference").why_not(make_scenario(_slope(), scheme, 4).observation)
    assert reason == "pixels do not stay in their places under this scheme"


def test_when_the_time_is_up_the_rest_is_left_as_seen(crops: np.ndarray) -> None:
    scenario = make_scenario(crops[:2], "pe", 4)
    found = get_attack("minimum-difference").run(scenario.observation, Budget(1e-9))
    assert np.array_equal(found.images, scenario.observation.images)

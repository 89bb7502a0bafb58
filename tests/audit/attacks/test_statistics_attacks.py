"""Moments of halves, samples and blocks: what they must restore, and what must defeat them."""

import numpy as np
import pytest

from blindsight.audit import Budget, get_attack
from blindsight.audit.global_states import global_states, in_state
from blindsight.audit.metrics import ssim
from blindsight.audit.scenario import Scenario, make_scenario


def _attack(name: str, scenario: Scenario) -> tuple[float, float]:
    """SSIM of the first images in the best state, and whether they are the originals, bit for bit, in that state."""
    found = get_attack(name).run(scenario.observation, Budget())
    truth = scenario.truth.images[:3]
    scores = {
        state: float(np.mean([ssim(a, b) for a, b in zip(truth, in_state(found.images[:3], state), strict=True)]))
        for state in (global_states(truth.shape) if found.symmetric else [(0, 0, 0)])
    }
    best = max(scores, key=lambda state: scores[state])
    if found.key is not None and found.facts.get("low_halves_known", 1.0):
        # What the key says and what the images show are one thing.
        assert np.array_equal(found.key.apply(found.images), scenario.observation.images)
    return scores[best], float(np.array_equal(in_state(found.images[:3], best), truth))


def test_le_falls_to_one_photograph(crops: np.ndarray, public: np.ndarray) -> None:
    assert (
        _attack("nibble-statistics", make_scenario(crops[:1], "le", 4, "one-image", public=public))[0] > 0.45
    )  # noise: 0.05


def test_le_falls_whole_to_a_few(crops: np.ndarray, public: np.ndarray) -> None:
    assert _attack("nibble-statistics", make_scenario(crops[:40], "le", 4, public=public))[0] > 0.95


def test_le_with_keys_of_their_own_is_attacked_image_by_image(crops: np.ndarray, public: np.ndarray) -> None:
    scenario = make_scenario(crops[:2], "le", 4, key_scope="image", public=public)
    found = get_attack("nibble-statistics").run(scenario.observation, Budget())
    assert found.key is None
    alone = make_scenario(crops[:1], "le", 4, key_scope="image", public=public)
    first = get_attack("nibble-statistics").run(alone.observation, Budget())
    assert np.array_equal(first.images[0], found.images[0])


def test_negation_alone_is_undone_by_one_photograph(crops: np.ndarray, public: np.ndarray) -> None:
    assert _attack("pixel-statistics", make_scenario(crops[:1], "np", 4, public=public)) == (1.0, 1.0)


def test_shf_falls_to_forty_photographs(crops: np.ndarray, public: np.ndarray) -> None:
    assert _attack("pixel-statistics", make_scenario(crops[:40], "shf", 4, public=public))[0] > 0.9


def test_samples_alone_may_move(crops: np.ndarray, public: np.ndarray) -> None:
    parameters = {"blocks": 0.0, "samples": 1.0}
    scenario = make_scenario(crops[:10], "rrp", 4, parameters=parameters, public=public)
    assert _attack("pixel-statistics", scenario)[0] > 0.9


@pytest.mark.parametrize(("name", "scheme"), [("nibble-statistics", "le"), ("pixel-statistics", "shf")])
def test_noise_gives_nothing(name: str, scheme: str, public: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), np.uint8)
    score, exact = _attack(name, make_scenario(noise, scheme, 4, public=public))
    assert exact == 0
    assert score < 0.15


def test_ele_falls_to_many_small_photographs(crops: np.ndarray, public: np.ndarray) -> None:
    small = np.concatenate([crops[:, y : y + 16, x : x + 16] for y in (0, 16) for x in (0, 16)])
    scenario = make_scenario(small, "ele", 4, public=public[:, :16, :16])
    assert _attack("block-statistics", scenario)[0] > 0.6


@pytest.mark.parametrize(
    ("name", "scheme", "reason"),
    [
        ("nibble-statistics", "ele", "alike in all blocks"),
        ("nibble-statistics", "shf", "4-bit halves"),
        ("pixel-statistics", "le", "bytes of all blocks alike"),
        ("pixel-statistics", "bps", "bytes of all blocks alike"),
        ("block-statistics", "shf", "in its own way"),
        ("block-statistics", "pe", "in its own way"),
    ],
)
def test_other_schemes_are_refused_with_a_reason(
    name: str, scheme: str, reason: str, crops: np.ndarray, public: np.ndarray
) -> None:
    assert reason in str(get_attack(name).why_not(make_scenario(crops[:2], scheme, 4, public=public).observation))


@pytest.mark.parametrize("name", ["nibble-statistics", "pixel-statistics", "block-statistics"])
def test_public_images_and_two_rows_of_blocks_are_needed(name: str, crops: np.ndarray, public: np.ndarray) -> None:
    scheme = {"nibble-statistics": "le", "pixel-statistics": "shf", "block-statistics": "ele"}[name]
    attack = get_attack(name)
    assert attack.why_not(make_scenario(crops[:2], scheme, 4).observation) == "needs plain images of the same kind"
    wide = make_scenario(crops[:2, :4], scheme, 4, public=public[:, :4])
    assert attack.why_not(wide.observation) == "needs at least two rows and two columns of blocks"


def test_blocks_of_their_own_need_several_images_under_one_key(crops: np.ndarray, public: np.ndarray) -> None:
    attack = get_attack("block-statistics")
    for scenario in (
        make_scenario(crops[:1], "ele", 4, public=public),
        make_scenario(crops[:4], "ele", 4, key_scope="image", public=public),
    ):
        assert attack.why_not(scenario.observation) == "each block needs several images under one key"

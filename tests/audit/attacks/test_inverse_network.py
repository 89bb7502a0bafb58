"""Inverse transformation networks: what they must solve, and what nobody can."""

from typing import Any

import numpy as np
import pytest
from learned_helpers import KEYLESS, mean_ssim, smooth_images

from blindsight.audit import Budget
from blindsight.audit.scenario import make_scenario

pytest.importorskip("torch")
from blindsight.audit.attacks.inverse_network import InverseNetwork, InverseNetworkPairs

SMALL: dict[str, Any] = {"batch": 16, "width": 64, "depth": 1, "rate": 3e-3}
HIDDEN, OTHERS = smooth_images(12, 16, 0), smooth_images(150, 16, 1)
NOISE = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)


def own(scheme: str, steps: int, plain: np.ndarray = HIDDEN, **parameters: Any) -> float:
    scenario = make_scenario(plain, scheme, 4, seed=3, parameters=parameters, public=OTHERS)
    found = InverseNetwork(steps=steps, **SMALL).run(scenario.observation, Budget())
    return mean_ssim(found.images, scenario.truth.images)


def pairs(scheme: str, steps: int, plain: np.ndarray = HIDDEN, scope: str = "dataset", **parameters: Any) -> float:
    both = np.concatenate([plain, OTHERS])
    scenario = make_scenario(
        both, scheme, 4, "known-pairs", seed=3, pairs=len(OTHERS), key_scope=scope, parameters=parameters
    )
    found = InverseNetworkPairs(steps=steps, **SMALL).run(scenario.observation, Budget())
    assert found.facts["pairs"] == len(OTHERS)
    assert found.facts["held_out"] == len(OTHERS) // 10
    return mean_ssim(found.images, scenario.truth.images)


CHANCE = mean_ssim(np.broadcast_to(np.rint(OTHERS.mean(axis=0)).astype(np.uint8), HIDDEN.shape), HIDDEN)


def test_what_has_no_key_is_undone() -> None:
    assert own("rrp", 80, **KEYLESS) > 0.8


def test_blocks_are_put_back_from_known_pairs_under_one_key() -> None:
    """Its receptive field is the image: a network that sees one block at a time cannot do this."""
    assert pairs("etc", 150) > CHANCE + 0.4


def test_halves_of_bytes_are_put_together_from_known_pairs() -> None:
    assert pairs("le", 150) > CHANCE + 0.4


def test_keys_of_other_images_say_nothing() -> None:
    assert pairs("etc", 40, scope="image") < CHANCE + 0.1


def test_noise_is_not_made_up() -> None:
    """No network of public photographs can know it; a scorer or an attack that leaks the truth would."""
    assert own("pe", 20, plain=NOISE) < 0.1

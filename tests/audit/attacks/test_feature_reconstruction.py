"""The folds: exact values, what they undo, and where they do not apply."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.audit import Budget, get_attack
from blindsight.audit.scenario import make_scenario

DARK = np.random.default_rng(0).integers(0, 128, (3, 16, 16, 3), np.uint8)


def _run(name: str, scenario) -> np.ndarray:
    return get_attack(name).run(scenario.observation, Budget()).images


@settings(deadline=None)
@given(st.integers(0, 255))
def test_a_byte_and_its_negative_fold_to_one_value_below_128(value: int) -> None:
    pair = np.array([value, 255 - value], np.uint8).reshape(1, 1, 2, 1)
    observation = make_scenario(np.repeat(pair, 2, axis=1), "np", 2).observation
    folded = _run("feature-reconstruction", type("S", (), {"observation": observation}))
    assert set(folded.ravel().tolist()) == {min(value, 255 - value)}


def test_dark_images_whose_samples_only_turn_negative_come_back() -> None:
    assert np.array_equal(_run("feature-reconstruction", make_scenario(DARK, "np", 4)), DARK)


def test_bright_values_do_not() -> None:
    assert not np.array_equal(_run("feature-reconstruction", make_scenario(255 - DARK, "np", 4)), 255 - DARK)


def test_halves_fold_one_by_one() -> None:
    scenario = make_scenario(DARK, "le", 4)
    folded, seen = _run("feature-reconstruction-half", scenario), scenario.observation.images
    low, high = seen & 15, seen >> 4
    assert np.array_equal(folded & 15, np.minimum(low, 15 - low))
    assert np.array_equal(folded >> 4, np.minimum(high, 15 - high))


@pytest.mark.parametrize("scheme", ["etc", "pe", "shf"])
def test_halves_are_for_schemes_of_halves(scheme: str) -> None:
    reason = get_attack("feature-reconstruction-half").why_not(make_scenario(DARK, scheme, 4).observation)
    assert reason is not None
    assert "4-bit halves" in reason

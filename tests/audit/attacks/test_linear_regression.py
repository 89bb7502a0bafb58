"""Ridge regression: it learns what is linear, from pairs, whatever the scheme; and nothing where keys differ."""

from typing import Any

import numpy as np
import pytest
from pair_helpers import crops, noise

from blindsight.audit import Budget, get_attack
from blindsight.audit.attacks.linear_regression import FEWEST_PAIRS
from blindsight.audit.metrics import ssim
from blindsight.audit.scenario import Scenario, make_scenario


def error(images: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((images.astype(float) - truth) ** 2)))


def learned(scenario: Scenario, **budget: Any) -> tuple[np.ndarray, dict[str, Any]]:
    attack = get_attack("linear-regression")
    assert attack.why_not(scenario.observation) is None
    found = attack.run(scenario.observation, Budget(**budget))
    assert found.key is None
    return found.images, dict(found.facts)


def test_with_more_pairs_than_pixels_it_is_exact() -> None:
    """The sanity case: 8 x 8 x 1 pixels, 100 pairs."""
    scenario = make_scenario(noise(110, 8, 8, 1), "etc", 4, "known-pairs", pairs=100)
    images, facts = learned(scenario)
    assert error(images, scenario.truth.images) < 1
    assert facts["features"] == "bytes"
    assert facts["pairs"] == 100


def test_nibbles_that_move_are_read_as_nibbles() -> None:
    scenario = make_scenario(noise(210, 8, 8, 1), "le", 4, "known-pairs", pairs=200)
    images, facts = learned(scenario)
    assert error(images, scenario.truth.images) < 1
    assert facts["features"] == "nibbles"


@pytest.mark.parametrize("scheme", ["etc", "pe"])
def test_photographs_come_out_the_better_the_more_pairs(scheme: str) -> None:
    plain = crops(220, 16, step=2)
    scores = []
    for pairs in (20, 200):
        scenario = make_scenario(plain[: 20 + pairs], scheme, 4, "known-pairs", pairs=pairs)
        images, facts = learned(scenario)
        truth = scenario.truth.images
        mean = np.broadcast_to(np.rint(scenario.observation.known_plain.mean(0)), truth.shape)  # type: ignore[attr-defined]
        assert error(images, truth) < 0.9 * error(mean, truth)
        assert facts["held_out_rmse"] < facts["mean_rmse"]
        scores.append(np.mean([ssim(a, b) for a, b in zip(images, truth, strict=True)]))
    assert scores[1] > scores[0] + 0.05


def test_the_scheme_does_not_matter() -> None:
    """An isometry: whatever moves bytes gives the same reconstruction, but for rounding."""
    plain = crops(60, 16, step=2)
    found = [learned(make_scenario(plain, s, 4, "known-pairs", pairs=50))[0] for s in ("etc", "shf", "bps")]
    for other in found[1:]:
        assert np.abs(found[0].astype(int) - other).max() <= 1


def test_where_every_image_has_its_key_it_learns_the_mean_image_at_most() -> None:
    """The null."""
    plain = crops(120, 16, step=2)
    scenario = make_scenario(plain, "etc", 4, "known-pairs", pairs=100, key_scope="image")
    images, facts = learned(scenario)
    mean = np.broadcast_to(scenario.observation.known_plain.mean(0), images.shape)  # type: ignore[attr-defined]
    truth = scenario.truth.images
    assert error(images, truth) > 0.95 * error(mean, truth)
    assert facts["held_out_rmse"] > 0.95 * facts["mean_rmse"]


def test_many_pairs_are_held_out_once() -> None:
    scenario = make_scenario(noise(521, 4, 4, 1), "np", 4, "known-pairs", pairs=520)
    images, facts = learned(scenario)
    assert error(images, scenario.truth.images) < 1
    assert facts["held_out_rmse"] < 1


def test_protected_images_that_are_all_alike_teach_nothing() -> None:
    scenario = make_scenario(np.full((22, 8, 8, 3), 9, np.uint8), "etc", 4, "known-pairs", pairs=20)
    images, _ = learned(scenario)
    assert np.array_equal(images, scenario.truth.images)


def test_without_time_it_tries_bytes_alone() -> None:
    scenario = make_scenario(noise(32, 8, 8, 1), "le", 4, "known-pairs", pairs=30)
    _, facts = learned(scenario, seconds=1e-9)
    assert facts["features"] == "bytes"


def test_it_needs_twenty_pairs() -> None:
    seen = make_scenario(noise(22, 8, 8), "etc", 4, "known-pairs", pairs=FEWEST_PAIRS - 1).observation
    attack = get_attack("linear-regression")
    assert attack.why_not(seen) == "needs 20 known pairs, there are 19"
    assert attack.why_not(make_scenario(noise(2, 8, 8), "etc", 4).observation) == (
        "needs known pairs of plain and protected images"
    )

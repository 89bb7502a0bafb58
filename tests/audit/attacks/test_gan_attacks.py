"""The adversarial attacks: what they must solve, what they cannot, and how they keep their budget."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from learned_helpers import mean_ssim, smooth_images
from photo_tiles import tiles

from blindsight.audit import Attack, Budget, get_attack
from blindsight.audit.scenario import Scenario, make_scenario
from blindsight.errors import ParameterError

pytest.importorskip("torch")
from blindsight.audit.attacks.gan import GanAttack
from blindsight.audit.attacks.inverse_network import InverseNetwork, InverseNetworkPairs
from blindsight.audit.attacks.sia_gan import SiaGan

HIDDEN, PUBLIC = smooth_images(200, 8, 0), smooth_images(200, 8, 1)
NOISE = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)


def brightest(images: np.ndarray) -> np.ndarray:
    """A class that pictures show: their strongest colour."""
    return np.asarray(images.mean(axis=(1, 2)).argmax(axis=1), dtype=np.int64)


def small(name: str, steps: int) -> Attack:
    if name == "gan":
        return GanAttack(steps, 32, judge_width=32)
    if name == "sia-gan":
        return SiaGan(steps, batch=16, width=8, judge_width=32)
    kind = InverseNetwork if name == "inverse-network" else InverseNetworkPairs
    return kind(steps, batch=8, width=32, depth=1)


def seen(
    scheme: str, plain: np.ndarray = HIDDEN, named: bool = True, public: np.ndarray = PUBLIC, **parameters: Any
) -> Scenario:
    return make_scenario(
        plain,
        scheme,
        4,
        "labelled-set",
        seed=3,
        parameters=parameters,
        public=public,
        labels=brightest(plain),
        public_labels=brightest(public) if named else None,
    )


def score(attack: Attack, scenario: Scenario) -> float:
    found = attack.run(scenario.observation, Budget())
    return mean_ssim(found.images[:40], scenario.truth.images[:40])


def test_what_a_gan_makes_has_the_light_and_the_contrast_of_public_images() -> None:
    """The untrained generator gives grey. How far it comes with photographs: benchmarks/learned_attacks.py."""
    scenario = seen("np")
    grey, made = (small("gan", steps).run(scenario.observation, Budget()).images for steps in (1, 150))
    assert abs(float(grey.mean()) - 128) < 8
    assert float(grey.std()) < 16
    assert abs(float(made.mean()) - float(PUBLIC.mean())) < 12
    assert 0.6 < float(made.std()) / float(PUBLIC.std()) < 1.4


def test_sia_gan_finds_negated_samples_from_nothing() -> None:
    scenario = seen("np", tiles(100, 16, 2), public=tiles(300, 16, 2, 100))
    nothing = score(small("sia-gan", 1), scenario)
    assert score(SiaGan(150, batch=32, width=8, judge_width=16), scenario) > nothing + 0.15


@pytest.mark.parametrize("name", ["gan", "sia-gan"])
def test_noise_is_not_made_up(name: str) -> None:
    """No public image tells of it; an attack that reaches the truth would."""
    assert score(small(name, 3), seen("ele", plain=NOISE)) < 0.2


def test_labels_of_public_images_bring_in_the_classifier() -> None:
    with_labels, without = (
        small("sia-gan", 2).run(seen("etc", named=named).observation, Budget()) for named in (True, False)
    )
    assert with_labels.facts["classifier"] is True
    assert without.facts["classifier"] is False


@pytest.mark.parametrize("name", ["gan", "inverse-network", "sia-gan"])
@pytest.mark.parametrize("scheme", ["etc", "le"])
def test_the_same_seed_gives_the_same_images_and_leaves_torch_alone(name: str, scheme: str) -> None:
    import torch

    observation, attack = seen(scheme, HIDDEN[:3]).observation, small(name, 2)
    state = torch.random.get_rng_state()
    first, again, other = (attack.run(observation, Budget(seed=seed)).images for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert first.dtype == np.uint8
    assert first.shape == observation.images.shape
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", ["gan", "inverse-network", "sia-gan"])
def test_time_that_is_up_ends_it_with_what_there_is(name: str) -> None:
    observation = seen("etc", HIDDEN[:3]).observation
    found = small(name, 10**9).run(observation, Budget(1e-9))
    assert found.facts["steps"] == 0
    assert found.images.shape == observation.images.shape


@pytest.mark.parametrize("name", ["gan", "inverse-network", "sia-gan"])
def test_progress_is_told(name: str) -> None:
    told: list[tuple[float, str]] = []
    small(name, 2).run(seen("etc", HIDDEN[:3]).observation, Budget(progress=lambda *said: told.append(said)))
    assert all(0 <= share <= 1 for share, _ in told)
    assert "step 1 of 2" in told[-1][1]


def test_grey_images_are_taken() -> None:
    grey = np.ascontiguousarray(HIDDEN[:4, :, :, :1])
    scenario = make_scenario(
        grey, "etc", 4, "labelled-set", public=grey, labels=np.zeros(4, np.int64), public_labels=np.zeros(4, np.int64)
    )
    for name in ("gan", "inverse-network", "sia-gan"):
        assert small(name, 1).run(scenario.observation, Budget()).images.shape == grey.shape


@pytest.mark.parametrize("name", ["gan", "inverse-network", "inverse-network-pairs", "sia-gan"])
def test_they_are_registered_as_attacks_that_learn(name: str) -> None:
    attack = get_attack(name)
    assert attack.learns
    lack = attack.why_not(make_scenario(HIDDEN[:2], "etc", 4).observation)
    assert lack is not None
    assert lack.startswith("needs")


@pytest.mark.parametrize("name", ["gan", "inverse-network", "sia-gan"])
def test_images_without_a_cipher_are_not_for_them(name: str) -> None:
    observation = seen("etc", HIDDEN[:3]).observation
    mix = observation.profile.model_copy(update={"kind": "mix"})
    assert get_attack(name).why_not(observation) is None
    assert get_attack(name).why_not(replace(observation, profile=mix)) == "needs a cipher, the images are of kind 'mix'"


def test_nothing_is_learned_before_it_is_asked_for() -> None:
    """Listing the attacks must not take the seconds that torch takes, nor need it."""
    program = "import sys; from blindsight.audit import list_attacks; list_attacks(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_sizes_that_no_network_has_are_refused() -> None:
    with pytest.raises(ParameterError, match="steps must be at least 1, got 0"):
        SiaGan(steps=0)
    with pytest.raises(ParameterError, match="multiple of 32"):
        InverseNetwork(width=40)
    with pytest.raises(ParameterError, match="depth must be at least 1"):
        InverseNetwork(depth=0)

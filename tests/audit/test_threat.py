"""Threat models: an observation holds what its attacker sees, checked, and nothing else."""

from dataclasses import fields

import numpy as np
import pytest

from blindsight.audit.scenario import make_scenario
from blindsight.audit.threat import THREATS, Candidates, KnownPairs, Oracle, ProtectedSet
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.protection import Protection
from blindsight.profile import Codec

RNG = np.random.default_rng(0)
PLAIN = RNG.integers(0, 256, (6, 16, 16, 3), np.uint8)


@pytest.mark.parametrize("threat", ["one-image", "protected-set", "labelled-set", "known-pairs", "chosen-plaintext"])
def test_an_observation_holds_no_key_and_no_original(threat: str) -> None:
    more = {"pairs": 2} if threat == "known-pairs" else {}
    plain = PLAIN[:1] if threat == "one-image" else PLAIN
    scenario = make_scenario(plain, "etc", 4, threat, labels=np.arange(len(plain)), **more)
    seen = scenario.observation
    assert type(seen) is THREATS[threat]
    for field in fields(seen):
        value = getattr(seen, field.name)
        assert not isinstance(value, Protection)
        if isinstance(value, np.ndarray) and value.ndim == 4 and field.name != "known_plain":
            assert not any((image == original).all() for image in value for original in scenario.truth.images)
    assert not seen.images.flags.writeable


def test_the_truth_decrypts_what_is_seen() -> None:
    scenario = make_scenario(PLAIN, "ele", 4)
    assert scenario.truth.key is not None
    assert np.array_equal(scenario.truth.key.inverse().apply(scenario.observation.images), PLAIN)


def test_known_pairs_are_not_among_the_images() -> None:
    seen = make_scenario(PLAIN, "pe", 4, "known-pairs", pairs=2).observation
    assert isinstance(seen, KnownPairs)
    assert len(seen.images) == 4
    assert np.array_equal(seen.known_plain, PLAIN[4:])


def test_keys_per_image_leave_no_key_in_the_truth_and_differ() -> None:
    same = np.repeat(PLAIN[:1], 3, axis=0)
    scenario = make_scenario(same, "etc", 4, key_scope="image")
    assert scenario.truth.key is None
    assert not np.array_equal(scenario.observation.images[0], scenario.observation.images[1])


def test_candidates_come_in_an_order_that_says_nothing() -> None:
    seen = make_scenario(PLAIN, "etc", 4, "candidates", candidates=PLAIN).observation
    assert isinstance(seen, Candidates)
    assert sorted(image.tobytes() for image in seen.candidates) == sorted(image.tobytes() for image in PLAIN)
    orders = {
        make_scenario(PLAIN, "etc", 4, "candidates", candidates=PLAIN, seed=s).observation.candidates.tobytes()  # type: ignore[attr-defined]
        for s in range(5)
    }
    assert len(orders) > 1


def test_an_oracle_counts_and_uses_the_key_of_the_set() -> None:
    scenario = make_scenario(PLAIN, "etc", 4, "chosen-plaintext")
    oracle = scenario.observation.encrypt  # type: ignore[attr-defined]
    assert isinstance(oracle, Oracle)
    assert np.array_equal(oracle(PLAIN[0]), scenario.observation.images[0])
    assert oracle.queries == 1


def test_jpeg_is_seen_as_it_is_decoded() -> None:
    lossless = make_scenario(PLAIN, "etc", 8).observation.images
    seen = make_scenario(
        PLAIN, "etc", 8, codec=Codec(format="jpeg", quality=50, subsampling="4:4:4")
    ).observation.images
    assert seen.shape == lossless.shape
    assert not np.array_equal(seen, lossless)


def test_the_owner_reduces_before_encrypting_and_the_truth_is_what_was_there() -> None:
    made = make_scenario(PLAIN, "shf", 4, reductions=["quantise:levels=2"])
    assert made.observation.profile.reductions == ("quantise:levels=2",)
    assert np.array_equal(made.truth.images, PLAIN)
    assert made.truth.key is not None
    revealed = made.truth.key.inverse().apply(made.observation.images)
    assert set(np.unique(revealed)) == {64, 192}
    with pytest.raises(UnknownNameError, match="unknown reduction"):
        make_scenario(PLAIN, "shf", 4, reductions=["blur"])


def test_another_trial_has_another_key() -> None:
    a, b = (make_scenario(PLAIN, "etc", 4, seed=seed).observation for seed in (1, 2))
    assert a.profile.key_id != b.profile.key_id


@pytest.mark.parametrize(
    ("plain", "threat", "more", "said"),
    [
        (PLAIN, "one-image", {}, "sees one image, got 6"),
        (PLAIN, "known-pairs", {}, "needs pairs"),
        (PLAIN, "protected-set", {"pairs": 2}, "nothing else takes them"),
        (PLAIN, "candidates", {}, "needs candidates"),
        (PLAIN, "protected-set", {"candidates": PLAIN}, "nothing else takes them"),
        (PLAIN, "candidates", {"candidates": PLAIN[:, :8]}, r"candidates are of shape \(8, 16, 3\)"),
        (PLAIN, "labelled-set", {}, "needs labels"),
        (PLAIN, "labelled-set", {"labels": np.arange(3)}, "as many labels"),
        (PLAIN, "protected-set", {"key_scope": "pool:0"}, "key scope must be dataset, image or pool:K"),
        (PLAIN, "labelled-set", {"labels": np.arange(6), "public_labels": np.arange(2)}, "0 public images need"),
        (PLAIN, "protected-set", {"public": PLAIN[:, :8]}, r"public are of shape \(8, 16, 3\)"),
        (PLAIN, "protected-set", {"public": PLAIN.astype(np.float32)}, "uint8"),
    ],
)
def test_what_cannot_be_is_refused(plain: np.ndarray, threat: str, more: dict, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        make_scenario(plain, "etc", 4, threat, **more)


def test_an_unknown_threat_is_named() -> None:
    with pytest.raises(UnknownNameError, match="protected-set"):
        make_scenario(PLAIN, "etc", 4, "protected-sets")


def test_kinds_of_attackers_that_see_more_see_all_that_the_others_see() -> None:
    for name in ("labelled-set", "candidates", "known-pairs", "chosen-plaintext", "shared-model"):
        assert issubclass(THREATS[name], ProtectedSet)

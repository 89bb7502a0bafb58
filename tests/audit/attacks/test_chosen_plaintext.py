"""Chosen plaintext: the whole key of every scheme, from as few queries as words can be told apart with."""

from dataclasses import replace
from math import ceil, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_helpers import crops, exact, noise

from blindsight.algebra import SignedPermutation
from blindsight.audit import Budget, Reconstruction, get_attack
from blindsight.audit.attacks._codes import code_images, fewest_queries
from blindsight.audit.attacks._key_form import KeyForm
from blindsight.audit.scenario import Scenario, make_scenario
from blindsight.audit.threat import ChosenPlaintext, Oracle
from blindsight.errors import ParameterError
from blindsight.profile import Codec

Pixels = np.ndarray


def attacked(scenario: Scenario, seed: int = 0) -> Reconstruction:
    attack = get_attack("chosen-plaintext")
    assert attack.why_not(scenario.observation) is None
    return attack.run(scenario.observation, Budget(seed=seed))


def queries(scenario: Scenario) -> int:
    assert isinstance(scenario.observation, ChosenPlaintext)
    return scenario.observation.encrypt.queries


@pytest.mark.parametrize(
    ("scheme", "block", "parameters", "needed"),
    [
        ("etc", 2, {}, 1),
        ("etc", 4, {}, 1),
        ("etc", 8, {}, 1),
        ("shf", 4, {}, 1),
        ("rrp", 4, {}, 1),
        ("np", 4, {}, 1),
        ("np", 4, {"per": "block"}, 1),
        ("pe", 4, {}, 1),
        ("le", 4, {}, 1),
        ("le", 4, {"paper": True}, 1),
        ("bps", 4, {}, 1),
        ("bps", 4, {"scramble": True}, 1),
        ("bps", 16, {}, 2),  # 768 samples of a block, 256 values
        ("ele", 4, {}, 2),  # 96 halves, 16 * 16 / 2 words
        ("ele", 8, {}, 3),  # 384 halves: 128 words are too few
        ("ele", 4, {"paper": True}, 2),
    ],
)
def test_queries_that_each_scheme_needs(scheme: str, block: int, parameters: dict[str, Any], needed: int) -> None:
    plain = crops(3, 32)
    scenario = make_scenario(plain, scheme, block, "chosen-plaintext", parameters=parameters)
    found = attacked(scenario)
    assert found.key == scenario.truth.key
    assert exact(found.images, plain) == 1
    assert found.facts == {"queries": needed, "checks": 1, "verified": True, "share_of_key": 1.0}
    assert queries(scenario) == needed + 1


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(("bps", "ele", "etc", "le", "np", "pe", "rrp", "shf")),
    st.sampled_from((1, 2, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from((1, 3)),
    st.integers(0, 999),
)
def test_the_whole_key_at_any_size(scheme: str, block: int, rows_cols: Any, channels: int, seed: int) -> None:
    shape = (rows_cols[0] * block, rows_cols[1] * block, channels)
    scenario = make_scenario(noise(1, *shape), scheme, block, "chosen-plaintext", seed=seed)
    found = attacked(scenario, seed)
    assert found.key == scenario.truth.key
    assert found.facts["verified"] is True


@pytest.mark.parametrize("sample", ["byte", "nibble"])
@pytest.mark.parametrize("masks", ["none", "negation", "all"])
def test_any_signed_permutation_takes_as_many_as_its_words(sample: Any, masks: str) -> None:
    shape, levels = (12, 20, 3), 256 if sample == "byte" else 16
    group = {"none": (0,), "negation": (0, levels - 1), "all": tuple(range(levels))}[masks]
    form = KeyForm(shape, sample=sample, masks=group)
    samples = 720 if sample == "byte" else 1440
    needed = ceil(log(samples * len(group)) / log(levels))
    assert fewest_queries(form) == needed
    chosen = code_images(form, np.random.default_rng(0))
    assert chosen.shape == (needed, *shape)
    assert chosen.dtype == np.uint8


def test_an_unknown_scheme_falls_all_the_same() -> None:
    rng = np.random.default_rng(2)
    secret = SignedPermutation((8, 8, 3), rng.permutation(384), rng.integers(0, 16, 384), sample="nibble")
    plain = noise(2, 8, 8)
    seen = make_scenario(plain, "pe", 4, "chosen-plaintext").observation
    strange = replace(
        seen,
        profile=seen.profile.model_copy(update={"scheme": "of-somebody-else"}),
        images=secret.apply(plain),
        encrypt=Oracle(lambda image: np.asarray(secret.apply(image))),
    )
    found = get_attack("chosen-plaintext").run(strange, Budget())
    assert found.key == secret
    assert found.facts["queries"] == 4  # 384 * 16 words of 16 values each
    assert np.array_equal(found.images, plain)


def test_what_is_no_signed_permutation_is_not_claimed() -> None:
    """The null: an oracle that answers at random."""
    rng = np.random.default_rng(1)
    seen = make_scenario(noise(2, 16, 16), "etc", 4, "chosen-plaintext").observation
    random = replace(seen, encrypt=Oracle(lambda image: rng.integers(0, 256, image.shape, np.uint8)))
    found = get_attack("chosen-plaintext").run(random, Budget())
    assert found.key is None
    assert found.facts["verified"] is False
    assert found.images.shape == seen.images.shape


@pytest.mark.parametrize("quality", [90, 50, 20])
def test_through_jpeg_another_image_verifies_the_key(quality: int) -> None:
    codec = Codec(format="jpeg", quality=quality, subsampling="4:4:4")
    scenario = make_scenario(crops(2, 32), "etc", 8, "chosen-plaintext", codec=codec)
    found = attacked(scenario)
    assert found.key == scenario.truth.key
    assert queries(scenario) == found.facts["queries"] + 1 <= 4


def test_through_jpeg_too_it_gives_up_on_noise() -> None:
    rng = np.random.default_rng(1)
    codec = Codec(format="jpeg", quality=50, subsampling="4:4:4")
    seen = make_scenario(noise(1, 16, 16), "etc", 8, "chosen-plaintext", codec=codec).observation
    random = replace(seen, encrypt=Oracle(lambda image: rng.integers(0, 256, image.shape, np.uint8)))
    found = get_attack("chosen-plaintext").run(random, Budget())
    assert found.key is None
    assert found.facts["queries"] == 8


@pytest.mark.parametrize("scope", ["image", "pool:4"])
def test_keys_of_their_own_stop_it_with_a_reason(scope: str) -> None:
    seen = make_scenario(noise(2, 16, 16), "etc", 4, "chosen-plaintext", key_scope=scope).observation
    lack = get_attack("chosen-plaintext").why_not(seen)
    assert lack is not None
    assert ("key of its own" if scope == "image" else "pool:4") in lack


def test_it_needs_somebody_who_encrypts() -> None:
    seen = make_scenario(noise(2, 16, 16), "etc", 4).observation
    assert get_attack("chosen-plaintext").why_not(seen) == "needs images of the attacker's choice, protected"


def test_images_that_cannot_be_told_apart_are_refused() -> None:
    masked = KeyForm((4, 4, 1), kind="flat", sample="nibble", masks=tuple(range(16)))
    assert len(code_images(masked, np.random.default_rng(0))) == 3  # 32 places, 16^3 / 16 words
    with pytest.raises(ParameterError, match="do not tell"):
        code_images(replace(masked, sample="byte", masks=(0, 1)), _Zeros())  # type: ignore[arg-type]


class _Zeros:
    """Chance that has failed: all images are black."""

    def permuted(self, values: Pixels, axis: int) -> Pixels:  # noqa: ARG002
        return np.zeros_like(values)

    def choice(self, count: int, size: int, replace: bool) -> Pixels:  # noqa: ARG002
        return np.zeros(size, np.int64)

"""Known pairs: the whole key where pairs determine it, and no silence where they do not."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_helpers import crops, exact, noise

from blindsight.audit import Budget, Reconstruction, get_attack
from blindsight.audit.scenario import Scenario, make_scenario
from blindsight.audit.threat import KnownPairs
from blindsight.owner.ciphers import list_ciphers
from blindsight.profile import Codec

SCHEMES = ("bps", "ele", "etc", "le", "np", "pe", "rrp", "shf")
PARAMETERS: dict[str, tuple[dict[str, Any], ...]] = {
    "bps": ({}, {"scramble": True}),
    "ele": ({}, {"paper": True}),
    "le": ({}, {"paper": True}),
    "np": ({}, {"per": "block"}),
    "pe": ({}, {"color_shuffle": False}),
    "rrp": ({}, {"samples": 0.0}, {"blocks": 0.0}),
    "shf": ({}, {"negation": False}),
}


def attacked(scenario: Scenario, **budget: Any) -> Reconstruction:
    attack = get_attack("known-pairs")
    assert attack.why_not(scenario.observation) is None
    return attack.run(scenario.observation, Budget(**budget))


@st.composite
def settings_of(draw: st.DrawFn) -> tuple[str, dict[str, Any], int, tuple[int, int, int]]:
    scheme = draw(st.sampled_from(SCHEMES))
    parameters = draw(st.sampled_from(PARAMETERS.get(scheme, ({},))))
    block = draw(st.sampled_from((1, 2, 4)))
    rows, cols = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return scheme, parameters, block, (rows * block, cols * block, draw(st.sampled_from((1, 3))))


def test_every_scheme_of_ours_is_tried() -> None:
    assert set(SCHEMES) <= set(list_ciphers())


@settings(max_examples=25, deadline=None)
@given(settings_of(), st.integers(0, 999))
def test_noise_gives_the_whole_key_of_every_scheme(setting: Any, seed: int) -> None:
    scheme, parameters, block, shape = setting
    plain = noise(9, *shape, seed=seed)
    scenario = make_scenario(plain, scheme, block, "known-pairs", pairs=8, seed=seed, parameters=parameters)
    found = attacked(scenario)
    assert found.key == scenario.truth.key
    assert np.array_equal(found.images, scenario.truth.images)
    assert found.facts["consistent"] is True
    assert found.facts["share_of_key"] == 1
    assert found.facts["ambiguous"] == found.facts["guessed"] == 0


@pytest.mark.parametrize(("block", "pairs"), [(2, 2), (4, 2), (8, 2), (4, 1), (8, 1)])
def test_two_pairs_restore_every_etc_photograph_and_one_mostly_does(block: int, pairs: int) -> None:
    scenario = make_scenario(crops(20 + pairs, 32), "etc", block, "known-pairs", pairs=pairs, seed=block)
    found = attacked(scenario)
    assert exact(found.images, scenario.truth.images) == 1
    assert found.facts["pairs"] == pairs


@pytest.mark.parametrize(("scheme", "pairs"), [("shf", 1), ("le", 1), ("rrp", 1), ("np", 1), ("pe", 3), ("bps", 4)])
def test_few_photographs_give_the_key_of_other_schemes(scheme: str, pairs: int) -> None:
    scenario = make_scenario(crops(20 + pairs, 32, step=2), scheme, 4, "known-pairs", pairs=pairs)
    found = attacked(scenario)
    assert exact(found.images, scenario.truth.images) == 1
    assert found.facts["consistent"] is True


def test_ele_needs_a_few_more() -> None:
    shares = []
    for pairs in (1, 3, 10):
        scenario = make_scenario(crops(30, 32, step=2)[: 12 + pairs], "ele", 4, "known-pairs", pairs=pairs)
        found = attacked(scenario)
        assert found.facts["consistent"] is True
        shares.append(found.facts["share_of_key"])
    assert shares[0] < shares[1] < shares[2]
    assert shares[0] < 0.1
    assert shares[2] > 0.95


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "np"])
def test_flat_pairs_determine_nothing_and_say_so(scheme: str) -> None:
    plain = np.concatenate([noise(3, 16, 16), np.full((2, 16, 16, 3), 7, np.uint8)])
    scenario = make_scenario(plain, scheme, 4, "known-pairs", pairs=2)
    found = attacked(scenario)
    assert found.facts["consistent"] is True
    assert found.facts["share_of_key"] == 0
    assert found.facts["ambiguous"] > 0
    assert found.facts["guessed"] == 0
    assert found.key is not None
    seen = scenario.observation
    assert isinstance(seen, KnownPairs)
    assert np.array_equal(found.key.apply(seen.known_plain), seen.known_protected)
    assert exact(found.images, scenario.truth.images) == 0


def test_flat_blocks_are_put_where_the_images_want_them() -> None:
    plain = crops(31, 32).copy()
    plain[-1, 8:24, 8:24] = 90  # sixteen blocks of the pair are alike
    scenario = make_scenario(plain, "etc", 4, "known-pairs", pairs=1)
    found = attacked(scenario)
    assert found.facts["share_of_key"] == 1 - 16 / 64
    assert found.facts["guessed"] == 16
    assert found.key == scenario.truth.key


@pytest.mark.parametrize("scheme", ["shf", "pe"])
def test_equal_samples_are_chosen_by_the_images(scheme: str) -> None:
    plain = crops(31, 32).copy()
    plain[-1, 8:24, 8:24] = plain[-1, 8:24, 8:24, :1]  # grey: three colours alike
    plain[-1, :4, :8] = 40  # two equal blocks
    scenario = make_scenario(plain, scheme, 4, "known-pairs", pairs=1)
    found = attacked(scenario)
    assert found.facts["guessed"] > 0
    assert exact(found.images, scenario.truth.images) == 1


def test_grey_faces_in_colour_are_restored_although_their_colour_order_is_nowhere() -> None:
    plain = np.repeat(crops(22, 32)[..., :1], 3, axis=3)
    scenario = make_scenario(plain, "etc", 8, "known-pairs", pairs=2)
    found = attacked(scenario)
    assert exact(found.images, scenario.truth.images) == 1
    assert found.key != scenario.truth.key


@pytest.mark.parametrize(("block", "subsampling"), [(8, "4:4:4"), (16, "4:2:0")])
def test_jpeg_does_not_hide_where_blocks_come_from(block: int, subsampling: str) -> None:
    codec = Codec(format="jpeg", quality=60, subsampling=subsampling)
    scenario = make_scenario(crops(13, 64, step=2), "etc", block, "known-pairs", pairs=1, codec=codec)
    found = attacked(scenario)
    assert found.facts["consistent"] is True
    assert found.key is not None
    assert scenario.truth.key is not None
    assert (found.key.index == scenario.truth.key.index).mean() > 0.95


def test_jpeg_of_blocks_that_stay() -> None:
    codec = Codec(format="jpeg", quality=60, subsampling="4:4:4")
    scenario = make_scenario(crops(5, 32), "np", 8, "known-pairs", pairs=2, codec=codec, parameters={"per": "block"})
    assert attacked(scenario).key == scenario.truth.key


def test_an_unknown_scheme_is_any_signed_permutation_of_nibbles() -> None:
    scenario = make_scenario(noise(13, 8, 8), "ele", 4, "known-pairs", pairs=12)
    profile = scenario.observation.profile.model_copy(update={"scheme": "of-somebody-else"})
    found = attacked(replace(scenario, observation=replace(scenario.observation, profile=profile)))
    assert found.key == scenario.truth.key


@pytest.mark.parametrize(
    ("scheme", "codec"),
    [
        ("etc", Codec()),
        ("etc", Codec(format="jpeg", quality=90, subsampling="4:4:4")),
        ("shf", Codec()),
        ("ele", Codec()),
    ],
)
def test_pairs_that_do_not_belong_together_are_found_inconsistent(scheme: str, codec: Codec) -> None:
    seen = make_scenario(crops(12, 32), scheme, 8, "known-pairs", pairs=2, codec=codec).observation
    assert isinstance(seen, KnownPairs)
    strange = replace(seen, known_plain=noise(2, 32, 32))
    found = get_attack("known-pairs").run(strange, Budget())
    assert found.facts["consistent"] is False
    assert found.images.shape == seen.images.shape


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"key_scope": "image"}, "a key of its own"),
        ({"key_scope": "pool:3"}, r"one of several keys \(pool:3\)"),
        ({"scheme": "pe", "codec": Codec(format="jpeg", quality=90, subsampling="4:4:4")}, "lossy"),
    ],
)
def test_it_says_why_it_cannot(more: dict[str, Any], said: str) -> None:
    made = {"scheme": "etc", "block": 8} | more
    seen = make_scenario(noise(4, 16, 16), threat="known-pairs", pairs=2, **made).observation
    lack = get_attack("known-pairs").why_not(seen)
    assert lack is not None
    assert re.search(said, lack)


def test_it_needs_pairs_and_a_cipher() -> None:
    seen = make_scenario(noise(4, 16, 16), "etc", 8, "known-pairs", pairs=2).observation
    attack = get_attack("known-pairs")
    assert attack.why_not(make_scenario(noise(2, 16, 16), "etc", 8).observation) == (
        "needs known pairs of plain and protected images"
    )
    mixed = seen.profile.model_copy(update={"kind": "mix"})
    assert "no key to find" in (attack.why_not(replace(seen, profile=mixed)) or "")


def test_keys_of_their_own_defeat_it_whatever_it_says() -> None:
    """The null: run all the same, it restores nothing and knows it."""
    scenario = make_scenario(crops(22, 32), "etc", 4, "known-pairs", pairs=2, key_scope="image")
    found = get_attack("known-pairs").run(scenario.observation, Budget())
    assert found.facts["consistent"] is False
    assert exact(found.images, scenario.truth.images) == 0


def test_without_time_it_takes_what_the_pairs_say() -> None:
    plain = crops(31, 32).copy()
    plain[-1, 8:24, 8:24] = 90
    told: list[str] = []
    found = attacked(
        make_scenario(plain, "etc", 4, "known-pairs", pairs=1), seconds=1e-9, progress=lambda _, what: told.append(what)
    )
    assert found.facts["guessed"] == 0
    assert found.facts["ambiguous"] == 16
    assert told == ["matching pairs", "done"]


@pytest.mark.parametrize("scheme", ["ele", "shf", "bps", "pe"])
def test_what_is_guessed_is_part_of_what_is_ambiguous(scheme: str) -> None:
    plain = crops(14, 32, step=2).copy()
    plain[-1, :8, :16] = 20  # eight equal blocks
    parameters = {"scramble": True} if scheme == "bps" else {}
    scenario = make_scenario(plain, scheme, 4, "known-pairs", pairs=1, parameters=parameters)
    facts = attacked(scenario).facts
    assert 0 <= facts["guessed"] <= facts["ambiguous"] == pytest.approx((1 - facts["share_of_key"]) * _samples(scheme))


def _samples(scheme: str) -> int:
    return 32 * 32 * 3 * (2 if scheme == "ele" else 1)

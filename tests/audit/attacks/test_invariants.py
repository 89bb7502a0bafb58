"""What a descriptor promises: no key of its scheme changes it, and other images have others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.audit.attacks.invariants import LIGHTING, descriptor, freedom_of
from blindsight.audit.scenario import make_scenario
from blindsight.errors import ParameterError
from blindsight.profile import Profile

RNG = np.random.default_rng(0)
PLAIN = RNG.integers(0, 256, (3, 16, 16, 3), np.uint8)
SCHEMES = [
    ("etc", {}),
    ("shf", {}),
    ("shf", {"negation": False}),
    ("bps", {}),
    ("bps", {"scramble": True}),
    ("rrp", {}),
    ("rrp", {"blocks": 0.0}),
    ("rrp", {"samples": 0.0}),
    ("le", {}),
    ("le", {"paper": True}),
    ("ele", {}),
    ("pe", {}),
    ("pe", {"color_shuffle": False}),
    ("np", {}),
    ("np", {"per": "block"}),
]


@pytest.mark.parametrize(("scheme", "parameters"), SCHEMES)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1 << 30), scope=st.sampled_from(["dataset", "image"]), channels=st.sampled_from([1, 3]))
def test_no_key_changes_it_and_another_image_has_another(scheme, parameters, seed, scope, channels):
    plain = PLAIN[..., :channels]
    seen = make_scenario(plain, scheme, 4, seed=seed, parameters=parameters, key_scope=scope).observation
    before, after = descriptor(plain, seen.profile), descriptor(seen.images, seen.profile)
    assert np.abs(before - after).max() < 0.05
    assert np.abs(before[0] - before[1]).max() > 1


@pytest.mark.parametrize("lighting", LIGHTING)
def test_the_light_that_is_taken_out_changes_nothing(lighting):
    profile = make_scenario(PLAIN, "etc", 8).observation.profile
    # Values on a coarse grid, so that the darker image is exactly a linear map of the other.
    image = (RNG.integers(0, 32, (1, 16, 16, 3)) * 4 + 100).astype(np.uint8)
    darker = ((image.astype(int) - 100) // 2 + 20).astype(np.uint8)
    a, b = (descriptor(x, profile, lighting=lighting)[0] for x in (image, darker))
    if lighting == "as-is":
        assert np.abs(a - b).max() > 1
    else:
        assert np.abs(a - b).max() < 0.01


def test_light_per_block_is_gone_where_each_block_has_its_own():
    profile = make_scenario(PLAIN, "etc", 8).observation.profile
    image = RNG.integers(0, 100, (1, 16, 16, 3)).astype(np.uint8)
    lit = image.copy()
    lit[:, :8, :8] += 90
    a, b = (descriptor(x, profile, lighting="block")[0] for x in (image, lit))
    assert np.abs(a - b).max() < 0.01
    a, b = (descriptor(x, profile, lighting="image")[0] for x in (image, lit))
    assert np.abs(a - b).max() > 0.1


def test_an_unknown_scheme_and_a_light_that_is_hidden_are_refused():
    with pytest.raises(ParameterError, match="'pbm' leave alone is not known"):
        freedom_of(Profile(kind="mix", scheme="pbm"))
    profile = make_scenario(PLAIN, "le", 4).observation.profile
    with pytest.raises(ParameterError, match="take lighting='as-is'"):
        descriptor(PLAIN, profile, lighting="block")

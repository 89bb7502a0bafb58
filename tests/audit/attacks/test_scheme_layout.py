"""What a scheme does to samples, found by asking it."""

import numpy as np
import pytest

from blindsight.audit.attacks._layout import groups, layout_of
from blindsight.audit.scenario import make_scenario

PLAIN = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("scheme", "parameters", "expected"),
    [
        ("le", {}, ("nibble", False, True, "all", True)),
        ("ele", {}, ("nibble", True, False, "all", True)),
        ("pe", {}, ("byte", False, False, "colors", True)),
        ("shf", {}, ("byte", True, True, "all", True)),
        ("shf", {"negation": False}, ("byte", True, True, "all", False)),
        ("np", {}, ("byte", False, True, "none", True)),
        ("bps", {}, ("byte", False, False, "all", False)),
    ],
)
def test_each_scheme_is_seen_for_what_it_is(scheme: str, parameters: dict[str, bool], expected: tuple) -> None:
    layout = layout_of(make_scenario(PLAIN, scheme, 4, parameters=parameters).observation)
    assert layout is not None
    assert (layout.sample, layout.moves, layout.shared, layout.shuffles, layout.negates) == expected


def test_etc_moves_whole_blocks() -> None:
    assert layout_of(make_scenario(PLAIN, "etc", 4).observation) is None


def test_images_are_pooled_under_one_key_alone() -> None:
    assert groups(make_scenario(PLAIN, "le", 4).observation) == [slice(0, 2)]
    assert groups(make_scenario(PLAIN, "le", 4, key_scope="image").observation) == [slice(0, 1), slice(1, 2)]

"""What an attacker does with keys of its own."""

import numpy as np
import pytest
from learned_helpers import smooth_images

from blindsight.audit.attacks._own_keys import own_publisher, scheme_facts
from blindsight.audit.scenario import make_scenario
from blindsight.profile import Codec

IMAGES = smooth_images(4, 16, 0)


@pytest.mark.parametrize(
    ("scheme", "sample", "moves"),
    [("etc", "byte", True), ("pe", "byte", False), ("le", "nibble", False), ("ele", "nibble", True)],
)
def test_a_scheme_shows_what_it_moves(scheme: str, sample: str, moves: bool) -> None:
    profile = make_scenario(IMAGES, scheme, 4).observation.profile
    facts = scheme_facts(profile, (16, 16, 3), np.random.default_rng(0))
    assert (facts.sample, facts.moves_blocks) == (sample, moves)


def test_every_image_has_a_fresh_key_and_a_seed_gives_the_same_again() -> None:
    profile = make_scenario(IMAGES, "etc", 4).observation.profile
    same = np.stack([IMAGES[0]] * 3)
    first, again = (own_publisher(profile, np.random.default_rng(5))(same) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])


def test_a_lossy_codec_is_part_of_what_is_published() -> None:
    codec = Codec(format="jpeg", quality=50, subsampling="4:4:4")
    profile = make_scenario(IMAGES, "etc", 8, codec=codec).observation.profile
    publish = own_publisher(profile, np.random.default_rng(5))
    lossless = own_publisher(profile.model_copy(update={"codec": Codec()}), np.random.default_rng(5))
    error = np.abs(publish(IMAGES).astype(int) - lossless(IMAGES)).mean()
    assert 0 < error < 20

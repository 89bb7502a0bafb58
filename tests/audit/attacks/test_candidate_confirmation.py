"""Candidates are recognised under any key; where the original is not among them nothing is confirmed."""

import numpy as np
import pytest
from photo_tiles import tiles

from blindsight.algebra import BlockGrid
from blindsight.audit import Budget, get_attack
from blindsight.audit.attacks.candidate_confirmation import block_match_cost
from blindsight.audit.scenario import make_scenario
from blindsight.audit.threat import ProtectedSet
from blindsight.profile import Codec, Profile

ATTACK = get_attack("candidate-confirmation")
CROPS = tiles(120)


def attacked(plain, scheme, block, gallery, **more):
    scenario = make_scenario(plain, scheme, block, "candidates", candidates=gallery, **more)
    found = ATTACK.run(scenario.observation, Budget())
    return found, float((found.images == scenario.truth.images).all(axis=(1, 2, 3)).mean())


@pytest.mark.parametrize("scope", ["dataset", "image"])
@pytest.mark.parametrize(
    ("scheme", "block"), [("etc", 4), ("etc", 8), ("shf", 8), ("bps", 8), ("rrp", 8), ("le", 4), ("ele", 4), ("pe", 4)]
)
def test_every_original_is_recognised(scheme, block, scope):
    found, right = attacked(CROPS[:12], scheme, block, CROPS, key_scope=scope)
    assert right == 1
    assert found.key is None
    assert found.facts == {"candidates": 120, "confirmed": 12}


def test_what_all_candidates_have_alike_does_not_drown_what_tells_them_apart():
    few = CROPS[:4].copy()
    few[:, :2] = 255  # the brightest samples of all four are then alike
    found, right = attacked(few, "shf", few.shape[1], few)
    assert right == 1
    assert found.facts["confirmed"] == 4


@pytest.mark.parametrize("scheme", ["etc", "ele", "pe"])
def test_where_the_originals_are_not_among_the_candidates_nothing_is_confirmed(scheme):
    found, right = attacked(CROPS[:12], scheme, 4, CROPS[12:])
    assert right == 0
    assert found.facts["confirmed"] == 0


def test_noise_that_all_candidates_share_the_invariants_of_tells_nothing():
    """Candidates that are one image's blocks in other orders have one orbit: EtC hides which of them it was."""
    grid = BlockGrid(32, 32, 3, 4)
    rng = np.random.default_rng(0)
    blocks = grid.to_blocks(CROPS[:1])[0]
    same = np.stack([grid.from_blocks(blocks[rng.permutation(64)][None])[0] for _ in range(40)])
    _, right = attacked(same, "etc", 4, same, key_scope="image")
    assert right < 0.2


@pytest.mark.parametrize(("block", "quality", "floor"), [(8, 50, 0.9), (4, 80, 0.9)])
def test_jpeg_does_not_hide_them(block, quality, floor):
    codec = Codec(format="jpeg", quality=quality, subsampling="4:4:4")
    _, right = attacked(CROPS[:10], "etc", block, CROPS, key_scope="image", codec=codec)
    assert right >= floor


def test_a_spent_budget_leaves_the_nearest_descriptor():
    codec = Codec(format="jpeg", quality=90, subsampling="4:4:4")
    scenario = make_scenario(CROPS[:4], "etc", 8, "candidates", candidates=CROPS, codec=codec)
    found = ATTACK.run(scenario.observation, Budget(1e-9))
    assert found.images.shape == CROPS[:4].shape


def test_the_cost_of_the_right_blocks_is_nothing():
    seen = make_scenario(CROPS[:1], "etc", 8, key_scope="image").observation.images[0]
    costs = block_match_cost(seen, CROPS[:5], BlockGrid(32, 32, 3, 8))
    assert costs[0] == pytest.approx(0, abs=1)
    assert costs[1:].min() > 1000


def test_it_says_what_it_needs():
    assert ATTACK.why_not(make_scenario(CROPS[:2], "etc", 4).observation) == (
        "needs the protected set and candidate originals"
    )
    scenario = make_scenario(CROPS[:2], "etc", 4, "candidates", candidates=CROPS[:4])
    assert ATTACK.why_not(scenario.observation) is None
    other = type(scenario.observation)(
        profile=Profile(kind="mix", scheme="pbm"), images=CROPS[:2], candidates=CROPS[:4]
    )
    assert isinstance(other, ProtectedSet)
    assert "'pbm'" in ATTACK.why_not(other)

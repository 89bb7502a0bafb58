"""Regression from invariants: pictures that their blocks' statistics tell apart come back, others do not."""

import numpy as np
import pytest

from blindsight.audit.attack import Budget, get_attack
from blindsight.audit.metrics import ssim
from blindsight.audit.scenario import make_scenario
from blindsight.audit.scoring import in_best_state
from blindsight.audit.threat import ProtectedSet
from blindsight.profile import Profile

ATTACK = get_attack("invariant-regression")
N, P = 8, 80
RNG = np.random.default_rng(5)
KINDS = RNG.integers(0, 4, N + P)


def smooth(count, cells, side=16):
    return RNG.integers(0, 256, (count, cells, cells, 3)).repeat(side // cells, axis=1).repeat(side // cells, axis=2)


def pictures():
    """Four pictures in many noisy copies."""
    copies = smooth(4, 4)[KINDS] + RNG.normal(0, 8, (N + P, 16, 16, 3))
    return np.clip(np.rint(copies), 0, 255).astype(np.uint8)


def puzzles():
    """The same sixteen blocks in another order each: no invariant of EtC tells them apart."""
    blocks = RNG.integers(0, 256, (16, 4, 4, 3), np.uint8)
    orders = np.stack([RNG.permutation(16) for _ in range(N + P)])
    return blocks[orders].reshape(-1, 4, 4, 4, 4, 3).swapaxes(2, 3).reshape(-1, 16, 16, 3)


def likeness(found, truth):
    return float(np.mean([ssim(a, b) for a, b in zip(found, truth, strict=True)]))


def attacked(images, scheme="etc", seed=0, labels=None, **more):
    scenario = make_scenario(
        images[:N],
        scheme,
        4,
        "protected-set" if labels is None else "labelled-set",
        seed=seed,
        key_scope="image",
        public=images[N:],
        labels=None if labels is None else labels[:N],
        public_labels=None if labels is None else labels[N:],
        **more,
    )
    return scenario, ATTACK.run(scenario.observation, Budget())


@pytest.mark.parametrize(("scheme", "parameters"), [("etc", {}), ("bps", {"scramble": True}), ("shf", {}), ("pe", {})])
def test_pictures_that_statistics_tell_apart_come_back(scheme, parameters):
    images = pictures()
    scenario, found = attacked(images, scheme, parameters=parameters)
    assert found.symmetric
    best = in_best_state(found, scenario.truth, scenario.observation)
    assert likeness(best.images, images[:N]) > 0.6
    mean = np.broadcast_to(images.mean(axis=0), images[:N].shape).astype(np.uint8)
    assert likeness(mean, images[:N]) < 0.5


def test_where_statistics_say_nothing_all_guesses_are_alike():
    images = puzzles()
    scenario, found = attacked(images)
    assert np.ptp(found.images.astype(int), axis=0).max() <= 2
    assert likeness(in_best_state(found, scenario.truth, scenario.observation).images, images[:N]) < 0.2


def test_a_class_says_what_statistics_do_not():
    blocks = puzzles()
    images = blocks[:4][KINDS]  # four arrangements of the same blocks
    told = attacked(images, labels=KINDS)[1]
    blind = attacked(images)[1]
    assert told.facts["class_weight"] > 0
    assert np.ptp(blind.images.astype(int), axis=0).max() <= 2
    for kind in range(4):
        alike = told.images[KINDS[:N] == kind].astype(int)
        assert not len(alike) or np.ptp(alike, axis=0).max() <= 2
    assert len(np.unique(told.images, axis=0)) > 1


def test_no_key_changes_what_is_found():
    images = pictures()
    one, two = (attacked(images, seed=seed)[1].images.astype(int) for seed in (1, 2))
    assert np.abs(one - two).max() <= 3


def test_reductions_are_learned_along():
    images = pictures()
    scenario, _ = attacked(images)
    seen = scenario.observation
    plain = ProtectedSet(profile=seen.profile, images=seen.images, public=seen.public)
    reduced = ProtectedSet(
        profile=seen.profile.model_copy(update={"reductions": ("quantise:levels=2",)}),
        images=seen.images,
        public=seen.public,
    )
    # Other public statistics, other guesses.
    assert (ATTACK.run(plain, Budget()).images != ATTACK.run(reduced, Budget()).images).any()


def test_what_it_cannot_do_is_said():
    images = pictures()
    scenario, _ = attacked(images)
    seen = scenario.observation

    def why(**changes):
        fields = {"profile": seen.profile, "images": seen.images, "public": seen.public} | changes
        return ATTACK.why_not(ProtectedSet(**fields))

    assert why() is None
    assert why(public=None) == "needs plain images of the same kind"
    assert "given 2; 3 are the least" in why(public=seen.public[:2])
    mixed = Profile(kind="mix", scheme="pbm", size=(16, 16))
    assert "'pbm' leave alone is not known" in why(profile=mixed)

"""Blends taken apart: Mixup as the sanity case, InstaHide, and blends of nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import zoom

from blindsight.audit import Budget, get_attack
from blindsight.audit.attacks.instahide import agree_on_signs, likely_sign
from blindsight.audit.mixed_scenario import make_mixed_scenario
from blindsight.audit.scenario import make_scenario

ATTACK = get_attack("instahide")
COUNT, VIEWS = 24, 24


def smooth(count, seed=0):
    """Random smooth colour pictures: uint8 (count, 12, 12, 3)."""
    coarse = np.random.default_rng(seed).normal(128, 70, (count, 4, 4, 3))
    return np.clip(zoom(coarse, (1, 3, 3, 1), order=1), 0, 255).astype(np.uint8)


PLAIN = smooth(COUNT)


def blends(method, plain=PLAIN, views=VIEWS, **more):
    return make_mixed_scenario(plain, np.zeros(len(plain), np.int64), method, views=views, partners="any", **more)


def alike(found, truth, *, negatives=False):
    """Mean correlation with the target, in the better of the two signs of the whole set where negatives count."""
    each = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found.images + 0.0, truth.images, strict=True)]
    mean = float(np.mean(each))
    return abs(mean) if negatives else mean


def test_mixup_is_solved():
    scenario = blends("mixup")
    found = ATTACK.run(scenario.observation, Budget())
    assert alike(found, scenario.truth) > 0.9
    assert found.facts["unexplained"] < 0.2
    assert not found.symmetric


def test_instahide_is_solved_up_to_one_sign():
    scenario = blends("instahide", sources=1)
    found = ATTACK.run(scenario.observation, Budget())
    assert found.facts["originals"] == COUNT
    assert found.symmetric
    assert alike(found, scenario.truth, negatives=True) > 0.7


def test_blends_of_nothing_give_nothing(monkeypatch):
    monkeypatch.setattr("blindsight.audit.attacks.unmixing.ROOM", (1.2,))  # one start is enough to fail
    scenario = blends("instahide", sources=1)
    noise = np.random.default_rng(0).integers(0, 256, scenario.observation.images.shape, np.uint8)
    found = ATTACK.run(replace(scenario.observation, images=noise), Budget())
    assert alike(found, scenario.truth, negatives=True) < 0.1
    assert found.facts["unexplained"] > 0.6


def test_public_images_say_which_is_the_negative():
    ramp = np.broadcast_to(np.linspace(90, -90, 12, dtype=np.float32)[:, None, None], (12, 12, 3))
    public = np.clip(np.repeat(ramp[None], 4, axis=0) + 128, 0, 255).astype(np.uint8)
    assert likely_sign(ramp, public) == 1
    assert likely_sign(-ramp, public) == -1
    assert likely_sign(-ramp, None) == -1  # light comes from above


def test_signs_agree_where_neighbours_are_alike():
    fields = np.cumsum(np.random.default_rng(0).normal(size=(8, 6, 6, 3)), axis=1).reshape(8, -1).astype(np.float32) + 9
    lost = fields * np.random.default_rng(1).choice([-1, 1], fields.shape[1]).astype(np.float32)
    found = agree_on_signs(lost, (6, 6, 3))
    assert np.allclose(found, fields) or np.allclose(found, -fields)


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (make_scenario(PLAIN, "etc", 4), "none"),
        (blends("cutmix"), "none"),
        (blends("instahide", views=1), "and the set has 1"),
        (blends("instahide", PLAIN[:4]), "more originals"),
    ],
)
def test_it_says_what_it_cannot_solve(scenario, said):
    assert said in ATTACK.why_not(scenario.observation)

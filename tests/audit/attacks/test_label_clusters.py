"""De-mixing: joins learned from blocks, owners found, originals put together; noise gives nothing to fit."""

import numpy as np
import pytest
from photo_tiles import tiles

from blindsight.audit import Budget, get_attack
from blindsight.audit.attacks.filling import fill_in
from blindsight.audit.attacks.joins import JoinModel
from blindsight.audit.attacks.owners import Mixing, find_owners
from blindsight.audit.mixed_scenario import make_mixed_scenario
from blindsight.audit.scenario import make_scenario
from blindsight.errors import ParameterError
from blindsight.profile import Codec

ATTACK = get_attack("label-clusters")
SIDE = 8


def blocks(images, side=SIDE):
    count, height, width, channels = images.shape
    grid = images.reshape(count, height // side, side, width // side, side, channels).swapaxes(2, 3)
    return grid.reshape(count, -1, side, side, channels)


def right(found, truth):
    """bool (N, n): blocks that are the original's."""
    return (blocks(found) == blocks(truth)).all(axis=(2, 3, 4))


def published(seen, truth):
    """bool (N, n): blocks of the originals that lie at their place in some mixed image."""
    shown, own = blocks(seen), blocks(truth)
    return (shown[None] == own[:, None]).all(axis=(3, 4, 5)).any(axis=1)


@pytest.fixture(scope="module")
def photographs():
    scenario = make_mixed_scenario(tiles(40, step=2), np.zeros(40, np.int64), "pbm", SIDE)
    return scenario, ATTACK.run(scenario.observation, Budget())


def test_most_of_what_is_published_of_an_original_is_found(photographs):
    scenario, found = photographs
    seen, truth = scenario.observation.images, scenario.truth.images
    visible, ours, anywhere = right(seen, truth), right(found.images, truth), published(seen, truth)
    assert ours[visible].mean() > 0.9
    assert ours[~visible & anywhere].mean() > 0.5
    assert ours.mean() > visible.mean() + 0.08
    assert found.facts["kept"] + found.facts["fetched"] + found.facts["filled"] == pytest.approx(1)
    assert found.key is None


def test_noise_gives_nothing_that_was_not_visible():
    """Blocks of noise do not fit each other: what is left is who shows them, and that restores hardly any."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    scenario = make_mixed_scenario(noise, np.zeros(40, np.int64), "pbm", SIDE)
    found = ATTACK.run(scenario.observation, Budget())
    visible = right(scenario.observation.images, noise_truth := scenario.truth.images)
    assert right(found.images, noise_truth)[~visible].mean() < 0.05


def test_images_that_were_not_mixed_are_kept_as_they_are():
    scenario = make_mixed_scenario(tiles(16), np.repeat([0, 1], 8), "pbm", SIDE, probability=0.0, sources=3)
    found = ATTACK.run(scenario.observation, Budget())
    assert np.array_equal(found.images, scenario.truth.images)
    assert found.facts["groups"] == 2


def test_a_spent_budget_gives_the_mixed_images():
    scenario = make_mixed_scenario(tiles(16), np.zeros(16, np.int64), "pbm", SIDE, sources=3)
    assert np.array_equal(ATTACK.run(scenario.observation, Budget(1e-9)).images, scenario.observation.images)


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (make_scenario(tiles(2), "etc", 8, "labelled-set", labels=np.zeros(2, np.int64)), "nothing else"),
        (make_mixed_scenario(tiles(4), np.zeros(4, np.int64), "mixup"), "nothing else"),
        (make_mixed_scenario(tiles(16), np.zeros(16, np.int64), "pbm", (1, 32)), "no edges"),
        (
            make_mixed_scenario(
                tiles(16),
                np.zeros(16, np.int64),
                block=8,
                codec=Codec(format="jpeg", quality=90, subsampling="4:4:4"),
            ),
            "lossy",
        ),
    ],
)
def test_it_says_what_it_cannot_take_apart(scenario, said):
    assert said in ATTACK.why_not(scenario.observation)


def test_joins_of_one_photograph_are_likelier_than_others():
    images = tiles(60)
    cut = blocks(images)  # (60, 16, 8, 8, 3)
    rng = np.random.default_rng(0)
    at = rng.choice([0, 1, 2, 4, 5, 6], 5000)
    apart = np.stack([rng.integers(0, 60, 5000) * 16 + at, rng.integers(0, 60, 5000) * 16 + at + 1], axis=1)
    model = JoinModel(cut.reshape(-1, 8, 8, 3), apart)
    ratios = model.ratios(cut[:, 5], cut[:, 6])
    assert ratios.shape == (60, 60)
    true = np.log(np.diag(ratios))
    false = np.log(ratios[~np.eye(60, dtype=bool)])
    assert true.mean() > 1
    assert false.mean() < -1
    assert (ratios.argmax(axis=1) == np.arange(60)).mean() > 0.5
    with pytest.raises(ParameterError, match="holds no join"):
        JoinModel(cut.reshape(-1, 8, 8, 3)[:, :, :1], apart)


def test_owners_follow_joins_that_leave_no_doubt():
    """Three images, each of which gave one block to the next: joins that say who belongs together decide."""
    owner = np.array([[0, 2, 0, 0], [1, 1, 0, 1], [2, 2, 2, 1]])  # the original whose block image i shows at p
    certain = np.where(np.eye(3, dtype=bool), 50.0, 0.02)
    places = [sorted(set(owner[:, p])) for p in range(4)]
    shown = np.array([[places[p].index(owner[i, p]) for p in range(4)] for i in range(3)])

    def joins(p, q):
        table = np.ones((3, 3))
        table[: len(places[p]), : len(places[q])] = certain[np.ix_(places[p], places[q])]
        return table

    found = find_owners(shown, (2, 2), Mixing(0.5, 1), joins, Budget())
    assert found.belief.shape == (3, 4, 4)
    assert np.allclose(found.belief.sum(axis=2), 1)
    best = found.belief.argmax(axis=2)
    for i in range(3):
        for p in range(4):
            want = places[p].index(i) if i in places[p] else 3
            assert best[i, p] == want, (i, p)


def test_holes_are_filled_from_around_and_nothing_else_changes():
    ramp = np.broadcast_to(np.arange(16, dtype=np.uint8)[None, :, None] * 10, (1, 16, 16, 3)).reshape(1, 16, 16, 3)
    missing = np.zeros((1, 16, 16), bool)
    missing[0, 4:8, 4:8] = True
    filled = fill_in(np.where(missing[..., None], np.uint8(255), ramp), missing)
    assert np.abs(filled.astype(int) - ramp).max() <= 6
    assert np.array_equal(filled[~missing], ramp[~missing])
    assert (fill_in(ramp, np.ones((1, 16, 16), bool)) == 128).all()
    assert np.array_equal(fill_in(ramp, np.zeros((1, 16, 16), bool)), ramp)

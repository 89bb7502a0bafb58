"""Mixed scenarios: what blindsight mix gives, with labels, and the targets in the truth."""

import numpy as np
import pytest

from blindsight.audit.mixed_scenario import make_mixed_scenario
from blindsight.audit.threat import Candidates, LabelledSet, ProtectedSet
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.profile import Codec

RNG = np.random.default_rng(0)
PLAIN = RNG.integers(0, 256, (24, 16, 16, 3), np.uint8)
LABELS = np.repeat([0, 1], 12)


def blocks(images, side=4):
    count, height, width, channels = images.shape
    tiles = images.reshape(count, height // side, side, width // side, side, channels).swapaxes(2, 3)
    return tiles.reshape(count, -1, side * side * channels)


def test_blocks_are_the_targets_or_of_its_class_at_the_same_place():
    scenario = make_mixed_scenario(PLAIN, LABELS, "pbm", 4, sources=5)
    seen, truth = scenario.observation, scenario.truth
    assert isinstance(seen, LabelledSet)
    assert seen.profile.kind == "mix"
    assert seen.profile.parameters["sources"] == 5
    assert np.array_equal(seen.labels, truth.labels)
    own = (blocks(seen.images) == blocks(truth.images)).all(axis=2)
    assert 0.3 < own.mean() < 0.7
    for image, label in zip(blocks(seen.images), seen.labels, strict=True):
        members = blocks(PLAIN[label == LABELS])
        assert (members == image[None]).all(axis=2).any(axis=0).all()


def test_the_truth_is_every_original_once_and_the_order_is_not_theirs():
    truth = make_mixed_scenario(PLAIN, LABELS, block=4, sources=5).truth
    assert sorted(image.tobytes() for image in truth.images) == sorted(image.tobytes() for image in PLAIN)
    assert not np.array_equal(truth.images, PLAIN)


@pytest.mark.parametrize("method", ["mixup", "cutmix", "instahide"])
def test_other_methods_and_views(method):
    scenario = make_mixed_scenario(PLAIN, np.zeros(24, np.int64), method, views=3)
    assert scenario.observation.images.shape == (72, 16, 16, 3)
    counts = {image.tobytes(): 0 for image in PLAIN}
    for image in scenario.truth.images:
        counts[image.tobytes()] += 1
    assert set(counts.values()) == {3}


def test_a_seed_is_a_trial_and_jpeg_is_seen_decoded():
    def seen(**more):
        return make_mixed_scenario(PLAIN, LABELS, block=4, sources=5, **more).observation.images

    assert np.array_equal(seen(seed=1), seen(seed=1))
    assert not np.array_equal(seen(seed=1), seen(seed=2))
    coded = seen(seed=1, codec=Codec(format="jpeg", quality=50, subsampling="4:4:4"))
    assert not np.array_equal(coded, seen(seed=1))


def test_what_each_attacker_is_given():
    def made(threat, **more):
        return make_mixed_scenario(PLAIN, LABELS, block=4, sources=5, threat=threat, **more).observation

    assert type(made("protected-set")) is ProtectedSet
    labelled = made("labelled-set", public=PLAIN[:2], public_labels=LABELS[:2])
    assert np.array_equal(labelled.public_labels, LABELS[:2])
    held = made("candidates", candidates=PLAIN)
    assert isinstance(held, Candidates)
    assert not np.array_equal(held.candidates, PLAIN)
    assert np.array_equal(np.sort(held.candidates, axis=0), np.sort(PLAIN, axis=0))
    assert np.array_equal(held.images, labelled.images)


@pytest.mark.parametrize(
    ("threat", "error", "said"),
    [
        ("known-pairs", ParameterError, "does not apply: a mixed set has no key that known pairs"),
        ("chosen-plaintext", ParameterError, "does not apply"),
        ("shared-model", ParameterError, "its models take plain images"),
        ("candidates", ParameterError, "needs candidates"),
        ("one-image", ParameterError, "one by one"),
        ("two-images", UnknownNameError, "unknown threat model"),
    ],
)
def test_attackers_without_sense_are_refused(threat, error, said):
    with pytest.raises(error, match=said):
        make_mixed_scenario(PLAIN, LABELS, block=4, sources=5, threat=threat)


@pytest.mark.parametrize(
    ("plain", "labels", "more", "said"),
    [
        (PLAIN, LABELS[:3], {}, "N labels"),
        (PLAIN.astype(float), LABELS, {}, "uint8"),
        (PLAIN, LABELS, {"views": 0}, "1 or more"),
        (PLAIN, np.repeat([0, 1], [10, 14]), {"views": 2, "method": "mixup"}, "equally large"),
        (PLAIN, LABELS, {"block": 5}, "do not tile"),
        (PLAIN, LABELS, {"block": 4, "sources": 12}, "choose fewer sources"),
    ],
)
def test_what_cannot_be_is_refused(plain, labels, more, said):
    with pytest.raises(ParameterError, match=said):
        make_mixed_scenario(plain, labels, **more)


def test_an_unknown_method_is_named():
    with pytest.raises(UnknownNameError, match="pbm"):
        make_mixed_scenario(PLAIN, LABELS, "pbn")

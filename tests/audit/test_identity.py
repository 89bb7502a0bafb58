"""Identity across photographs: named by what protection leaves, at chance by what it does not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from blindsight.audit.attacks.invariants import descriptor
from blindsight.audit.identity import CLASSIFIERS, distances_kept, identify
from blindsight.audit.scenario import make_scenario
from blindsight.errors import ParameterError, UnknownNameError

RNG = np.random.default_rng(0)
PEOPLE = np.repeat(np.arange(10), 6)


def photographs():
    """Ten smooth "faces", six noisy photographs of each: uint8 (60, 16, 16, 1)."""
    faces = RNG.integers(20, 236, (10, 4, 4, 1)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(faces[PEOPLE] + RNG.normal(0, 12, (60, 16, 16, 1)), 0, 255).astype(np.uint8)


PHOTOS = photographs()


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize(("scheme", "block"), [("etc", 4), ("etc", 8), ("ele", 4), ("pe", 4)])
def test_one_key_changes_no_distance_and_no_answer(scheme, block, classifier):
    seen = make_scenario(PHOTOS, scheme, block).observation
    plain, protected = (distances_kept(images, seen.profile) for images in (PHOTOS, seen.images))
    # Negation turns values about the middle of their range, so the inner products from there are kept, too.
    middle = 7.5 if scheme == "ele" else 127.5
    plain, protected = plain - middle, protected - middle
    assert np.allclose(plain @ plain.T, protected @ protected.T)
    a, b = (identify(one, one, PEOPLE, classifier=classifier) for one in (plain, protected))
    assert a.top1.mean == b.top1.mean > 0.95
    assert a.chance == 0.1


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_keys_per_image_leave_invariants_and_hide_the_rest(classifier):
    seen = make_scenario(PHOTOS, "etc", 4, key_scope="image").observation
    known = descriptor(PHOTOS, seen.profile)
    found = identify(known, descriptor(seen.images, seen.profile), PEOPLE, classifier=classifier)
    assert found.top1.mean > 0.9
    assert found.top1.low <= found.top1.mean <= found.top1.high
    hidden = identify(*(distances_kept(seen.images, seen.profile),) * 2, PEOPLE, classifier=classifier)
    assert hidden.top1.mean < 0.3


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_noise_is_named_at_chance(classifier):
    noise = np.random.default_rng(1).normal(size=(400, 30)).astype(np.float32)
    found = identify(noise, noise, np.repeat(np.arange(40), 10), classifier=classifier)
    assert found.top1.mean == pytest.approx(0.025, abs=0.02)
    assert found.top1.n == 40


def test_splits_are_drawn_by_the_seed_and_no_probe_is_its_own_gallery():
    # Descriptors that are different for every photograph and alike for none: only the photograph itself would match.
    own = np.eye(60, dtype=np.float32)
    assert identify(own, own, PEOPLE, splits=20).top1.mean < 0.25
    one, two = (identify(PHOTOS.reshape(60, -1)[:, ::40].astype(np.float32), own[:, :7], PEOPLE, seed=3) for _ in "ab")
    assert one == two


def test_who_draws_anew_what_was_drawn_names_more():
    # Of a face one sixth is shown: one draw of the gallery shows the same sixth less often than many do.
    rng = np.random.default_rng(2)
    people = np.repeat(np.arange(20), 6)
    faces = rng.normal(size=(20, 12))[people]

    def drawn():
        shown = np.arange(12) // 2 == rng.integers(0, 6, (len(faces), 1))
        return (np.where(shown, faces, 0) + rng.normal(0, 0.2, faces.shape)).astype(np.float32)

    probes, versions = drawn(), np.stack([drawn() for _ in range(12)])
    once, often = (identify(known, probes, people) for known in (versions[0], versions))
    assert often.top1.mean > once.top1.mean + 0.05
    for classifier in CLASSIFIERS:
        a, b = (identify(known, probes, people, classifier=classifier) for known in (versions[0], versions[:1]))
        assert a == b


def test_halves_of_samples():
    profile = make_scenario(PHOTOS, "le", 4).observation.profile
    assert_array_equal(distances_kept(np.array([[[[0x5A]]]], np.uint8), profile), [[10, 5]])


@pytest.mark.parametrize(
    ("gallery", "more", "said"),
    [
        (np.zeros((60, 2, 2), np.float32), {}, r"probes are \(N, D\), the gallery \(N, D\) or \(T, N, D\)"),
        (np.zeros((60, 2), np.float32), {"photographs": 6}, "a gallery of 1 to 5"),
        (np.zeros((60, 2), np.float32), {"splits": 0}, "1 split or more"),
    ],
)
def test_what_cannot_be_is_refused(gallery, more, said):
    with pytest.raises(ParameterError, match=said):
        identify(gallery, gallery, PEOPLE, **more)


def test_an_unknown_classifier_is_named():
    with pytest.raises(UnknownNameError, match="nearest"):
        identify(np.zeros((60, 2), np.float32), np.zeros((60, 2), np.float32), PEOPLE, classifier="nearst")

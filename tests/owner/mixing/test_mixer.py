"""The laws of label-based mixing, on images of noise, where no two blocks are equal by chance."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mixing_helpers import blocks_of, noise_mixer, noise_set, photo_tree

from blindsight.errors import ImageError, ParameterError, UnknownNameError
from blindsight.owner.mixing import Mixer, MixOptions
from blindsight.owner.sources import open_source
from protect_helpers import KEY, OTHER, refused, write_image

BLOCK = (4, 4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.tuples(st.integers(6, 14), st.integers(6, 14)),
    sources=st.integers(0, 5),
    probability=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    include=st.booleans(),
    replacement=st.booleans(),
)
def test_every_block_is_the_targets_or_one_donors_of_its_label(
    tmp_path, counts, sources, probability, include, replacement
):
    mixer = noise_mixer(
        tmp_path,
        counts,
        sources=sources,
        probability=probability,
        include_target=include,
        replacement=replacement,
    )
    for target in mixer.targets:
        mixture = mixer.make(target)
        assert len(mixture.donors) == sources
        assert {item.label for item in mixture.donors} <= {target.item.label}
        assert include or target.item not in mixture.donors
        assert replacement or len(set(mixture.donors)) == sources
        mixed = blocks_of(mixture.pixels, BLOCK)
        origins = [blocks_of(mixer.pixels(item), BLOCK) for item in (target.item, *mixture.donors)]
        for (r, c), k in np.ndenumerate(mixture.choice):
            assert (mixed[r, c] == origins[k][r, c]).all()
        assert sum(mixture.weights) == pytest.approx(1)
        assert mixture.weights[0] == (mixture.choice == 0).mean()
        if probability in (0, 1) and sources:
            assert (mixture.choice > 0).all() == bool(probability)


def test_no_block_of_another_label_is_ever_in_a_mixed_image(tmp_path):
    mixer = noise_mixer(tmp_path, (14, 13), sources=8, probability=0.8)
    known = {}
    for item in mixer.items:
        for (r, c), _ in np.ndenumerate(np.zeros((3, 4))):
            known.setdefault(blocks_of(mixer.pixels(item), BLOCK)[r, c].tobytes(), set()).add((item.label, r, c))
    for target in mixer.targets:
        mixed = blocks_of(mixer.make(target).pixels, BLOCK)
        for (r, c), _ in np.ndenumerate(np.zeros((3, 4))):
            assert known[mixed[r, c].tobytes()] == {(target.item.label, r, c)}


@pytest.mark.parametrize("probability", [0.25, 0.5, 0.75])
def test_the_share_of_replaced_blocks_is_the_probability_within_its_interval(tmp_path, probability):
    mixer = noise_mixer(tmp_path, (60, 60), (16, 16), sources=10, probability=probability, block=(1, 2))
    own = np.concatenate([mixer.make(target).choice.ravel() == 0 for target in mixer.targets])
    assert abs((1 - own.mean()) - probability) < 3.9 * math.sqrt(probability * (1 - probability) / len(own))


def test_donors_are_drawn_evenly_from_the_others_of_the_class(tmp_path):
    mixer = noise_mixer(tmp_path, (11,), targets=11 * 150, sources=3)
    drawn = np.zeros((11, 11))
    for target in mixer.targets:
        for donor in mixer.donors(target)[0]:
            drawn[target.item.number, donor.number] += 1
    assert not np.diag(drawn).any()
    others = drawn[~np.eye(11, dtype=bool)]
    assert others.sum() == 11 * 150 * 3
    # Chi-square of about 110 cells; 0.9999 quantile of 109 degrees of freedom is 171.
    assert ((others - 45) ** 2 / 45).sum() < 171


def test_the_paper_mode_lets_the_target_be_its_own_donor(tmp_path):
    mixer = noise_mixer(tmp_path, (4,), sources=4, include_target=True)
    for target in mixer.targets:
        assert target.item in mixer.donors(target)[0]


def test_the_same_key_makes_the_same_images_in_any_order_and_another_key_others(tmp_path):
    a, b, other = (noise_mixer(tmp_path, sources=5, key=key) for key in (KEY, KEY, OTHER))
    made = {target.id: a.make(target).pixels for target in a.targets}
    for target in reversed(b.targets):
        assert (b.make(target).pixels == made[target.id]).all()
    pairs = zip(a.targets, other.targets, strict=True)
    assert any((a.make(x).pixels != other.make(y).pixels).any() for x, y in pairs)


@pytest.mark.parametrize(("targets", "rounds", "rest"), [(None, 1, 0), (5, 0, 5), (12, 1, 0), (30, 2, 6)])
def test_as_many_targets_a_class_as_were_asked_for(tmp_path, targets, rounds, rest):
    mixer = noise_mixer(tmp_path, (12, 12), sources=2, targets=targets)
    for label in "ab":
        chosen = [t for t in mixer.targets if t.item.label == label]
        assert len(chosen) == rounds * 12 + rest
        times = [sum(t.item == item for t in chosen) for item in mixer.members[label]]
        assert sorted(times) == [rounds] * (12 - rest) + [rounds + 1] * rest
    assert len({t.id for t in mixer.targets}) == len(mixer.targets)


def test_views_of_one_target_are_mixed_differently(tmp_path):
    mixer = noise_mixer(tmp_path, (12,), sources=5, targets=24)
    first, second = (t for t in mixer.targets if t.item.number == 3)
    assert (mixer.make(first).pixels != mixer.make(second).pixels).any()


def test_only_train_is_mixed_and_donors_are_of_train(tmp_path):
    splits = ["train"] * 9 + ["test"] * 3 + ["train"] * 10 + ["val"] * 4
    source = open_source(noise_set(tmp_path / "s.npz", (12, 14), split=splits))
    mixer = Mixer(source, MixOptions(size=None, block=(4, 4), sources=4), KEY)
    assert {t.item.split for t in mixer.targets} == {"train"}
    assert len(mixer.targets) == 19
    assert all(item.split == "train" for t in mixer.targets for item in mixer.donors(t)[0])


def test_a_source_without_train_is_refused(tmp_path):
    source = open_source(noise_set(tmp_path / "s.npz", (3,), split=["test"] * 3))
    assert "has no train split, only test" in refused(
        ParameterError, Mixer, source, MixOptions(size=None, block=(4, 4)), KEY
    )


def test_classes_too_small_are_named_with_what_helps(tmp_path):
    text = refused(ParameterError, noise_mixer, tmp_path, (12, 10), sources=10)
    assert text == (
        "class 'b' has 10 images, and 10 sources an image need 11: choose fewer sources, "
        "or let donors be drawn with replacement (--replacement)"
    )
    assert noise_mixer(tmp_path, (12, 11), sources=10).make
    assert noise_mixer(tmp_path, (12, 10), sources=10, include_target=True).make
    small = noise_mixer(tmp_path, (12, 2), sources=10, replacement=True)
    last = small.make(small.targets[-1])
    assert len(last.donors) == 10
    assert len(set(last.donors)) == 1
    assert "need 2" in refused(ParameterError, noise_mixer, tmp_path, (12, 1), sources=3, replacement=True)
    assert noise_mixer(tmp_path, (12, 1), sources=0).targets


@pytest.mark.parametrize("method", ["mixup", "cutmix", "instahide"])
@pytest.mark.parametrize("partners", ["same", "any"])
def test_neighbouring_methods_are_what_their_papers_say(tmp_path, method, partners):
    mixer = noise_mixer(tmp_path, (20, 20), method=method, partners=partners)
    crossed = 0
    for target in mixer.targets:
        mixture = mixer.make(target)
        own, *others = (mixer.pixels(item).astype(float) for item in (target.item, *mixture.donors))
        assert target.item not in mixture.donors
        crossed += any(item.label != target.item.label for item in mixture.donors)
        assert mixture.weights[0] == max(mixture.weights)
        assert sum(mixture.weights) == pytest.approx(1)
        if method == "cutmix":
            taken = (mixture.pixels == others[0]).all(2) & (mixture.pixels != own).any(2)
            assert taken.mean() == pytest.approx(mixture.weights[1], abs=1e-9)
            assert ((mixture.pixels == own).all(2) | taken).all()
            rows, columns = taken.any(1).sum(), taken.any(0).sum()
            assert taken.sum() == rows * columns  # a rectangle
            continue
        mean = sum(w * p for w, p in zip(mixture.weights, [own, *others], strict=True))
        distance = np.abs(mixture.pixels - mean)
        if method == "mixup":
            assert distance.max() <= 0.5
        else:
            assert len(mixture.donors) == 3
            assert mixture.weights[0] <= 0.65 + 1e-4
            negated = np.abs(255 - mixture.pixels - mean)
            assert np.minimum(distance, negated).max() <= 0.5
            assert abs((negated < distance).mean() - 0.5) < 0.15
    assert (crossed > 0) == (partners == "any")


def test_an_unreadable_donor_is_passed_over_and_reported(tmp_path):
    root = photo_tree(tmp_path / "p", (8, 8), ("train",))
    bad = root / "train/class0/3.png"
    bad.write_bytes(b"no image")
    mixer = Mixer(open_source(root), MixOptions(size=(8, 8), block=(4, 4), sources=6), KEY)
    met = 0
    for target in mixer.targets:
        if target.item.label != "class0":
            continue
        if target.item.path.endswith("/3.png"):
            assert "3.png" in refused(ImageError, mixer.make, target)
            continue
        mixture = mixer.make(target)
        assert len(mixture.donors) == 6
        assert all(not item.path.endswith("/3.png") for item in mixture.donors)
        met += bool(mixture.unreadable)
        assert all(path == "train/class0/3.png" and reason for path, reason in mixture.unreadable)
    assert met


def test_too_few_readable_donors_reject_the_image(tmp_path):
    root = photo_tree(tmp_path / "p", (4, 4), ("train",))
    (root / "train/class0/3.png").write_bytes(b"no image")
    mixer = Mixer(open_source(root), MixOptions(size=(8, 8), block=(4, 4), sources=3), KEY)
    text = refused(ImageError, mixer.make, next(t for t in mixer.targets if t.item.path == "train/class0/0.png"))
    assert text == "train/class0/0.png: only 2 of the 3 donors that it needs can be read"


@pytest.mark.parametrize("channels", [1, 3])
def test_mixed_sizes_and_modes_are_fitted_as_protect_does(tmp_path, channels):
    root = photo_tree(tmp_path / "p", (5, 5), ("train",))
    write_image(root / "train/class0/gray.png", 30, 20, channels=1)
    mixer = Mixer(
        open_source(root), MixOptions(size=(24, 32), block=(8, 8), sources=3, channels=channels, fit="crop"), KEY
    )
    assert {mixer.make(target).pixels.shape for target in mixer.targets} == {(24, 32, channels)}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "pmb"}, "unknown mixing method 'pmb'; did you mean pbm?"),
        ({"block": (5, 4)}, "blocks of 5x4 (height x width) do not tile images of 12x16; 4x4 do"),
        ({"block": (4, 0)}, "do not tile images of 12x16; 4x1 do"),
        ({"block": (96, 24)}, "do not tile images of 12x16; 6x2 do"),
        ({"method": "mixup", "replacement": True}, "replacement has no meaning for mixup, which has one donor"),
        ({"method": "cutmix", "include_target": True}, "include_target has no meaning for cutmix"),
        ({"probability": 1.2}, "probability is that of a block to be replaced, 0 to 1; got 1.2"),
        ({"sources": -1}, "sources must be at least 0 for pbm, got -1"),
        ({"method": "instahide", "sources": 0}, "sources must be at least 1 for instahide, got 0"),
        ({"method": "mixup", "sources": 2}, "mixup has 1 donor an image, got sources 2"),
        ({"method": "mixup", "alpha": 0.0}, "alpha must be from 0.01 to 100, got 0.0"),
        ({"targets": 0}, "targets must be at least 1 image a class, got 0"),
        ({"partners": "any"}, "pbm takes partners of the same label, got 'any'"),
        ({"method": "cutmix", "partners": "all"}, "cutmix takes partners of the same or any label, got 'all'"),
        ({"method": "mixup", "partners": "any", "layout": "shards"}, "images of several classes need labels.csv"),
        ({"layout": "tar"}, "layout must be folder or shards, got 'tar'"),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused_before_anything_is_read(tmp_path, options, text):
    kind = UnknownNameError if "unknown" in text else ParameterError
    assert text in refused(kind, noise_mixer, tmp_path, **options)


def test_a_folder_needs_a_size(tmp_path):
    source = open_source(photo_tree(tmp_path / "p"))
    assert "give a size: 192" in refused(ParameterError, Mixer, source, MixOptions(size=None), KEY)


def test_other_options_share_the_key_and_unless_cold_the_images(tmp_path):
    mixer = noise_mixer(tmp_path, (12,), sources=3)
    mixer.make(mixer.targets[0])
    other, cold = mixer.with_options(block=(2, 2)), mixer.with_options(block=(2, 2), cold=True)
    assert other._cache is mixer._cache
    assert cold._cache is not mixer._cache
    assert other.targets == cold.targets
    assert {t.id for t in other.targets}.isdisjoint(t.id for t in mixer.targets)
    target = mixer.targets[0]
    assert other.make(target).donors == mixer.make(target).donors
    assert (other.make(target).pixels == cold.make(target).pixels).all()
    assert other.make(target).choice.shape == (6, 8)

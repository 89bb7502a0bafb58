"""Soft labels from a teacher: the numbers, who is asked about what, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.errors import ImageError, OutputError, ParameterError, ProfileError, ProfileMismatchError, WrongKeyError
from blindsight.labels import LABELS_NAME, read_weights
from blindsight.owner.keys import SecretKey
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.soft_labels import Teacher, taught_weights, write_soft_labels
from blindsight.owner.sources import open_source
from blindsight.profile import Profile
from protect_helpers import KEY, OTHER, refused, tree, write_folder

FILES = ["train/cat/1.png", "train/cat/2.png", "train/dog/3.png", "train/emu/4.png", "test/cat/5.png", "test/dog/6.png"]
OPTIONS = ProtectOptions(block_size=4, size=(16, 16))
CLASSES = ("emu", "cat", "dog")  # not in the set's order


def by_brightness(images):
    """Probabilities that depend on the pixels alone: uint8 (N, H, W, C) -> (N, 3)."""
    mean = images.reshape(len(images), -1).mean(1) / 255
    logits = np.stack([mean * 8, 4 - mean, 2 * mean], 1)
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


TEACHER = Teacher(CLASSES, (8, 8), 3, by_brightness)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("teaching") / "photos", FILES)


def protected(photos, out, key=KEY, **changes):
    protect(open_source(photos), out, key, replace(OPTIONS, **changes))
    return out


def labels(folder):
    return read_weights(folder / LABELS_NAME, Profile.of_folder(folder).classes)


# The numbers


@given(
    st.lists(st.lists(st.floats(0, 50), min_size=4, max_size=4), min_size=1, max_size=5),
    st.floats(0.3, 10),
    st.floats(0, 1),
)
def test_a_label_is_the_temperatures_softmax_and_the_class(logits, temperature, share):
    logits = np.array(logits)
    own = np.arange(len(logits)) % 4
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    soft = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    wanted = share * soft / soft.sum(1, keepdims=True) + (1 - share) * np.eye(4)[own]
    weights = taught_weights(p, own, temperature=temperature, share=share)
    assert np.allclose(weights, wanted, atol=4e-5)
    assert np.allclose(weights.sum(1), 1, atol=1e-9)
    assert (weights >= 0).all()
    if share < 0.499:
        assert (weights.argmax(1) == own).all()


def test_a_teacher_without_a_share_changes_nothing():
    weights = taught_weights(np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([0, 1]), temperature=1.0, share=0.0)
    assert weights.tolist() == [[1, 0], [0, 1]]


def test_many_small_parts_still_sum_to_one():
    p = np.random.default_rng(0).dirichlet(np.full(1000, 0.05), 3)
    weights = taught_weights(p, np.array([1, 2, 3]), temperature=1.0, share=1.0)
    assert np.abs(weights.sum(1) - 1).max() < 1e-9


@pytest.mark.parametrize("teacher", [np.full((1, 3), np.nan), np.full((1, 60_000), 1 / 60_000)])
def test_answers_that_are_no_probabilities(teacher):
    with pytest.raises(ParameterError, match="give no probabilities"):
        taught_weights(teacher, np.array([0]), temperature=1.0, share=1.0)


@pytest.mark.parametrize(("temperature", "share"), [(0, 0.5), (-1, 0.5), (float("inf"), 0.5), (1, -0.1), (1, 1.1)])
def test_numbers_that_cannot_work(photos, tmp_path, temperature, share):
    out = protected(photos, tmp_path / "out")
    text = refused(ParameterError, write_soft_labels, out, KEY, TEACHER, temperature=temperature, share=share)
    assert "must be" in text
    assert not (out / LABELS_NAME).exists()


# The table


@pytest.mark.parametrize("scope", ["dataset", "image"])
@pytest.mark.parametrize("opaque", [False, True])
def test_the_teacher_is_asked_about_the_decrypted_training_images(photos, tmp_path, scope, opaque):
    seen = []

    def predict(images):
        assert images.shape[1:] == (8, 8, 3)
        seen.append(images)
        return by_brightness(images)

    out = protected(photos, tmp_path / "out", key_scope=scope, opaque_classes=opaque)
    plain = protected(photos, tmp_path / "plain", scheme="shf", key_scope=scope)
    report = write_soft_labels(out, KEY, replace(TEACHER, predict=predict))
    assert (report.images, report.taught, report.path) == (6, 4, out / LABELS_NAME)
    # Another cipher hides the same pictures, and the ids are the path's: the teacher says the same of each.
    write_soft_labels(plain, KEY, TEACHER)
    mine, other = labels(out), labels(plain)
    assert {k.rpartition("/")[2] for k in mine} == {k.rpartition("/")[2] for k in other}
    names = json.loads((tmp_path / "out.owner" / "classes.json").read_text())
    for image, weights in mine.items():
        same = next(v for k, v in other.items() if k.rpartition("/")[2] == image.rpartition("/")[2])
        assert {names[k]: v for k, v in weights.items()} == same
        if image.startswith("test/"):
            assert weights == {image.split("/")[1]: 1.0}
        else:
            assert len(weights) == 3
    assert sum(len(batch) for batch in seen) == 4


def test_every_view_has_a_label_of_its_own(photos, tmp_path):
    out = protected(photos, tmp_path / "out", views=3)
    assert write_soft_labels(out, KEY, TEACHER).taught == 12
    assert len({json.dumps(w, sort_keys=True) for k, w in labels(out).items() if k.startswith("train")}) > 4


def test_a_set_without_splits_is_taught_whole_and_without_an_index_too(tmp_path):
    photos = write_folder(tmp_path / "photos", ["cat/1.png", "dog/2.png", "emu/3.png"])
    out = protected(photos, tmp_path / "out")
    write_soft_labels(out, KEY, TEACHER)
    text = (out / LABELS_NAME).read_bytes()
    (tmp_path / "out.owner").rename(tmp_path / "elsewhere")
    assert write_soft_labels(out, KEY, TEACHER, replace=True, workers=1).taught == 3
    assert (out / LABELS_NAME).read_bytes() == text


def test_agreement_is_counted(photos, tmp_path):
    out = protected(photos, tmp_path / "out")
    always_cat = Teacher(CLASSES, (8, 8), 3, lambda images: np.tile([0.1, 0.8, 0.1], (len(images), 1)))
    report = write_soft_labels(out, KEY, always_cat, temperature=1.0, share=1.0)
    assert report.agreed == 2
    assert all(w["cat"] == 0.8 for k, w in labels(out).items() if k.startswith("train"))


def test_progress_is_told(photos, tmp_path):
    told = []
    write_soft_labels(protected(photos, tmp_path / "out"), KEY, TEACHER, progress=lambda *n: told.append(n))
    assert told == [(4, 4)]


# What is refused


def test_an_earlier_table_stays(photos, tmp_path):
    out = protected(photos, tmp_path / "out")
    write_soft_labels(out, KEY, TEACHER)
    before = tree(out)
    assert "add --replace" in refused(OutputError, write_soft_labels, out, KEY, TEACHER, share=0.1)
    assert tree(out) == before
    write_soft_labels(out, KEY, TEACHER, share=0.1, replace=True)
    assert tree(out) != before


def test_what_does_not_fit(photos, tmp_path):
    out = protected(photos, tmp_path / "out")
    refused(WrongKeyError, write_soft_labels, out, OTHER, TEACHER)
    refused(ProfileError, write_soft_labels, photos, KEY, TEACHER)
    fewer, more = replace(TEACHER, classes=("cat", "dog")), replace(TEACHER, classes=(*CLASSES, "yak"))
    assert "'emu' is known to one" in refused(ProfileMismatchError, write_soft_labels, out, KEY, fewer)
    assert "'yak' is known to one" in refused(ProfileMismatchError, write_soft_labels, out, KEY, more)
    assert "3 channels" in refused(ProfileMismatchError, write_soft_labels, out, KEY, replace(TEACHER, channels=1))
    shards = protected(photos, tmp_path / "shards", layout="shards")
    assert "hold their labels" in refused(ParameterError, write_soft_labels, shards, KEY, TEACHER)
    unlabelled = protected(write_folder(tmp_path / "bare", ["1.png", "2.png"]), tmp_path / "unlabelled")
    assert "unlabelled" in refused(ParameterError, write_soft_labels, unlabelled, KEY, TEACHER)


def test_opaque_classes_need_the_index(photos, tmp_path):
    out = protected(photos, tmp_path / "out", opaque_classes=True)
    (tmp_path / "out.owner").rename(tmp_path / "mine")
    assert "no index at" in refused(OutputError, write_soft_labels, out, KEY, TEACHER)
    assert write_soft_labels(out, KEY, TEACHER, index=tmp_path / "mine").taught == 4


def test_a_damaged_image_ends_it_without_a_table(photos, tmp_path):
    out = protected(photos, tmp_path / "out")
    next((out / "train").rglob("*.png")).write_bytes(b"no image")
    refused(ImageError, write_soft_labels, out, KEY, TEACHER)
    assert not (out / LABELS_NAME).exists()


def test_the_table_names_no_plain_image(photos, tmp_path):
    out = protected(photos, tmp_path / "out", key=SecretKey(bytes([7]) * 32))
    write_soft_labels(out, SecretKey(bytes([7]) * 32), TEACHER)
    names = {image.rpartition("/")[2] for image in labels(out)}
    assert names.isdisjoint(name.rpartition("/")[2] for name in FILES)
    assert all(len(name) == len("x" * 26 + ".png") for name in names)

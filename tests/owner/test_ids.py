import hashlib
import hmac
import re
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.errors import ParameterError
from blindsight.owner.ids import class_id, image_id, mixed_id, query_id
from blindsight.owner.keys import SecretKey

KEY = SecretKey(bytes(range(32)))
names = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)


@given(names, st.lists(names, min_size=1, max_size=3), st.integers(0, 9))
def test_ids_fit_file_names_and_are_repeatable(label, parts, view):
    path = "/".join(parts)
    assert re.fullmatch("[a-z2-7]{26}", image_id(KEY, label, path, view))
    assert image_id(KEY, label, path, view) == image_id(KEY, label, Path(*parts), view)
    assert re.fullmatch("[a-z2-7]{16}", class_id(KEY, label))


def test_an_image_id_is_the_hmac_of_label_path_and_view():
    fields = ["photos", "cat/1.jpg", "0"]
    data = b"".join(len(field).to_bytes(2, "big") + field.encode() for field in fields)
    digest = hmac.new(KEY.subkey("image-id"), data, hashlib.sha256).digest()[:16]
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    bits = f"{int.from_bytes(digest, 'big'):0128b}00"
    expected = "".join(alphabet[int(bits[i : i + 5], 2)] for i in range(0, 130, 5))
    assert image_id(KEY, "photos", "cat/1.jpg") == expected


def test_every_part_matters():
    ids = {
        image_id(KEY, "photos", "cat/1.jpg"),
        image_id(KEY, "photos", "cat/1.jpg", 1),
        image_id(KEY, "photos", "cat/2.jpg"),
        image_id(KEY, "photo", "scat/1.jpg"),
        image_id(SecretKey(bytes(32)), "photos", "cat/1.jpg"),
    }
    assert len(ids) == 5
    assert class_id(KEY, "cat") != class_id(KEY, "dog")
    assert class_id(KEY, "cat") != class_id(SecretKey(bytes(32)), "cat")


@given(st.text(st.characters(codec="utf-8", exclude_characters="/."), min_size=1, max_size=10))
def test_unicode_spellings_of_a_name_give_one_id(name):
    nfc, nfd = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    assert image_id(KEY, nfc, f"{nfc}/1.png") == image_id(KEY, nfd, f"{nfd}/1.png")
    assert class_id(KEY, nfc) == class_id(KEY, nfd)


def test_paths_are_posix_paths_whatever_the_system():
    assert image_id(KEY, "photos", PureWindowsPath("cat", "1.jpg")) == image_id(KEY, "photos", "cat/1.jpg")
    assert image_id(KEY, "photos", "./cat//1.jpg") == image_id(KEY, "photos", "cat/1.jpg")


@pytest.mark.parametrize("path", ["/etc/1.png", "../1.png", "cat/../1.png", "", "."])
def test_paths_outside_the_data_set_are_refused(path):
    with pytest.raises(ParameterError, match="an image id needs a path inside the data set, got "):
        image_id(KEY, "photos", path)


def test_a_negative_view_is_refused():
    with pytest.raises(ParameterError, match="a view is numbered from 0, got -1"):
        image_id(KEY, "photos", "1.png", -1)


def test_query_ids_are_random():
    assert re.fullmatch("[a-z2-7]{26}", query_id())
    assert query_id() != query_id()


def test_mixed_images_share_no_id_with_protected_ones_or_with_another_mixture():
    ids = {
        image_id(KEY, "set", "a/1.png"),
        mixed_id(KEY, "set", "a/1.png", 0, "pbm", "s"),
        mixed_id(KEY, "set", "a/1.png", 1, "pbm", "s"),
        mixed_id(KEY, "set", "a/1.png", 0, "mixup", "s"),
        mixed_id(KEY, "set", "a/1.png", 0, "pbm", "t"),
        mixed_id(SecretKey(bytes(32)), "set", "a/1.png", 0, "pbm", "s"),
    }
    assert len(ids) == 6
    assert all(len(identifier) == 26 for identifier in ids)

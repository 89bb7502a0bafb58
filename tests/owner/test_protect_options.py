"""Options of protect, alone and together; class names; queries."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from blindsight.errors import ParameterError, UnknownNameError, WrongKeyError
from blindsight.images import read_image
from blindsight.owner.ids import class_id
from blindsight.owner.index import Index
from blindsight.owner.protect import ProtectOptions, build_profile, encrypt_query, fitted, protect
from blindsight.owner.protection import Protection
from blindsight.owner.sources import CsvSource, NpzSource, open_source
from blindsight.profile import Codec
from protect_helpers import KEY, OTHER, picture, refused, write_folder, write_image

FILES = ["cat/ward7.png", "cat/sub/x.jpg", "dog/ward7.png", "dog/ward8.png"]
SMALL = ProtectOptions(block_size=4)


@pytest.fixture
def photos(tmp_path):
    return write_folder(tmp_path / "photos", FILES)


def run(photos, out, options=SMALL, key=KEY, **more):
    return protect(open_source(photos), out, key, options, **more)


# Classes


def test_opaque_classes_agree_between_sets(tmp_path):
    options = replace(SMALL, opaque_classes=True)
    one = run(write_folder(tmp_path / "one", ["cat/1.png", "dog/1.png"]), tmp_path / "a", options)
    two = run(write_folder(tmp_path / "two", ["dog/1.png", "cat/1.png", "ant/1.png"]), tmp_path / "b", options)
    assert set(one.profile.classes) < set(two.profile.classes)
    assert one.profile.classes == tuple(sorted(class_id(KEY, name) for name in ("cat", "dog")))
    assert Index(one.index).classes() == {class_id(KEY, name): name for name in ("cat", "dog")}
    other = run(tmp_path / "one", tmp_path / "c", options, key=OTHER)
    assert not set(other.profile.classes) & set(one.profile.classes)


HOSTILE = [
    "..",
    ".",
    ".hidden",
    "a/b",
    "a\\b",
    "a\x07b",
    "a\nb",
    "x" * 201,
    "a:b",
    "*",
    "con?",
    "é" * 101,
    "train",
    "Test",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_class_name_is_refused_when_it_would_show_and_fine_when_not(tmp_path, name):
    write_image(tmp_path / "1.png")
    (tmp_path / "list.csv").write_text(f'path,label\n1.png,"{name}"\n')
    source = CsvSource(tmp_path / "list.csv")
    assert source.classes() == [name]
    text = refused(ParameterError, protect, source, tmp_path / "out", KEY, SMALL)
    assert text.endswith("rename it or use opaque class ids")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.owner").exists()
    report = protect(source, tmp_path / "out", KEY, replace(SMALL, opaque_classes=True))
    assert report.profile.classes == (class_id(KEY, name),)
    assert Index(report.index).classes() == {class_id(KEY, name): name}
    assert [record.class_name for record in Index(report.index).images()] == [name]


@pytest.mark.parametrize("name", ["ﬁn de siècle", "猫", "a b", "x" * 200, "00", "n-1_2.3", "training set"])
def test_ordinary_class_names_of_any_script_are_folders(tmp_path, name):
    write_image(tmp_path / "1.png")
    (tmp_path / "list.csv").write_text(f"path,label\n1.png,{name}\n", encoding="utf-8")
    protect(CsvSource(tmp_path / "list.csv"), tmp_path / "out", KEY, SMALL)
    assert len(list((tmp_path / "out" / name).iterdir())) == 1


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_size": 0}, "block size must be at least 1 pixel"),
        ({"size": (30, 32)}, "size 30x32 is not made of whole blocks of 4 pixels; use 28x32 or 32x32"),
        ({"block_size": 20_000}, "blocks of 20000x20000 pixels are over the limit of 100000000 pixels an image"),
        ({"size": (40_000, 40_000)}, "size of 40000x40000 pixels are over the limit"),
        ({"views": 0}, "views must be at least 1, got 0"),
        ({"key_scope": "pool:0"}, "key scope must be dataset, image or pool:K (such as pool:8), got 'pool:0'"),
        ({"key_scope": "each"}, "key scope must be dataset, image or pool:K (such as pool:8), got 'each'"),
        ({"fit": "stretch"}, "fit: Input should be 'pad', 'crop' or 'resize'"),
        ({"background": "white"}, "background: String should match"),
        ({"channels": 2}, "channels must be 1 (grayscale) or 3 (RGB), got 2"),
        ({"parameters": {"turns": 1}}, "scheme 'etc' has no parameter 'turns'"),
        ({"scheme": "pe", "codec": Codec(format="jpeg", quality=90)}, "jpeg would destroy detail"),
        ({"codec": Codec(format="jpeg", quality=90)}, "block size 4 is not a multiple of 8"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_written(photos, tmp_path, options, message):
    assert message in refused(ParameterError, run, photos, tmp_path / "out", replace(SMALL, **options))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]


def test_an_unknown_scheme_is_refused(photos, tmp_path):
    text = refused(UnknownNameError, run, photos, tmp_path / "out", ProtectOptions(scheme="etd"))
    assert text == "unknown scheme 'etd'; did you mean etc?"


def test_lossy_storage_can_be_allowed(photos, tmp_path):
    options = ProtectOptions(scheme="pe", block_size=4, codec=Codec(format="jpeg", quality=90), allow_lossy=True)
    assert run(photos, tmp_path / "out", options).images == 4


def test_a_known_uniform_size_is_stated_where_it_needs_no_fitting(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 8, 12, 3), np.uint8), y=[0, 1])
    source = NpzSource(tmp_path / "d.npz")
    assert build_profile(SMALL, KEY, source.classes(), source.uniform_size).size == (8, 12)
    assert build_profile(replace(SMALL, block_size=8), KEY, [], source.uniform_size).size is None
    assert build_profile(replace(SMALL, size=(16, 16)), KEY, [], source.uniform_size).size == (16, 16)


def test_the_default_fit_pads_without_a_size_and_resizes_with_one():
    assert build_profile(SMALL, KEY, []).fit == "pad"
    assert build_profile(replace(SMALL, size=(8, 8)), KEY, []).fit == "resize"
    assert build_profile(replace(SMALL, size=(8, 8), fit="crop"), KEY, []).fit == "crop"


# Queries


def test_a_query_is_fitted_and_encrypted_as_the_set_was(photos):
    profile = build_profile(replace(SMALL, size=(16, 16)), KEY, ["cat"])
    query = encrypt_query(photos / FILES[0], profile, KEY)
    plain = fitted(read_image(photos / FILES[0]), profile)
    assert np.array_equal(Protection(profile, KEY).decrypt(query), plain)
    assert "give that key" in refused(WrongKeyError, encrypt_query, photos / FILES[0], profile, OTHER)


def test_a_query_under_key_scope_image_has_a_random_id(tmp_path):
    Image.fromarray(picture(32, 32)).save(tmp_path / "1.png")
    profile = build_profile(replace(SMALL, key_scope="image"), KEY, [])
    one, two = (encrypt_query(tmp_path / "1.png", profile, KEY) for _ in range(2))
    assert not np.array_equal(one, two)


def test_a_scheme_chooses_its_blocks_where_nobody_does():
    assert build_profile(ProtectOptions(), KEY, []).block_size == 16
    assert build_profile(ProtectOptions(scheme="le"), KEY, []).block_size == 4
    assert build_profile(ProtectOptions(scheme="le", block_size=8), KEY, []).block_size == 8
    with pytest.raises(ParameterError, match="size 30x30 is not made of whole blocks of 4 pixels"):
        build_profile(ProtectOptions(scheme="ele", size=(30, 30)), KEY, [])
    with pytest.raises(ParameterError, match="jpeg would destroy detail"):
        build_profile(ProtectOptions(scheme="ele", codec=Codec(format="jpeg", quality=90)), KEY, [])

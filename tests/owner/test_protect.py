import json
import os
import re
import shutil
import socket
import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from blindsight.images import read_image
from blindsight.owner.ids import image_id
from blindsight.owner.index import Index
from blindsight.owner.protect import ProtectOptions, fitted, protect
from blindsight.owner.protection import Protection
from blindsight.owner.sources import open_source
from blindsight.profile import Codec, Profile
from protect_helpers import KEY, OTHER, pixels_of, tree, write_folder, write_image

FILES = ["cat/ward7.png", "cat/sub/x.jpg", "dog/ward7.png", "dog/ward8.png"]
SMALL = ProtectOptions(block_size=4)


@pytest.fixture
def photos(tmp_path):
    return write_folder(tmp_path / "photos", FILES)


def run(photos, out, options=SMALL, key=KEY, **more):
    return protect(open_source(photos), out, key, options, **more)


# What is written


def test_the_output_is_the_encrypted_images_under_keyed_names(photos, tmp_path):
    out = tmp_path / "out"
    report = run(photos, out)
    names = {f"{f.split('/')[0]}/{image_id(KEY, 'photos', f)}.png": f for f in FILES}
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == {*names, "profile.json"}
    profile = Profile.of_folder(out)
    assert profile == report.profile
    protection = Protection(profile, KEY)
    for file, path in names.items():
        plain = fitted(read_image(photos / path), profile)
        assert np.array_equal(pixels_of(out / file), protection.encrypt(plain, file[4:-4]))
    assert (report.images, report.resumed, report.rejects) == (4, 0, [])
    assert report.index == tmp_path / "out.owner"
    assert report.bytes == sum(path.stat().st_size for path in out.rglob("*.png"))


def test_the_profile_says_what_was_done(photos, tmp_path):
    codec = Codec(format="jpeg", quality=80, subsampling="4:2:0")
    run(photos, tmp_path / "out", ProtectOptions(size=(32, 48), codec=codec, background="#00FF7f", key_scope="pool:2"))
    assert json.loads((tmp_path / "out/profile.json").read_text()) == {
        "format": "blindsight-profile/1",
        "kind": "cipher",
        "scheme": "etc",
        "parameters": {},
        "block_size": 16,
        "channels": 3,
        "size": [32, 48],
        "fit": "resize",
        "background": "#00ff7f",
        "codec": {"format": "jpeg", "quality": 80, "subsampling": "4:2:0"},
        "layout": "folder",
        "key_scope": "pool:2",
        "key_id": KEY.id,
        "views": 1,
        "classes": ["cat", "dog"],
        "opaque_classes": False,
    }


def test_the_index_knows_what_the_output_hides(photos, tmp_path):
    run(photos, tmp_path / "out")
    folder = tmp_path / "out.owner"
    assert folder.stat().st_mode & 0o777 == 0o700
    records = {record.path: record for record in Index(folder).images()}
    assert sorted(records) == sorted(FILES)
    record = records["cat/sub/x.jpg"]
    assert (record.height, record.width) == read_image(photos / record.path).shape[:2]
    assert (record.class_name, record.split, record.view) == ("cat", "", 0)
    assert record.file == f"cat/{record.id}.png"
    assert Index(folder).classes() == {"cat": "cat", "dog": "dog"}
    assert Index(folder).label() == "photos"


def test_splits_are_kept(tmp_path):
    files = ["train/a/1.png", "train/b/1.png", "Valid/a/1.png", "test/b/1.png"]
    run(write_folder(tmp_path / "p", files), tmp_path / "out")
    found = {p.parent.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")}
    assert found == {"train/a", "train/b", "val/a", "test/b"}


def test_gray_images(photos, tmp_path):
    report = run(photos, tmp_path / "out", replace(SMALL, channels=1))
    assert {Image.open(p).mode for p in (tmp_path / "out").rglob("*.png")} == {"L"}
    assert report.profile.channels == 1


def test_transparent_pixels_show_the_background(tmp_path):
    (tmp_path / "p/a").mkdir(parents=True)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "p/a/1.png")
    run(tmp_path / "p", tmp_path / "out", ProtectOptions(scheme="shf", block_size=4, background="#102030"))
    (file,) = (tmp_path / "out").rglob("*.png")
    plain = Protection(Profile.of_folder(tmp_path / "out"), KEY).decrypt(pixels_of(file))
    assert {tuple(p) for p in plain.reshape(-1, 3).tolist()} == {(16, 32, 48)}


def test_the_label_is_part_of_every_id(photos, tmp_path):
    run(photos, tmp_path / "a", replace(SMALL, label="other"))
    run(photos, tmp_path / "b")
    ids = [{p.stem for p in (tmp_path / out).rglob("*.png")} for out in "ab"]
    assert not ids[0] & ids[1]
    assert image_id(KEY, "other", FILES[0]) in ids[0]


def test_progress_counts_to_the_end(photos, tmp_path):
    (photos / "cat/bad.png").write_bytes(b"no image")
    seen = []
    run(photos, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]


# The same bytes, whatever else differs


@pytest.mark.parametrize(
    "options",
    [
        SMALL,
        ProtectOptions(scheme="pe", block_size=4, key_scope="image", views=2, codec=Codec(format="webp")),
        ProtectOptions(block_size=8, key_scope="pool:2", codec=Codec(format="jpeg", quality=70, subsampling="4:4:4")),
    ],
)
def test_the_tree_depends_on_inputs_options_and_key_alone(photos, tmp_path, monkeypatch, options):
    run(photos, tmp_path / "one", options, workers=1)
    moved = tmp_path / "elsewhere" / "photos"
    shutil.copytree(photos, moved)
    for number, path in enumerate(moved.rglob("*")):
        os.utime(path, (number, 10_000 * number))
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    run("photos", tmp_path / "four", options, workers=4)
    assert tree(tmp_path / "one") == tree(tmp_path / "four")
    for name in ("images.csv", "classes.json", "rejects.csv"):
        assert (tmp_path / "one.owner" / name).read_bytes() == (tmp_path / "four.owner" / name).read_bytes()
    run(photos, tmp_path / "again", options, workers=3)
    assert tree(tmp_path / "one") == tree(tmp_path / "again")
    run(photos, tmp_path / "other", options, key=OTHER)
    shared = set(tree(tmp_path / "one").values()) & set(tree(tmp_path / "other").values())
    assert shared <= {"folder"}


# Nothing but what has to be said is said


def chunks(data):
    """Names of a PNG file's chunks."""
    position, names = 8, []
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        names.append(data[position + 4 : position + 8])
        position += 12 + length
    return names


def test_nothing_of_the_owners_leaks_into_the_output(tmp_path, monkeypatch):
    for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME"):
        monkeypatch.setenv(name, "secret-user")
    monkeypatch.setattr(socket, "gethostname", lambda: "secret-host")
    photos, out = tmp_path / "secret-label", tmp_path / "out"
    exif = Image.Exif()
    exif[0x010E] = "secret-description"
    for number, name in enumerate(["melanoma/patient-kim.jpg", "nevus/patient-lee.jpg"]):
        write_image(photos / name, 24, 24, number, exif=exif, comment=b"secret-comment")
    run(photos, out, replace(SMALL, opaque_classes=True))
    paths = sorted(out.rglob("*"))
    everything = b"\n".join(
        [*(str(p.relative_to(out)).encode() for p in paths), *(p.read_bytes() for p in paths if p.is_file())]
    )
    for word in ("melanoma", "nevus", "patient", "secret", "Exif", str(tmp_path), "csv", "journal", "owner"):
        assert word.encode() not in everything, word
    for path in out.rglob("*.png"):
        assert set(chunks(path.read_bytes())) == {b"IHDR", b"IDAT", b"IEND"}
        assert path.stem in {image_id(KEY, "secret-label", p.relative_to(photos).as_posix()) for p in photos.rglob("*")}
    assert not re.search(r"20\d\d-|\d\d:\d\d", (out / "profile.json").read_text())  # no date, no time of day


@pytest.mark.parametrize("codec", [Codec(format="jpeg", quality=90, subsampling="4:4:4"), Codec(format="webp")])
def test_metadata_is_stripped_from_every_format(tmp_path, codec):
    exif = Image.Exif()
    exif[0x010E] = "secret-description"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.5)})
    write_image(tmp_path / "p/a/1.jpg", 24, 24, exif=exif)
    assert b"secret-description" in (tmp_path / "p/a/1.jpg").read_bytes()
    run(tmp_path / "p", tmp_path / "out", ProtectOptions(block_size=8, codec=codec))
    (file,) = (tmp_path / "out/a").iterdir()
    data = file.read_bytes()
    assert b"secret-description" not in data
    assert b"Exif" not in data
    assert not Image.open(file).getexif()


# Views


def test_views_are_made_of_training_images_only(tmp_path):
    photos = write_folder(tmp_path / "p", ["train/a/1.png", "train/a/2.png", "val/a/1.png", "test/a/1.png"])
    run(photos, tmp_path / "plain")
    report = run(photos, tmp_path / "out", replace(SMALL, views=3))
    count = {split: len(list((tmp_path / "out" / split).rglob("*.png"))) for split in ("train", "val", "test")}
    assert count == {"train": 6, "val": 1, "test": 1}
    assert report.profile.views == 3
    assert report.images == 8
    records = Index(report.index).images()
    assert len({record.id for record in records}) == 8
    assert sorted(r.view for r in records if r.path == "train/a/1.png") == [0, 1, 2]
    plain = tree(tmp_path / "plain")
    del plain["0/profile.json"]
    assert plain.items() <= tree(tmp_path / "out").items()  # view 0 is the image itself


def test_without_splits_every_image_gets_views(photos, tmp_path):
    assert run(photos, tmp_path / "out", replace(SMALL, views=2)).images == 8

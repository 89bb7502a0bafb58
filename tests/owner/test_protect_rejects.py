"""Inputs of protect that cannot be read: listed, never skipped in silence, never in the way."""

import os
from dataclasses import replace

import pytest
from PIL import Image

from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.sources import open_source
from blindsight.profile import Codec
from protect_helpers import KEY, result, write_folder, write_image

FILES = ["cat/ward7.png", "cat/sub/x.jpg", "dog/ward7.png", "dog/ward8.png"]
SMALL = ProtectOptions(block_size=4)


@pytest.fixture
def photos(tmp_path):
    return write_folder(tmp_path / "photos", FILES)


def run(photos, out, options=SMALL, key=KEY, **more):
    return protect(open_source(photos), out, key, options, **more)


@pytest.fixture
def littered(photos):
    (photos / "cat/broken.jpg").write_bytes((photos / "cat/sub/x.jpg").read_bytes()[:300])
    (photos / "cat/notes.txt").write_text("hello")
    (photos / "dog/empty.png").touch()
    os.mkfifo(photos / "dog/pipe.png")
    (photos / "dog/dangling.png").symlink_to("nowhere.png")
    (photos / "dog/linked.png").symlink_to("ward7.png")
    (photos / "dog/away").symlink_to("/")
    (photos / "dog/.thumbnails").mkdir()
    (photos / "dog/.thumbnails/ward7.png").write_bytes(b"x")
    (photos / "loose.png").write_bytes((photos / "cat/ward7.png").read_bytes())
    return photos


def test_what_cannot_be_read_is_listed_and_nothing_else_is_missing(littered, tmp_path):
    report = run(littered, tmp_path / "out")
    assert report.images == 5  # a link to a file is followed
    reasons = dict(report.rejects)
    assert sorted(reasons) == [
        "cat/broken.jpg",
        "cat/notes.txt",
        "dog/.thumbnails",
        "dog/away",
        "dog/dangling.png",
        "dog/empty.png",
        "dog/pipe.png",
        "loose.png",
    ]
    assert "cut off" in reasons["cat/broken.jpg"] or "damaged" in reasons["cat/broken.jpg"]
    assert "not an image of a known format" in reasons["cat/notes.txt"]
    assert "hidden folder" in reasons["dog/.thumbnails"]
    assert "link to a folder" in reasons["dog/away"]
    assert "cannot be opened" in reasons["dog/dangling.png"]
    assert "is empty" in reasons["dog/empty.png"]
    assert "not a regular file" in reasons["dog/pipe.png"]
    assert "outside the class folders" in reasons["loose.png"]
    listed = (tmp_path / "out.owner/rejects.csv").read_text().splitlines()
    assert listed[0] == '"path","reason"'
    assert len(listed) == 9


def test_an_unreadable_image_is_one_reject_however_many_its_views(photos, tmp_path):
    (photos / "cat/notes.txt").write_text("hello")
    assert len(run(photos, tmp_path / "out", replace(SMALL, views=3)).rejects) == 1


def test_an_image_over_the_limit_of_pixels_is_rejected(photos, tmp_path):
    write_image(photos / "cat/large.png", 100, 100)
    report = run(photos, tmp_path / "out", replace(SMALL, max_pixels=9999))
    assert [path for path, _ in report.rejects] == ["cat/large.png"]


def test_an_image_that_its_format_cannot_hold_is_rejected_alone(photos, tmp_path):
    Image.new("RGB", (16_400, 4)).save(photos / "cat/long.png")
    report = run(photos, tmp_path / "out", replace(SMALL, codec=Codec(format="webp")))
    ((path, reason),) = report.rejects
    assert path == "cat/long.png"
    assert reason.startswith("cat/long.png: webp holds at most 16383 pixels a side")
    assert report.images == 4


def test_an_image_that_cannot_be_cropped_to_a_block_is_rejected(photos, tmp_path):
    write_image(photos / "cat/tiny.png", 3, 9)
    report = run(photos, tmp_path / "out", replace(SMALL, fit="crop"))
    assert [path for path, _ in report.rejects] == ["cat/tiny.png"]


def test_a_set_without_any_readable_image_is_finished_and_empty(tmp_path):
    (tmp_path / "p/a").mkdir(parents=True)
    for i in range(3):
        (tmp_path / f"p/a/{i}.png").write_bytes(b"no image")
    report = run(tmp_path / "p", tmp_path / "out")
    assert report.images == 0
    assert len(report.rejects) == 3
    assert result(tmp_path / "out").keys() >= {"0/profile.json", "1/rejects.csv"}

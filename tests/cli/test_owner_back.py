"""reveal, rotate and preview as they are typed, and what Ctrl-C leaves."""

import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blindsight.owner.preview import preview
from protect_helpers import KEY, OTHER, picture, result, tree

FILES = ["train/cat/1.png", "train/dog/1.png", "test/cat/1.png"]
pytestmark = pytest.mark.usefixtures("owners_folder")


# reveal


def test_reveal(run):
    run("protect photos out --key owner.key --block-size 4")
    out, err = run("reveal out back --key owner.key --compare photos --workers 2")
    assert out == "back: 3 images\n  3 of 3 equal to the fitted original bit for bit\n"
    assert err == ""
    assert sorted(p.relative_to("back").as_posix() for p in Path("back").rglob("*.png")) == sorted(FILES)


def test_reveal_from_jpeg_and_without_index(run):
    run("protect photos out --key owner.key --format jpeg --index mine")
    out, _ = run("reveal out back --key owner.key --compare photos --index mine")
    assert re.fullmatch(
        r"  0 of 3 equal .* bit for bit; the others on average at \d\d\.\d dB PSNR", out.splitlines()[1]
    )
    out, _ = run("reveal out nameless --key owner.key")
    assert out == "nameless: 3 images, named by their ids and with their padding: no index\n"


def test_reveal_as_json(run):
    run("protect photos out --key owner.key")
    answer = json.loads(run("reveal out back --key owner.key --compare photos --json")[0])
    assert answer.pop("seconds") >= 0
    assert answer == {
        "back": "back", "images": 3, "named": True, "rejects": [], "compared": 3, "exact": 3, "psnr": None
    }  # fmt: skip


def test_reveal_of_damaged_files_is_status_3(run):
    run("protect photos out --key owner.key")
    file = next(Path("out").rglob("*.png"))
    file.write_bytes(file.read_bytes()[:100])
    out, err = run("reveal out back --key owner.key", 3)
    assert out == "back: 2 images\n"
    assert err.startswith("1 input was rejected:\n  ")
    assert "cut off" in err


def test_what_reveal_refuses(run, fails):
    run("protect photos out --key owner.key")
    assert fails("reveal out back --key other.key") == f"key {KEY.id} is needed, but other.key holds {OTHER.id}"
    assert fails("reveal photos back --key owner.key").startswith("photos has no profile.json")
    assert fails("reveal none back --key owner.key").startswith("none is not a folder")
    assert fails("reveal out out/back --key owner.key").startswith("out/back would lie inside out")
    assert fails("reveal out photos --key owner.key").endswith(
        "is not empty and not ours; choose a folder that does not exist yet"
    )
    assert fails("reveal out back --key owner.key --compare none").startswith("cannot compare: none is not a folder")
    assert fails("reveal out back --key owner.key --index none").startswith("no index at none")
    assert not Path("back").exists()


# rotate


def test_rotate(run):
    run("protect photos out --key owner.key --block-size 4 --opaque-classes")
    out, err = run("rotate out new --key owner.key --new-key other.key")
    assert out == (f"new: 3 images, now etc, blocks of 4, mixed sizes RGB, png, key {OTHER.id}, scope dataset\n")
    assert err == ""
    run("protect photos fresh --key other.key --block-size 4 --opaque-classes")
    assert tree("new") == tree("fresh")


def test_rotate_as_json_and_jpeg(run):
    run("protect photos out --key owner.key --format jpeg")
    answer = json.loads(run("rotate out new --key owner.key --new-key other.key --json --new-index mine")[0])
    assert answer["profile"]["key_id"] == OTHER.id
    assert {name: answer[name] for name in ("out", "index", "images", "rejects")} == {
        "out": "new",
        "index": "mine",
        "images": 3,
        "rejects": [],
    }
    out, _ = run("rotate out new2 --key owner.key --new-key other.key")
    assert "a little quality went with it" in out


def test_rotate_of_damaged_files_is_status_3(run):
    run("protect photos out --key owner.key")
    next(Path("out").rglob("*.png")).unlink()
    out, err = run("rotate out new --key owner.key --new-key other.key", 3)
    assert out.startswith("new: 2 images")
    assert "1 input was rejected, listed in " in err


def test_what_rotate_refuses(run, fails):
    run("protect photos out --key owner.key")
    assert fails("rotate out new --key other.key --new-key owner.key").startswith(f"key {KEY.id} is needed")
    assert fails("rotate out new --key owner.key --new-key owner.key").startswith(f"old and new key are both {KEY.id}")
    Path("out.owner").rename("mine")
    assert "no index at" in fails("rotate out new --key owner.key --new-key other.key")
    run("rotate out new --key owner.key --new-key other.key --index mine")


# preview


def test_preview(run):
    Image.fromarray(picture(40, 56)).save("photo.png")
    assert run("preview photo.png --key owner.key --block-size 8 -o sheet.png") == ("sheet.png\n", "")
    assert np.array_equal(np.asarray(Image.open("sheet.png")), preview(picture(40, 56), KEY, block_size=8))
    run("preview photo.png --key owner.key --scheme etc --scheme np")
    assert np.array_equal(np.asarray(Image.open("preview.png")), preview(picture(40, 56), KEY, schemes=["etc", "np"]))


def test_what_preview_refuses(fails):
    Image.fromarray(picture(40, 56)).save("photo.png")
    assert fails("preview none.png --key owner.key").startswith("none.png does not exist")
    assert fails("preview owner.key --key owner.key").startswith("owner.key is not an image of a known format")
    assert fails("preview photo.png --key owner.key --scheme ect") == "unknown scheme 'ect'; did you mean etc?"
    assert fails("preview photo.png --key owner.key -o no/such/folder.png").startswith(
        "cannot write no/such/folder.png"
    )
    for target in ("/dev/full", ".", "owner.key"):
        before = Path("owner.key").read_bytes()
        text = fails(f"preview photo.png --key owner.key -o {target}")
        assert text == f"{target} exists and is not a PNG; choose another file with -o, or remove it"
        assert Path("owner.key").read_bytes() == before
    text = fails("preview photo.png --key owner.key -o ./photo.png")
    assert text == "photo.png is the image to be shown; choose another file with -o"
    assert fails("preview photo.png --key owner.key --block-size 99999").startswith("block size 99999 is larger")


def test_a_preview_is_written_whole_or_not_at_all(run, fails, monkeypatch):
    Image.fromarray(picture(40, 56)).save("photo.png")
    run("preview photo.png --key owner.key -o old.png")
    before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}

    def half(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", half)
    for name in ("new.png", "old.png"):
        text = fails(f"preview photo.png --key owner.key --scheme np -o {name}")
        assert text == f"cannot write {name}: No space left on device"
    assert {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


# Resuming


@pytest.mark.parametrize(
    ("command", "index"),
    [
        ("protect photos out --key owner.key", "out.owner"),
        ("reveal set out --key owner.key", None),
        ("rotate set out --key owner.key --new-key other.key", "out.owner"),
    ],
)
def test_ctrl_c_and_resume(run, fails, monkeypatch, command, index):
    run("protect photos set --key owner.key")
    run(command.replace(" out ", " whole "))
    from blindsight.owner._job import Job

    genuine, done = Job.place, []

    def place(self, file, data):
        genuine(self, file, data)
        done.append(file)
        if len(done) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Job, "place", place)
    _, err = run(f"{command} --workers 1", 1)
    assert err == "interrupted; what is finished is kept: repeat the command with --resume to go on\n"
    monkeypatch.setattr(Job, "place", genuine)
    assert Path("out/.incomplete").is_dir()
    assert "add --resume to finish it" in fails(command)
    run(f"{command} --resume")
    assert tree("out") == tree("whole")
    assert index is None or result(Path("out")) == result(Path("whole"))

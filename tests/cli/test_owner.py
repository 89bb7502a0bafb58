"""protect as it is typed, and where its key comes from."""

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from blindsight.owner.keyfile import create_keyfile
from blindsight.owner.keys import Keyset
from blindsight.profile import Profile
from protect_helpers import KEY, OTHER, tree

pytestmark = pytest.mark.usefixtures("owners_folder")


def test_protect_says_what_it_did_and_what_that_is_worth(run):
    out, err = run("protect photos out --key owner.key --block-size 4")
    lines = out.splitlines()
    assert re.fullmatch(r"out: 3 protected images \(0\.\d MB, \d+ images/s\)", lines[0])
    assert lines[1] == (f"  protection  etc, blocks of 4, mixed sizes RGB, png, key {KEY.id}, scope dataset; fit: pad")
    assert (
        lines[2]
        == f"  yours       {Path('out.owner').resolve()}  (names, classes, sizes: keep it, do not hand it over)"
    )
    assert lines[3].startswith("  exposure    3 images share a key. Other sets and runs")
    assert err == ""


def test_protect_as_json(run):
    out, err = run("protect photos out --key owner.key --block-size 4 --json --workers 1 --views 2")
    answer = json.loads(out)
    assert answer.pop("seconds") >= 0
    assert answer.pop("bytes") > 1000
    assert Profile.model_validate(answer.pop("profile")) == Profile.of_folder(Path("out"))
    index = str(Path("out.owner").resolve())
    assert answer == {"out": "out", "index": index, "images": 5, "resumed": 0, "rejects": [], "images_per_key": 5}
    assert err == ""


def test_protect_with_every_option(run):
    run(
        "protect photos out --key owner.key --scheme shf --set negation=false --block-size 8 --size 16x24 --fit crop "
        "--gray --background #00ff00 --format JPG --quality 80 --allow-lossy --key-scope pool:3 --opaque-classes "
        "--views 2 --name wards --max-pixels 10000 --index mine --workers 2"
    )
    profile = Profile.of_folder(Path("out"))
    assert profile.model_dump() | {"classes": ()} == {
        "format": "blindsight-profile/1",
        "kind": "cipher",
        "scheme": "shf",
        "parameters": {"negation": False},
        "block_size": 8,
        "channels": 1,
        "size": (16, 24),
        "fit": "crop",
        "background": "#00ff00",
        "codec": {"format": "jpeg", "quality": 80, "subsampling": None},
        "layout": "folder",
        "key_scope": "pool:3",
        "key_id": KEY.id,
        "views": 2,
        "classes": (),
        "opaque_classes": True,
    }
    assert json.loads(Path("mine/job.json").read_text())["label"] == "wards"
    assert not Path("out.owner").exists()


def test_what_is_taken_out_stands_in_the_profile(run):
    run("protect photos out --key owner.key --block-size 4 --reduce level --reduce noise:epsilon=8,cell=2")
    assert Profile.of_folder(Path("out")).reductions == ("level", "noise:epsilon=8,cell=2,pixels=1")


@pytest.mark.parametrize(
    ("options", "codec"),
    [
        ("", ("png", None, None)),
        ("--format webp", ("webp", None, None)),
        ("--format jpeg", ("jpeg", 90, "4:4:4")),
        ("--format jpeg --quality 75 --subsampling 4:2:0", ("jpeg", 75, "4:2:0")),
        ("--format jpeg --gray", ("jpeg", 90, None)),
    ],
)
def test_codecs(run, options, codec):
    run(f"protect photos out --key owner.key {options}")
    found = Profile.of_folder(Path("out")).codec
    assert (found.format, found.quality, found.subsampling) == codec


@pytest.mark.parametrize(("size", "expected"), [("32", (32, 32)), ("16x32", (16, 32)), ("16X32", (16, 32))])
def test_sizes(run, size, expected):
    run(f"protect photos out --key owner.key --size {size}")
    assert Profile.of_folder(Path("out")).size == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--size 225", "size 225x225 is not made of whole blocks of 16 pixels; use 224x224 or 240x240"),
        ("--size big", "a size is pixels such as 224, or HEIGHTxWIDTH such as 192x256; got 'big'"),
        ("--size 0", "a size is pixels such as 224, or HEIGHTxWIDTH such as 192x256; got '0'"),
        ("--size 16x32x3", "a size is pixels such as 224, or HEIGHTxWIDTH such as 192x256; got '16x32x3'"),
        ("--scheme ect", "unknown scheme 'ect'; did you mean etc?"),
        ("--scheme xyzzy", "unknown scheme 'xyzzy'; known: bps, ele, etc, le, np, pe, rrp, shf"),
        ("--fit stretch", "fit: Input should be 'pad', 'crop' or 'resize'"),
        ("--set negation", "--set takes NAME=VALUE, such as negation=false; got 'negation'"),
        ("--set =1", "--set takes NAME=VALUE, such as negation=false; got '=1'"),
        ("--set negation=false", "scheme 'etc' has no parameter 'negation'; its parameters: none"),
        ("--scheme shf --set negation=no", "parameter 'negation' of scheme 'shf' must be of type bool"),
        ("--format gif", "--format: Input should be 'png', 'jpeg' or 'webp'"),
        ("--format png --quality 80", "--format: quality and subsampling belong to jpeg, not to png"),
        ("--format jpeg --subsampling 4:1:1", "--subsampling: Input should be '4:4:4' or '4:2:0'"),
        ("--format jpeg --block-size 8 --subsampling 4:2:0", "block size 8 is not a multiple of 16, which jpeg 4:2:0"),
        ("--format jpeg --scheme pe", "jpeg would destroy detail"),
        ("--key-scope pool", "key scope must be dataset, image or pool:K (such as pool:8), got 'pool'"),
        ("--background white", "background: String should match pattern"),
        ("--index out/mine", "the index out/mine would lie inside out, which is handed to the provider; move it out"),
        ("--index photos", "photos would lie inside photos, which is read; choose a folder outside of it"),
    ],
)
def test_options_that_cannot_work(fails, options, message):
    assert fails(f"protect photos out --key owner.key {options}").startswith(message)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("protect none out --key owner.key", "no folder or file none, and no data set of that name"),
        ("protect owner.key out --key owner.key", "owner.key is neither a folder nor a .csv or .npz file"),
        ("protect empty out --key owner.key", "no images in empty; expected CLASS/IMAGE"),
        ("protect photos photos --key owner.key", "photos would lie inside photos"),
        ("protect photos photos/out --key owner.key", "photos/out would lie inside photos"),
        (
            "protect photos owner.key --key owner.key",
            "{cwd}/owner.key is a file; give a folder that does not exist yet",
        ),
        ("protect photos full --key owner.key", "{cwd}/full is not empty and not ours"),
        ("protect photos out --index full --key owner.key", "{cwd}/full is not empty and not an index"),
        ("protect photos out --key none.key", "none.key does not exist"),
        ("protect photos out", "no key"),
    ],
)
def test_places_that_cannot_be(fails, line, message):
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/thesis.tex").touch()
    assert message.format(cwd=Path.cwd()) in fails(line)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("protect", "give PHOTOS OUT, or --data NAME OUT"),
        ("protect photos --key owner.key", "give PHOTOS OUT, or --data NAME OUT"),
        ("protect photos out --data cifar10 --key owner.key", "give PHOTOS OUT, or --data NAME OUT"),
        ("protect photos out --block-size 0", "--block-size"),
        ("protect photos out --quality 101", "--quality"),
        ("protect photos out --views 0", "--views"),
        ("protect photos out --workers -1", "--workers"),
        ("protect photos out --turbo", "No such option"),
        ("preview", "Missing argument"),
        ("reveal out", "Missing argument"),
        ("rotate out new --key owner.key", "give --new-key, the key file to change to"),
    ],
)
def test_a_wrong_command_line_is_status_2(run, line, message):
    out, err = run(line, 2)
    assert message in err
    assert out == ""
    assert not Path("out").exists()


def test_rejects_are_listed_and_make_status_3(run):
    Path("photos/train/cat/bad.png").write_text("no image")
    Path("photos/loose\x1b[2J.png").write_text("x")
    out, err = run("protect photos out --key owner.key --block-size 4", 3)
    assert out.startswith("out: 3 protected images")
    lines = err.splitlines()
    assert lines[0] == f"2 inputs were rejected, listed in {Path('out.owner/rejects.csv').resolve()}:"
    assert lines[1] == "  loose\\x1b[2J.png: outside the class folders; move it into one"
    assert lines[2].startswith("  train/cat/bad.png is not an image of a known format")
    assert len(lines) == 3
    out, err = run("protect photos out2 --key owner.key --block-size 4 --json", 3)
    assert [reject["path"] for reject in json.loads(out)["rejects"]] == ["loose\x1b[2J.png", "train/cat/bad.png"]


def test_many_rejects_are_counted(run):
    for i in range(25):
        Path(f"photos/train/cat/bad{i:02}.png").write_text("no image")
    _, err = run("protect photos out --key owner.key", 3)
    assert len(err.splitlines()) == 12
    assert err.endswith("  ... and 15 more\n")


def test_protect_by_csv_npz_and_name(run, monkeypatch):
    Path("list.csv").write_text("path,label\nphotos/train/cat/1.png,cat\n")
    run("protect list.csv a --key owner.key")
    np.savez("scans.npz", x=np.zeros((2, 32, 32, 3), np.uint8), y=[0, 1], classes=["x", "y"])
    run("protect --data scans.npz b --key owner.key")
    assert Profile.of_folder(Path("b")).classes == ("x", "y")
    run("protect --data photos c --key owner.key")
    seen = []

    def opened(name, *, root, download, mixed):
        seen.append((name, root, download, mixed))
        return genuine("scans.npz")

    import blindsight.owner.sources as sources

    genuine = sources.open_source
    monkeypatch.setattr(sources, "open_source", opened)
    run("protect d --data cifar10 --data-root sets --download --key owner.key")
    assert seen == [("cifar10", Path("sets"), True, True)]


# Keys


class Stdin:
    def __init__(self, data):
        self.buffer = io.BytesIO(data)

    def isatty(self):
        return False


def test_keys_from_a_file_the_environment_and_standard_input_are_alike(run, monkeypatch):
    run("protect photos a --key owner.key")
    monkeypatch.setenv("BLINDSIGHT_KEY_FILE", "owner.key")
    run("protect photos b")
    monkeypatch.setenv("BLINDSIGHT_KEY_FILE", "other.key")
    monkeypatch.setattr(sys, "stdin", Stdin(Path("owner.key").read_bytes()))
    run("protect photos c --key -")
    assert tree("a") == tree("b") == tree("c")


def test_a_passphrase_comes_from_the_environment(run, fails, monkeypatch):
    create_keyfile(Path("locked.key"), Keyset.new(KEY), "a b c")
    assert "BLINDSIGHT_PASSPHRASE" in fails("protect photos out --key locked.key")
    monkeypatch.setenv("BLINDSIGHT_PASSPHRASE", "a b c")
    run("protect photos out --key locked.key")


def test_a_key_file_that_others_can_read_is_refused(fails):
    Path("owner.key").chmod(0o644)
    assert "chmod 600" in fails("protect photos out --key owner.key")


def test_the_key_that_the_profile_names_is_taken_from_a_file_of_several(run):
    create_keyfile(Path("both.key"), Keyset.new(OTHER).with_key(KEY))
    run("protect photos out --key owner.key")
    run("reveal out back --key both.key")
    assert run("reveal out back2 --key owner.key")[0].startswith("back2: 3 images")
    assert tree("back") == tree("back2")

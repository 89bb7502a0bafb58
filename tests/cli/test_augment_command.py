"""augment as it is typed."""

import json
import re
from pathlib import Path

import pytest

from blindsight.profile import Codec, Profile
from protect_helpers import tree, write_image

pytestmark = pytest.mark.usefixtures("owners_folder")


@pytest.fixture
def mixed(tmp_path):
    """A mixed set of two images, as JPEG."""
    for i, name in enumerate(("cat", "dog")):
        write_image(tmp_path / f"mixed/train/{name}/id{i}.jpg", 16, 24, i, quality=90)
    codec = Codec(format="jpeg", quality=90, subsampling="4:2:0")
    profile = Profile(kind="mix", scheme="pbm", size=(16, 24), classes=("cat", "dog"), codec=codec)
    (tmp_path / "mixed/profile.json").write_text(profile.to_json())
    return tmp_path / "mixed"


def test_augment(run, mixed):
    out, err = run("augment mixed augmented --recipe pbm --workers 2")
    lines = out.splitlines()
    assert re.fullmatch(r"augmented: 8 images \(0\.0 MB, \d+ images/s\)", lines[0])
    assert lines[1:] == [
        "  now         pbm, 16x24 RGB, jpeg q90 4:2:0, 4 views of each training image",
        "  JPEG        changed copies were encoded once more; those that are as they were are exact",
    ]
    assert err == ""
    names = sorted(path.name for path in Path("augmented").rglob("*.jpg"))
    assert names == [f"id{i}-{name}.jpg" for i in (0, 1) for name in ("brightness", "flip", "identity", "rotation")]
    assert Path("augmented/train/cat/id0-identity.jpg").read_bytes() == (mixed / "train/cat/id0.jpg").read_bytes()


def test_augment_of_plain_folders(run):
    out, _ = run("augment photos augmented")
    assert out.splitlines()[0].startswith("augmented: 9 images ")  # two of train by four, one of test
    assert out.splitlines()[1:] == ["  now         plain, mixed sizes RGB, png, 4 views of each training image"]
    assert Path("augmented/test/cat/1.png").exists()


@pytest.mark.usefixtures("mixed")
def test_augment_as_json(run):
    answer = json.loads(run("augment mixed augmented --json")[0])
    assert answer.pop("seconds") >= 0
    assert answer.pop("bytes") == sum(path.stat().st_size for path in Path("augmented").rglob("*.jpg"))
    profile = json.loads(Path("augmented/profile.json").read_text())
    assert profile["views"] == 4
    assert answer == {
        "out": "augmented", "recipe": "pbm", "profile": profile, "images": 8, "resumed": 0, "rejects": []
    }  # fmt: skip


def test_damaged_files_are_status_3(run, mixed):
    (mixed / "train/cat/id0.jpg").write_bytes(b"")
    out, err = run("augment mixed augmented", 3)
    assert out.startswith("augmented: 4 images ")
    assert err == "1 input was rejected:\n  train/cat/id0.jpg is empty; copy it again or take it out\n"
    answer = json.loads(run("augment mixed again --json", 3)[0])
    assert answer["rejects"] == [
        {"path": "train/cat/id0.jpg", "reason": "train/cat/id0.jpg is empty; copy it again or take it out"}
    ]


@pytest.mark.usefixtures("mixed")
def test_interrupted_and_resumed(run, fails):
    from blindsight.owner import augmentation

    encode, done = augmentation.encode_image, []

    def stopping(pixels, codec):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(1)
        return encode(pixels, codec)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentation, "encode_image", stopping)
        out, err = run("augment mixed augmented --workers 1", 1)
    assert out == ""
    assert err.startswith("interrupted; ")
    assert err.count("\n") == 1
    assert "holds an unfinished run; add --resume to finish it" in fails("augment mixed augmented")
    assert json.loads(run("augment mixed augmented --resume --json")[0])["resumed"] > 0
    run("augment mixed whole")
    assert tree("augmented") == tree("whole")


@pytest.mark.usefixtures("mixed")
def test_what_augment_refuses(run, fails):
    run("protect photos out --key owner.key --block-size 4")
    assert fails("augment out augmented").endswith("augment before encryption: protect --views")
    assert fails("augment mixed augmented --recipe double") == "unknown recipe 'double'; known: pbm"
    assert fails("augment mixed mixed/augmented").startswith("mixed/augmented would lie inside mixed")
    assert fails("augment mixed/train augmented").endswith("give the whole set")
    assert fails("augment none augmented").startswith("none is not a folder")
    assert not Path("augmented").exists()
    _, err = run("augment mixed", 2)
    assert "Missing argument" in err


def test_the_help_has_an_example(run):
    out, _ = run("augment --help")
    assert "Example: blindsight augment mixed augmented --recipe pbm" in out
    assert "augment" in run("--help")[0]

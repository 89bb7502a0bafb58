"""``blindsight mix`` as it is typed."""

import json

import pytest

from blindsight.profile import Profile
from protect_helpers import write_folder

SIZE = "--size 16 --block 8x4 --sources 2"


pytestmark = pytest.mark.usefixtures("owners_folder", "_faces")


@pytest.fixture
def _faces(tmp_path):
    names = [f"{split}/{who}/{i}.png" for split in ("train", "test") for who in ("cat", "dog") for i in range(4)]
    write_folder(tmp_path / "faces", names)


def test_it_says_what_was_mixed_what_stays_and_what_it_is_worth(run, tmp_path):
    out, err = run(f"mix faces mixed {SIZE}")
    assert not err
    lines = out.splitlines()
    assert lines[0].startswith("mixed: 8 mixed images (")
    assert "mixing      pbm, 16x16 RGB, png; fit: resize" in out
    assert "sources 2, partners same, include_target false, replacement false, block 8x4, probability 0.5" in out
    assert "mixed.owner  (names, classes, sizes, the run's key: keep it, do not hand it over)" in out
    assert "left plain  8 images of test: not read, not published" in out
    assert "at its true place. On average " in out
    assert "% of an image is its own; more of it stands in images of others. " in out
    assert "mix-report" in out
    assert (tmp_path / "mixed.owner/run.key").exists()


def test_json_with_a_key_of_the_owners(run, tmp_path):
    out, _ = run(f"mix faces mixed {SIZE} --key owner.key --format jpeg --opaque-classes --json")
    said = json.loads(out)
    assert said["images"] == 8
    assert said["left_out"] == {"test": 8}
    assert 0 < said["own_share"] < 1
    assert said["unchanged"] < 8
    assert not said["own_key"]
    assert Profile.model_validate(said["profile"]) == Profile.of_folder(tmp_path / "mixed")
    assert said["profile"]["codec"] == {"format": "jpeg", "quality": 90, "subsampling": "4:4:4"}
    assert said["profile"]["opaque_classes"]
    assert not (tmp_path / "mixed.owner/run.key").exists()


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("mixup", "with another laid over it"),
        ("cutmix --partners any", "with a rectangle of another"),
        ("instahide", "InstaHide was broken: Carlini et al. (arXiv 2011.05315)"),
    ],
)
def test_neighbouring_methods_come_with_their_warning(run, tmp_path, method, said):
    out, _ = run(f"mix faces mixed --size 16 --method {method}")
    assert said in out
    assert (tmp_path / "mixed/labels.csv").exists() == (method != "mixup")


def test_rejects_are_status_3(run, tmp_path):
    (tmp_path / "faces/train/cat/9.png").write_bytes(b"no image")
    out, err = run(f"mix faces mixed {SIZE}", status=3)
    assert "8 mixed images" in out
    assert "1 input was rejected, listed in" in err
    assert "train/cat/9.png" in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--block 8x", "a size is pixels such as 224, or HEIGHTxWIDTH such as 192x256; got '8x'"),
        ("--size 20 --block 8x4", "blocks of 8x4 (height x width) do not tile images of 20x20; 10x4 do"),
        (
            "--size 16 --block 8x4 --sources 10",
            "class 'cat' has 4 images, and 10 sources an image need 11: choose fewer",
        ),
        ("--method pmb", "unknown mixing method 'pmb'; did you mean pbm?"),
        ("--size 16 --method instahide --format jpeg", "jpeg would destroy"),
        ("--size 16 --block 8x4 --sources 2 --shard-size 3", "--shard-size is for shards"),
        ("--size 16 --block 8x4 --sources 2 --key nokey", "nokey"),
        ("--size 16 --method mixup --block 8", "--block is for pbm, not for mixup; leave it out"),
        ("--size 16 --block 8 --alpha 2", "--alpha is for mixup and cutmix, not for pbm; leave it out"),
    ],
)
def test_errors_are_one_line(fails, tmp_path, line, said):
    assert said in fails(f"mix faces mixed {line}")
    assert not (tmp_path / "mixed").exists()
    assert not (tmp_path / "mixed.owner").exists()


def test_help_teaches(run):
    out, _ = run("mix --help")
    for said in (
        "--include-target",
        "--probability",
        "true place",
        "Example: blindsight mix faces mixed --block 96x24",
    ):
        assert said in " ".join(out.split())


def test_an_interrupted_run_is_finished_with_resume(run, fails, monkeypatch):
    from blindsight.owner.mixing import run as running

    real, made = running.encode_image, []

    def encode(*arguments):
        made.append(arguments)
        if len(made) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(running, "encode_image", encode)
    line = f"mix faces mixed {SIZE} --workers 1"
    out, err = run(line, status=1)
    assert err == "interrupted; what is finished is kept: repeat the command with --resume to go on\n"
    assert "add --resume to finish it" in fails(line)
    out, _ = run(f"{line} --resume")
    assert "mixed: 8 mixed images" in out

"""benchmarks/prepare.py: archives in, folders and arrays out, nothing outside the folder named."""

import hashlib
import importlib.util
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "prepare.py"


@pytest.fixture(scope="module")
def prepare():
    spec = importlib.util.spec_from_file_location("prepare", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path):
    """Small archives laid out as the script expects them."""
    rng = np.random.default_rng(0)
    for folder in ("cifar10", "faces", "large"):
        (tmp_path / "source" / folder).mkdir(parents=True)
    for split, count in (("train", 5), ("test", 3)):
        x = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        planes = np.stack([x[..., 1], x[..., 0] - x[..., 1], x[..., 2] - x[..., 1]])
        residual = np.diff(np.diff(planes, axis=3, prepend=np.uint8(0)), axis=2, prepend=np.uint8(0))
        np.savez(
            tmp_path / "source" / "cifar10" / f"cifar10_{split}.npz",
            residual=residual,
            y=np.arange(count, dtype=np.uint8),
            classes=np.array(["airplane", "automobile", "bird", "cat", "deer"]),
            sha256_of_x=hashlib.sha256(x.tobytes()).hexdigest(),
        )
    faces = rng.integers(0, 256, (4, 112, 92), np.uint8)
    np.savez(tmp_path / "source" / "faces" / "orl_faces.npz", x=faces, y=[0, 0, 1, 1], take=[1, 6, 5, 10])
    write_zip(tmp_path / "source" / "large" / "caltech101_21.zip", ["train/ant/1.jpg", "test/ant/2.jpg"])
    return tmp_path / "source"


def write_zip(path, names, *, link=False):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name)
            if link:
                entry.external_attr = 0o120777 << 16
            archive.writestr(entry, b"picture")


def test_cifar10_becomes_one_npz(prepare, source, tmp_path):
    prepare.main(["cifar10", "--source", str(source), "--out", str(tmp_path / "out" / "c.npz"), "--limit", "2"])
    with np.load(tmp_path / "out" / "c.npz") as written:
        assert written["x"].shape == (4, 32, 32, 3)
        assert written["x"].dtype == np.uint8
        assert written["y"].tolist() == [0, 1, 0, 1]
        assert written["split"].tolist() == ["train", "train", "test", "test"]
        assert written["classes"].shape == (5,)


def test_cifar10_pixels_are_checked(prepare, source, tmp_path):
    path = source / "cifar10" / "cifar10_test.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["residual"][0, 0, 0, 0] ^= 1
    np.savez(path, **arrays)
    with pytest.raises(SystemExit, match=r"cifar10_test\.npz: the decoded pixels are not those of CIFAR-10"):
        prepare.main(["cifar10", "--source", str(source), "--out", str(tmp_path / "c.npz")])


def test_zips_become_trees(prepare, source, tmp_path, capsys):
    prepare.main(["caltech101", "--source", str(source), "--out", str(tmp_path / "tree")])
    assert (tmp_path / "tree" / "test" / "ant" / "2.jpg").read_bytes() == b"picture"
    assert "2 files" in capsys.readouterr().out


def test_orl_becomes_a_tree_of_png(prepare, source, tmp_path):
    prepare.main(["orl", "--source", str(source), "--out", str(tmp_path / "faces")])
    written = sorted(str(p.relative_to(tmp_path / "faces")) for p in (tmp_path / "faces").rglob("*.png"))
    assert written == ["test/s01/06.png", "test/s02/10.png", "train/s01/01.png", "train/s02/05.png"]
    image = Image.open(io.BytesIO((tmp_path / "faces" / "train" / "s01" / "01.png").read_bytes()))
    assert (image.mode, image.size) == ("L", (92, 112))


def test_utkface_by_race_keeps_the_split_and_counts_what_it_leaves_out(prepare, source, tmp_path, capsys):
    names = [
        "train/female/1_1_0_20170109.jpg",
        "train/male/9_0_3_20170110.jpg",
        "test/male/30_0_2_20170111.jpg.chip.jpg",
        "test/female/30_1_1_20170112.jpg",
        "test/female/31_1_4_20170112.jpg",
        "train/female/61_1_20170109142408075.jpg",
        "train/female/61_1_5_20170109.jpg",
    ]
    write_zip(source / "faces" / "utkface_gender.zip", names)
    out = tmp_path / "faces"
    prepare.main(["utkface", "--label", "race", "--source", str(source), "--out", str(out)])
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.jpg")) == [
        "test/asian/30_0_2_20170111.jpg.chip.jpg",
        "test/black/30_1_1_20170112.jpg",
        "train/indian/9_0_3_20170110.jpg",
        "train/white/1_1_0_20170109.jpg",
    ]
    said = capsys.readouterr().out
    assert "4 files; left out 1 of race 4 (others); left out 2 without a valid race field" in said
    prepare.main(["utkface", "--source", str(source), "--out", str(tmp_path / "by_gender")])
    assert len(list((tmp_path / "by_gender").rglob("*.jpg"))) == len(names)


@pytest.mark.parametrize(
    "name", ["../escaped.jpg", "train/../../escaped.jpg", "/escaped.jpg", "a\\..\\b.jpg", "C:/a.jpg"]
)
def test_entries_outside_the_folder_are_refused(prepare, tmp_path, name):
    write_zip(tmp_path / "bad.zip", ["train/a/1.jpg", name])
    with pytest.raises(SystemExit, match="would land outside"):
        prepare.unpack(tmp_path / "bad.zip", tmp_path / "tree")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip"]


def test_links_and_bombs_are_refused(prepare, tmp_path, monkeypatch):
    write_zip(tmp_path / "link.zip", ["train/a"], link=True)
    with pytest.raises(SystemExit, match="would land outside"):
        prepare.unpack(tmp_path / "link.zip", tmp_path / "tree")
    write_zip(tmp_path / "big.zip", ["train/a/1.jpg"])
    monkeypatch.setattr(prepare, "MAX_UNPACKED_BYTES", 3)
    with pytest.raises(SystemExit, match="more than 3 bytes"):
        prepare.unpack(tmp_path / "big.zip", tmp_path / "tree")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["orl", "--out", "x", "--limit", "3"], "--limit takes a positive number and belongs to cifar10"),
        (["cifar10", "--out", "x"], "expected a file that ends in .npz"),
        (["orl", "--out", "."], "exists; choose another name"),
        (["orl", "--out", "x", "--label", "race"], "--label belongs to utkface"),
    ],
)
def test_usage_errors(prepare, source, arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        prepare.main([*arguments, "--source", str(source)])
    assert message in capsys.readouterr().err


def test_missing_archives(prepare, tmp_path):
    with pytest.raises(SystemExit, match=r"prepare: .*No such file"):
        prepare.main(["utkface", "--source", str(tmp_path), "--out", str(tmp_path / "out")])

"""Shards as tar files: the same bytes always, nothing taken from a stranger's archive."""

import io
import json
import subprocess
import tarfile

import pytest

from blindsight.errors import CorruptDataError, ImageError
from blindsight.shards import INFO_NAME, ShardReader, find_shards, info_json, pack_shard, read_shard, shard_name
from protect_helpers import refused

MEMBERS = [("aa.png", b"first image"), ("aa.cls", b"3"), ("bb.png", b"x" * 512), ("bb.cls", b"0"), ("cc.png", b"third")]


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / shard_name("train", 0)
    path.write_bytes(pack_shard(MEMBERS))
    return path


def test_a_shard_is_a_tar_file_without_time_or_owner(shard):
    with tarfile.open(shard) as archive:
        members = archive.getmembers()
        assert [(m.name, archive.extractfile(m).read()) for m in members] == MEMBERS
    for member in members:
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
        assert (member.mode, member.type, member.pax_headers) == (0o644, tarfile.REGTYPE, {})
    assert shard.stat().st_size % 10240 == 0


def test_the_bytes_are_those_that_tarfile_writes(shard):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in MEMBERS:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert shard.read_bytes() == stream.getvalue()


def test_images_are_read_in_place(shard):
    images = read_shard(shard)
    assert [(i.id, i.name, i.label, i.read()) for i in images] == [
        ("aa", "aa.png", 3, b"first image"),
        ("bb", "bb.png", 0, b"x" * 512),
        ("cc", "cc.png", None, b"third"),
    ]
    assert str(images[0]) == f"{shard}/aa.png"
    assert images[0].class_id(("a", "b", "c", "d")) == "d"
    assert images[2].class_id(()) is None
    text = refused(CorruptDataError, images[0].class_id, ("a", "b", "c"))
    assert text == f"{shard}/aa.png has class number 3, and the profile has 3 classes"


def test_shards_that_gnu_tar_packed_are_read_too(tmp_path, shard):
    with tarfile.open(shard) as archive:
        archive.extractall(tmp_path / "files", filter="data")
    again = tmp_path / "train-000001.tar"
    command = ["tar", "--format=gnu", "--sort=name", "-C", str(tmp_path / "files"), "-cf", str(again)]
    subprocess.run([*command, *(name for name, _ in MEMBERS)], check=True)
    assert [(i.name, i.label, i.read()) for i in read_shard(again)] == [
        (i.name, i.label, i.read()) for i in read_shard(shard)
    ]


def header(name="aa.png", size=3, form=tarfile.USTAR_FORMAT, **fields):
    member = tarfile.TarInfo(name)
    member.size = size
    for field, value in fields.items():
        setattr(member, field, value)
    return member.tobuf(form)


def archive(*heads, body=b"abc"):
    return b"".join(head + body.ljust(512, b"\0") for head in heads) + bytes(1024)


PAX = tarfile.TarInfo("aa.png")
PAX.mtime = 1.5
HOSTILE = {
    "a link": (archive(header(type=tarfile.SYMTYPE, linkname="/etc/passwd")), "'aa.png' is no regular file"),
    "a hard link": (archive(header(type=tarfile.LNKTYPE, linkname="bb.png")), "'aa.png' is no regular file"),
    "a folder": (archive(header("aa", type=tarfile.DIRTYPE)), "'aa/' is no regular file"),
    "a device": (archive(header(type=tarfile.CHRTYPE)), "'aa.png' is no regular file"),
    "an extension": (PAX.tobuf(tarfile.PAX_FORMAT), "is no regular file"),
    "a path": (archive(header("x/aa.png")), "'x/aa.png' is no name of an image"),
    "a way out": (archive(header("../aa.png")), "'../aa.png' is no name of an image"),
    "an absolute path": (archive(header("/aa.png")), "'/aa.png' is no name of an image"),
    "a long path": (archive(header("x" * 90 + "/" + "aa" * 30 + ".png")), "lies in a folder"),
    "another file": (archive(header("aa.exe")), "'aa.exe' is no name of an image"),
    "a hidden file": (archive(header(".png")), "'.png' is no name of an image"),
    "control characters": (archive(header("a\n\x1b.png")), "'a\\n\\x1b.png' is no name of an image"),
    "twice": (archive(header(), header()), "aa is in it twice, the second time as aa.png"),
    "twice as another": (archive(header(), header("aa.jpg")), "aa is in it twice, the second time as aa.jpg"),
    "a label twice": (archive(header(), *[header("aa.cls", 1)] * 2, body=b"1"), "aa is in it twice"),
    "a label alone": (archive(header("aa.cls", 1), body=b"1"), "aa.cls has no image"),
    "a label of text": (archive(header("aa.cls")), "aa.cls holds b'abc', expected a class's number"),
    "a negative label": (archive(header("aa.cls", 2), body=b"-1"), "aa.cls holds b'-1'"),
    "a long label": (archive(header("aa.cls", 400), body=b"1" * 400), "aa.cls states 400 bytes"),
    "a size over the limit": (archive(header(size=2**30 + 1)), "aa.png states 1073741825 bytes"),
    "a size of binary": (archive(header(size=2**40, form=tarfile.GNU_FORMAT)), "'aa.png' states no size"),
    "a size over the file": (archive(header(size=5000)), "it is cut off inside aa.png"),
    "cut in a header": (header()[:300], "it is cut off at byte 300"),
    "cut after a member": (archive(header())[:1024], "it is cut off at byte 1024"),
    "nothing": (b"", "it is cut off at byte 0"),
    "no tar": (b"\x89PNG" * 300, "there is no tar header at byte 0"),
    "a changed header": (archive(header()).replace(b"aa.png", b"ab.png"), "there is no tar header at byte 0"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_is_no_shard_of_ours_is_refused(tmp_path, name):
    data, message = HOSTILE[name]
    path = tmp_path / "train-000000.tar"
    path.write_bytes(data)
    text = refused(CorruptDataError, read_shard, path)
    assert text.startswith(f"{path} is not a shard as protect writes it: ")
    assert message in text
    assert text.endswith("; copy it again")


def test_a_shard_that_is_gone(shard):
    image = read_shard(shard)[0]
    shard.unlink()
    assert "cannot read" in refused(CorruptDataError, read_shard, shard)
    assert refused(ImageError, image.read).startswith(f"{shard}/aa.png cannot be read (No such file")


def test_a_reader_finds_images_by_name(shard):
    reader = ShardReader(shard.parent)
    assert reader.read("train-000000.tar/bb.png") == b"x" * 512
    assert "holds no such image" in refused(ImageError, reader.read, "train-000000.tar/dd.png")
    assert "there is no " in refused(ImageError, reader.read, "train-000001.tar/bb.png")


def test_shards_by_split(tmp_path):
    for name in ("train-000001.tar", "train-1000000.tar", "train-000000.tar", "val-000000.tar", "notes.txt"):
        (tmp_path / name).touch()
    found = {split: [p.name for p in paths] for split, paths in find_shards(tmp_path).items()}
    assert found == {
        "train": ["train-000000.tar", "train-000001.tar", "train-1000000.tar"],
        "val": ["val-000000.tar"],
    }
    (tmp_path / "images-000000.tar").touch()
    assert "side by side" in refused(CorruptDataError, find_shards, tmp_path)
    (tmp_path / "other.tar").touch()
    assert "has not the name of a shard" in refused(CorruptDataError, find_shards, tmp_path)


def test_a_shard_that_the_list_names_must_be_there(tmp_path):
    assert "holds no shards" in refused(CorruptDataError, find_shards, tmp_path)
    (tmp_path / "images-000000.tar").touch()
    assert list(find_shards(tmp_path)) == [None]
    (tmp_path / INFO_NAME).write_text(info_json({"images-000000.tar": 3, "images-000001.tar": 1}))
    assert "lacks images-000001.tar, which _info.json lists" in refused(CorruptDataError, find_shards, tmp_path)
    (tmp_path / INFO_NAME).write_text("[]")
    assert "_info.json is damaged" in refused(CorruptDataError, find_shards, tmp_path)


def test_the_list_of_shards():
    assert json.loads(info_json({"train-000001.tar": 2, "train-000000.tar": 5, "test-000000.tar": 4})) == {
        "splits": {
            "train": {
                "name": "train",
                "num_samples": 7,
                "filenames": ["train-000000.tar", "train-000001.tar"],
                "shard_lengths": [5, 2],
            },
            "test": {"name": "test", "num_samples": 4, "filenames": ["test-000000.tar"], "shard_lengths": [4]},
        }
    }

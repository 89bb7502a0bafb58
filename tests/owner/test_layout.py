"""Protected data as WebDataset shards: the same bytes however it is made, and the way back."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from blindsight.errors import CorruptDataError, OutputError, ParameterError
from blindsight.images import read_protected
from blindsight.owner.index import Index
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.reveal import reveal
from blindsight.owner.rotate import rotate
from blindsight.owner.sources import open_source
from blindsight.profile import Codec, Profile
from blindsight.shards import find_shards, read_shard
from protect_helpers import KEY, OTHER, refused, result, tree, write_folder

FILES = [f"train/{c}/{i}.png" for c in "abc" for i in range(4)] + ["test/b/1.png", "test/c/2.jpg"]
SHARDS = ProtectOptions(block_size=4, layout="shards", shard_size=5)
FOLDER = ProtectOptions(block_size=4)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("layout") / "photos", FILES)


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    protect(open_source(photos), out, KEY, SHARDS, workers=1)
    return out


def damage(target):
    """The same photographs, three of them unreadable: one split's shards hold gaps."""
    copy = write_folder(target, FILES)
    for name in ("train/a/1.png", "train/b/0.png", "train/b/3.png"):
        (copy / name).write_bytes(b"no image")
    return copy


def by_id(out):
    """Image id -> (split, class id, bytes), whatever the layout."""
    profile = Profile.of_folder(out)
    if profile.layout == "folder":
        return {p.stem: (p.parts[-3], p.parent.name, p.read_bytes()) for p in out.glob("*/*/*.png")}
    return {
        image.id: (split, image.class_id(profile.classes), image.read())
        for split, shards in find_shards(out).items()
        for shard in shards
        for image in read_shard(shard)
    }


# What is written


def test_the_output_is_shards_their_list_and_the_profile(whole):
    names = ["_info.json", "profile.json", "test-000000.tar"] + [f"train-00000{i}.tar" for i in range(3)]
    assert sorted(p.name for p in whole.iterdir()) == names
    assert Profile.of_folder(whole).layout == "shards"
    assert json.loads((whole / "_info.json").read_text())["splits"]["train"] == {
        "name": "train",
        "num_samples": 12,
        "filenames": names[-3:],
        "shard_lengths": [5, 5, 2],
    }


def test_shards_hold_the_files_of_the_folder_layout(whole, photos, tmp_path):
    protect(open_source(photos), tmp_path / "out", KEY, FOLDER)
    assert by_id(whole) == by_id(tmp_path / "out")
    assert len(by_id(whole)) == 14


def test_the_order_is_the_keyed_permutation_of_the_ids(whole):
    images = [image.id for shard in find_shards(whole)["train"] for image in read_shard(shard)]
    ids = sorted(images)
    assert images == [ids[i] for i in KEY.stream("shard-order", "train", "12").permutation(12)]
    assert images != ids


def test_the_index_names_shard_and_member(whole):
    records = Index(whole.with_name("out.owner")).images()
    assert Counter(record.file.partition("/")[0] for record in records) == {
        "train-000000.tar": 5, "train-000001.tar": 5, "train-000002.tar": 2, "test-000000.tar": 2
    }  # fmt: skip
    for record in records:
        shard, name = record.file.split("/")
        assert name == f"{record.id}.png"
        with tarfile.open(whole / shard) as archive:
            assert archive.getmember(name).size == record.bytes


def test_images_without_splits_or_classes(tmp_path):
    photos = write_folder(tmp_path / "photos", ["1.png", "2.png", "3.png"])
    protect(open_source(photos), tmp_path / "out", KEY, SHARDS)
    assert (tmp_path / "out/images-000000.tar").exists()
    images = read_shard(tmp_path / "out/images-000000.tar")
    assert [image.label for image in images] == [None] * 3
    ids = sorted(image.id for image in images)
    assert [i.id for i in images] == [ids[k] for k in KEY.stream("shard-order", "all", "3").permutation(3)]
    reveal(tmp_path / "out", tmp_path / "back", KEY)
    assert sorted(p.name for p in (tmp_path / "back").iterdir()) == ["1.png", "2.png", "3.png"]


def test_views_are_samples_of_their_own_and_opaque_classes_are_in_the_profile_only(photos, tmp_path):
    options = ProtectOptions(
        block_size=4, layout="shards", views=2, opaque_classes=True, codec=Codec(format="webp"), channels=1
    )
    report = protect(open_source(photos), tmp_path / "out", KEY, options)
    assert report.images == 26
    assert len(read_shard(tmp_path / "out/train-000000.tar")) == 24
    assert {i.label for i in read_shard(tmp_path / "out/train-000000.tar")} == {0, 1, 2}


def test_profiles_from_before_there_were_layouts_are_folders(whole):
    facts = json.loads((whole / "profile.json").read_text())
    del facts["layout"]
    assert Profile.from_json(json.dumps(facts)).layout == "folder"


# The same bytes


@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_gives_the_same_bytes(whole, photos, tmp_path, workers):
    protect(open_source(photos), tmp_path / "out", KEY, SHARDS, workers=workers)
    assert result(tmp_path / "out") == result(whole)


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_an_interrupted_run_resumes_with_its_rejects(tmp_path, finished):
    damaged = damage(tmp_path / "photos")
    report = protect(open_source(damaged), tmp_path / "whole", KEY, SHARDS)
    assert [path for path, _ in report.rejects] == ["train/a/1.png", "train/b/0.png", "train/b/3.png"]
    calls = []

    def ctrl_c(done, total):
        calls.append((done, total))
        if len(calls) == finished:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        protect(open_source(damaged), tmp_path / "out", KEY, SHARDS, workers=1, progress=ctrl_c)
    assert (tmp_path / "out/.incomplete").is_dir()
    assert calls[-1][0] < calls[-1][1] == 14
    assert not (tmp_path / "out/_info.json").exists()
    again = protect(open_source(damaged), tmp_path / "out", KEY, SHARDS, resume=True)
    assert again.rejects == report.rejects
    assert again.resumed > 0
    assert result(tmp_path / "out") == result(tmp_path / "whole")


KILLED = """
import os, signal, sys
from pathlib import Path
from blindsight.owner.keys import SecretKey
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.sources import open_source
protect(
    open_source(sys.argv[1]), Path(sys.argv[2]), SecretKey(bytes(range(32))),
    ProtectOptions(block_size=4, layout="shards", shard_size=5), workers=2,
    progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL),
)
"""


def test_a_killed_run_resumes(photos, whole, tmp_path):
    paths = os.pathsep.join(str(Path(p).resolve()) for p in sys.path if p)
    command = [sys.executable, "-c", KILLED, str(photos), str(tmp_path / "out")]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert killed.returncode == -signal.SIGKILL
    report = protect(open_source(photos), tmp_path / "out", KEY, SHARDS, resume=True)
    assert 0 < report.resumed < report.images
    assert result(tmp_path / "out") == result(whole)


def test_a_shard_that_was_cut_off_is_made_again(photos, whole, tmp_path):
    def ctrl_c(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        protect(open_source(photos), tmp_path / "out", KEY, SHARDS, workers=1, progress=ctrl_c)
    for shard in (tmp_path / "out").glob("*.tar"):
        shard.write_bytes(shard.read_bytes()[:1000])
    assert protect(open_source(photos), tmp_path / "out", KEY, SHARDS, resume=True).resumed == 0
    assert result(tmp_path / "out") == result(whole)


def test_a_reject_leaves_a_gap_and_moves_nothing(whole, tmp_path):
    protect(open_source(damage(tmp_path / "photos")), tmp_path / "out", KEY, SHARDS)
    found = {}
    for folder in (whole, tmp_path / "out"):
        for shard in find_shards(folder)["train"]:
            found.setdefault(shard.name, []).append([image.id for image in read_shard(shard)])
    assert sum(len(first) - len(second) for first, second in found.values()) == 3
    for first, second in found.values():
        assert [identifier for identifier in first if identifier in second] == second
    lengths = json.loads((tmp_path / "out/_info.json").read_text())["splits"]["train"]["shard_lengths"]
    assert lengths == [len(second) for _, second in found.values()]


def test_a_shard_of_rejects_alone_is_not_written(tmp_path):
    options = ProtectOptions(block_size=4, layout="shards", shard_size=1)
    damaged = damage(tmp_path / "photos")
    report = protect(open_source(damaged), tmp_path / "out", KEY, options)
    assert (report.images, len(report.rejects)) == (11, 3)
    assert len(list((tmp_path / "out").glob("train-*.tar"))) == 9
    assert reveal(tmp_path / "out", tmp_path / "back", KEY).images == 11


def test_another_layout_or_shard_size_is_another_run(photos, tmp_path):
    def ctrl_c(*_):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        protect(open_source(photos), out, KEY, SHARDS, progress=ctrl_c)
    other = ProtectOptions(block_size=4, layout="shards", shard_size=6)
    text = refused(OutputError, protect, open_source(photos), out, KEY, other, resume=True)
    assert "shard size was 5, now 6" in text
    text = refused(OutputError, protect, open_source(photos), out, KEY, FOLDER, resume=True)
    assert 'profile.layout was "shards", now "folder"' in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "zip"}, "layout must be folder or shards, got 'zip'"),
        ({"layout": "shards", "shard_size": 0}, "shard size must be at least 1, got 0"),
    ],
)
def test_options_that_cannot_work(photos, tmp_path, changes, message):
    options = ProtectOptions(block_size=4, **changes)
    assert refused(ParameterError, protect, open_source(photos), tmp_path / "out", KEY, options) == message
    assert not (tmp_path / "out").exists()


# The way back


@pytest.mark.parametrize("indexed", [True, False])
def test_shards_reveal_to_the_same_tree_as_the_folder(whole, photos, tmp_path, indexed):
    protect(open_source(photos), tmp_path / "out", KEY, FOLDER)
    if not indexed:
        (tmp_path / "out.owner").rename(tmp_path / "elsewhere")
    report = reveal(whole if indexed else _without_index(whole, tmp_path), tmp_path / "back", KEY)
    reveal(tmp_path / "out", tmp_path / "back of folder", KEY)
    assert (report.images, report.named, report.rejects) == (14, indexed, [])
    assert tree(tmp_path / "back") == tree(tmp_path / "back of folder")


def _without_index(whole, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in whole.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def test_a_missing_member_is_a_reject_and_a_damaged_shard_an_error(whole, tmp_path):
    copy = _without_index(whole, tmp_path)
    index = whole.with_name("out.owner")
    (copy / "test-000000.tar").unlink()
    report = reveal(copy, tmp_path / "back", KEY, index=index)
    assert (report.images, len(report.rejects)) == (12, 2)
    assert "test-000000.tar" in report.rejects[0][1]
    shard = copy / "train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    text = refused(CorruptDataError, reveal, copy, tmp_path / "again", KEY, index=index)
    assert text.startswith(f"{shard} is not a shard as protect writes it: it is cut off")


PE_SHARDS = ProtectOptions(
    scheme="pe", block_size=4, layout="shards", shard_size=3, key_scope="image", opaque_classes=True
)


@pytest.mark.parametrize("options", [SHARDS, PE_SHARDS])
def test_rotating_is_protecting_afresh_with_the_new_key(photos, tmp_path, options):
    protect(open_source(photos), tmp_path / "old", KEY, options)
    report = rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER, workers=3)
    fresh = protect(open_source(photos), tmp_path / "fresh", OTHER, options)
    assert report.profile == fresh.profile
    new, wanted = result(tmp_path / "new"), result(tmp_path / "fresh")
    assert new.pop("1/job.json") != wanted.pop("1/job.json")
    assert new == wanted
    assert Index(tmp_path / "new.owner").shard_size() == options.shard_size


# Who reads it


def test_the_webdataset_package_reads_them(whole):
    wds = pytest.importorskip("webdataset")
    shards = [str(path) for path in find_shards(whole)["train"]]
    samples = list(wds.WebDataset(shards, shardshuffle=False, empty_check=False))
    found = {s["__key__"]: ("train", Profile.of_folder(whole).classes[int(s["cls"])], s["png"]) for s in samples}
    assert found == {key: value for key, value in by_id(whole).items() if value[0] == "train"}


@pytest.mark.parametrize("split", ["train", "test"])
def test_timm_reads_them_by_their_list(whole, split):
    pytest.importorskip("webdataset")
    reader = pytest.importorskip("timm.data.readers.reader_wds").ReaderWds(str(whole), split=split)
    wanted = [value for value in by_id(whole).values() if value[0] == split]
    assert len(reader) == reader.num_samples == len(wanted)
    classes = Profile.of_folder(whole).classes
    seen = sorted((classes[target], image.tobytes()) for image, target in reader)
    assert seen == sorted((name, read_protected(data, channels=3).tobytes()) for _, name, data in wanted)

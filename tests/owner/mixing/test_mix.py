"""A mixed data set: what is published, what stays with the owner, and that nothing interrupts it for good."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mixing_helpers import blocks_of, noise_set, photo_tree

from blindsight.errors import CorruptDataError, OutputError, ParameterError, ProfileError, WrongKeyError
from blindsight.images import read_image
from blindsight.labels import read_labels
from blindsight.owner.index import Index
from blindsight.owner.mixing import MixOptions, mix, open_mixer, run
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.reveal import reveal
from blindsight.owner.sources import open_source
from blindsight.profile import Codec, Profile
from protect_helpers import KEY, OTHER, pixels_of, refused, result, tree, write_image

SMALL = MixOptions(size=(16, 24), block=(8, 8), sources=3)


@pytest.fixture
def photos(tmp_path):
    return photo_tree(tmp_path / "photos")


def test_what_is_published_and_what_is_not(photos, tmp_path):
    before = tree(photos)
    report = mix(open_source(photos), tmp_path / "mixed", KEY, SMALL)
    assert tree(photos) == before  # originals are only read
    files = sorted(p.relative_to(tmp_path / "mixed") for p in (tmp_path / "mixed").rglob("*.png"))
    assert len(files) == report.images == 11
    assert {f.parts[:2] for f in files} == {("train", "class0"), ("train", "class1")}
    assert report.left_out == {"test": 11}
    assert sorted(p.name for p in (tmp_path / "mixed").iterdir()) == ["profile.json", "train"]
    profile = Profile.of_folder(tmp_path / "mixed")
    assert profile == report.profile
    assert (profile.kind, profile.scheme, profile.size, profile.key_id) == ("mix", "pbm", (16, 24), None)
    assert profile.parameters == {
        "block": "8x8",
        "probability": 0.5,
        "sources": 3,
        "partners": "same",
        "include_target": False,
        "replacement": False,
    }
    assert profile.classes == ("class0", "class1")
    text = "".join(p.read_text() for p in (tmp_path / "mixed").glob("*.json"))
    assert "photos" not in text
    assert not report.own_key
    assert not (report.index / "run.key").exists()


def test_published_files_are_the_mixtures_bit_for_bit_and_every_block_is_an_originals(photos, tmp_path):
    mix(open_source(photos), tmp_path / "mixed", KEY, SMALL)
    mixer, targets = open_mixer(open_source(photos), tmp_path / "mixed", key=KEY)
    published = list((tmp_path / "mixed").rglob("*.png"))
    assert {p.stem for p in published} == set(targets)
    for path in published:
        target = targets[path.stem]
        assert path.parent.name == target.item.label
        mixture = mixer.make(target)
        assert (pixels_of(path) == mixture.pixels).all()
        origins = [blocks_of(mixer.pixels(item), (8, 8)) for item in (target.item, *mixture.donors)]
        for (r, c), k in np.ndenumerate(mixture.choice):
            assert (blocks_of(pixels_of(path), (8, 8))[r, c] == origins[k][r, c]).all()


@pytest.mark.parametrize("layout", ["folder", "shards"])
def test_the_same_bytes_whatever_the_workers(photos, tmp_path, layout):
    options = replace(SMALL, layout=layout, shard_size=4, opaque_classes=True, targets=9)
    for name, workers in (("one", 1), ("four", 4)):
        mix(open_source(photos), tmp_path / name, KEY, replace(options, label="p"), workers=workers)
    one, four = (result(tmp_path / name) for name in ("one", "four"))
    assert one == four
    assert len(one) > 5


def test_without_a_key_one_is_made_kept_for_the_owner_alone_and_used_again(photos, tmp_path):
    report = mix(open_source(photos), tmp_path / "mixed", None, SMALL)
    kept = report.index / "run.key"
    assert report.own_key
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    mixer, targets = open_mixer(open_source(photos), tmp_path / "mixed")
    path = next((tmp_path / "mixed").rglob("*.png"))
    assert (pixels_of(path) == mixer.make(targets[path.stem]).pixels).all()
    other = mix(open_source(photos), tmp_path / "again", None, SMALL)
    assert (other.index / "run.key").read_bytes() != kept.read_bytes()


def test_the_run_key_lies_in_the_index_before_the_first_image(photos, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        run, "encode_image", lambda *_: seen.append((tmp_path / "mixed.owner/run.key").exists()) or b"x"
    )
    mix(open_source(photos), tmp_path / "mixed", None, SMALL)
    assert seen == [True] * 11


def test_nothing_is_left_behind_where_the_output_is_not_ours(photos, tmp_path):
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/letter.txt").write_text("mine")
    assert "not empty and not ours" in refused(OutputError, mix, open_source(photos), tmp_path / "mixed", None, SMALL)
    assert not (tmp_path / "mixed.owner").exists()


@pytest.mark.parametrize("method", ["mixup", "cutmix", "instahide"])
def test_soft_labels_say_how_much_of_each_class_an_image_holds(tmp_path, method):
    source = open_source(noise_set(tmp_path / "n.npz", (15, 15)))
    mix(source, tmp_path / "mixed", KEY, MixOptions(size=None, method=method, partners="any"))
    labels = read_labels(tmp_path / "mixed/labels.csv", ("a", "b"))
    mixer, targets = open_mixer(source, tmp_path / "mixed", key=KEY)
    assert len(labels) == 30
    for file, row in labels.items():
        target = targets[Path(file).stem]
        assert file.split("/")[0] == target.item.label
        mixture = mixer.make(target)
        expected = [0.0, 0.0]
        for item, weight in zip((target.item, *mixture.donors), mixture.weights, strict=True):
            expected["ab".index(item.label)] += weight
        assert row == pytest.approx(expected, abs=1e-6)
    assert any(0 < row[0] < 1 for row in labels.values())


def test_same_label_partners_need_no_soft_labels(tmp_path):
    source = open_source(noise_set(tmp_path / "n.npz", (5, 5)))
    mix(source, tmp_path / "mixed", KEY, MixOptions(size=None, method="mixup"))
    assert not (tmp_path / "mixed/labels.csv").exists()


@pytest.mark.parametrize(("layout", "targets"), [("folder", None), ("folder", 4), ("shards", 4)])
def test_inputs_that_cannot_be_read_are_rejects_whether_targets_or_donors(photos, tmp_path, layout, targets):
    (photos / "train/class0/2.png").write_bytes(b"no image")
    options = replace(SMALL, targets=targets, layout=layout, shard_size=3)
    report = mix(open_source(photos), tmp_path / "mixed", KEY, options)
    assert [path for path, _ in report.rejects] == ["train/class0/2.png"]
    rows = (report.index / "rejects.csv").read_text().splitlines()
    assert len(rows) == 2


def test_nothing_at_all_that_can_be_mixed_is_an_error(tmp_path):
    for i in range(4):
        path = tmp_path / f"photos/a/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no")
    text = refused(OutputError, mix, open_source(tmp_path / "photos"), tmp_path / "mixed", KEY, SMALL)
    assert text.startswith("nothing was mixed: none of the 4 inputs can be used, such as a/0.png is not an image")


def test_jpeg_is_stored_as_asked_and_refused_for_instahide(photos, tmp_path):
    codec = Codec(format="jpeg", quality=90, subsampling="4:2:0")
    report = mix(open_source(photos), tmp_path / "mixed", KEY, replace(SMALL, codec=codec))
    assert len(list((tmp_path / "mixed").rglob("*.jpg"))) == report.images
    text = refused(
        ParameterError, mix, open_source(photos), tmp_path / "x", KEY, replace(SMALL, codec=codec, method="instahide")
    )
    assert "jpeg would destroy" in text


def test_looking_into_a_mixed_set_needs_its_originals_key_and_index(photos, tmp_path):
    source = open_source(photos)
    report = mix(source, tmp_path / "mixed", KEY, SMALL)
    assert "holds no key" in refused(OutputError, open_mixer, source, tmp_path / "mixed")
    assert KEY.id in refused(WrongKeyError, open_mixer, source, tmp_path / "mixed", key=OTHER)
    assert "a plain folder" in refused(ProfileError, open_mixer, source, photos, key=KEY)
    assert "no index" in refused(OutputError, open_mixer, source, tmp_path / "mixed", index=tmp_path / "no", key=KEY)
    write_image(photos / "train/class0/new.png")
    assert "not mixed from these" in refused(
        ParameterError, open_mixer, open_source(photos), tmp_path / "mixed", key=KEY
    )
    record = Index(report.index).job()
    del record["mixing"]["block"]
    (report.index / "job.json").write_text(json.dumps(record))
    assert "damaged" in refused(CorruptDataError, open_mixer, source, tmp_path / "mixed", key=KEY)


DRIVER = """
import sys
from pathlib import Path
from blindsight.owner.mixing import MixOptions, mix
from blindsight.owner.sources import open_source
photos, out, resume = sys.argv[1:]
print("ready", flush=True)
mix(open_source(photos), Path(out), None, MixOptions(size=(64, 64), block=(8, 8), sources=5, targets=150),
    resume=resume == "True", workers=2)
"""


def _start(photos, out, resume):
    path = os.pathsep.join([str(Path(p).resolve()) for p in sys.path if p])
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, photos, out, str(resume)], stdout=-1, env={**os.environ, "PYTHONPATH": path}
    )
    process.stdout.readline()
    return process


def _kill_after(process, journal, images):
    """Kills a run once its journal has so many lines, or at once; False where it had ended before."""
    while process.poll() is None:
        if not images or (journal.exists() and journal.read_bytes().count(b"\n") >= images):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.001)
    return False


def test_killed_runs_resume_to_what_one_run_would_have_made(tmp_path):
    photos = photo_tree(tmp_path / "photos", (20, 20), ("train",))
    out, index = tmp_path / "mixed", tmp_path / "mixed.owner"
    killed = 0
    for images in (0, 1, 40, 41, 120):
        process = _start(photos, out, (index / "job.json").exists())
        killed += _kill_after(process, index / "journal.jsonl", images)
    assert killed >= 3
    if not (out / "profile.json").exists():
        assert _start(photos, out, (index / "job.json").exists()).wait() == 0
    assert Profile.of_folder(out) is not None
    from blindsight.owner.keyfile import load_keyset

    key = load_keyset(tmp_path / "mixed.owner/run.key").primary
    options = MixOptions(size=(64, 64), block=(8, 8), sources=5, targets=150)
    mix(open_source(photos), tmp_path / "whole", key, options)
    kept = {k: v for k, v in result(out).items() if not k.endswith("run.key")}
    assert kept == result(tmp_path / "whole")


def test_resuming_needs_the_same_options_and_the_same_key(photos, tmp_path):
    def stop(done, _total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mix(open_source(photos), tmp_path / "mixed", KEY, SMALL, workers=1, progress=stop)
    again = (open_source(photos), tmp_path / "mixed")
    assert "add --resume" in refused(OutputError, mix, *again, KEY, SMALL)
    assert "begun with a key of yours" in refused(OutputError, mix, *again, None, SMALL, resume=True)
    assert "cannot resume" in refused(OutputError, mix, *again, OTHER, SMALL, resume=True)
    text = refused(OutputError, mix, *again, KEY, replace(SMALL, probability=0.7), resume=True)
    assert "probability was 0.5, now 0.7" in text
    report = mix(*again, KEY, SMALL, resume=True)
    assert report.resumed == 4
    mix(open_source(photos), tmp_path / "whole", KEY, SMALL)
    assert result(tmp_path / "mixed") == result(tmp_path / "whole")


def test_memory_stays_flat_in_the_number_of_images(tmp_path):
    """Plain images in memory are bounded by the cache, whatever the size of the set."""
    from blindsight.owner.mixing import Mixer

    source = open_source(noise_set(tmp_path / "n.npz", (200,), (32, 32)))
    limit = 20 * 32 * 32 * 3
    mixer = Mixer(source, MixOptions(size=None, block=(8, 8), sources=5), KEY, cache_bytes=limit)
    for target in mixer.targets:
        mixer.make(target)
        assert mixer._cache._total <= limit
        assert len(mixer._cache._kept) <= 20


def test_images_that_the_draw_left_as_they_were_are_counted(photos, tmp_path):
    options = replace(SMALL, block=(16, 24), sources=1)  # one block an image: the target, or its donor whole
    report = mix(open_source(photos), tmp_path / "mixed", KEY, options)
    mixer, targets = open_mixer(open_source(photos), tmp_path / "mixed", key=KEY)
    same = sum((mixer.make(t).pixels == mixer.pixels(t.item)).all() for t in targets.values())
    assert 0 < report.unchanged == same < 11
    assert report.own_share == pytest.approx(same / 11)
    assert mix(open_source(photos), tmp_path / "none", KEY, replace(SMALL, sources=0)).unchanged == 11


def test_a_set_published_again_with_anything_changed_shares_no_id_and_no_draw(photos, tmp_path):
    changes = [{}, {"channels": 1}, {"fit": "crop"}, {"opaque_classes": True}, {"targets": 11}, {"probability": 0.6},
               {"codec": Codec(format="webp")}, {"background": "#000000"}]  # fmt: skip
    sets = [mix(open_source(photos), tmp_path / str(n), KEY, replace(SMALL, **c)) for n, c in enumerate(changes)]
    write_image(photos / "train/class0/new.png")
    sets.append(mix(open_source(photos), tmp_path / "more", KEY, SMALL))
    ids = [record.id for report in sets for record in Index(report.index).images()]
    assert len(ids) == len(set(ids))


def test_files_are_written_in_the_order_of_their_ids(photos, tmp_path):
    """Else their times would tell which of two images comes after which in the owner's folder."""
    mix(open_source(photos), tmp_path / "mixed", KEY, SMALL, workers=1)
    for folder in (tmp_path / "mixed/train").iterdir():
        times = [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
        assert times == sorted(times)


@pytest.mark.parametrize("part", ["", "train"])
def test_what_is_mixed_already_is_refused(photos, tmp_path, part):
    mix(open_source(photos), tmp_path / "mixed", KEY, SMALL)
    text = refused(ParameterError, open_source, tmp_path / "mixed" / part)
    assert "are protected already (pbm, 16x24 RGB, png); give the plain ones" in text


@pytest.mark.parametrize("part", ["", "train"])
def test_what_is_mixed_can_be_encrypted_besides(photos, tmp_path, part):
    mix(open_source(photos), tmp_path / "mixed", KEY, SMALL)
    source = open_source(tmp_path / "mixed" / part, mixed=True)
    report = protect(source, tmp_path / "out", KEY, ProtectOptions(block_size=8, key_scope="image"))
    assert report.rejects == []
    assert report.images == sum(1 for _ in (tmp_path / "mixed").rglob("*.png"))
    reveal(tmp_path / "out", tmp_path / "back", KEY, originals=tmp_path / "mixed" / part)
    mixed, back = (
        sorted(read_image(path, channels=3).tobytes() for path in (tmp_path / name).rglob("*.png"))
        for name in ("mixed", "back")
    )
    assert back == mixed


def test_what_is_encrypted_or_has_soft_labels_cannot(photos, tmp_path):
    protect(open_source(photos), tmp_path / "out", KEY, ProtectOptions(block_size=8))
    assert "are protected already" in refused(ParameterError, open_source, tmp_path / "out", mixed=True)
    options = MixOptions(method="mixup", partners="any", size=(16, 24))
    mix(open_source(photos), tmp_path / "soft", KEY, options)
    text = refused(ParameterError, open_source, tmp_path / "soft", mixed=True)
    assert "(labels.csv), which protect cannot carry over" in text


def test_a_set_without_classes_is_refused(tmp_path):
    write_image(tmp_path / "flat/1.png")
    assert "has no classes" in refused(ParameterError, mix, open_source(tmp_path / "flat"), tmp_path / "m", KEY, SMALL)


def test_an_index_of_another_run_is_refused(photos, tmp_path):
    mix(open_source(photos), tmp_path / "mixed", KEY, SMALL)
    mix(open_source(photos), tmp_path / "other", KEY, replace(SMALL, sources=2))
    text = refused(
        OutputError, open_mixer, open_source(photos), tmp_path / "mixed", index=tmp_path / "other.owner", key=KEY
    )
    assert "is the index of another run" in text


def test_a_key_that_another_run_has_just_left_is_not_mistaken_for_ours(photos, tmp_path, monkeypatch):
    from blindsight.owner.keyfile import create_keyfile
    from blindsight.owner.keyset import Keyset

    real = run._run_key

    def meanwhile(index, resume):
        key = real(index, resume)
        index.mkdir()
        (index / "lock").touch()
        create_keyfile(index / "run.key", Keyset.new(OTHER))
        return key

    monkeypatch.setattr(run, "_run_key", meanwhile)
    text = refused(OutputError, mix, open_source(photos), tmp_path / "mixed", None, SMALL)
    assert "another run has just left its key" in text
    assert not (tmp_path / "mixed").exists()


@pytest.mark.parametrize("name", ["labels.csv", "profile.json"])
def test_classes_with_the_name_of_a_file_of_the_set_are_refused(tmp_path, name):
    for i in range(4):
        write_image(tmp_path / f"photos/train/{name}/{i}.png")
    text = refused(ParameterError, mix, open_source(tmp_path / "photos"), tmp_path / "mixed", KEY, SMALL)
    assert f"class '{name}' has the name of a file of the set" in text


def test_unreadable_images_do_not_make_memory_grow(tmp_path):
    """A remembered failure holds no image: the traceback of each raise is its own."""
    photos = photo_tree(tmp_path / "photos", (30,), ("train",))
    for i in range(10):
        (photos / f"train/class0/bad{i}.png").write_bytes(b"no image")
    report = mix(open_source(photos), tmp_path / "mixed", KEY, replace(SMALL, sources=5, targets=80))
    assert report.images == 60
    assert len(report.rejects) == 10

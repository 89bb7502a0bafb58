"""Augmenting, interrupted in every way and resumed: the same tree as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blindsight.errors import OutputError
from blindsight.labels import LABELS_NAME, labels_csv
from blindsight.owner import augmentation
from blindsight.owner.augmentation import augment
from blindsight.profile import Profile
from blindsight.shards import INFO_NAME, info_json, pack_shard
from protect_helpers import refused, tree, write_image

DRIVER = """
import sys
from pathlib import Path
from blindsight.owner.augmentation import augment
print("ready", flush=True)
augment(Path(sys.argv[1]), Path(sys.argv[2]), resume=True, workers=2)
"""


@pytest.fixture
def soft_set(tmp_path):
    root, rows = tmp_path / "mixed", {}
    for i in range(40):
        path = f"train/{'ab'[i % 2]}/{i}.png"
        write_image(root / path, 96, 96, i)
        rows[path] = {"ab"[i % 2]: 0.8, "ba"[i % 2]: 0.2}
    (root / LABELS_NAME).write_text(labels_csv(rows))
    profile = Profile(kind="mix", scheme="instahide", size=(96, 96), classes=("a", "b"))
    (root / "profile.json").write_text(profile.to_json())
    return root


@pytest.fixture
def shards(tmp_path):
    root, lengths = tmp_path / "shards", {}
    root.mkdir()
    for number in range(5):
        members = []
        for i in range(4):
            data = write_image(tmp_path / "one.png", 40, 40, 4 * number + i).read_bytes()
            members += [(f"id{4 * number + i}.png", data), (f"id{4 * number + i}.cls", b"%d" % (i % 2))]
        lengths[f"train-{number:06d}.tar"] = 4
        (root / f"train-{number:06d}.tar").write_bytes(pack_shard(members))
    (root / INFO_NAME).write_text(info_json(lengths))
    profile = Profile(kind="mix", scheme="pbm", size=(40, 40), classes=("a", "b"), layout="shards")
    (root / "profile.json").write_text(profile.to_json())
    return root


def stop_after(count):
    """Progress that Ctrl-C comes in."""

    def ctrl_c(done, _all):
        if done >= count:
            raise KeyboardInterrupt

    return ctrl_c


@pytest.mark.parametrize("kind", ["soft_set", "shards"])
def test_workers_and_interruptions_change_no_byte(request, tmp_path, kind):
    root = request.getfixturevalue(kind)
    seen = []
    whole = augment(root, tmp_path / "whole", workers=1, progress=lambda *counts: seen.append(counts))
    assert seen[-1] == (whole.images, whole.images)
    augment(root, tmp_path / "wide", workers=7)
    assert tree(tmp_path / "wide") == tree(tmp_path / "whole")
    out = tmp_path / "out"
    for number, count in enumerate((1, 30, 70)):
        with pytest.raises(KeyboardInterrupt):
            augment(root, out, resume=number > 0, workers=2, progress=stop_after(count))
        assert (out / ".incomplete").is_dir()
        assert "is incomplete" in refused(OutputError, Profile.of_folder, out)
    assert "add --resume to finish it" in refused(OutputError, augment, root, out)
    report = augment(root, out, resume=True)
    assert report.images == whole.images
    assert 70 <= report.resumed < whole.images
    assert tree(out) == tree(tmp_path / "whole")


def test_killed_at_random_moments_and_resumed_the_tree_is_the_same(soft_set, tmp_path):
    augment(soft_set, tmp_path / "whole")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in sys.path if p)}
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    out, lines, kills = tmp_path / "out", [], 0
    while not (out / "profile.json").exists():
        command = [sys.executable, "-c", DRIVER, str(soft_set), str(out)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            process.stdout.readline()
            # Early at first, so that there is something to kill; later, so that the run comes to its end.
            time.sleep(moments.uniform(0, 0.05 + 0.05 * kills))
            process.send_signal(signal.SIGKILL)
            kills += 1
        journal = out / ".incomplete" / "journal.jsonl"
        lines.append(len(journal.read_text().splitlines()) if journal.exists() else 0)
    assert any(0 < count < 160 for count in lines), (seed, lines)
    if (out / ".incomplete").exists():  # killed between the profile and the end
        augment(soft_set, out, resume=True)
    assert tree(out) == tree(tmp_path / "whole"), seed


@pytest.fixture
def interrupted(soft_set, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        augment(soft_set, tmp_path / "out", workers=1, progress=stop_after(1))
    return soft_set


def other_image(root, _):
    write_image(root / "train/a/0.png", 96, 96, 99)


def other_labels(root, _):
    text = (root / LABELS_NAME).read_text()
    (root / LABELS_NAME).write_text(text.replace("0.8", "0.75").replace("0.2", "0.25"))


def other_profile(root, _):
    profile = Profile.of_folder(root)
    (root / "profile.json").write_text(profile.model_copy(update={"views": 2}).to_json())


def other_libraries(_, monkeypatch):
    versions = augmentation.codec_versions
    monkeypatch.setattr(augmentation, "codec_versions", lambda codec: {**versions(codec), "zlib": "0.9"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_image, 'inputs was "40 images, '),
        (other_labels, 'inputs was "40 images, '),
        (other_profile, "profile.views was 4, now 8"),
        (other_libraries, "libraries.zlib was "),
    ],
)
def test_resuming_with_anything_changed_is_refused(interrupted, tmp_path, monkeypatch, change, message):
    change(interrupted, monkeypatch)
    text = refused(OutputError, augment, interrupted, tmp_path / "out", resume=True)
    assert text.startswith(f"cannot resume {tmp_path / 'out'}: {message}")


def test_resuming_with_another_shard_is_refused(shards, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        augment(shards, tmp_path / "out", workers=1, progress=stop_after(1))
    shard = shards / "train-000002.tar"
    shard.write_bytes(shard.read_bytes() + bytes(512))
    assert 'inputs was "20 images, ' in refused(OutputError, augment, shards, tmp_path / "out", resume=True)


def test_a_full_disk_is_said(soft_set, tmp_path, monkeypatch):
    import errno

    def full(self, file, data):  # noqa: ARG001
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("blindsight.owner._job.Job.place", full)
    text = refused(OutputError, augment, soft_set, tmp_path / "out")
    assert text == f"no space left to write {tmp_path / 'out'}; free some and run the command again with --resume"
    monkeypatch.undo()
    assert augment(soft_set, tmp_path / "out", resume=True).images == 160

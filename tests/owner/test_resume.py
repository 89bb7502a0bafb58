"""A protect run that is killed, interrupted or out of space, and resumed: the same tree as if nothing had happened."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from blindsight.errors import OutputError
from blindsight.owner import protect as protect_module
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.sources import open_source
from blindsight.profile import Codec, Profile
from protect_helpers import KEY, OTHER, refused, result, write_folder, write_image

IMAGES = 240
DRIVER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.sources import open_source

def run(photos, out, resume):
    options = ProtectOptions(block_size=8, key_scope="pool:4", opaque_classes=True, views=2)
    protect(open_source(photos), Path(out), SecretKey(bytes(range(32))), options, resume=resume, workers=2)

# Loads the kernels, which every run would otherwise have to.
create_cipher("etc", 8).compile(SecretKey(bytes(32)), 8, 8).apply(np.zeros((8, 8, 3), np.uint8))

for line in sys.stdin:  # each run is a process of its own, without the cost of starting Python
    photos, out, resume = line.split()
    child = os.fork()
    if not child:
        print(os.getpid(), flush=True)
        try:
            run(photos, out, resume == "True")
            os._exit(0)
        finally:
            os._exit(1)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("many") / "photos"
    for i in range(IMAGES // 2):
        write_image(root / f"train/class{i % 3}/{i}.png", 60 + i % 7, 70 + i % 5, i)
    return root


class Driver:
    """Starts protect runs as processes, to be killed."""

    def __init__(self):
        path = os.pathsep.join([str(Path(p).resolve()) for p in sys.path if p])
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER], stdin=-1, stdout=-1, text=True, env={**os.environ, "PYTHONPATH": path}
        )

    def run(self, photos, out, *, resume=False, kill_after=None):
        """Exit status, and the seconds that it took."""
        print(photos, out, resume, file=self.process.stdin, flush=True)
        child = int(self.process.stdout.readline())
        started = time.monotonic()
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(self.process.stdout.readline()), time.monotonic() - started


def finished(out):
    return (out / "profile.json").exists() and not (out / ".incomplete").exists()


@pytest.fixture(scope="module")
def driver():
    driver = Driver()
    yield driver
    driver.process.stdin.close()
    driver.process.wait()


def test_killed_at_ten_random_moments_and_resumed_the_tree_is_the_same(photos, tmp_path, driver):
    status, _ = driver.run(photos, tmp_path / "warm-up")
    assert status == 0
    status, seconds = driver.run(photos, tmp_path / "whole")
    assert status == 0
    whole = result(tmp_path / "whole")
    assert len([name for name in whole if name.endswith(".png")]) == IMAGES
    journals = []
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    for number in range(10):
        out = tmp_path / f"out{number}"
        moment = moments.uniform(0, seconds)
        said = f"seed {seed}, run {number} killed after {moment:.4f} of {seconds:.4f} s"
        status, _ = driver.run(photos, out, kill_after=moment)
        journal = out.with_name(out.name + ".owner") / "journal.jsonl"
        journals.append(len(journal.read_text().splitlines()) if journal.exists() else 0)
        assert status in (0, signal.SIGKILL), said
        if finished(out):  # it was quicker than the kill; nothing that is not finished looks so
            assert result(out) == whole, said
            continue
        assert driver.run(photos, out, resume=True)[0] == 0, said
        assert result(out) == whole, said
        assert not (out / ".incomplete").exists(), said
    assert any(0 < done < IMAGES for done in journals), (seed, journals)


def test_killed_again_and_again_it_still_gets_there(photos, tmp_path, driver):
    driver.run(photos, tmp_path / "whole")
    out, kills = tmp_path / "out", 0
    while not finished(out):
        driver.run(photos, out, resume=True, kill_after=0.1 + 0.05 * kills)
        kills += 1
    assert kills > 1
    assert result(out) == result(tmp_path / "whole")


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(photos, tmp_path):
    """On a file system of 300 kB that is then made larger, in a name space of its own."""
    script = f"""
mount -t tmpfs -o size=300k tmpfs {tmp_path} || exit 77
cd {tmp_path}
run() {{ {sys.executable} -c "$1"; }}
run "$DRIVER" && exit 1
mount -o remount,size=50m {tmp_path}
ls -d out/.incomplete || exit 2
test ! -e out/profile.json || exit 3
run "$DRIVER_RESUME" && cp -r out out.owner {tmp_path.parent}/{tmp_path.name}-kept
"""
    if not shutil.which("unshare"):
        pytest.skip("unshare is not here")
    kept = tmp_path.parent / f"{tmp_path.name}-kept"
    kept.mkdir()
    head = DRIVER[: DRIVER.index("for line")]
    code = "\ntry: run({!r}, 'out', {})\nexcept Exception as e: print(type(e).__name__, e); sys.exit(1)"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in sys.path if p),
        "DRIVER": head + code.format(str(photos), False),
        "DRIVER_RESUME": head + code.format(str(photos), True),
    }
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=environment)
    if done.returncode == 77 or done.stderr.startswith("unshare"):
        pytest.skip("file systems cannot be mounted here")
    assert done.returncode == 0, done
    assert f"OutputError no space left to write {tmp_path / 'out'}; free some and run the command again" in done.stdout
    options = ProtectOptions(block_size=8, key_scope="pool:4", opaque_classes=True, views=2)
    protect(open_source(photos), tmp_path / "out", KEY, options)
    assert result(kept / "out") == result(tmp_path / "out")


# What may not change between a run and its resumption


@pytest.fixture
def few(tmp_path):
    return write_folder(tmp_path / "photos", ["a/1.png", "a/2.png", "b/1.png"])


SMALL = ProtectOptions(block_size=4)


def interrupt(few, out):
    """A run that Ctrl-C ends after its first image."""

    def ctrl_c(_done, _all):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        protect(open_source(few), out, KEY, SMALL, progress=ctrl_c)
    assert (out / ".incomplete").is_dir()
    assert "--resume" in refused(OutputError, Profile.of_folder, out)


def test_an_interrupted_run_resumes(few, tmp_path):
    protect(open_source(few), tmp_path / "whole", KEY, SMALL)
    interrupt(few, tmp_path / "out")
    report = protect(open_source(few), tmp_path / "out", KEY, SMALL, resume=True)
    assert report.resumed >= 1
    assert report.images == 3
    assert result(tmp_path / "out") == result(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_size": 8}, "profile.block_size was 4, now 8"),
        ({"scheme": "shf"}, 'profile.scheme was "etc", now "shf"'),
        ({"size": (16, 16)}, 'profile.fit was "pad", now "resize"'),
        ({"fit": "crop"}, 'profile.fit was "pad", now "crop"'),
        ({"codec": Codec(format="webp")}, 'profile.codec.format was "png", now "webp"'),
        ({"key_scope": "image"}, 'profile.key_scope was "dataset", now "image"'),
        ({"views": 2}, "profile.views was 1, now 2"),
        ({"channels": 1}, "profile.channels was 3, now 1"),
        ({"background": "#000000"}, 'profile.background was "#ffffff", now "#000000"'),
        ({"label": "other"}, 'label was "photos", now "other"'),
        ({"max_pixels": 10_000}, "max pixels was 100000000, now 10000"),
    ],
)
def test_resuming_with_other_options_is_refused(few, tmp_path, changes, message):
    out = tmp_path / "out"
    interrupt(few, out)
    text = refused(OutputError, protect, open_source(few), out, KEY, replace(SMALL, **changes), resume=True)
    assert text.startswith(f"cannot resume {out}: ")
    assert message in text
    assert text.endswith("; repeat the first command, or begin anew elsewhere")


def test_resuming_with_another_key_is_refused(few, tmp_path):
    interrupt(few, tmp_path / "out")
    text = refused(OutputError, protect, open_source(few), tmp_path / "out", OTHER, SMALL, resume=True)
    assert f'profile.key_id was "{KEY.id}", now "{OTHER.id}"' in text


def test_resuming_with_another_codec_version_is_refused(few, tmp_path, monkeypatch):
    interrupt(few, tmp_path / "out")
    versions = protect_module.codec_versions
    monkeypatch.setattr(protect_module, "codec_versions", lambda codec: {**versions(codec), "zlib": "0.9"})
    text = refused(OutputError, protect, open_source(few), tmp_path / "out", KEY, SMALL, resume=True)
    assert "libraries.zlib was " in text
    assert ', now "0.9";' in text


@pytest.mark.parametrize("change", ["content", "more", "fewer", "renamed"])
def test_resuming_with_other_inputs_is_refused(few, tmp_path, change):
    interrupt(few, tmp_path / "out")
    match change:
        case "content":
            write_image(few / "a/1.png", 30, 30, 99)
        case "more":
            write_image(few / "a/3.png")
        case "fewer":
            (few / "a/1.png").unlink()
        case "renamed":
            (few / "a/1.png").rename(few / "a/0.png")
    text = refused(OutputError, protect, open_source(few), tmp_path / "out", KEY, SMALL, resume=True)
    assert ': inputs was "3 images, ' in text

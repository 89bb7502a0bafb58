"""mix-report as it is typed."""

import contextlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blindsight.audit import mixing_page
from blindsight.cli import mix_report as module

pytestmark = pytest.mark.usefixtures("owners_folder")

MIX = "mix faces mixed --size 16x32 --block 8x8 --sources 2"


@pytest.fixture
def faces(owners_folder, tmp_path):  # noqa: ARG001
    """In the owner's working folder, which must be there first."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for number in range(5):
            pixels = rng.integers(0, 256, (16, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "faces" / label / f"{number}.png")


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    """Drawing takes longer than all the rest; tests/audit/test_mixing_page.py draws."""
    for name in ("likeness_figure", "attack_figure", "speed_figure"):
        monkeypatch.setattr(mixing_page, name, lambda *_: "<svg/>")


@pytest.mark.usefixtures("faces")
def test_it_says_the_verdict_and_where_the_page_is(run):
    run(MIX)
    out, err = run("mix-report faces mixed --sample 3")
    lines = out.splitlines()
    folder = Path("mixed.owner/report").resolve()
    assert lines[0].startswith(("Whoever holds the originals", "Not broken by the simple attacks"))
    assert lines[2] == ("  Of all published pixels, 100 % are true pixels of some private image, at their true place.")
    assert lines[-3].startswith("  Mixing: ")
    assert lines[-2] == f"page: {folder / 'report.html'}  (shows originals: yours, do not hand it over)"
    assert lines[-1] == f"numbers: {folder / 'report.json'}"
    # Three images at the four block sizes, made and measured.
    log = err.splitlines()
    assert log[0] == "measuring: 24 steps, two for each image at each block size"
    assert len(log) == 11
    assert log[1] == "measuring: 12 %"
    assert log[-1] == "measuring: 100 %, then how fast mixing is"


@pytest.mark.usefixtures("faces")
def test_on_a_terminal_the_progress_is_a_bar(run, monkeypatch):
    shown = []

    @contextlib.contextmanager
    def bar(title):
        yield lambda done, total: shown.append((title, done, total))

    monkeypatch.setattr(module, "progress_bar", bar)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run(MIX)
    _, err = run("mix-report faces mixed --sample 1 --no-timing")
    assert err == ""
    assert shown[0] == ("measuring", 0, 8)
    assert shown[-1] == ("measuring", 8, 8)


@pytest.mark.usefixtures("faces")
def test_as_json_it_prints_the_report_and_where_it_lies(run):
    run(MIX + " --index mine")
    out, _ = run("mix-report faces mixed --index mine --out here --sample 4 --seed 5 --no-timing --json")
    answer = json.loads(out)
    assert Path(answer.pop("page")) == Path("here/report.html").resolve()
    assert Path(answer.pop("data")) == Path("here/report.json").resolve()
    assert answer == json.loads(Path("here/report.json").read_text())
    assert (answer["sample"], answer["seed"], answer["speed"]) == (4, 5, None)


@pytest.mark.usefixtures("faces")
def test_the_key_is_asked_for_only_where_mix_was_given_one(run, fails, monkeypatch):
    monkeypatch.setenv("BLINDSIGHT_KEY_FILE", "other.key")  # a run with a key of its own does not look at it
    run(MIX)
    run("mix-report faces mixed --sample 1 --no-timing")
    run(MIX.replace("mixed", "keyed") + " --key owner.key")
    assert "was mixed with --key FILE; give the same" in fails("mix-report faces keyed --no-timing")
    assert "was mixed with key" in fails("mix-report faces keyed --no-timing --key other.key")
    run("mix-report faces keyed --no-timing --key owner.key --sample 1")


@pytest.mark.usefixtures("faces")
def test_what_is_wrong_is_said_in_one_line(fails, run):
    run(MIX)
    assert "lies in the mixed set" in fails("mix-report faces mixed --out mixed/report")
    assert "is not a mixed set" in fails("mix-report faces faces")
    run("augment mixed more")
    message = fails("mix-report faces more")
    assert message.startswith("more has no index ")
    assert "more.owner; if it was augmented, give the set that mix wrote" in message
    assert "no folder or file nothing" in fails("mix-report nothing mixed")
    assert "is not a folder" in fails("mix-report faces nothing")


@pytest.mark.parametrize("missing", ["skimage", "imagehash", "matplotlib", "jinja2"])
def test_a_missing_package_is_named_with_its_extra(fails, monkeypatch, missing):
    real = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == missing else real(name))
    message = fails("mix-report faces mixed")
    assert message.startswith(f"mix-report needs {module.PACKAGES[missing]}, which is not installed")
    assert message.endswith("run: pip install 'blindsight[audit]'")

"""What a failed, killed or interrupted run leaves, and how it goes on."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from job_helpers import DESCRIPTION, TASKS, StopError, broken_after, run, unfinished, work

from blindsight.errors import CorruptDataError, OutputError
from blindsight.owner._job import Job
from blindsight.profile import Profile
from protect_helpers import refused, tree


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def whole(tmp_path):
    run(tmp_path / "whole", tmp_path / "whole.index")
    return tree(tmp_path / "whole")


# Resuming


def test_a_resumed_run_makes_what_is_missing_and_no_more(out, whole):
    unfinished(out, 4)
    made = []
    outcome = run(out, resume=True, work=lambda task: made.append(task) or work(task))
    assert len(made) == 2
    assert outcome.resumed == 4
    assert tree(out) == whole


def test_resume_on_a_fresh_folder_is_an_ordinary_run(out, whole):
    assert run(out, resume=True).resumed == 0
    assert tree(out) == whole


def test_a_run_killed_before_its_first_image_resumes(out, tmp_path, whole):
    (tmp_path / "index").mkdir()
    (tmp_path / "index/lock").touch()  # killed when it had no more than that
    run(out, resume=False)
    assert tree(out) == whole


def test_a_run_killed_while_it_finished_resumes(out, monkeypatch, whole):
    monkeypatch.setattr("shutil.rmtree", lambda _: (_ for _ in ()).throw(StopError))
    with pytest.raises(StopError):
        run(out)
    monkeypatch.undo()
    assert "incomplete" in refused(OutputError, Profile.of_folder, out)
    assert run(out, resume=True, work=None).resumed == 6
    assert tree(out) == whole


def test_a_file_that_was_lost_or_cut_off_meanwhile_is_made_again(out, whole):
    unfinished(out, 4)
    (out / "class/0.png").unlink()
    (out / "class/1.png").write_bytes(b"1")
    assert run(out, resume=True).resumed == 2
    assert tree(out) == whole


def test_a_line_that_a_kill_left_half_written_is_cut_off(out, tmp_path, whole):
    unfinished(out, 4)
    journal = tmp_path / "index/journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    assert run(out, resume=True).resumed == 3
    assert len(journal.read_text().splitlines()) == 6
    assert tree(out) == whole


def test_temporary_files_of_a_killed_run_go(out, whole):
    unfinished(out)
    (out / ".incomplete/140.tmp").write_bytes(b"half an im")
    run(out, resume=True)
    assert tree(out) == whole


@pytest.mark.parametrize("line", ["{}", "[]", "no json", '{"file": 1, "x": 2}'])
def test_a_damaged_journal_is_said(out, tmp_path, line):
    unfinished(out)
    with (tmp_path / "index/journal.jsonl").open("a") as journal:
        journal.write(line + "\n")
    text = refused(CorruptDataError, run, out, resume=True)
    assert text == f"{tmp_path / 'index/journal.jsonl'} is damaged; remove it to make all images again"
    (tmp_path / "index/journal.jsonl").unlink()
    assert run(out, resume=True).resumed == 0


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_damaged_description_is_said(out, tmp_path, content):
    unfinished(out)
    (tmp_path / "index/job.json").write_text(content)
    text = refused(CorruptDataError, run, out, resume=True)
    assert text.startswith(f"{tmp_path / 'index/job.json'} is damaged (")
    assert text.endswith("; remove it and the output, and begin again")


def test_an_unfinished_folder_without_its_index_is_refused(out, tmp_path):
    unfinished(out)
    text = refused(OutputError, run, out, tmp_path / "another", resume=True)
    assert text == f"{tmp_path / 'another'} has no record of the run in {out}; give its index with --index"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": "4 images"}, 'inputs was "3 images", now "4 images"'),
        ({"profile": {"block_size": 16, "codec": {"format": "png"}}}, "profile.block_size was 8, now 16"),
        ({"profile": {"block_size": 8, "codec": {"format": "webp"}}}, 'profile.codec.format was "png", now "webp"'),
        (
            {"profile": {"block_size": 16}, "inputs": ""},
            'inputs was "3 images", now "" and profile.block_size was 8, now 16 '
            'and profile.codec.format was "png", now null',
        ),
        ({"profile": {"block_size": 8}}, 'profile.codec.format was "png", now null'),
        ({"label": "x" * 80}, 'label was null, now "' + "x" * 56 + "..."),
    ],
)
def test_a_run_is_not_resumed_as_another_one(out, change, message):
    unfinished(out)
    before = tree(out)
    text = refused(OutputError, run, out, resume=True, description={**DESCRIPTION, **change})
    assert text == f"cannot resume {out}: {message}; repeat the first command, or begin anew elsewhere"
    assert tree(out) == before


def test_ctrl_c_leaves_a_run_that_resumes(out, whole):
    with pytest.raises(KeyboardInterrupt):
        run(out, work=broken_after(3, KeyboardInterrupt))
    assert (out / ".incomplete").is_dir()
    assert not (out / "profile.json").exists()
    assert run(out, resume=True).resumed >= 1
    assert tree(out) == whole


def test_a_job_that_needs_no_index_keeps_its_records_in_the_output(out):
    with suppress(StopError), Job(out, None, DESCRIPTION) as job:
        job.run(TASKS, broken_after(2), workers=1)
    assert (out / ".incomplete/job.json").exists()
    with Job(out, None, DESCRIPTION, resume=True) as job:
        outcome = job.run(TASKS, work, workers=1)
        job.finish(outcome, {}, None)
    assert outcome.resumed == 2
    assert {name for name, v in tree(out).items() if v != "folder"} == {f"0/{task.file}" for task in TASKS}


# The file system says no


def failing_open(monkeypatch, number, after):
    """From some file opened for writing on, that is refused."""
    opened = []
    genuine = Path.open

    def open_(self, mode="r", *arguments, **options):
        if "w" in mode:
            opened.append(self)
            if len(opened) > after:
                raise OSError(number, os.strerror(number), str(self))
        return genuine(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("after", [0, 1, 4, 7, 8, 10])
def test_no_space_left_is_said_and_the_run_resumes(out, monkeypatch, whole, number, after):
    failing_open(monkeypatch, number, after)
    text = refused(OutputError, run, out)
    assert text == f"no space left to write {out}; free some and run the command again with --resume"
    monkeypatch.undo()
    assert not (out / "profile.json").exists()
    assert after == 0 or (out / ".incomplete").is_dir()
    run(out, resume=True)
    assert tree(out) == whole


def test_a_disk_that_fills_up_while_a_file_is_written(out, monkeypatch, whole):
    genuine, count = Job.place, []

    def place(self, file, data):
        count.append(file)
        if len(count) > 3:
            (self.out / ".incomplete" / "1.tmp").write_bytes(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        genuine(self, file, data)

    monkeypatch.setattr(Job, "place", place)
    assert "no space left" in refused(OutputError, run, out, workers=1)
    monkeypatch.undo()
    assert run(out, resume=True).resumed == 3
    assert tree(out) == whole


def test_permission_denied_names_the_file(out, monkeypatch):
    failing_open(monkeypatch, errno.EACCES, 3)
    text = refused(OutputError, run, out)
    assert text.startswith(f"cannot write {out}/.incomplete/")
    assert text.endswith(".tmp: Permission denied")


def test_a_folder_that_cannot_be_listed_is_an_output_error(out, monkeypatch):
    def denied(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    out.mkdir()
    monkeypatch.setattr(Path, "iterdir", denied)
    assert refused(OutputError, run, out) == f"cannot write {out}: Permission denied"


def test_an_output_below_a_file_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("x")
    text = refused(OutputError, run, tmp_path / "file" / "out", tmp_path / "index")
    assert "Not a directory" in text


def test_the_description_is_what_json_makes_of_it(out, tmp_path):
    unfinished(out, description={"size": (4, 5), "none": None})
    assert json.loads((tmp_path / "index/job.json").read_text()) == {"size": [4, 5], "none": None}
    run(out, resume=True, description={"size": (4, 5), "none": None})

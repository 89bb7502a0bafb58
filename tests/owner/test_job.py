"""The run into a folder: whose folder it is, and who else is writing."""

import os
import threading
from contextlib import contextmanager

import pytest
from job_helpers import DESCRIPTION, PROFILE, TASKS, run, unfinished, work

from blindsight.errors import ImageError, OutputError
from blindsight.owner._job import Job, Task
from blindsight.owner._parallel import default_workers
from protect_helpers import refused, tree


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def whole(tmp_path):
    run(tmp_path / "whole", tmp_path / "whole.index")
    return tree(tmp_path / "whole")


# A whole run


def test_a_run_leaves_the_files_the_profile_and_the_index(out):
    outcome = run(out)
    assert {n for n, v in tree(out).items() if v != "folder"} == {"0/profile.json", *(f"0/{t.file}" for t in TASKS)}
    assert (out / "class/3.png").read_bytes() == b"3" * 100
    assert outcome.records == sorted(work(task)[1] for task in TASKS)
    assert outcome.resumed == 0
    index = {path.name for path in (out.parent / "index").iterdir()}
    assert index == {"images.csv", "rejects.csv", "classes.json", "job.json", "journal.jsonl", "lock"}


def test_the_mark_of_incompleteness_stands_from_before_the_first_image_to_after_the_profile(out, monkeypatch):
    seen = []

    def watch(task):
        seen.append((out / ".incomplete").is_dir() and not (out / "profile.json").exists())
        return work(task)

    monkeypatch.setattr("shutil.rmtree", lambda folder: seen.append((folder, (out / "profile.json").exists())))
    run(out, work=watch)
    assert seen == [True] * 6 + [(out / ".incomplete", True)]


def test_work_runs_in_threads_and_few_tasks_are_in_flight(out):
    gate, running, most = threading.Lock(), [], []

    def slow(task):
        with gate:
            running.append(task)
            most.append(len(running))
        data = work(task)
        with gate:
            running.remove(task)
        return data

    many = [Task(f"class/{i}.png", "", i) for i in range(50)]
    run(out, work=slow, tasks=many, workers=3)
    assert max(most) <= 3


def test_an_image_error_rejects_one_input(out):
    def picky(task):
        if task.payload == 3:
            raise ImageError("three is not an image")
        return work(task)

    outcome = run(out, work=picky)
    assert outcome.rejects == [("plain/3.jpg", "three is not an image")]
    assert len(outcome.records) == 5
    assert (out.parent / "index/rejects.csv").read_text() == '"path","reason"\n"plain/3.jpg","three is not an image"\n'


def test_one_worker_a_processor_is_the_default(monkeypatch):
    assert default_workers() == len(os.sched_getaffinity(0))
    monkeypatch.delattr("os.sched_getaffinity")
    assert default_workers() == os.cpu_count()


# Whose folder it is


def test_a_file_is_no_output_folder(out):
    out.write_text("x")
    assert refused(OutputError, run, out) == f"{out} is a file; give a folder that does not exist yet"


def test_a_foreign_folder_is_left_alone(out):
    out.mkdir()
    (out / "thesis.tex").write_text("x")
    text = refused(OutputError, run, out)
    assert text == f"{out} is not empty and not ours; choose a folder that does not exist yet"
    assert refused(OutputError, run, out, resume=True) == text
    assert tree(out.parent) == {"0/out": "folder", "0/out/thesis.tex": tree(out)["0/thesis.tex"]}


def test_an_empty_folder_is_as_good_as_none(out, whole):
    out.mkdir()
    run(out)
    assert tree(out) == whole


@pytest.mark.parametrize("resume", [False, True])
def test_a_finished_folder_is_left_alone(out, resume):
    run(out)
    text = refused(OutputError, run, out, resume=resume)
    assert text == f"{out} is finished already; choose another output folder, or remove it and its index"


def test_an_unfinished_folder_wants_resume(out):
    unfinished(out)
    text = refused(OutputError, run, out)
    assert text == f"{out} holds an unfinished run; add --resume to finish it, or remove it and its index"


def test_an_index_inside_the_output_is_refused(out):
    text = refused(OutputError, run, out, out / "index")
    assert text == f"the index {out / 'index'} would lie inside {out}, which is handed to the provider; move it out"
    assert not out.exists()
    (out.parent / "link").symlink_to(out)
    assert "would lie inside" in refused(OutputError, run, out, out.parent / "link" / "index")


@pytest.mark.parametrize("place", ["", "deep/out"])
def test_an_output_inside_the_inputs_is_refused(tmp_path, place):
    inputs = tmp_path / "photos"
    inputs.mkdir()
    out = inputs / place
    text = refused(OutputError, Job, out, tmp_path / "index", {}, inputs=inputs)
    assert text == f"{out} would lie inside {inputs}, which is read; choose a folder outside of it"
    assert "would lie inside" in refused(OutputError, Job, tmp_path / "o", inputs / "index", {}, inputs=inputs)
    assert Job(tmp_path / "photos.out", tmp_path / "index", {}, inputs=inputs)


def test_the_index_of_another_run_is_left_alone(out, tmp_path):
    run(tmp_path / "first")
    before = tree(tmp_path / "index")
    text = refused(OutputError, run, out)
    assert text == (
        f"{tmp_path / 'index'} holds the index of another run, with the names and sizes of its images; "
        f"choose another --index, or move it away; if it was this run, killed as it began, add --resume"
    )
    assert tree(tmp_path / "index") == before
    assert not out.exists()


def test_a_folder_that_is_no_index_is_left_alone(out, tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home/thesis.tex").write_text("x")
    text = refused(OutputError, run, out, tmp_path / "home")
    assert text == f"{tmp_path / 'home'} is not empty and not an index; choose another folder for the index"
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o755
    assert not out.exists()


def test_an_index_that_is_a_file_is_refused(out, tmp_path):
    (tmp_path / "index").write_text("x")
    assert refused(OutputError, run, out) == f"cannot write {tmp_path / 'index'}: File exists"


def test_two_runs_at_once(out, tmp_path):
    with Job(out, tmp_path / "index", DESCRIPTION):
        text = refused(OutputError, run, out, resume=True)
        assert text == f"another run is writing {out} right now; wait for it or stop it"
        assert "another run is writing" in refused(OutputError, run, tmp_path / "out2")
    run(out, resume=True)


@contextmanager
def meanwhile(monkeypatch, name, act):
    """Something happens just before a job takes this step."""
    genuine, left = getattr(Job, name), [act]

    def step(self):
        if left:  # what happens takes that step itself, undisturbed
            left.pop()()
        return genuine(self)

    with monkeypatch.context() as patch:
        patch.setattr(Job, name, step)
        yield


@pytest.mark.parametrize("step", ["_take_lock", "_claim", "_mark"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_another_one_overtakes_leaves_the_finished_folder_alone(out, tmp_path, monkeypatch, step, resume):
    with meanwhile(monkeypatch, step, lambda: run(out, tmp_path / "first")):
        text = refused(OutputError, run, out, tmp_path / "second", resume=resume)
    assert text == f"{out} is finished already; choose another output folder, or remove it and its index"
    assert not (out / ".incomplete").exists()
    assert not (tmp_path / "second/job.json").exists()
    run(tmp_path / "elsewhere", tmp_path / "second")


@pytest.mark.parametrize("step", ["_take_lock", "_claim", "_mark"])
@pytest.mark.parametrize("resume", [False, True])
def test_two_runs_with_two_indexes_do_not_both_claim_a_folder(out, tmp_path, monkeypatch, step, resume):
    first = Job(out, tmp_path / "first", DESCRIPTION)
    with meanwhile(monkeypatch, step, first.__enter__):
        refused(OutputError, run, out, tmp_path / "second", resume=resume)
    assert not (tmp_path / "second/job.json").exists()
    first.finish(first.run(TASKS, work), {}, PROFILE)
    first.__exit__()
    assert not (out / ".incomplete").exists()


@pytest.mark.parametrize("step", ["_take_lock", "_mark"])  # after those it has the lock
def test_a_run_without_an_index_that_another_one_overtakes(out, monkeypatch, step):
    def reveal(resume=False):
        with Job(out, None, DESCRIPTION, resume=resume) as job:
            job.finish(job.run(TASKS, work), {}, None)

    other = reveal if step == "_mark" else lambda: reveal(resume=True)
    with meanwhile(monkeypatch, step, other):
        refused(OutputError, reveal)
    assert not (out / ".incomplete").exists()
    assert len([path for path in out.rglob("*") if path.is_file()]) == len(TASKS)


def test_a_resumed_run_without_an_index_does_not_mark_what_was_finished_meanwhile(out, monkeypatch):
    def reveal():
        with Job(out, None, DESCRIPTION, resume=True) as job:
            job.finish(job.run(TASKS, work), {}, None)

    with Job(out, None, DESCRIPTION):
        pass
    with meanwhile(monkeypatch, "_take_lock", reveal):
        refused(OutputError, reveal)
    assert not (out / ".incomplete").exists()


def test_a_run_killed_as_it_began_is_told_to_resume(out, monkeypatch):
    monkeypatch.setattr(Job, "_mark", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(out)
    monkeypatch.undo()
    assert refused(OutputError, run, out).endswith("if it was this run, killed as it began, add --resume")
    assert len(run(out, resume=True).records) == 6


def test_everything_is_on_the_disk_before_the_profile_stands(out, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "sync", lambda: seen.append((sorted(tree(out)), (out / "profile.json").exists())))
    run(out)
    ((names, standing),) = seen
    assert not standing
    assert {f"0/{task.file}" for task in TASKS} <= set(names)
    monkeypatch.delattr(os, "sync")
    run(out.with_name("out2"), out.with_name("index2"))


def test_where_files_cannot_be_locked_a_run_still_works(out, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fcntl", None)
    assert len(run(out).records) == 6

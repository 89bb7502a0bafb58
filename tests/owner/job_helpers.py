"""What the tests of jobs share: a small run whose work is no work."""

from contextlib import suppress

from blindsight.owner._job import Job, Task
from blindsight.owner.index import ImageRecord
from blindsight.profile import Profile

DESCRIPTION = {"command": "test", "profile": {"block_size": 8, "codec": {"format": "png"}}, "inputs": "3 images"}
TASKS = [Task(f"class/{i}.png", f"plain/{i}.jpg", i) for i in range(6)]
PROFILE = Profile(kind="plain")


def work(task):
    data = b"%d" % task.payload * 100
    return data, ImageRecord(task.file, str(task.payload), 0, "", "class", task.path, 4, 5, len(data))


def run(out, index=None, *, work=work, resume=False, description=DESCRIPTION, tasks=TASKS, workers=2):
    with Job(out, index or out.with_name("index"), description, resume=resume) as job:
        outcome = job.run(tasks, work, workers=workers)
        job.finish(outcome, {"class": "Class"}, PROFILE)
    return outcome


class StopError(Exception):
    """Stands for whatever ends a run; nothing of ours catches it."""


def broken_after(count, error=StopError):
    """Work that fails when so many images are done."""
    done = []

    def some(task):
        if len(done) >= count:
            raise error
        done.append(task)
        return work(task)

    return some


def unfinished(out, count=2, **options):
    """Stops a run when so many images are recorded."""
    with suppress(StopError):
        run(out, work=broken_after(count), workers=1, **options)
    assert (out / ".incomplete").is_dir()

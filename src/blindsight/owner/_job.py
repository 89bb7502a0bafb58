"""A run that fills an output folder: locked, resumable, in parallel, and never half-written in a way that looks whole.

- OUT holds ``.incomplete/`` from the first moment to the last; files are written there and renamed into place whole.
- Each finished file, an image or a shard of images, is a line of the index's journal, written after its rename. A
  killed run loses at most the files in flight, which are made again, byte for byte the same.
- ``profile.json`` is renamed into place when everything else is, and is on the disk; then ``.incomplete/`` goes.
"""

import errno
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from blindsight.errors import CorruptDataError, ImageError, OutputError
from blindsight.owner._journal import Batch, Made, journal_line, read_journal
from blindsight.owner._parallel import default_workers, in_parallel
from blindsight.owner.index import ImageRecord, Index
from blindsight.profile import INCOMPLETE_MARKER, PROFILE_NAME, Profile
from blindsight.shards import INFO_NAME, info_json

__all__ = ["Job", "Outcome", "Progress", "Task", "Work"]

#: Called with (images done, images in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One file to make.

    Attributes:
        file: POSIX path below OUT.
        path: relative path of the input, for the rejects.
        payload: what the worker needs.
        count: images that it makes, for the progress.
    """

    file: str
    path: str
    payload: Any
    count: int = 1


#: Makes the bytes of a file and the record of what is in it; an ImageError makes the input a reject.
Work = Callable[[Task], tuple[bytes, Made]]


@dataclass(frozen=True)
class Outcome:
    """What a job did.

    Attributes:
        records: every image written, by this run or one it resumed, in the order of their files.
        rejects: (path, reason) of inputs that could not be read.
        resumed: how many records an earlier run had written.
    """

    records: list[ImageRecord]
    rejects: list[tuple[str, str]]
    resumed: int


class Job:
    """A run into OUT; a context manager that holds the index's lock.

    Args:
        out: output folder; absent, empty, or left by an interrupted run of the same description.
        index: the owner's index folder, outside OUT; None where the output needs none, as when revealing.
        description: everything that the output depends on, JSON; a resumed run must have the same.
        resume: go on with an interrupted run.
        inputs: folder that the run reads; neither OUT nor the index may lie in it.
        prepare: called with the index's folder as a new run begins, before anything says that it has.

    Raises:
        OutputError: OUT or the index is not ours to write to, is in use, or the description differs.
    """

    def __init__(
        self,
        out: Path,
        index: Path | None,
        description: dict[str, Any],
        *,
        resume: bool = False,
        inputs: Path | None = None,
        prepare: Callable[[Path], None] | None = None,
    ) -> None:
        self.out = out.resolve()
        self._work_folder = self.out / INCOMPLETE_MARKER
        self.index = Index(index.resolve() if index else self._work_folder)
        self._keeps_index = index is not None
        self.description: dict[str, Any] = json.loads(json.dumps(description))
        self.resume = resume
        self._prepare = prepare
        self._journal = self.index.folder / "journal.jsonl"
        self._lock: int | None = None
        if index and self.index.folder.is_relative_to(self.out):
            raise OutputError(f"the index {index} would lie inside {out}, which is handed to the provider; move it out")
        for folder in (out, index):
            if folder and inputs and folder.resolve().is_relative_to(inputs.resolve()):
                raise OutputError(f"{folder} would lie inside {inputs}, which is read; choose a folder outside of it")

    def __enter__(self) -> Self:
        with no_space_means(self.out):
            self._check_out()
            if self._keeps_index:
                self.index.create()
            elif not self._work_folder.exists():
                self._mark()
            self._take_lock()
            try:
                # Meanwhile another run may have begun or finished here: with another index it holds another lock.
                if self._keeps_index or not self._work_folder.exists():
                    self._check_out()
                self._claim()
            except BaseException:
                self._release_lock()
                raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._release_lock()

    # --- whose folder is it -----------------------------------------------------------------------------------

    def _check_out(self) -> None:
        """Refuses a folder that is not ours, before anything is written."""
        if self.out.exists() and not self.out.is_dir():
            raise OutputError(f"{self.out} is a file; give a folder that does not exist yet")
        occupied = self.out.is_dir() and any(self.out.iterdir())
        if self._work_folder.exists():
            if not self.resume:
                raise OutputError(
                    f"{self.out} holds an unfinished run; add --resume to finish it, or remove it and its index"
                )
        elif (self.out / PROFILE_NAME).exists():
            raise OutputError(
                f"{self.out} is finished already; choose another output folder, or remove it and its index"
            )
        elif occupied:
            raise OutputError(f"{self.out} is not empty and not ours; choose a folder that does not exist yet")

    def _claim(self) -> None:
        """Writes the description, or compares it with the one of the run to be resumed."""
        job = self.index.folder / "job.json"
        known = job.exists()
        if known:
            if not self.resume:
                raise OutputError(
                    f"{self.index.folder} holds the index of another run, with the names and sizes of its images; "
                    f"choose another --index, or move it away; if it was this run, killed as it began, add --resume"
                )
            self._compare(job)
        elif self._keeps_index and self._work_folder.exists():
            raise OutputError(
                f"{self.index.folder} has no record of the run in {self.out}; give its index with --index"
            )
        else:
            if self._prepare:
                self._prepare(self.index.folder)
            self.index.write("job.json", json.dumps(self.description, indent=1, sort_keys=True) + "\n")
        if not self._work_folder.exists():
            try:
                self._mark()
            except OutputError:
                if not known:
                    job.unlink()
                raise
        for left in self._work_folder.glob("*.tmp"):
            left.unlink()

    def _mark(self) -> None:
        """Makes OUT ours; of two runs that begin at once one fails here."""
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            self._work_folder.mkdir(mode=0o700)
        except FileExistsError:
            raise OutputError(f"another run has just begun in {self.out}; choose another output folder") from None
        if any(entry != self._work_folder for entry in self.out.iterdir()):  # it has begun and ended
            self._work_folder.rmdir()
            self._check_out()

    def _compare(self, job: Path) -> None:
        try:
            before = json.loads(job.read_bytes())
            if not isinstance(before, dict):
                raise ValueError("not a JSON object")
        except ValueError as error:
            raise CorruptDataError(f"{job} is damaged ({error}); remove it and the output, and begin again") from None
        old, new = _flat(before), _flat(self.description)
        changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        # Another format brings other libraries with it; what the user chose comes first.
        changed.sort(key=lambda name: (name.startswith("libraries"), name))
        if changed:
            what = " and ".join(f"{n} was {_short(old.get(n))}, now {_short(new.get(n))}" for n in changed[:3])
            raise OutputError(f"cannot resume {self.out}: {what}; repeat the first command, or begin anew elsewhere")

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            return
        self._lock = os.open(self.index.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._release_lock()
            raise OutputError(f"another run is writing {self.out} right now; wait for it or stop it") from None

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- the run ----------------------------------------------------------------------------------------------

    def run(self, tasks: Sequence[Task], work: Work, *, workers: int = 0, progress: Progress | None = None) -> Outcome:
        """Does every task that is not done yet.

        Args:
            tasks: all files of the output, with distinct ``file``.
            work: called in a thread for each; what it returns is in memory until it is written.
            workers: threads; 0 is one a processor.
            progress: called after each image.

        Raises:
            OutputError: no space left, or OUT cannot be written; what is done stays, for ``--resume``.
        """
        with no_space_means(self.out):
            done = read_journal(self._journal, self.out, {task.file for task in tasks})
        resumed = sum(len(batch.records) for batch in done.values())
        rejects: list[tuple[str, str]] = []
        left = [task for task in tasks if task.file not in done]
        total = sum(task.count for task in tasks)
        count = total - sum(task.count for task in left)
        for folder in sorted({(self.out / task.file).parent for task in left}):
            with no_space_means(self.out):
                folder.mkdir(parents=True, exist_ok=True)

        def make(task: Task) -> Made:
            data, made = work(task)
            if data:
                self.place(task.file, data)
            return made

        workers = workers or default_workers()
        with no_space_means(self.out), self._journal.open("a", encoding="ascii") as journal:
            for task, result in in_parallel(left, make, workers):
                try:
                    made = result.result()
                except ImageError as error:
                    rejects.append((task.path, str(error)))
                else:
                    batch = made if isinstance(made, Batch) else Batch([made], [], made.bytes)
                    done[task.file] = batch
                    journal.write(journal_line(task.file, batch))
                    journal.flush()
                count += task.count
                if progress:
                    progress(count, total)
        rejects += [reject for batch in done.values() for reject in batch.rejects]
        return Outcome(sorted(r for batch in done.values() for r in batch.records), sorted(rejects), resumed)

    def place(self, file: str, data: bytes) -> None:
        """Writes a file below OUT whole or not at all."""
        temporary = self._work_folder / f"{threading.get_ident()}.tmp"
        with temporary.open("wb") as stream:
            stream.write(data)
        temporary.replace(self.out / file)

    def finish(self, outcome: Outcome, classes: dict[str, str], profile: Profile | None) -> None:
        """Writes the index, then the profile, then takes the mark of incompleteness away.

        Args:
            outcome: of :meth:`run`.
            classes: class id -> class name.
            profile: the profile of OUT; None for a plain folder.
        """
        with no_space_means(self.out):
            if self._keeps_index:
                self.index.write_images(outcome.records)
                self.index.write_rejects(outcome.rejects)
                self.index.write_classes(classes)
            if profile is not None:
                if profile.layout == "shards":
                    lengths = Counter(record.file.partition("/")[0] for record in outcome.records)
                    self.place(INFO_NAME, info_json(lengths).encode())
                temporary = self._work_folder / PROFILE_NAME
                with temporary.open("w", encoding="utf-8") as stream:
                    stream.write(profile.to_json())
                    stream.flush()
                    os.fsync(stream.fileno())
                sync()
                temporary.replace(self.out / PROFILE_NAME)
            else:
                sync()
            shutil.rmtree(self._work_folder)


def sync() -> None:
    """Brings everything written so far to the disk: once a run, which costs less than doing it file by file."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()


@contextmanager
def no_space_means(out: Path) -> Iterator[None]:
    """Turns failures of the file system below into one clear error."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"no space left to write {out}; free some and run the command again with --resume"
            ) from None
        raise OutputError(f"cannot write {error.filename or out}: {error.strerror or error}") from None


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested objects as one, so that a difference can be named: ``profile.block_size``."""
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for key in value for k, v in _flat(value[key], f"{name}.{key}" if name else key).items()}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."

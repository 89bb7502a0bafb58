"""The owner's index: what only the owner may know about a protected data set, kept apart from it.

A folder, mode 0700, by default ``OUT.owner`` beside OUT:

- ``images.csv``: id, view, split, class name, relative path, size, and the file in OUT, one row a protected image.
- ``classes.json``: class id -> class name.
- ``rejects.csv``: path, reason.
- ``job.json``, ``journal.jsonl``, ``lock``: the run that made it; they let an interrupted run resume.
- ``run.key``: the key of a mixing run that was given none.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from blindsight.errors import CorruptDataError, OutputError

__all__ = ["ImageRecord", "Index", "class_names", "default_index", "digest"]

T = TypeVar("T")

#: What a run keeps in its index folder; the first thing that it makes there is the lock.
RUN_FILES = frozenset({"lock", "job.json", "journal.jsonl"})


def default_index(out: Path) -> Path:
    """``OUT.owner``, beside OUT."""
    out = out.resolve()
    return out.with_name(out.name + ".owner")


@dataclass(frozen=True, order=True)
class ImageRecord:
    """One protected image as the owner knows it.

    Attributes:
        file: POSIX path below the protected folder; in shards ``train-000000.tar/<id>.png``.
        id: image id, the file's stem.
        view: 0 for the image itself, 1.. for augmented views of it.
        split: split name, or empty.
        class_name: the class's name, or empty.
        path: relative path of the plain image.
        height: height in pixels of the plain image, upright, before fitting.
        width: its width.
        bytes: size of the protected file, which tells a whole file from a damaged one on resuming.
        mixture: of a mixed image, as JSON: ``own``, the share of its target, and ``classes``, class name -> its part;
            else empty.
    """

    file: str
    id: str
    view: int
    split: str
    class_name: str
    path: str
    height: int
    width: int
    bytes: int
    mixture: str = ""


class Index:
    """Reads and writes an index folder.

    Args:
        folder: the index folder; made with mode 0700 on the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """Makes the folder, for the owner alone.

        Raises:
            OutputError: there is a folder with other things in it.
        """
        held = {entry.name for entry in self.folder.iterdir()} if self.folder.is_dir() else set()
        if held and not held & RUN_FILES:
            raise OutputError(f"{self.folder} is not empty and not an index; choose another folder for the index")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def write_images(self, records: Iterable[ImageRecord]) -> None:
        names = [field.name for field in fields(ImageRecord)]
        self._write_csv("images.csv", names, (astuple(record) for record in sorted(records)))

    def write_rejects(self, rejects: Iterable[tuple[str, str]]) -> None:
        self._write_csv("rejects.csv", ["path", "reason"], sorted(rejects))

    def write_classes(self, names: dict[str, str]) -> None:
        self.write("classes.json", json.dumps(names, indent=2, sort_keys=True, ensure_ascii=False) + "\n")

    def images(self) -> list[ImageRecord]:
        """All records, sorted by file.

        Raises:
            OutputError: there is no index here.
            CorruptDataError: it is damaged.
        """
        path = self.folder / "images.csv"
        try:
            with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
                rows = list(csv.DictReader(file, strict=True))
            return [_record(row) for row in rows]
        except OSError as error:
            raise self._absent(error) from None
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise CorruptDataError(f"{path} is damaged ({error}); restore it from a backup") from None

    def classes(self) -> dict[str, str]:
        """Class id -> class name.

        Raises:
            OutputError: there is no index here.
            CorruptDataError: it is damaged.
        """
        path = self.folder / "classes.json"
        try:
            names = json.loads(path.read_bytes())
            return {str(k): str(v) for k, v in names.items()}
        except OSError as error:
            raise self._absent(error) from None
        except (AttributeError, ValueError) as error:
            raise CorruptDataError(f"{path} is damaged ({error}); restore it from a backup") from None

    def label(self) -> str:
        """The data set's label, which its image ids are made of.

        Raises:
            OutputError: there is no index here.
            CorruptDataError: it is damaged.
        """
        return self._of_job(lambda job: str(job["label"]))

    def shard_size(self) -> int:
        """How many images a shard of the data set holds at most.

        Raises:
            OutputError: there is no index here.
            CorruptDataError: it is damaged.
        """
        return self._of_job(lambda job: max(int(job["shard size"]), 1))

    def job(self) -> dict[str, Any]:
        """The record of the run: everything that its output depends on.

        Raises:
            OutputError: there is no index here.
            CorruptDataError: it is damaged.
        """
        return self._of_job(dict)

    def _of_job(self, get: Callable[[Any], T]) -> T:
        path = self.folder / "job.json"
        try:
            return get(json.loads(path.read_bytes()))
        except OSError as error:
            raise self._absent(error) from None
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptDataError(f"{path} is damaged ({error}); restore it from a backup") from None

    def _absent(self, error: OSError) -> OutputError:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return OutputError(f"no index at {self.folder}; give the folder that protect wrote with --index")
        return OutputError(f"cannot read {error.filename}: {error.strerror}")

    def _write_csv(self, name: str, header: list[str], rows: Iterable[tuple[object, ...]]) -> None:
        text = io.StringIO()
        # Quoted throughout: left to itself the writer leaves a carriage return in a file name bare.
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(header)
        writer.writerows(rows)
        self.write(name, text.getvalue())

    def write(self, name: str, text: str) -> None:
        """Writes a file of the index whole or not at all."""
        temporary = self.folder / (name + ".tmp")
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / name)


def _record(row: dict[str, str]) -> ImageRecord:
    view, height, width, size = (int(row[name]) for name in ("view", "height", "width", "bytes"))
    text = {name: row[name] for name in ("file", "id", "split", "class_name", "path")}
    return ImageRecord(**text, view=view, height=height, width=width, bytes=size, mixture=row.get("mixture") or "")


def digest(records: Iterable[ImageRecord]) -> str:
    """Tells one list of records from another, for the resume check."""
    lines = sorted(json.dumps(asdict(record)) + "\n" for record in records)
    return f"{len(lines)} images, {hashlib.sha256(''.join(lines).encode()).hexdigest()[:32]}"


def class_names(index: Path) -> dict[str, str]:
    """Class id -> class name, from an index folder.

    Raises:
        OutputError: there is no index here.
        CorruptDataError: it is damaged.
    """
    return Index(index).classes()

"""The journal of a run: which files of the output are whole, one JSON line each, so that a killed run can go on."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from blindsight.errors import CorruptDataError
from blindsight.owner.index import ImageRecord

__all__ = ["Batch", "Made", "journal_line", "read_journal"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of a task.

    Attributes:
        records: the images in its file.
        rejects: (path, reason) of inputs that are not; they would not be met again on resuming.
        size: bytes of the file; 0 where there is none, since nothing was left to put into it.
    """

    records: list[ImageRecord]
    rejects: list[tuple[str, str]]
    size: int


#: What a task of one image or of several makes.
Made = ImageRecord | Batch


def journal_line(file: str, batch: Batch) -> str:
    """A finished file as one line of ASCII.

    Args:
        file: POSIX path below the output.
        batch: what is in it.
    """
    return json.dumps({"file": file, **asdict(batch)}) + "\n"


def read_journal(path: Path, out: Path, wanted: set[str]) -> dict[str, Batch]:
    """Files that earlier runs finished and that are still there, whole. Cuts off a line that a kill left half-written.

    Args:
        path: the journal; there may be none yet.
        out: the output folder.
        wanted: files that this run is to make; others are ignored.

    Raises:
        CorruptDataError: a whole line is not what :func:`journal_line` writes.
    """
    done: dict[str, Batch] = {}
    if not path.exists():
        return done
    whole = 0
    with path.open("rb") as journal:
        for line in journal:
            if not line.endswith(b"\n"):
                break
            try:
                file, batch = _parsed(line)
            except (ValueError, TypeError, KeyError):
                raise CorruptDataError(f"{path} is damaged; remove it to make all images again") from None
            whole += len(line)
            made = out / file
            if file in wanted and (made.stat().st_size if made.is_file() else 0) == batch.size:
                done[file] = batch
    os.truncate(path, whole)
    return done


def _parsed(line: bytes) -> tuple[str, Batch]:
    values = json.loads(line)
    records = [ImageRecord(**record) for record in values["records"]]
    rejects = [(path, reason) for path, reason in values["rejects"]]
    return str(values["file"]), Batch(records, rejects, int(values["size"]))

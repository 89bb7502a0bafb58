"""Where reports are written: outside what is handed over, for the owner alone, whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from blindsight.errors import OutputError

__all__ = ["report_folder", "write_report"]


def report_folder(folder: Path, handed_over: Path, what: str) -> Path:
    """The folder of a report, resolved.

    Args:
        folder: as asked for.
        handed_over: the set that others get.
        what: how to call it, e.g. ``the mixed set``.

    Raises:
        OutputError: it lies in that set, or is no folder.
    """
    folder = folder.resolve()
    inside = handed_over.resolve()
    if folder == inside or inside in folder.parents:
        raise OutputError(f"{folder} lies in {what}, and the report shows originals; choose a folder outside it")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is not a folder; choose another one for the report")
    return folder


def write_report(files: Mapping[Path, str]) -> None:
    """Writes files of one folder whole or not at all, in a folder for the owner alone.

    Args:
        files: path -> text, in the order in which they are written.

    Raises:
        OutputError: they cannot be written.
    """
    for path, text in files.items():
        folder = path.parent
        with _as_output_error(folder):
            if not folder.exists():
                folder.mkdir(mode=0o700, parents=True)
            temporary = folder / f".{path.name}-{os.getpid()}.tmp"
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)


@contextmanager
def _as_output_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder}: {error.strerror}; choose another folder") from None

"""A CSV file of image paths and labels."""

import csv
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ParameterError
from blindsight.owner.sources._base import SPLITS, Item, Source, normalised

__all__ = ["CsvSource"]

_PATH_NAMES = ("path", "file", "filename", "image")
_LABEL_NAMES = ("label", "class", "target")


class CsvSource(Source):
    """Images listed in a CSV file with a header: ``path`` (relative to the file, or absolute), ``label`` and
    optionally ``split``; ``file``, ``filename``, ``image`` and ``class``, ``target`` are understood too.

    Raises:
        ParameterError: unreadable, no header, a row without a path or label, an unknown split, or no rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = path.stem
        self.rejects = []
        self._files: list[Path] = []
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, strict=True)
                columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
                rows = [(reader.line_num, row) for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ParameterError(f"cannot read {path} as UTF-8 CSV: {error}") from None
        path_column = next((columns[name] for name in _PATH_NAMES if name in columns), None)
        label_column = next((columns[name] for name in _LABEL_NAMES if name in columns), None)
        if path_column is None:
            raise ParameterError(f"{path} needs a header with a column 'path', got: {', '.join(columns) or 'nothing'}")
        items = [self._item(row, path_column, label_column, columns.get("split"), line) for line, row in rows]
        if len({item.split is None for item in items}) > 1:
            raise ParameterError(f"{path}: some rows have a split and some have none; give every row one")
        self._keep(items)

    def _item(
        self, row: dict[str, str], path_column: str, label_column: str | None, split_column: str | None, line: int
    ) -> Item:
        where = f"{self.path}, line {line}"
        name = (row.get(path_column) or "").strip()
        label = (row.get(label_column) or "").strip() if label_column else None
        split = (row.get(split_column) or "").strip().lower() if split_column else ""
        if not name or label == "":
            raise ParameterError(f"{where}: the {'path' if not name else 'label'} is empty")
        if "\0" in name:
            raise ParameterError(f"{where}: the path {name!a} cannot exist; correct it")
        if split and split not in SPLITS:
            raise ParameterError(f"{where}: split '{split}' is not one of train, val, test")
        file, number = Path(name), len(self._files)
        self._files.append(file if file.is_absolute() else self.path.parent / file)
        # An id is made of a path below the set; absolute paths and '..' are written without their leading parts.
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
        return Item(normalised("/".join(parts)), SPLITS.get(split), normalised(label) if label else None, number)

    def read(self, item: Item) -> Path | NDArray[np.uint8]:
        return self._files[item.number]

    def fingerprint(self, item: Item) -> str:
        try:
            stat = self._files[item.number].stat()
        except OSError:
            return "missing"
        return f"{stat.st_size}:{stat.st_mtime_ns}"

"""ImageFolder trees: CLASS/IMAGE, SPLIT/CLASS/IMAGE, or images alone."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ParameterError
from blindsight.owner.sources._base import SPLITS, Item, Source, normalised

__all__ = ["FolderSource"]


class FolderSource(Source):
    """A folder of class folders, with or without split folders above them.

    Every file below the folder is an item or a reject, whatever its name: whether it is an image is decided by
    reading it. Images deeper than their class folder belong to that class. A folder without sub-folders is a set of
    unlabelled images.

    Raises:
        ParameterError: it cannot be read, there is no image in it, or splits and classes lie side by side.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.label = root.resolve().name or "images"
        self.rejects = []
        try:
            tops = [e.name for e in os.scandir(root) if e.is_dir(follow_symlinks=False) and e.name[0] != "."]
        except OSError as error:
            raise ParameterError(f"cannot read the folder {root}: {error.strerror}") from None
        splits = [name for name in tops if name.lower() in SPLITS]
        if 0 < len(splits) < len(tops):
            other = next(name for name in tops if name not in splits)
            raise ParameterError(
                f"{root} has folders of splits ({splits[0]}) and others ({normalised(other)!a}) side by side; "
                f"move the others out, or rename classes that have the name of a split"
            )
        self._split = bool(splits)
        self._labelled = bool(tops)
        self._files: list[tuple[Path, str]] = []
        items = []
        for file, stamp in self._walk():
            item = self._item(file, len(self._files))
            if item is not None:
                self._files.append((file, stamp))
                items.append(item)
        self._keep(items)

    def _walk(self) -> list[tuple[Path, str]]:
        found = []
        for folder, names, files in os.walk(self.root, onerror=self._unreadable):
            for name in list(names):
                path = Path(folder, name)
                inside = normalised(path.relative_to(self.root))
                if path.is_symlink():  # could lead out of the folder, or round in a circle
                    self.rejects.append((inside, "a link to a folder; not followed"))
                elif name.startswith("."):  # caches, thumbnails, version control
                    self.rejects.append((inside, "a hidden folder; not read"))
                    names.remove(name)
            for name in files:
                path = Path(folder, name)
                try:
                    stat = path.stat()
                    found.append((path, f"{stat.st_size}:{stat.st_mtime_ns}"))
                except OSError as error:
                    reason = f"cannot be opened: {error.strerror}"
                    self.rejects.append((normalised(path.relative_to(self.root)), reason))
        return found

    def _unreadable(self, error: OSError) -> None:
        path = Path(error.filename)
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        self.rejects.append((normalised(inside), f"a folder that cannot be read: {error.strerror}"))

    def _item(self, file: Path, number: int) -> Item | None:
        parts = file.relative_to(self.root).parts
        path = normalised(file.relative_to(self.root))
        folders = list(parts[:-1])
        split = SPLITS[folders.pop(0).lower()] if self._split and folders else None
        if not self._labelled:
            return Item(path, None, None, number)
        if not folders:
            self.rejects.append((path, "outside the class folders; move it into one"))
            return None
        return Item(path, split, normalised(folders[0]), number)

    def read(self, item: Item) -> Path | NDArray[np.uint8]:
        return self._files[item.number][0]

    def fingerprint(self, item: Item) -> str:
        return self._files[item.number][1]

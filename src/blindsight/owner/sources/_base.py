"""What every source of plain images offers."""

import re
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ParameterError
from blindsight.profile import SPLITS

__all__ = ["SPLITS", "Item", "Source", "image_pixels", "normalised", "numbered_path"]


@dataclass(frozen=True, order=True, slots=True)
class Item:
    """One image of a source.

    Attributes:
        path: POSIX path relative to the source, in Unicode normal form C; names the image in its id.
        split: ``train``, ``val``, ``test`` or None.
        label: class name, or None where the source has no classes.
        number: the source's own handle.
    """

    path: str
    split: str | None
    label: str | None
    number: int


class Source(ABC):
    """A data set of plain images.

    Attributes:
        label: default data-set label, from the name of the folder or file.
        items: every image, sorted by path.
        rejects: (path, reason) of what was met and is no image of the set.
    """

    label: str
    items: list[Item]
    rejects: list[tuple[str, str]]
    #: (height, width) where all images are known to have one size, before any is read.
    uniform_size: tuple[int, int] | None = None

    @abstractmethod
    def read(self, item: Item) -> Path | NDArray[np.uint8]:
        """The image: a file to be decoded, or uint8 pixels (H, W) or (H, W, C)."""

    @abstractmethod
    def fingerprint(self, item: Item) -> str:
        """Changes when the image does, as far as can be told without reading it."""

    def classes(self) -> list[str]:
        """Class names, sorted."""
        return sorted({item.label for item in self.items if item.label is not None})

    def _keep(self, items: list[Item]) -> None:
        """Sorts items and moves those whose paths collide to the rejects."""
        self.items = []
        for item in sorted(items):
            if self.items and self.items[-1].path == item.path:
                self.rejects.append(
                    (item.path, "listed twice, or a second file of one name in another Unicode spelling; rename it")
                )
            else:
                self.items.append(item)
        if not self.items:
            found = f"; {len(self.rejects)} other entries were found" if self.rejects else ""
            raise ParameterError(f"no images in {self.label}{found}; expected CLASS/IMAGE or SPLIT/CLASS/IMAGE")


def normalised(path: Path | str) -> str:
    """POSIX form in Unicode normal form C; undecodable bytes of a file name are escaped."""
    text = path.as_posix() if isinstance(path, Path) else path
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return unicodedata.normalize("NFC", text)


def numbered_path(split: str | None, label: str, number: int) -> str:
    """A path for an image that has a number and no file: it is revealed into an ImageFolder tree."""
    folder = re.sub(r"[^\w .()+-]", "_", label)[:60].strip(". ") or "_"
    return "/".join(filter(None, (split, folder, f"{number:08d}")))


def image_pixels(array: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Pixels (H, W), (H, W, 1) or (H, W, 3) with the number of channels that a profile asks for.

    Raises:
        ParameterError: another dtype or shape.
    """
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3)):
        raise ParameterError(
            f"images in arrays must be uint8 (H, W), (H, W, 1) or (H, W, 3), got {array.dtype} {array.shape}"
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == channels:
        return np.ascontiguousarray(array)
    if channels == 3:
        return np.repeat(array, 3, axis=2)
    from PIL import Image

    return np.asarray(Image.fromarray(array).convert("L"))[:, :, None]

"""The plain data of a bench: opened, with a test split, and limited where the scale says so."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindsight.bench.recipe import Limit
from blindsight.errors import ParameterError
from blindsight.images import read_image
from blindsight.owner.sources import Item, Source, open_source

__all__ = ["DIGITS", "BenchData", "open_data", "read_pixels", "with_splits"]

#: The name under which recipes ask for scikit-learn's handwritten digits, which need no download.
DIGITS = "digits"
TEST_SHARE = 5  # of a set without splits, one image in so many is a test image


@dataclass(frozen=True)
class BenchData:
    """The plain images, and what the results say of them.

    Attributes:
        source: with train and test images only, and class names.
        name: without a path.
        digest: of paths, splits and labels: tells other data.
    """

    source: Source
    name: str
    digest: str

    def count(self, split: str) -> int:
        return sum(item.split == split for item in self.source.items)

    def as_json(self) -> dict[str, object]:
        """JSON values for the results."""
        return {
            "name": self.name,
            "train_images": self.count("train"),
            "test_images": self.count("test"),
            "classes": len(self.source.classes()),
            "digest": self.digest,
        }


def open_data(name: str, work: Path, limit: Limit, *, root: Path | None = None, download: bool = False) -> BenchData:
    """Opens plain data for a bench.

    Args:
        name: a folder, a ``.csv`` or ``.npz`` file, the name of a torchvision set, or ``digits``.
        work: where the digits are written.
        limit: how many images to keep.
        root: where torchvision sets lie.
        download: let torchvision download what is missing.

    Raises:
        ParameterError: no such data, or without classes.
        MissingDependencyError: the package that has the data is not installed.
    """
    source = open_source(_digits(work) if name == DIGITS else name, root=root, download=download)
    if not source.classes():
        raise ParameterError(f"{name} has no classes; expected [train|test/]CLASS/IMAGE, or a list with labels")
    with_splits(source)
    _limit(source, limit)
    digest = hashlib.sha256()
    for item in source.items:
        digest.update(repr((item.path, item.split, item.label)).encode())
    return BenchData(source, source.label, digest.hexdigest()[:16])


def _digits(work: Path) -> Path:
    """scikit-learn's digits in colour as an npz file; every fourth is a test image."""
    from blindsight.demo.pictures import load_digits

    path = work / f"{DIGITS}.npz"
    images, labels = load_digits()
    split = np.where(np.arange(len(images)) % 4 == 0, "test", "train")
    work.mkdir(parents=True, exist_ok=True)
    np.savez(path, x=images, y=labels, classes=np.array([str(digit) for digit in range(10)]), split=split)
    return path


def with_splits(source: Source) -> None:
    """Gives a source the two splits that a bench needs, train and test, in place.

    Nothing is chosen by validation images here, so a ``val`` split beside ``test`` is learned from, and one without it
    is the test. Of a set without splits one image in five of every class, drawn once and for all, is a test image.
    """
    splits = {item.split for item in source.items}
    if "test" not in splits and "val" in splits:
        source.items = [replace(item, split="test" if item.split == "val" else item.split) for item in source.items]
    elif "test" not in splits:
        chosen = {item.path for items in _shuffled(source.items).values() for item in items[::TEST_SHARE]}
        source.items = [replace(item, split="test" if item.path in chosen else "train") for item in source.items]
    source.items = [replace(item, split="train" if item.split == "val" else item.split) for item in source.items]
    if {item.split for item in source.items} != {"train", "test"}:
        raise ParameterError(f"{source.label} has no training images; a bench needs train and test, or no splits")


def _shuffled(items: list[Item]) -> dict[str | None, list[Item]]:
    """Class -> its items in an order that depends on their paths alone."""
    classes: dict[str | None, list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: hashlib.sha256(item.path.encode()).digest()):
        classes[item.label].append(item)
    return classes


def _limit(source: Source, limit: Limit) -> None:
    """Keeps so many images of each split, drawn once and for all, class by class in turn."""
    for split, count in (("train", limit.train), ("test", limit.test)):
        if count is None:
            continue
        of_class = _shuffled([item for item in source.items if item.split == split])
        depth = max(map(len, of_class.values()))
        in_turn = [items[k] for k in range(depth) for _, items in sorted(of_class.items()) if k < len(items)]
        kept = {item.path for item in in_turn[:count]}
        source.items = [item for item in source.items if item.split != split or item.path in kept]


def read_pixels(source: Source, item: Item) -> NDArray[np.uint8]:
    """An image of a source in colour: uint8 (H, W, 3).

    Raises:
        ImageError: it cannot be read.
    """
    data = source.read(item)
    if isinstance(data, Path):
        return read_image(data, channels=3, name=item.path)
    array = data[:, :, None] if data.ndim == 2 else data
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))

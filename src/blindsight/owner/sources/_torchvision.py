"""torchvision data sets by name; torchvision is imported only when one is opened."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ImageError, MissingDependencyError, ParameterError
from blindsight.owner.sources._base import Item, Source, normalised, numbered_path

__all__ = ["TorchvisionSource", "list_torchvision"]

# name: class in torchvision.datasets, keyword that chooses the split, {our split: its value}
_TRAIN: tuple[str, dict[str, Any]] = ("train", {"train": True, "test": False})
_SETS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "caltech101": ("Caltech101", "", {"": None}),
    "cifar10": ("CIFAR10", *_TRAIN),
    "cifar100": ("CIFAR100", *_TRAIN),
    "fashion-mnist": ("FashionMNIST", *_TRAIN),
    "flowers102": ("Flowers102", "split", {"train": "train", "val": "val", "test": "test"}),
    "food101": ("Food101", "split", {"train": "train", "test": "test"}),
    "imagenette": ("Imagenette", "split", {"train": "train", "val": "val"}),
    "mnist": ("MNIST", *_TRAIN),
    "oxford-iiit-pet": ("OxfordIIITPet", "split", {"train": "trainval", "test": "test"}),
    "stl10": ("STL10", "split", {"train": "train", "test": "test"}),
    "svhn": ("SVHN", "split", {"train": "train", "test": "test"}),
}

# Sets whose images all have one side, in pixels.
_SIDES = {"cifar10": 32, "cifar100": 32, "fashion-mnist": 28, "mnist": 28, "stl10": 96, "svhn": 32}


def list_torchvision() -> list[str]:
    """Names that :class:`TorchvisionSource` opens."""
    return sorted(_SETS)


class TorchvisionSource(Source):
    """A torchvision classification data set, all of its splits.

    Args:
        name: one of :func:`list_torchvision`.
        root: folder that holds it in torchvision's own layout.
        download: let torchvision download what is missing.

    Raises:
        ParameterError: it is not there and may not be downloaded, or the download failed.
        MissingDependencyError: torchvision is not installed.
    """

    def __init__(self, name: str, root: Path, download: bool = False) -> None:
        try:
            from torchvision import datasets
        except ImportError:
            raise MissingDependencyError.of("torchvision", "provider", f"the data set '{name}'") from None
        class_name, keyword, values = _SETS[name]
        self.label = name
        self.rejects = []
        if name in _SIDES:
            self.uniform_size = (_SIDES[name], _SIDES[name])
        self._parts: list[tuple[Any, int]] = []
        items: list[Item] = []
        for split, value in values.items():
            arguments = {keyword: value} if keyword else {}
            try:
                part = getattr(datasets, class_name)(str(root), download=download, **arguments)
            except Exception as error:  # whatever a missing package, a failed download or a damaged archive raises
                first = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ParameterError(
                    f"{name} is not under {root} ({first}); allow --download or give --data-root"
                ) from None
            names = self._class_names(part)
            for i, target in enumerate(self._targets(part)):
                label = names[int(target)]
                items.append(Item(numbered_path(split, label, i), split or None, label, len(self._parts)))
                self._parts.append((part, i))
        self._keep(items)

    @staticmethod
    def _targets(part: Any) -> Any:
        """The labels, without decoding the images where the data set keeps them apart."""
        for name in ("targets", "labels", "_labels", "y"):
            if hasattr(part, name):
                return getattr(part, name)
        if hasattr(part, "_samples"):
            return [target for _, target in part._samples]
        return [part[i][1] for i in range(len(part))]

    @staticmethod
    def _class_names(part: Any) -> list[str]:
        names = getattr(part, "classes", None) or getattr(part, "categories", None)
        if names is None:
            names = range(1 + max(int(t) for t in TorchvisionSource._targets(part)))
        return [normalised("-".join(n) if isinstance(n, tuple) else str(n)).replace("/", "-") for n in names]

    def read(self, item: Item) -> Path | NDArray[np.uint8]:
        part, i = self._parts[item.number]
        try:
            return np.asarray(part[i][0].convert("RGB"))
        except Exception as error:  # whatever a damaged file on disk raises
            raise ImageError(f"{item.path} cannot be read ({error}); remove it and download the set again") from None

    def fingerprint(self, item: Item) -> str:  # noqa: ARG002
        return "torchvision"  # published sets do not change

"""An npz file of arrays ``x``, ``y``, ``classes`` and, where it has splits, ``split``."""

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ParameterError
from blindsight.owner.sources._base import SPLITS, Item, Source, normalised, numbered_path

__all__ = ["NpzSource"]


# Besides what zipfile and zlib raise: TypeError for an npy file, MemoryError for a header that claims too much.
_UNREADABLE = (OSError, KeyError, ValueError, EOFError, TypeError, NotImplementedError, MemoryError)


class NpzSource(Source):
    """Images in an npz file: ``x`` uint8 (N, H, W) or (N, H, W, C); ``y`` int (N,); ``classes`` str (K,), default the
    numbers themselves; ``split`` str (N,), optional. Pickled objects are refused.

    Raises:
        ParameterError: unreadable, or arrays of another type or shape.
    """

    def __init__(self, path: Path) -> None:
        self.label = path.stem
        self.rejects = []
        try:
            with np.load(path, allow_pickle=False) as arrays:
                x, y = arrays["x"], arrays["y"]
                classes = arrays.get("classes")
                splits = arrays.get("split")
        except (*_UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
            raise ParameterError(f"cannot read {path}: {error}; expected an npz of x, y, classes") from None
        count = len(x) if x.ndim else 0
        pixels = x.dtype == np.uint8 and x.ndim in (3, 4) and all(x.shape[1:]) and x.shape[3:] in ((), (1,), (3,))
        if not pixels or y.shape != (count,) or y.dtype.kind not in "iu":
            raise ParameterError(
                f"{path}: expected x uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3) and y int (N,), "
                f"got x {x.dtype} {x.shape}, y {y.dtype} {y.shape}"
            )
        names = {int(number): str(number) for number in np.unique(y)}
        if classes is not None:
            if classes.ndim != 1 or classes.dtype.kind != "U" or len(set(map(normalised, classes))) != len(classes):
                raise ParameterError(
                    f"{path}: classes must be distinct str (K,), got {classes.dtype} {classes.shape}; rename them"
                )
            names = {number: str(name) for number, name in enumerate(classes)}
        if count and not (y.min() >= 0 and int(y.max()) in names):
            raise ParameterError(f"{path}: y must be 0 to {len(names) - 1}, got {y.min()} to {y.max()}")
        if splits is not None and (splits.shape != (count,) or not {str(s) for s in np.unique(splits)} <= set(SPLITS)):
            raise ParameterError(f"{path}: split must hold train, val or test for each of {count} images")
        self._x = x
        self.uniform_size = (int(x.shape[1]), int(x.shape[2]))
        items = []
        for i in range(count):
            split = SPLITS[str(splits[i])] if splits is not None else None
            name = normalised(names[int(y[i])])
            items.append(Item(numbered_path(split, name, i), split, name, i))
        self._keep(items)

    def read(self, item: Item) -> Path | NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = self._x[item.number]
        return pixels

    def fingerprint(self, item: Item) -> str:
        return hashlib.sha256(self._x[item.number].tobytes()).hexdigest()[:16]

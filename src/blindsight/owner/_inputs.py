"""What is read: the pixels of a source's images, and what tells one set of inputs from another."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindsight.images import read_image
from blindsight.owner.sources import Item, Source
from blindsight.owner.sources._base import image_pixels

__all__ = ["fingerprint", "read_item"]


def fingerprint(source: Source, items: Iterable[Item] | None = None) -> str:
    """Tells these inputs from others, without reading them; part of what a resumed run must have in common.

    Args:
        source: the data set.
        items: those of its images that the run reads; None for all.
    """
    digest = hashlib.sha256()
    count = 0
    for item in source.items if items is None else items:
        digest.update(repr((item.path, item.split, item.label, source.fingerprint(item))).encode())
        count += 1
    return f"{count} images, {digest.hexdigest()[:32]}"


def read_item(source: Source, item: Item, *, channels: int, background: str, max_pixels: int) -> NDArray[np.uint8]:
    """An image of a source, upright, in the mode asked for.

    Args:
        source: the data set.
        item: which image.
        channels: 3 or 1.
        background: what transparent pixels are laid over, ``#rrggbb``.
        max_pixels: larger images are refused.

    Returns:
        uint8 (H, W, channels), of the image's own size.

    Raises:
        ImageError: it cannot be read.
        ParameterError: an array of another shape or type.
    """
    data = source.read(item)
    if isinstance(data, Path):
        return read_image(data, channels=channels, background=background, max_pixels=max_pixels, name=item.path)
    return image_pixels(data, channels)

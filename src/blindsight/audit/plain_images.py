"""Plain images of one size, read for attacks: to be protected, or to be known to everybody."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import BlindsightError, ParameterError
from blindsight.images import DEFAULT_MAX_PIXELS, fit_image
from blindsight.owner._inputs import read_item
from blindsight.owner.sources import Item, Source
from blindsight.profile import Profile

__all__ = ["PlainImages", "public_images", "read_plain"]

Pixels = NDArray[np.uint8]
#: Public images that an attacker takes, at most.
PUBLIC = 1000


@dataclass(frozen=True, eq=False)
class PlainImages:
    """What is protected and attacked.

    Attributes:
        name: of the data, without a path.
        images: uint8 (N, H, W, C).
        public: uint8 (P, H, W, C), none of ``images``; None where there are none.
        labels: int64 (N,), or None.
    """

    name: str
    images: Pixels
    public: Pixels | None = None
    labels: NDArray[np.int64] | None = None


def read_plain(
    source: Source,
    count: int,
    public: int,
    *,
    block: int,
    size: tuple[int, int] | None = None,
    channels: int = 3,
    seed: int = 0,
) -> PlainImages:
    """Draws images to be protected and, apart from them, images that everybody has.

    Args:
        source: of plain images.
        count: to be protected, at most.
        public: further ones, at most.
        block: side of the blocks in pixels; sizes are brought to multiples of it.
        size: (height, width) for all; None for their own, which must be one.
        channels: 3 or 1.
        seed: of the choice.

    Raises:
        ParameterError: images of several sizes, or too few.
        ImageError: an image cannot be read.
    """
    if len(source.items) < 2:
        raise ParameterError(f"{source.label} has {len(source.items)} image; a comparison needs several")
    order = np.random.default_rng(seed).permutation(len(source.items))[: count + public]
    items = [source.items[place] for place in order]
    pixels = list(_fitted(source, items, channels, "#ffffff", block, size, "pad" if size is None else "resize"))
    shapes = {image.shape for image in pixels}
    if len(shapes) > 1:
        raise ParameterError(f"the images of {source.label} have several sizes; give one for all with --size")
    images = np.stack(pixels)
    # A set that is too small for both keeps a quarter for the public.
    n = min(count, len(images) if not public else max(1, len(images) - max(1, min(public, len(images) // 4))))
    classes = source.classes()
    labels = [items[k].label for k in range(n)]
    known = np.array([classes.index(str(label)) for label in labels], np.int64) if all(labels) else None
    return PlainImages(source.label, images[:n], images[n : n + public] if public else None, known)


def public_images(source: Source, profile: Profile, size: tuple[int, int], seed: int = 0) -> Pixels:
    """Plain images that anybody can get, brought to the size of the protected ones.

    Args:
        source: of plain images.
        profile: says channels, background and how images were fitted.
        size: (height, width).
        seed: of the choice, where there are more than enough.

    Returns:
        uint8 (P, H, W, C).

    Raises:
        ParameterError: none of the images can be read.
    """
    order = np.random.default_rng(seed).permutation(len(source.items))[:PUBLIC]
    fit = "resize" if profile.size is None or profile.fit is None else profile.fit
    found: list[Pixels] = []
    for place in order:
        try:
            item = [source.items[place]]
            found += _fitted(source, item, profile.channels, profile.background, profile.block_size or 1, size, fit)
        except BlindsightError:  # one of many public pictures that is damaged
            continue
    if not found:
        raise ParameterError(f"no image of {source.label} can be read; give a folder of plain pictures")
    return np.stack(found)


def _fitted(
    source: Source,
    items: Iterable[Item],
    channels: int,
    background: str,
    block: int,
    size: tuple[int, int] | None,
    fit: Literal["pad", "crop", "resize"],
) -> Iterator[Pixels]:
    for item in items:
        pixels = read_item(source, item, channels=channels, background=background, max_pixels=DEFAULT_MAX_PIXELS)
        yield fit_image(pixels, block_size=block, size=size, fit=fit)

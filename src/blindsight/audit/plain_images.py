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
        labels: int64 (N,), positions in the source's classes; None where it has none.
        public_labels: int64 (P,), of ``public``, likewise.
        decoys: uint8 (G, H, W, C), further images that are neither; None where there are none.
    """

    name: str
    images: Pixels
    public: Pixels | None = None
    labels: NDArray[np.int64] | None = None
    public_labels: NDArray[np.int64] | None = None
    decoys: Pixels | None = None


def read_plain(
    source: Source,
    count: int,
    public: int,
    *,
    block: int,
    size: tuple[int, int] | None = None,
    channels: int = 3,
    seed: int = 0,
    decoys: int = 0,
    per_class: int = 0,
) -> PlainImages:
    """Draws images to be protected and, apart from them, images that everybody has.

    A set that is too small for all keeps a quarter for the public and a quarter for the decoys.

    Args:
        source: of plain images.
        count: to be protected, at most.
        public: further ones, at most.
        block: side of the blocks in pixels; sizes are brought to multiples of it.
        size: (height, width) for all; None for their own, which must be one.
        channels: 3 or 1.
        seed: of the choice.
        decoys: further ones that are neither protected nor public, at most.
        per_class: where it is above 0, images are drawn from as many classes as give each so many, equally many of
            each: for mixing, which needs partners of a class.

    Raises:
        ParameterError: images of several sizes, or too few.
        ImageError: an image cannot be read.
    """
    total = len(source.items)
    if total < 2:
        raise ParameterError(f"{source.label} has {total} image; a comparison needs several")
    order = np.random.default_rng(seed).permutation(total).tolist()
    for_public, for_decoys = (max(1, min(many, total // 4)) if many else 0 for many in (public, decoys))
    n = min(count, max(1, total - for_public - for_decoys))
    if per_class:
        order, n = _balanced(source, order, n, per_class)
    shown = min(public, total - n - for_decoys)
    items = [source.items[place] for place in order[: n + shown + min(decoys, total - n - shown)]]
    pixels = list(_fitted(source, items, channels, "#ffffff", block, size, "pad" if size is None else "resize"))
    shapes = {image.shape for image in pixels}
    if len(shapes) > 1:
        raise ParameterError(f"the images of {source.label} have several sizes; give one for all with --size")
    images, parts = np.stack(pixels), (slice(n), slice(n, n + shown), slice(n + shown, None))
    known = _labels(source, items)
    labels, public_labels = (None if known is None else known[part] for part in parts[:2])
    return PlainImages(
        source.label,
        images[parts[0]],
        images[parts[1]] if shown else None,
        labels,
        public_labels if shown else None,
        images[parts[2]] if len(images) > n + shown else None,
    )


def _labels(source: Source, items: list[Item]) -> NDArray[np.int64] | None:
    if not all(item.label for item in items):
        return None
    places = {name: place for place, name in enumerate(source.classes())}
    return np.array([places[str(item.label)] for item in items], np.int64)


def _balanced(source: Source, order: list[int], count: int, least: int) -> tuple[list[int], int]:
    """The order with equally many of some classes first, and how many these are, ``count`` at most.

    Raises:
        ParameterError: no class is large enough.
    """
    members: dict[str, list[int]] = {}
    for place in order:
        members.setdefault(str(source.items[place].label), []).append(place)
    large = [places for places in members.values() if len(places) >= least]
    # As many images as can be, then as many classes.
    classes = max(range(min(len(large), count // least) + 1), key=lambda k: (k * (count // k) if k else 0, k))
    large = large[:classes]
    if not large:
        raise ParameterError(
            f"mixing needs {least} images of a class, and of {source.label} {count} images of {len(members)} classes, "
            f"the largest of {max(map(len, members.values()))}, can be drawn; give more images, or fewer sources"
        )
    each = min(count // len(large), *map(len, large))
    chosen = [place for places in large for place in places[:each]]
    taken = set(chosen)
    chosen = [place for place in order if place in taken]
    return chosen + [place for place in order if place not in taken], len(chosen)


def public_images(source: Source, profile: Profile, size: tuple[int, int], seed: int = 0, most: int = PUBLIC) -> Pixels:
    """Plain images that anybody can get, brought to the size of the protected ones.

    Args:
        source: of plain images.
        profile: says channels, background and how images were fitted.
        size: (height, width).
        seed: of the choice, where there are more than enough.
        most: at most so many.

    Returns:
        uint8 (P, H, W, C).

    Raises:
        ParameterError: none of the images can be read.
    """
    order = np.random.default_rng(seed).permutation(len(source.items))[:most]
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

"""A protected set opened for an audit: what is published, and, where the owner grants it, what it was made from."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.metrics import psnr
from blindsight.errors import CorruptDataError, ParameterError, ProfileError
from blindsight.images import DEFAULT_MAX_PIXELS
from blindsight.owner._inputs import read_item
from blindsight.owner._layout import opener
from blindsight.owner.index import ImageRecord, Index, default_index
from blindsight.owner.keys import SecretKey
from blindsight.owner.protect import fitted
from blindsight.owner.protection import Protection
from blindsight.owner.reveal import protected_records, read_blocks
from blindsight.owner.sources import Item, Source
from blindsight.profile import Profile

__all__ = ["Published", "attackable_profile", "class_names_of", "open_published", "originals_of"]

Pixels = NDArray[np.uint8]
#: dB. What JPEG left of an image is nearer to its original than this; another image is not.
SAME = 15.0


@dataclass(frozen=True, eq=False)
class Published:
    """Images of a protected set, as anybody sees them who has it.

    Attributes:
        folder: where it lies.
        profile: beside it.
        images: uint8 (N, H, W, C), in random order.
        records: of these images.
        labels: int64 (N,), positions in ``profile.classes``; None where it has none.
        total: images in the set.
    """

    folder: Path
    profile: Profile
    images: Pixels
    records: tuple[ImageRecord, ...]
    labels: NDArray[np.int64] | None
    total: int

    def part(self, places: slice) -> "Published":
        """Some of the images."""
        labels = None if self.labels is None else self.labels[places]
        return Published(self.folder, self.profile, self.images[places], self.records[places], labels, self.total)


def attackable_profile(folder: Path) -> Profile:
    """The profile of a protected set.

    Raises:
        OutputError: no such folder, or unfinished.
        ProfileError: a plain or a mixed set.
    """
    profile = Profile.of_folder(folder)
    if profile is None or profile.kind == "plain":
        raise ProfileError(f"{folder} is not protected: there is nothing to attack; give the folder that protect wrote")
    if profile.kind == "mix":
        raise ProfileError(f"{folder} is a mixed set; blindsight mix-report PLAIN {folder} measures those")
    return profile


def open_published(folder: Path, sample: int, *, index: Path | None = None, seed: int = 0) -> Published:
    """Reads a sample of a protected set; where sizes vary, the images of the size that is met most.

    Args:
        folder: what ``protect`` wrote.
        sample: at most so many images.
        index: the owner's index; default ``OUT.owner`` where it is. Augmented views are left out where it tells.
        seed: of the choice.

    Raises:
        ProfileError: not a protected set.
        OutputError: likewise, or the index that was named is missing.
        ImageError: an image cannot be read.
    """
    if sample < 1:
        raise ParameterError(f"sample is {sample} images, expected 1 or more, e.g. 200")
    profile = attackable_profile(folder)
    records = [record for record in protected_records(folder, index, profile) if record.view == 0]
    if not records:
        raise ParameterError(f"{folder} holds no image; give the folder that protect wrote")
    order = np.random.default_rng(seed).permutation(len(records))
    chosen = [records[place] for place in order[:sample]]
    read = opener(folder, profile)
    pixels = [read_blocks(read, record, profile) for record in chosen]
    shape = Counter(image.shape for image in pixels).most_common(1)[0][0]
    kept = [k for k, image in enumerate(pixels) if image.shape == shape]
    return Published(
        folder,
        profile,
        np.stack([pixels[k] for k in kept]),
        tuple(chosen[k] for k in kept),
        _labels([chosen[k] for k in kept], folder, profile, index),
        len(records),
    )


def _labels(records: list[ImageRecord], folder: Path, profile: Profile, index: Path | None) -> NDArray[np.int64] | None:
    """Positions in the profile's classes; the folder tells them by id, the index by name."""
    places = {
        name: k for names in (profile.classes, class_names_of(folder, profile, index)) for k, name in enumerate(names)
    }
    if any(record.class_name not in places for record in records):
        return None
    return np.array([places[record.class_name] for record in records], np.int64)


def class_names_of(folder: Path, profile: Profile, index: Path | None = None) -> list[str]:
    """The classes of a set in the order of its labels: by name where the owner's index tells, else by id.

    Args:
        folder: what ``protect`` wrote.
        profile: its profile.
        index: the owner's index; default ``OUT.owner`` where it is.
    """
    owner = index or default_index(folder)
    names = Index(owner).classes() if (owner / "classes.json").exists() else {}
    return [names.get(identifier, identifier) for identifier in profile.classes]


def originals_of(published: Published, *, key: SecretKey | None, source: Source | None) -> Pixels | None:
    """The plain images behind published ones: from the owner's own where they are given, else decrypted.

    Args:
        published: of a protected set; with a source its records come from the owner's index.
        key: the key that the profile names.
        source: what was protected.

    Returns:
        uint8 (N, H, W, C), fitted as they were before they were encrypted; None where neither is given.

    Raises:
        WrongKeyError: another key.
        ParameterError: an image is not in the source, or there is no index to find it by.
        CorruptDataError: originals that are not those of the published images.
    """
    protection = None if key is None else Protection(published.profile, key)
    pairs = list(zip(published.images, published.records, strict=True))
    revealed = None if protection is None else [protection.decrypt(image, record.id) for image, record in pairs]
    if source is None:
        return None if revealed is None else np.stack(revealed)
    items = {item.path: item for item in source.items}
    found = []
    for place, (image, record) in enumerate(pairs):
        if not record.path:
            raise ParameterError(
                f"{published.folder} has no index that says which original is which; give the one that protect wrote "
                "with --index, or the key without originals"
            )
        if record.path not in items:
            raise ParameterError(
                f"{record.path} of the index is not in {source.label}; give the originals that were protected"
            )
        plain = fitted(_pixels(source, items[record.path], published.profile), published.profile)
        if plain.shape != image.shape or not _same(plain, revealed, place, lossless=published.profile.codec.lossless):
            raise CorruptDataError(
                f"{record.path} of {source.label} is not the original of {record.file}; give the originals as they "
                "were when they were protected"
            )
        found.append(plain)
    return np.stack(found)


def _same(plain: Pixels, revealed: list[Pixels] | None, place: int, *, lossless: bool) -> bool:
    if revealed is None:
        return True
    return np.array_equal(plain, revealed[place]) if lossless else psnr(plain, revealed[place]) >= SAME


def _pixels(source: Source, item: Item, profile: Profile) -> Pixels:
    channels, background = profile.channels, profile.background
    return read_item(source, item, channels=channels, background=background, max_pixels=DEFAULT_MAX_PIXELS)

"""A data set that anybody may read: plain, or mixed and published. No key and no index is needed for it."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import CorruptDataError, ImageError, OutputError, ProfileError, ProfileMismatchError
from blindsight.images import read_image, read_protected
from blindsight.labels import LABELS_NAME, label_path, read_weights
from blindsight.owner._inputs import fingerprint
from blindsight.owner.sources import FolderSource
from blindsight.profile import INCOMPLETE_MARKER, PROFILE_NAME, SPLITS, Profile
from blindsight.shards import ShardImage, find_shards, read_shard

__all__ = ["Picture", "PublishedSet"]

# What file managers leave behind, besides hidden files.
LITTER = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the set.

    Attributes:
        path: POSIX path below the set; in shards ``train-000000.tar/<id>.png``.
        split: its split, or None.
        class_id: its class, or None.
        stem: its path without the suffix, or with it where two would be one; in shards its id.
        source: where its bytes are.
    """

    path: str
    split: str | None
    class_id: str | None
    stem: str
    source: Path | ShardImage


class PublishedSet:
    """The images of a mixed or plain set, in a fixed order.

    Attributes:
        profile: its profile; made up for a folder without one: plain, PNG, classes as the folders.
        described: False where it was made up.
        pictures: every image.
        rejects: (path, reason) of what was met and is no image of the set.
        weights: of sets with soft labels: path -> class id -> weight.
        shard_size: most images in a shard; 1 for folders.

    Raises:
        OutputError: the folder is missing, unfinished, or one split of a set.
        ProfileError: the set is encrypted, or its profile malformed.
        ProfileMismatchError: a folder is none of the profile's classes.
        ParameterError: there is no image in it.
        CorruptDataError: shards or soft labels are damaged, or the latter do not fit the images.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        profile = Profile.of_folder(folder)
        above = folder.resolve().parent
        if folder.resolve().name.lower() in SPLITS and profile is None:
            for name in (PROFILE_NAME, INCOMPLETE_MARKER):
                if (above / name).exists():
                    raise OutputError(f"{folder} is one split of {above}; give the whole set")
        if profile is not None and profile.kind == "cipher":
            raise ProfileError(
                f"{folder} is encrypted, and turning or flipping an encrypted image tears its blocks apart; augment "
                f"before encryption: protect --views"
            )
        self.described = profile is not None
        self.rejects: list[tuple[str, str]] = []
        self.shard_size = 1
        self.pictures: list[Picture]
        if profile is not None and profile.layout == "shards":
            self._from_shards(profile)
        else:
            self._from_folder(profile)
        self.weights = self._soft_labels()

    def _from_folder(self, profile: Profile | None) -> None:
        source = FolderSource(self.folder)
        ours = (PROFILE_NAME, LABELS_NAME)
        self.rejects = [reject for reject in source.rejects if reject[0] not in ours]
        items = []
        for item in source.items:
            name = PurePosixPath(item.path).name
            if name.startswith(".") or name.lower() in LITTER:
                self.rejects.append((item.path, "left behind by another program; not read"))
            elif item.path not in ours:
                items.append(item)
        self.profile = profile or Profile(kind="plain", classes=tuple(source.classes()))
        unknown = next((i for i in items if i.label is not None and i.label not in self.profile.classes), None)
        if unknown is not None:
            raise ProfileMismatchError(
                f"{unknown.path} lies in a folder that is none of the {len(self.profile.classes)} classes in "
                f"{self.folder / PROFILE_NAME}; move the folder out"
            )
        stems = _stems([item.path for item in items])
        self.pictures = []
        for item, stem in zip(items, stems, strict=True):
            file = source.read(item)
            assert isinstance(file, Path)
            self.pictures.append(Picture(item.path, item.split, item.label, stem, file))
        self._inputs = fingerprint(source, items)

    def _from_shards(self, profile: Profile) -> None:
        self.profile = profile
        self.pictures = []
        digest = hashlib.sha256()
        for split, shards in find_shards(self.folder).items():
            for shard in shards:
                images = read_shard(shard)
                self.shard_size = max(self.shard_size, len(images))
                digest.update(repr((shard.name, shard.stat().st_size, shard.stat().st_mtime_ns)).encode())
                for image in images:
                    name = image.class_id(profile.classes)
                    self.pictures.append(Picture(f"{shard.name}/{image.name}", split, name, image.id, image))
        self._inputs = f"{len(self.pictures)} images, {digest.hexdigest()[:32]}"

    def _soft_labels(self) -> dict[str, dict[str, float]] | None:
        path = self.folder / LABELS_NAME
        if not path.exists():
            return None
        if self.profile.layout == "shards":
            raise CorruptDataError(f"{path} lies beside shards, which hold their labels themselves; remove it")
        weights = read_weights(path, self.profile.classes)
        images = {label_path(picture.path) for picture in self.pictures}
        for missing, what in (
            (images - weights.keys(), "no row for"),
            (weights.keys() - images, "a row for a missing"),
        ):
            if missing:
                raise CorruptDataError(f"{path} has {what} {min(missing)!a}; copy the data set again")
        return weights

    def fingerprint(self) -> str:
        """Changes when an image or a soft label does, as far as can be told without reading the images."""
        if self.weights is None:
            return self._inputs
        return f"{self._inputs}, {LABELS_NAME} {hashlib.sha256(repr(self.weights).encode()).hexdigest()[:32]}"

    def read(self, picture: Picture) -> tuple[NDArray[np.uint8], bytes | None]:
        """An image of the set.

        Returns:
            Its pixels, uint8 (H, W, C), and the very bytes where they are such as the set's codec makes.

        Raises:
            ImageError: unreadable; or, of a mixed set, not of the size and mode that its profile says.
        """
        profile, source = self.profile, picture.source
        data = source.read() if isinstance(source, ShardImage) else source
        if profile.kind == "mix":
            pixels = read_protected(data, channels=profile.channels, name=picture.path)
            if profile.size not in (None, pixels.shape[:2]):
                found = "x".join(map(str, pixels.shape[:2]))
                expected = "x".join(map(str, profile.size or ()))
                raise ImageError(f"{picture.path} is {found} (height x width), expected {expected}; it is not as mixed")
        else:
            pixels = read_image(data, channels=profile.channels, background=profile.background, name=picture.path)
        # Photographs in a folder that nobody described may say in their metadata what they should not.
        if not self.described or PurePosixPath(picture.path).suffix.lower() != profile.codec.suffix:
            return pixels, None
        if isinstance(data, bytes):
            return pixels, data
        try:
            return pixels, data.read_bytes()
        except OSError as error:
            raise ImageError(f"{picture.path} cannot be read ({error.strerror}); check its permissions") from None


def _stems(paths: list[str]) -> list[str]:
    """Paths without their suffixes; with them where two would be one, as a.jpg and a.png in one folder would."""
    stems = [str(PurePosixPath(path).with_suffix("")) for path in paths]
    while len(counts := Counter(stems)) < len(stems):
        stems = [path if counts[stem] > 1 else stem for path, stem in zip(paths, stems, strict=True)]
    return stems

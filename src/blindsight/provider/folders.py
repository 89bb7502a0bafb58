"""What lies in a data folder or in its shards: profile, splits, classes and files. Needs no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from blindsight.errors import CorruptDataError, ParameterError, ProfileMismatchError
from blindsight.profile import PROFILE_NAME, Profile
from blindsight.shards import ShardImage, find_shards, read_shard

__all__ = ["SPLITS", "DataFolder", "stratified_holdout"]

SPLITS = ("train", "val", "test")
PROTECTED_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
PLAIN_SUFFIXES = PROTECTED_SUFFIXES | {".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
# What file managers leave behind; everything else in a class folder has to be an image.
LITTER = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class DataFolder:
    """A folder of class folders or of shards, with or without splits.

    Attributes:
        root: the folder.
        profile: its profile; made up for a plain folder, with the sorted folder names as classes.
        splits: the splits there are, of train, val and test; empty where classes lie at the root.
        described: False where there is no ``profile.json`` (a plain folder).
    """

    root: Path
    profile: Profile
    splits: tuple[str, ...]
    described: bool

    @classmethod
    def open(cls, root: Path, classes: tuple[str, ...] | None = None) -> Self:
        """Opens a data folder, or one split of it (the profile is then beside the split).

        Args:
            root: the folder.
            classes: what a plain folder's classes are, in index order; None takes its sorted folder names.

        Raises:
            OutputError: the folder is missing, or its protection has not finished.
            ProfileError: the profile is malformed.
            CorruptDataError: there are no class folders, or the profile names no classes.
        """
        profile = Profile.of_folder(root)
        if profile is None and root.resolve().name in SPLITS and (root.resolve().parent / PROFILE_NAME).exists():
            profile = Profile.of_folder(root.resolve().parent)
        if profile is not None and profile.layout == "shards":
            if not profile.classes:
                raise CorruptDataError(f"the profile of {root} names no classes: the images are unlabelled")
            shards = find_shards(root)
            return cls(root, profile, tuple(name for name in SPLITS if name in shards), True)
        splits = tuple(name for name in SPLITS if (root / name).is_dir())
        tops = [root / name for name in splits] or [root]
        names = sorted({p.name for top in tops for p in top.iterdir() if p.is_dir() and not p.name.startswith(".")})
        if not names:
            raise CorruptDataError(f"{root} has no class folders; expected {root.name}/[train/]CLASS/IMAGE")
        described = profile is not None
        if profile is None:
            profile = Profile(kind="plain", classes=classes if classes is not None else tuple(names))
        if not profile.classes:
            raise CorruptDataError(f"the profile of {root} names no classes: the images are unlabelled")
        return cls(root, profile, splits, described)

    def default_split(self, wanted: str) -> str | None:
        """The wanted split where there are splits, None (the root) where there are none.

        Raises:
            ParameterError: there are splits, and that is not among them.
        """
        if not self.splits:
            return None
        if wanted not in self.splits:
            raise ParameterError(f"{self.root} has no '{wanted}' split; it has {', '.join(self.splits)}")
        return wanted

    def files(
        self, split: str | None, classes: tuple[str, ...] | None = None
    ) -> tuple[list[Path | ShardImage], list[int]]:
        """Image files in a fixed order, by class and id whatever the layout, and the class index of each.

        Args:
            split: a sub-folder, or None for the root.
            classes: the class ids in index order; None takes the profile's.

        Raises:
            CorruptDataError: no image at all, or a file that is no image.
            ProfileMismatchError: a folder is none of the classes.
        """
        if self.profile.layout == "shards":
            return self._shard_images(split, classes if classes is not None else self.profile.classes)
        top = self.root / split if split else self.root
        index = {name: k for k, name in enumerate(classes if classes is not None else self.profile.classes)}
        suffixes = PLAIN_SUFFIXES if self.profile.kind == "plain" else PROTECTED_SUFFIXES
        files: list[Path | ShardImage] = []
        labels: list[int] = []
        for folder in sorted(p for p in top.iterdir() if p.is_dir() and not p.name.startswith(".")):
            if folder.name not in index:
                raise _unknown(str(folder), index)
            for path in sorted(folder.rglob("*")):
                if path.name.startswith(".") or path.name.lower() in LITTER or path.is_dir():
                    continue
                if path.suffix.lower() not in suffixes:
                    raise CorruptDataError(f"{path} is not an image; remove it (nothing is skipped in silence)")
                files.append(path)
                labels.append(index[folder.name])
        if not files:
            raise CorruptDataError(f"{top} holds no images; expected CLASS/IMAGE{'|'.join(sorted(suffixes))}")
        return files, labels

    def _shard_images(self, split: str | None, classes: tuple[str, ...]) -> tuple[list[Path | ShardImage], list[int]]:
        index = {name: k for k, name in enumerate(classes)}
        found: list[tuple[str, str, ShardImage]] = []
        for image in (image for shard in find_shards(self.root)[split] for image in read_shard(shard)):
            name = image.class_id(self.profile.classes)
            if name is None:
                raise CorruptDataError(f"{image} has no label ({image.id}.cls); copy the shard again")
            if name not in index:
                raise _unknown(f"class {name} of {image}", index)
            found.append((name, image.name, image))
        if not found:
            raise CorruptDataError(f"the shards of {self.root} hold no images")
        found.sort(key=lambda entry: entry[:2])
        return [image for _, _, image in found], [index[name] for name, _, _ in found]


def _unknown(what: str, index: dict[str, int]) -> ProfileMismatchError:
    known = ", ".join(list(index)[:5]) + (", …" if len(index) > 5 else "")
    return ProfileMismatchError(
        f"{what} is none of the {len(index)} known classes ({known}); "
        f"classes are matched by id: protect both sets with one key, or remove the folder"
    )


def stratified_holdout(labels: list[int], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Splits indices into kept and held out, the same part of every class.

    Args:
        labels: class index of each item.
        fraction: part to hold out, 0 to below 1. A class keeps at least one item; one of two or more items gives one.
        seed: of the draw.

    Returns:
        Kept and held-out indices, each in ascending order.
    """
    rng = np.random.default_rng([seed, 0x686F6C64])
    array = np.asarray(labels)
    out: list[int] = []
    for label in np.unique(array):
        members = rng.permutation(np.flatnonzero(array == label))
        take = min(max(round(len(members) * fraction), 1), len(members) - 1) if fraction else 0
        out += members[:take].tolist()
    held = set(out)
    return [i for i in range(len(labels)) if i not in held], sorted(held)

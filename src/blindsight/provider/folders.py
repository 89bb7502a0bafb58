"""What lies in a data folder or in its shards: profile, splits, classes, files and soft labels. Needs no torch.

Nothing is skipped in silence but what programs leave behind: hidden files and folders, ``Thumbs.db``, ``desktop.ini``.
Anything else that is no image in a class folder is an error that names it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from blindsight.errors import CorruptDataError, OutputError, ParameterError, ProfileMismatchError
from blindsight.labels import LABELS_NAME, label_path, read_labels
from blindsight.profile import INCOMPLETE_MARKER, PROFILE_NAME, SPLITS, Profile
from blindsight.shards import ShardImage, find_shards, read_shard

__all__ = ["DataFolder", "stratified_holdout"]

PROTECTED_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
PLAIN_SUFFIXES = PROTECTED_SUFFIXES | {".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
# What file managers leave behind, besides hidden files.
LITTER = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class DataFolder:
    """A folder of class folders or of shards, with or without splits.

    Attributes:
        root: the folder.
        profile: its profile; made up for a plain folder, with the sorted folder names as classes.
        splits: the splits there are, of train, val and test, whose folders may have the other names that ``protect``
            knows too (``valid``, ``validation``, ``training``); empty where classes lie at the root.
        described: False where there is no ``profile.json`` (a plain folder).
        home: where ``profile.json`` and ``labels.csv`` lie: the folder, or the one above where it is one split of that.
    """

    root: Path
    profile: Profile
    splits: tuple[str, ...]
    described: bool
    home: Path

    @classmethod
    def open(cls, root: Path, classes: tuple[str, ...] | None = None) -> Self:
        """Opens a data folder, or one split of it (the profile is then beside the split).

        Args:
            root: the folder.
            classes: what a plain folder's classes are, in index order; None takes its sorted folder names.

        Raises:
            OutputError: the folder is missing, or its protection has not finished.
            ProfileError: the profile is malformed.
            CorruptDataError: there are no class folders, the profile names no classes, splits and other folders lie
                side by side, or a file lies outside the class folders.
        """
        profile = Profile.of_folder(root)
        whole = root.resolve().parent if root.resolve().name.lower() in SPLITS else None
        # The profile is written last: an unfinished protection is known by its marker alone.
        if whole is not None and (whole / INCOMPLETE_MARKER).exists():
            raise OutputError(f"{root} is part of {whole}, which is incomplete; finish it first, with --resume")
        if profile is None and whole is not None and (whole / PROFILE_NAME).exists():
            profile = Profile.of_folder(whole)
            home = whole
        else:
            home = root
        if profile is not None and profile.layout == "shards":
            if not profile.classes:
                raise CorruptDataError(f"the profile of {root} names no classes: the images are unlabelled")
            shards = find_shards(root)
            return cls(root, profile, _in_order(shards), True, home)
        tops = _tops(root, home)
        splits = _in_order(tops)
        names = sorted({f.name for of_split in tops.values() for top in of_split for f in _folders(top, home)})
        if not names:
            raise CorruptDataError(f"{root} has no class folders; expected {root.name}/[train/]CLASS/IMAGE")
        described = profile is not None
        if profile is None:
            profile = Profile(kind="plain", classes=classes if classes is not None else tuple(names))
        if not profile.classes:
            raise CorruptDataError(f"the profile of {root} names no classes: the images are unlabelled")
        return cls(root, profile, splits, described, home)

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
            split: train, val or test, or None for the root.
            classes: the class ids in index order; None takes the profile's.

        Raises:
            CorruptDataError: no image at all, or a file that is no image.
            ProfileMismatchError: a folder is none of the classes.
        """
        if self.profile.layout == "shards":
            return self._shard_images(split, classes if classes is not None else self.profile.classes)
        tops = _tops(self.root, self.home)[split]
        index = {name: k for k, name in enumerate(classes if classes is not None else self.profile.classes)}
        suffixes = PLAIN_SUFFIXES if self.profile.kind == "plain" else PROTECTED_SUFFIXES
        files: list[Path | ShardImage] = []
        labels: list[int] = []
        for folder in sorted(
            (f for top in tops for f in _folders(top, self.home)), key=lambda folder: (folder.name, folder)
        ):
            if folder.name not in index:
                raise _unknown(str(folder), index)
            for path in sorted(_files_below(folder)):
                if path.suffix.lower() not in suffixes:
                    raise CorruptDataError(f"{path} is not an image; remove it (nothing is skipped in silence)")
                files.append(path)
                labels.append(index[folder.name])
        if not files:
            raise CorruptDataError(f"{tops[0]} holds no images; expected CLASS/IMAGE{'|'.join(sorted(suffixes))}")
        return files, labels

    def soft_labels(self, split: str | None) -> np.ndarray | None:
        """What ``labels.csv`` says of each image of :meth:`files`, in the same order.

        Args:
            split: as for :meth:`files`.

        Returns:
            float32 (N, K), rows summing to 1, columns in the order of the profile's classes. None where the set has
            hard labels only.

        Raises:
            CorruptDataError: the table is damaged, an image has no row, or a row no image; or there are shards beside
                it, which have hard labels.
        """
        path = self.home / LABELS_NAME
        if not path.exists():
            return None
        if self.profile.layout == "shards":
            raise CorruptDataError(f"{path} lies beside shards, which hold their labels themselves; remove it")
        rows = read_labels(path, self.profile.classes)
        files, _ = self.files(split)
        inside = self.root.resolve().name if self.home != self.root else ""
        soft = np.empty((len(files), len(self.profile.classes)), np.float32)
        for i, file in enumerate(files):
            assert isinstance(file, Path)
            row = rows.pop(label_path(Path(inside, file.relative_to(self.root)).as_posix()), None)
            if row is None:
                raise CorruptDataError(f"{file} has no row in {path}; copy the data set again")
            soft[i] = row
        elsewhere = self._tops_elsewhere(split)
        left = next((image for image in rows if image.partition("/")[0] not in elsewhere), None)
        if left is not None:
            raise CorruptDataError(f"{path} has a row for {left!a}, which is not there; copy the data set again")
        return soft

    def _tops_elsewhere(self, split: str | None) -> set[str]:
        """Names of the folders of the other splits."""
        tops = _tops(self.home, self.home)
        mine = tops[split] if self.home == self.root else [self.root.resolve()]
        names = {label_path(top.name) for of_split in tops.values() for top in of_split}
        return names - {label_path(top.name) for top in mine}

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


def _in_order(splits: dict[str | None, list[Path]]) -> tuple[str, ...]:
    return tuple(name for name in ("train", "val", "test") if name in splits)


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def _tops(root: Path, home: Path) -> dict[str | None, list[Path]]:
    """Split -> the folders that hold its class folders; None for a folder without splits.

    Args:
        root: the folder.
        home: where ``labels.csv`` may lie.

    Raises:
        CorruptDataError: folders of splits and others lie side by side.
    """
    folders = _folders(root, home)
    splits = [folder for folder in folders if folder.name.lower() in SPLITS]
    if not splits:
        return {None: [root]}
    others = [folder.name for folder in folders if folder not in splits]
    if others:
        raise CorruptDataError(
            f"{root} has folders of splits ({splits[0].name}) and others ({', '.join(others[:5])}) side by side; "
            f"move the others out"
        )
    tops: dict[str | None, list[Path]] = {}
    for folder in splits:
        tops.setdefault(SPLITS[folder.name.lower()], []).append(folder)
    return tops


def _folders(top: Path, home: Path) -> list[Path]:
    """The folders in a folder that holds folders only, sorted.

    Raises:
        CorruptDataError: there is a file besides.
    """
    found = []
    for path in sorted(top.iterdir()):
        if _is_litter(path.name) or path.name == PROFILE_NAME or (path.name == LABELS_NAME and top == home):
            continue
        if not path.is_dir():
            raise CorruptDataError(
                f"{path} lies outside the class folders; move it into one, or out (nothing is skipped in silence)"
            )
        found.append(path)
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_litter(name)]
        for name in folders:
            if Path(place, name).is_symlink():  # could lead round in a circle
                raise CorruptDataError(f"{Path(place, name)} is a link to a folder; put the folder itself there")
        yield from (Path(place, name) for name in names if not _is_litter(name))


def _unknown(what: str, index: dict[str, int]) -> ProfileMismatchError:
    known = ", ".join(list(index)[:5]) + (", …" if len(index) > 5 else "")
    return ProfileMismatchError(
        f"{what} is none of the {len(index)} known classes ({known}); "
        f"classes are matched by id: protect or mix both sets with one key, or remove the folder"
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

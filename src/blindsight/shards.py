"""WebDataset shards: tar files of images and their labels, read in place.

A shard ``train-000000.tar`` holds for each image a member ``<id>.png`` (``.jpg``, ``.webp``) and, where images have
labels, ``<id>.cls``: the class's position in the profile's ``classes``, in decimal. Nothing is ever extracted: an
image is read at its offset. Headers are parsed here and not by ``tarfile``, which would follow whatever extension a
stranger's archive uses; a shard needs none.
"""

import json
import os
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from blindsight.errors import CorruptDataError, ImageError

__all__ = [
    "INFO_NAME",
    "ShardImage",
    "ShardReader",
    "find_shards",
    "info_json",
    "pack_shard",
    "read_shard",
    "shard_name",
]

#: What timm's reader takes the lengths of splits and shards from.
INFO_NAME = "_info.json"
#: Shards of images that belong to no split.
NO_SPLIT = "images"
BLOCK = 512
RECORD = 20 * BLOCK
MAX_IMAGE_BYTES = 2**30
MAX_LABEL_BYTES = 16
IMAGE_SUFFIXES = ("png", "jpg", "webp")
SHARD = re.compile(rf"({NO_SPLIT}|train|val|test)-[0-9]{{6,}}\.tar")
MEMBER = re.compile(r"([A-Za-z0-9_-]{1,90})\.(png|jpg|webp|cls)")


@dataclass(frozen=True, slots=True)
class ShardImage:
    """An image inside a shard.

    Attributes:
        shard: the tar file.
        name: the member's name, ``<id>.png``.
        offset: where its bytes begin.
        size: how many they are.
        label: the class's position in the profile's ``classes``; None for unlabelled images.
    """

    shard: Path
    name: str
    offset: int
    size: int
    label: int | None

    @property
    def id(self) -> str:
        return self.name.partition(".")[0]

    def class_id(self, classes: tuple[str, ...]) -> str | None:
        """The class's id, of a profile's classes; None for unlabelled images.

        Raises:
            CorruptDataError: there is no class of that number.
        """
        if self.label is not None and self.label >= len(classes):
            raise CorruptDataError(f"{self} has class number {self.label}, and the profile has {len(classes)} classes")
        return None if self.label is None else classes[self.label]

    def read(self) -> bytes:
        """The image file's bytes.

        Raises:
            ImageError: the shard is gone or cannot be read.
        """
        try:
            with self.shard.open("rb") as file:
                file.seek(self.offset)
                return file.read(self.size)
        except OSError as error:
            raise ImageError(f"{self} cannot be read ({error.strerror}); check {self.shard}") from None

    def __str__(self) -> str:
        return f"{self.shard}/{self.name}"


def shard_name(split: str | None, number: int) -> str:
    """``train-000000.tar``; ``images-000000.tar`` where there are no splits."""
    return f"{split or NO_SPLIT}-{number:06d}.tar"


def pack_shard(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar file in which nothing depends on when, where or by whom it was made.

    USTAR headers with mode 0644, time 0, user and group 0 and without names; padded to records of 10240 bytes.

    Args:
        members: (name, content), in order.
    """
    parts = []
    for name, content in members:
        header = tarfile.TarInfo(name)  # mode 0644, and everything else zero or empty
        header.size = len(content)
        parts += [header.tobuf(tarfile.USTAR_FORMAT), content, bytes(-len(content) % BLOCK)]
    length = sum(map(len, parts)) + 2 * BLOCK
    return b"".join([*parts, bytes(2 * BLOCK + -length % RECORD)])


def read_shard(path: Path) -> list[ShardImage]:
    """The images of a shard, in its order. Reads headers and labels, no image.

    Raises:
        CorruptDataError: unreadable, cut off, or anything in it that a shard of ours does not have: members that are
            no regular files, names with folders, a name twice, a label without an image.
    """
    images: dict[str, tuple[str, int, int]] = {}
    labels: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            while header := _header(path, file.read(BLOCK), file.tell()):
                name, size = header
                offset = file.tell()
                key, suffix = _sample(path, name)
                if size > (MAX_LABEL_BYTES if suffix == "cls" else MAX_IMAGE_BYTES):
                    raise _damaged(path, f"{name} states {size} bytes")
                if offset + size > end:
                    raise _damaged(path, f"it is cut off inside {name}")
                if key in (labels if suffix == "cls" else images):
                    raise _damaged(path, f"{key} is in it twice, the second time as {name}")
                if suffix == "cls":
                    text = file.read(size)
                    if not re.fullmatch(rb"0|[1-9][0-9]{0,8}", text):
                        raise _damaged(path, f"{name} holds {text!r}, expected a class's number")
                    labels[key] = int(text)
                else:
                    images[key] = (name, offset, size)
                file.seek(offset + size + -size % BLOCK)
    except OSError as error:
        raise CorruptDataError(f"cannot read {path}: {error.strerror or error}") from None
    alone = labels.keys() - images.keys()
    if alone:
        raise _damaged(path, f"{min(alone)}.cls has no image")
    return [ShardImage(path, *images[key], labels.get(key)) for key in images]


def _header(path: Path, block: bytes, end: int) -> tuple[str, int] | None:
    """Name and size of a member; None at the end of the archive."""
    if len(block) < BLOCK:
        raise _damaged(path, f"it is cut off at byte {end}")
    if not any(block):
        return None
    # The checksum counts its own eight bytes as spaces.
    summed = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if block[257:262] != b"ustar" or _octal(block[148:156]) != summed:
        raise _damaged(path, f"there is no tar header at byte {end - BLOCK}")
    name = block[:100].rstrip(b"\0").decode("ascii", "backslashreplace")
    size = _octal(block[124:136])
    if block[156:157] not in (b"0", b"\0"):
        raise _damaged(path, f"{name!a} is no regular file (type {block[156:157]!r})")
    if size is None:
        raise _damaged(path, f"{name!a} states no size")
    # GNU tar keeps times where USTAR has the first part of a long name.
    if block[257:263] == b"ustar\0" and any(block[345:500]):
        raise _damaged(path, f"{name!a} lies in a folder")
    return name, size


def _octal(field: bytes) -> int | None:
    digits = field.strip(b" \0")
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None


def _sample(path: Path, name: str) -> tuple[str, str]:
    match = MEMBER.fullmatch(name)
    if match is None:
        raise _damaged(path, f"{name!a} is no name of an image ({', '.join(IMAGE_SUFFIXES)}) or label (cls)")
    return match[1], match[2]


def _damaged(path: Path, what: str) -> CorruptDataError:
    return CorruptDataError(f"{path} is not a shard as protect writes it: {what}; copy it again")


def find_shards(folder: Path) -> dict[str | None, list[Path]]:
    """Split -> its shards in order; None for shards without split.

    Raises:
        CorruptDataError: there are none, one of another name, splits and none side by side, or one that
            ``_info.json`` lists is missing.
    """
    found: dict[str | None, list[Path]] = {}
    for path in sorted(folder.glob("*.tar"), key=lambda path: (len(path.name), path.name)):
        match = SHARD.fullmatch(path.name)
        if match is None:
            raise CorruptDataError(f"{path} has not the name of a shard, such as train-000000.tar; remove it")
        found.setdefault(None if match[1] == NO_SPLIT else match[1], []).append(path)
    if not found:
        raise CorruptDataError(f"{folder} holds no shards; expected train-000000.tar and so on, as its profile says")
    if None in found and len(found) > 1:
        raise CorruptDataError(f"{folder} has shards with and without a split side by side; remove the wrong ones")
    missing = _listed(folder / INFO_NAME) - {path.name for paths in found.values() for path in paths}
    if missing:
        raise CorruptDataError(f"{folder} lacks {min(missing)}, which {INFO_NAME} lists; copy it again")
    return found


def _listed(path: Path) -> set[str]:
    if not path.exists():
        return set()
    try:
        splits = json.loads(path.read_bytes())["splits"].values()
        return {str(name) for split in splits for name in split["filenames"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptDataError(f"{path} is damaged ({error!r}); copy it again") from None


def info_json(lengths: dict[str, int]) -> str:
    """The text of ``_info.json``.

    Args:
        lengths: shard name -> images in it.
    """
    splits: dict[str, list[str]] = {}
    for name in sorted(lengths, key=lambda name: (len(name), name)):
        splits.setdefault(name.rpartition("-")[0], []).append(name)
    info = {
        split: {
            "name": split,
            "num_samples": sum(lengths[name] for name in names),
            "filenames": names,
            "shard_lengths": [lengths[name] for name in names],
        }
        for split, names in splits.items()
    }
    return json.dumps({"splits": info}, indent=2, sort_keys=True) + "\n"


class ShardReader:
    """Files of a folder of shards by name, ``train-000000.tar/<id>.png``; may be used by several threads.

    Keeps the places of the members of every shard that it met, about 200 bytes an image.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._members: dict[str, dict[str, ShardImage]] = {}

    def read(self, file: str) -> bytes:
        """The image file's bytes.

        Raises:
            ImageError: there is no such shard or member.
            CorruptDataError: the shard is damaged.
        """
        shard, _, name = file.partition("/")
        if shard not in self._members:
            path = self.folder / shard
            if not path.is_file():
                raise ImageError(f"{file} does not exist: there is no {path}")
            self._members[shard] = {image.name: image for image in read_shard(path)}
        image = self._members[shard].get(name)
        if image is None:
            raise ImageError(f"{file} does not exist: {shard} holds no such image")
        return image.read()

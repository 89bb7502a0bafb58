"""A protected data set in, the plain images out."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ImageError, OutputError, ParameterError, ProfileError
from blindsight.images import encode_image, read_image, read_protected, unfit_image
from blindsight.owner._job import Job, Progress, Task
from blindsight.owner._layout import opener
from blindsight.owner.index import ImageRecord, Index, default_index, digest
from blindsight.owner.keys import SecretKey
from blindsight.owner.protect import fitted
from blindsight.owner.protection import Protection
from blindsight.owner.sources import FolderSource
from blindsight.profile import PROFILE_NAME, Codec, Profile
from blindsight.shards import find_shards, read_shard

__all__ = ["RevealReport", "cipher_profile", "protected_records", "read_blocks", "reveal", "reveal_targets"]


@dataclass(frozen=True)
class RevealReport:
    """What :func:`reveal` did.

    Attributes:
        images: images revealed.
        named: True where the owner's index gave them their names; else they are named by their ids.
        rejects: (file, reason) of protected files that could not be read.
        compared: images found among the originals, where these were given.
        exact: how many of those are equal to the fitted original bit for bit.
        psnr: mean PSNR in dB of those that are not; None where there are none.
        seconds: wall time.
    """

    images: int
    named: bool
    rejects: list[tuple[str, str]]
    compared: int
    exact: int
    psnr: float | None
    seconds: float


def cipher_profile(folder: Path) -> Profile:
    """The profile of a folder that has a way back.

    Raises:
        OutputError: no such folder, or unfinished.
        ProfileError: no profile, or not of kind ``cipher``.
    """
    profile = Profile.of_folder(folder)
    if profile is None:
        raise ProfileError(f"{folder} has no {PROFILE_NAME}; give the folder that protect wrote")
    if profile.kind != "cipher":
        raise ProfileError(
            f"{folder} is of kind '{profile.kind}', which no key undoes; reveal and rotate work on what protect wrote"
        )
    return profile


def reveal(
    protected: Path,
    back: Path,
    key: SecretKey,
    *,
    index: Path | None = None,
    originals: Path | None = None,
    resume: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
) -> RevealReport:
    """Decrypts a data set into PNG files.

    With the owner's index images come back under their own paths and padding is taken off; without it they are named
    by their ids. From lossless files the fitted image comes back bit for bit.

    Args:
        protected: folder that ``protect`` wrote.
        back: folder for the plain images; absent or empty.
        key: the key that the profile names.
        index: the owner's index; default ``OUT.owner``, where it exists.
        originals: folder of the original images, to compare with.
        resume: finish an interrupted run.
        workers: threads; 0 is one a processor.
        progress: called with (done, all).

    Raises:
        WrongKeyError: another key.
        ProfileError: not a protected folder.
        OutputError: the index that was named is missing, or ``back`` is not ours to write to or inside ``protected``.
        CorruptDataError: a shard is damaged.
        ParameterError: ``originals`` is no folder, or there is no index to find them by.
    """
    started = time.monotonic()
    profile = cipher_profile(protected)
    protection = Protection(profile, key)
    records = protected_records(protected, index, profile)
    named = bool(records) and any(record.path for record in records)
    if originals is not None and not (named and originals.is_dir()):
        what = f"{originals} is not a folder" if named else "no index says which original is which"
        raise ParameterError(f"cannot compare: {what}; give the folder that was protected, and its index")
    scores: list[float] = []
    read = opener(protected, profile)

    def work(task: Task) -> tuple[bytes, ImageRecord]:
        record: ImageRecord = task.payload
        plain = protection.decrypt(read_blocks(read, record, profile), record.id)
        if originals is not None and named and record.view == 0:
            score = _compare(originals / record.path, plain, profile)
            if score is not None:
                scores.append(score)
        if record.height:
            try:
                plain = unfit_image(
                    plain,
                    original=(record.height, record.width),
                    size=profile.size,
                    fit=profile.fit or "pad",
                    block_size=profile.block_size or 1,
                )
            except ParameterError as error:  # somebody put another image in its place
                raise ImageError(f"{record.file}: {error}") from None
        data = encode_image(plain, Codec(format="png"))
        return data, replace(record, file=task.file, bytes=len(data))

    tasks = [Task(target, record.file, record) for target, record in reveal_targets(records)]
    description = {"command": "reveal", "profile": profile.model_dump(mode="json"), "inputs": digest(records)}
    with Job(back, None, description, resume=resume, inputs=protected) as job:
        outcome = job.run(tasks, work, workers=workers, progress=progress)
        job.finish(outcome, {}, None)
    lossy = [score for score in scores if score != np.inf]
    return RevealReport(
        len(outcome.records),
        named,
        outcome.rejects,
        len(scores),
        len(scores) - len(lossy),
        float(np.mean(lossy)) if lossy else None,
        time.monotonic() - started,
    )


def read_blocks(read: Callable[[str], Path | bytes], record: ImageRecord, profile: Profile) -> NDArray[np.uint8]:
    """The pixels of a protected image: uint8 (H, W, C), whole blocks.

    Args:
        read: of :func:`~blindsight.owner._layout.opener`.
        record: which image.
        profile: how it is protected.

    Raises:
        CorruptDataError: its shard is damaged.
        ImageError: unreadable, of another mode, or not of the size that it was protected at.
    """
    # Decoders smooth chroma across block borders; box upsampling keeps each block to itself (docs/images.md).
    box = profile.codec.subsampling == "4:2:0"
    pixels = read_protected(read(record.file), channels=profile.channels, box_upsampling=box, name=record.file)
    height, width = pixels.shape[:2]
    block = profile.block_size or 1
    if height % block or width % block or profile.size not in (None, (height, width)):
        expected = f"{profile.size[1]}x{profile.size[0]}" if profile.size else f"multiples of {block}"
        raise ImageError(f"{record.file} is {width}x{height} pixels, expected {expected}; it is not as protected")
    return pixels


def reveal_targets(records: list[ImageRecord]) -> list[tuple[str, ImageRecord]]:
    """Where each image goes: its own path with the suffix ``.png``, or ids where there is no index."""
    # a.jpg and a.png in one folder must not become one file, nor those and a.jpg.bmp.
    wishes = []
    for record in records:
        path = PurePosixPath(record.path or _home(record))
        if path.is_absolute() or ".." in path.parts:
            raise OutputError(f"the index names {record.path}, which leads out of the output folder; restore the index")
        end = f".view{record.view}.png" if record.view else ".png"
        wishes.append([f"{stem}{end}" for stem in (path.with_suffix(""), path, f"{path}.{record.id}")])
    short, long = (Counter(names[i] for names in wishes) for i in (0, 1))
    taken = {names[0] for names in wishes if short[names[0]] == 1}
    targets = []
    for names, record in zip(wishes, records, strict=True):
        free = (short[names[0]] == 1, long[names[1]] == 1 and names[1] not in taken, True)
        targets.append((names[free.index(True)], record))
    return targets


def _home(record: ImageRecord) -> str:
    """Where an image lies in an ImageFolder tree, also one that lies in a shard."""
    folder, _, name = record.file.rpartition("/")
    if not folder.endswith(".tar"):
        return record.file
    return "/".join(part for part in (record.split, record.class_name, name) if part)


def protected_records(protected: Path, index: Path | None, profile: Profile) -> list[ImageRecord]:
    """The images of a protected set: from the index, or from the output alone, with ids in the place of names.

    Raises:
        OutputError: the index that was named is missing.
        CorruptDataError: the index or a shard is damaged.
    """
    folder = index or default_index(protected)
    if index is not None or (folder / "images.csv").exists():
        return Index(folder).images()
    if profile.layout == "shards":
        return _shard_records(protected, profile)
    records = []
    for item in FolderSource(protected).items:
        path = PurePosixPath(item.path)
        if path.name != PROFILE_NAME:
            records.append(ImageRecord(item.path, path.stem, 0, item.split or "", item.label or "", "", 0, 0, 0))
    return records


def _shard_records(protected: Path, profile: Profile) -> list[ImageRecord]:
    records = []
    for split, shards in find_shards(protected).items():
        for image in (image for shard in shards for image in read_shard(shard)):
            name = image.class_id(profile.classes)
            file = f"{image.shard.name}/{image.name}"
            records.append(ImageRecord(file, image.id, 0, split or "", name or "", "", 0, 0, 0))
    return records


def _compare(original: Path, revealed: NDArray[np.uint8], profile: Profile) -> float | None:
    """PSNR in dB against the fitted original, infinity where equal; None where that cannot be read or is another."""
    if not original.is_file():
        return None
    try:
        wanted = fitted(read_image(original, channels=profile.channels, background=profile.background), profile)
    except ImageError:  # says nothing about the image that is revealed
        return None
    if wanted.shape != revealed.shape:
        return None
    error = float(np.mean((wanted.astype(np.float64) - revealed) ** 2))
    return float(10 * np.log10(255**2 / error)) if error else float("inf")

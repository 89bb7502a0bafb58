"""A data set of plain images in, a protected data set out."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from blindsight.errors import ImageError, ParameterError, ProfileError
from blindsight.images import (
    DEFAULT_MAX_PIXELS,
    check_codec,
    check_size,
    codec_versions,
    encode_image,
    fit_image,
    read_image,
)
from blindsight.owner._job import Job, Progress, Task
from blindsight.owner._layout import Sample, layout_tasks, layout_work
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.ids import class_id, image_id, query_id
from blindsight.owner.index import ImageRecord, default_index
from blindsight.owner.keys import SecretKey
from blindsight.owner.protection import Protection
from blindsight.owner.sources import Item, Source
from blindsight.owner.sources._base import SPLITS, image_pixels
from blindsight.owner.views import augmented_view
from blindsight.profile import Codec, Profile, Scalar

__all__ = ["ProtectOptions", "ProtectReport", "build_profile", "encrypt_query", "fitted", "protect"]

# Changes when the same options would give other bytes.
OUTPUT_VERSION = 1


@dataclass(frozen=True)
class ProtectOptions:
    """How to protect a data set.

    Attributes:
        scheme: a registered cipher.
        block_size: side M of the blocks in pixels.
        parameters: the scheme's own parameters.
        size: (height, width) in pixels to bring every image to; None keeps each image's own.
        fit: ``pad``, ``crop`` or ``resize``; None is ``resize`` where a size is given and ``pad`` where not.
        channels: 3 (RGB) or 1 (grayscale).
        background: what transparent pixels are laid over, ``#rrggbb``.
        codec: how protected images are stored.
        key_scope: ``dataset``, ``image`` or ``pool:K``.
        opaque_classes: replace class names by keyed hashes.
        views: protected copies of each training image; from the second on they are augmented before encryption.
        allow_lossy: allow JPEG where it damages what can be revealed.
        layout: ``folder``, an ImageFolder tree, or ``shards``, WebDataset tar files.
        shard_size: images a shard.
        label: data-set label, part of every image id; None is the source's own.
        max_pixels: larger images are rejected.
    """

    scheme: str = "etc"
    block_size: int = 16
    parameters: dict[str, Scalar] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    fit: str | None = None
    channels: int = 3
    background: str = "#ffffff"
    codec: Codec = field(default_factory=Codec)
    key_scope: str = "dataset"
    opaque_classes: bool = False
    views: int = 1
    allow_lossy: bool = False
    layout: str = "folder"
    shard_size: int = 1000
    label: str | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS


@dataclass(frozen=True)
class ProtectReport:
    """What :func:`protect` did.

    Attributes:
        profile: as written to ``profile.json``.
        index: the owner's index folder.
        images: protected images in the output, views included.
        resumed: how many of them an earlier, interrupted run had written.
        rejects: (path, reason) of inputs that are not in the output.
        bytes: size of the protected images.
        seconds: wall time of this run.
    """

    profile: Profile
    index: Path
    images: int
    resumed: int
    rejects: list[tuple[str, str]]
    bytes: int
    seconds: float


def build_profile(
    options: ProtectOptions,
    key: SecretKey,
    class_names: list[str],
    uniform_size: tuple[int, int] | None = None,
) -> Profile:
    """The profile that these options give; checks all of them before anything is read.

    Args:
        options: what to do.
        key: the owner's key.
        class_names: names of the classes; empty for unlabelled images.
        uniform_size: the size that all images have, where that is known; stated in the profile if it needs no fitting.

    Raises:
        ParameterError: an option that cannot work, alone or with the others.
        UnknownNameError: no such scheme.
    """
    cipher = create_cipher(options.scheme, options.block_size, options.channels, **options.parameters)
    check_size(options.size, options.block_size)
    check_codec(
        options.codec,
        block_size=options.block_size,
        jpeg_safe=cipher.jpeg_safe,
        allow_lossy=options.allow_lossy,
        channels=options.channels,
    )
    for what, (height, width) in (("blocks", (options.block_size,) * 2), ("size", options.size or (1, 1))):
        if height * width > options.max_pixels:
            raise ParameterError(
                f"{what} of {height}x{width} pixels are over the limit of {options.max_pixels} pixels an image; "
                f"choose smaller ones, or raise max pixels"
            )
    if options.views < 1:
        raise ParameterError(f"views must be at least 1, got {options.views}")
    if options.layout not in ("folder", "shards"):
        raise ParameterError(f"layout must be folder or shards, got {options.layout!r}")
    if options.shard_size < 1:
        raise ParameterError(f"shard size must be at least 1, got {options.shard_size}")
    if not re.fullmatch(r"dataset|image|pool:[1-9][0-9]{0,8}", options.key_scope):
        raise ParameterError(f"key scope must be dataset, image or pool:K (such as pool:8), got {options.key_scope!r}")
    names = class_ids(key, class_names, options.opaque_classes)
    size = options.size
    if size is None and uniform_size and not any(side % options.block_size for side in uniform_size):
        size = uniform_size
    try:
        return Profile.from_json(
            Profile.model_construct(
                kind="cipher",
                scheme=options.scheme,
                parameters=cipher.parameters,
                block_size=options.block_size,
                channels=options.channels,
                size=size,
                fit=options.fit or ("resize" if size else "pad"),
                background=options.background.lower(),
                codec=options.codec,
                layout=options.layout,
                key_scope=options.key_scope,
                key_id=key.id,
                views=options.views,
                classes=tuple(sorted(names.values())),
                opaque_classes=options.opaque_classes,
            ).model_dump_json(warnings=False)
        )
    except ProfileError as error:
        raise ParameterError(str(error).replace("profile.json: ", "")) from None


def class_ids(key: SecretKey, names: list[str], opaque: bool) -> dict[str, str]:
    """Class name -> class id, which is also a folder name.

    Raises:
        ParameterError: a readable name that cannot be a folder name.
    """
    if opaque:
        return {name: class_id(key, name) for name in names}
    for name in names:
        if not name or name[0] == "." or len(name.encode()) > 200 or re.search(r'[\x00-\x1f\x7f/\\<>:"|?*]', name):
            raise ParameterError(f"class {name!a} cannot be a folder name; rename it or use opaque class ids")
        if name.lower() in SPLITS:  # nobody could tell its folder from a split's
            raise ParameterError(f"class '{name}' has the name of a split; rename it or use opaque class ids")
    return {name: name for name in names}


def fitted(pixels: NDArray[np.uint8], profile: Profile) -> NDArray[np.uint8]:
    """Plain pixels brought to the size that a profile states: what is encrypted, and what ``reveal`` gives back.

    Raises:
        ImageError: the image cannot be fitted, e.g. cropped to less than a block.
    """
    return fit_image(pixels, block_size=profile.block_size or 1, size=profile.size, fit=profile.fit or "pad")


def encrypt_query(path: Path, profile: Profile, key: SecretKey) -> NDArray[np.uint8]:
    """One plain image as a model trained under this profile expects it.

    Args:
        path: an image file.
        profile: the model's profile.
        key: the key it names.

    Returns:
        uint8 (H, W, C), encrypted. For key scopes ``image`` and ``pool:K`` the query has a random id.

    Raises:
        ImageError: the file cannot be read.
        WrongKeyError: another key.
    """
    pixels = read_image(path, channels=profile.channels, background=profile.background)
    return Protection(profile, key).encrypt(fitted(pixels, profile), query_id())


def protect(
    source: Source,
    out: Path,
    key: SecretKey,
    options: ProtectOptions = ProtectOptions(),
    *,
    index: Path | None = None,
    resume: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
) -> ProtectReport:
    """Protects a data set.

    The same source, options, key and codec libraries give the same tree byte for byte, whatever the number of workers
    and however often the run is interrupted and resumed.

    Args:
        source: plain images; see :func:`blindsight.owner.sources.open_source`.
        out: folder for the protected images and ``profile.json``; absent or empty.
        key: the owner's key.
        options: what to do.
        index: folder for what only the owner may know; default ``OUT.owner``.
        resume: finish an interrupted run.
        workers: threads; 0 is one a processor.
        progress: called with (done, all) after each image.

    Raises:
        ParameterError: an option that cannot work.
        OutputError: the output is not ours to write to, lies inside the input folder, is in use, has no space, or the
            run to resume was another.
    """
    started = time.monotonic()
    profile = build_profile(options, key, source.classes(), source.uniform_size)
    label = options.label if options.label is not None else source.label
    ids = class_ids(key, source.classes(), options.opaque_classes)
    index = index or default_index(out)
    description = {
        "command": "protect",
        "output version": OUTPUT_VERSION,
        "profile": profile.model_dump(mode="json"),
        "label": label,
        "inputs": _fingerprint(source),
        "max pixels": options.max_pixels,
        "libraries": {**codec_versions(profile.codec), "resizing": f"Pillow {PIL.__version__}"},
    }
    if profile.layout == "shards":
        description["shard size"] = options.shard_size
    samples = [
        _sample(item, view, key, label, ids)
        for item in source.items
        for view in range(profile.views if item.split in (None, "train") else 1)
    ]
    with Job(out, index, description, resume=resume, inputs=getattr(source, "root", None)) as job:
        tasks = layout_tasks(samples, profile, key, options.shard_size)
        work = layout_work(_worker(source, profile, key, options.max_pixels), profile)
        outcome = job.run(tasks, work, workers=workers, progress=progress)
        # An unreadable image is one reject, however many views of it were asked for.
        rejects = sorted({*outcome.rejects, *source.rejects})
        outcome = type(outcome)(outcome.records, rejects, outcome.resumed)
        job.finish(outcome, {identifier: name for name, identifier in ids.items()}, profile)
    return ProtectReport(
        profile,
        index,
        len(outcome.records),
        outcome.resumed,
        rejects,
        sum(record.bytes for record in outcome.records),
        time.monotonic() - started,
    )


def _fingerprint(source: Source) -> str:
    digest = hashlib.sha256()
    for item in source.items:
        digest.update(repr((item.path, item.split, item.label, source.fingerprint(item))).encode())
    return f"{len(source.items)} images, {digest.hexdigest()[:32]}"


def _sample(item: Item, view: int, key: SecretKey, label: str, ids: dict[str, str]) -> Sample:
    identifier = image_id(key, label, item.path, view)
    class_id = ids[item.label] if item.label is not None else None
    return Sample(item.split, class_id, identifier, item.path, (item, view, identifier))


def _worker(
    source: Source, profile: Profile, key: SecretKey, max_pixels: int
) -> Callable[[Task], tuple[bytes, ImageRecord]]:
    protection = Protection(profile, key)

    def work(task: Task) -> tuple[bytes, ImageRecord]:
        item, view, identifier = task.payload
        data = source.read(item)
        if isinstance(data, Path):
            pixels = read_image(
                data, channels=profile.channels, background=profile.background, max_pixels=max_pixels, name=item.path
            )
        else:
            pixels = image_pixels(data, profile.channels)
        plain = fitted(pixels, profile)
        if view:
            plain = augmented_view(pixels, (plain.shape[0], plain.shape[1]), key, identifier)
        try:
            encoded = encode_image(protection.encrypt(plain, identifier), profile.codec)
        except ParameterError as error:  # more pixels a side than the format can hold: this image alone cannot be done
            raise ImageError(f"{item.path}: {error}") from None
        record = ImageRecord(
            file=task.file,
            id=identifier,
            view=view,
            split=item.split or "",
            class_name=item.label or "",
            path=item.path,
            height=pixels.shape[0],
            width=pixels.shape[1],
            bytes=len(encoded),
        )
        return encoded, record

    return work

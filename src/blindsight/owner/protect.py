"""A data set of plain images in, a protected data set out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from blindsight.errors import ImageError, ParameterError
from blindsight.images import codec_versions, encode_image, fit_image, read_image
from blindsight.owner._inputs import fingerprint, read_item
from blindsight.owner._job import Job, Progress, Task
from blindsight.owner._layout import Sample, layout_tasks, layout_work
from blindsight.owner.ids import image_id, query_id
from blindsight.owner.index import ImageRecord, default_index
from blindsight.owner.keys import SecretKey
from blindsight.owner.options import ProtectOptions, build_profile, class_ids
from blindsight.owner.protection import Protection
from blindsight.owner.sources import Item, Source
from blindsight.owner.views import augmented_view
from blindsight.profile import Profile

__all__ = ["ProtectOptions", "ProtectReport", "build_profile", "encrypt_query", "fitted", "protect"]

# Changes when the same options would give other bytes.
OUTPUT_VERSION = 1
DEFAULTS = ProtectOptions()


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
    options: ProtectOptions = DEFAULTS,
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
        "inputs": fingerprint(source),
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
    # In the order of ids: in that of paths, the times of the files would tell which image came after which.
    samples.sort(key=lambda sample: (sample.split or "", sample.class_id or "", sample.id))
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
        pixels = read_item(
            source, item, channels=profile.channels, background=profile.background, max_pixels=max_pixels
        )
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

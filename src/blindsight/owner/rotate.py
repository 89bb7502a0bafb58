"""From one key to another without a plain image on the way: the ciphers form a group."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blindsight.algebra import SignedPermutation
from blindsight.errors import CorruptDataError, ParameterError
from blindsight.images import codec_versions, encode_image
from blindsight.owner._job import Job, Progress, Task
from blindsight.owner._layout import Sample, layout_tasks, layout_work, opener
from blindsight.owner.ids import image_id
from blindsight.owner.index import ImageRecord, Index, default_index, digest
from blindsight.owner.keys import SecretKey
from blindsight.owner.options import class_ids
from blindsight.owner.protection import Protection
from blindsight.owner.reveal import cipher_profile, read_blocks
from blindsight.profile import Profile

__all__ = ["RotateReport", "rotate"]


@dataclass(frozen=True)
class RotateReport:
    """What :func:`rotate` did.

    Attributes:
        profile: the new profile.
        index: the new index.
        images: images re-encrypted.
        rejects: (file, reason) of protected files that could not be read.
        seconds: wall time.
    """

    profile: Profile
    index: Path
    images: int
    rejects: list[tuple[str, str]]
    seconds: float


def rotate(
    protected: Path,
    out: Path,
    old_key: SecretKey,
    new_key: SecretKey,
    *,
    index: Path | None = None,
    new_index: Path | None = None,
    resume: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
) -> RotateReport:
    """Re-encrypts a protected data set under another key.

    Each image goes through one signed permutation, ``new @ old.inverse()``; the plain image exists neither on disk nor
    in memory. Lossless sets come out as if protected with the new key in the first place, except that augmented views
    keep the crops that the old key drew, and that shards have no gaps where protect rejected an input; JPEG is decoded
    and encoded once more. The layout stays. Image ids, and opaque class ids, are
    made anew, so that old and new files cannot be told to be the same by name. A provider that holds both sets can
    still relate them by content: have it delete the old one.

    Args:
        protected: folder that ``protect`` wrote.
        out: folder for the result; absent or empty.
        old_key: the key that the profile names.
        new_key: the key to change to.
        index: the owner's index of ``protected``; needed, since ids are made of paths.
        new_index: index of ``out``; default ``OUT.owner``.
        resume: finish an interrupted run.
        workers: threads; 0 is one a processor.
        progress: called with (done, all).

    Raises:
        WrongKeyError: the old key is another one.
        ParameterError: both keys are the same.
        OutputError: no index, or ``out`` is not ours to write to or inside ``protected``.
        CorruptDataError: the index or a shard is damaged.
    """
    started = time.monotonic()
    if old_key == new_key:
        raise ParameterError(f"old and new key are both {old_key.id}; make a new one with: blindsight key new")
    before = cipher_profile(protected)
    old = Protection(before, old_key)
    source_index = Index(index or default_index(protected))
    records, label = source_index.images(), source_index.label()
    shard_size = source_index.shard_size() if before.layout == "shards" else 1
    ids = class_ids(new_key, sorted(source_index.classes().values()), before.opaque_classes)
    after = before.model_copy(update={"key_id": new_key.id, "classes": tuple(sorted(ids.values()))})
    new = Protection(after, new_key)

    read = opener(protected, before)
    shared: dict[tuple[int, int], SignedPermutation] = {}

    def step(height: int, width: int, old_id: str, new_id: str) -> SignedPermutation:
        """From the old key to the new one; composed once a geometry where all images share their key."""
        product = shared.get((height, width))
        if product is None:
            undo = old.permutation(height, width, old_id, inverse=True)
            product = new.permutation(height, width, new_id) @ undo
            if before.key_scope == "dataset":
                shared[height, width] = product
        return product

    def work(task: Task) -> tuple[bytes, ImageRecord]:
        record, identifier = task.payload
        pixels = read_blocks(read, record, before)
        changed = step(pixels.shape[0], pixels.shape[1], record.id, identifier).apply(pixels)
        data = encode_image(changed, after.codec)
        return data, replace(record, file=task.file, id=identifier, bytes=len(data))

    samples = []
    for record in records:
        if record.class_name and record.class_name not in ids:
            raise CorruptDataError(
                f"{source_index.folder} knows no class {record.class_name!a}, which its images.csv names; "
                f"restore the index from a backup"
            )
        identifier = image_id(new_key, label, record.path, record.view)
        class_id = ids.get(record.class_name)
        samples.append(Sample(record.split or None, class_id, identifier, record.file, (record, identifier)))
    description: dict[str, Any] = {
        "command": "rotate",
        "profile": after.model_dump(mode="json"),
        "from key": old_key.id,
        "label": label,
        "inputs": digest(records),
        "libraries": codec_versions(after.codec),
    }
    if after.layout == "shards":
        description["shard size"] = shard_size
    target = new_index or default_index(out)
    with Job(out, target, description, resume=resume, inputs=protected) as job:
        tasks = layout_tasks(samples, after, new_key, shard_size)
        outcome = job.run(tasks, layout_work(work, after), workers=workers, progress=progress)
        job.finish(outcome, {identifier: name for name, identifier in ids.items()}, after)
    return RotateReport(after, target, len(outcome.records), outcome.rejects, time.monotonic() - started)

"""Where protected images go in the output: each into a file of an ImageFolder tree, or many into a WebDataset shard.

Which shard an image goes to is decided before any is read: the images of a split, sorted by id, in the order of a keyed
permutation, cut into shards (spec/ciphers.md, section 7). So an input that cannot be read leaves a gap and moves no
other, and a shard is one task of the job.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindsight.errors import ImageError
from blindsight.owner._job import Task, Work
from blindsight.owner._journal import Batch, Made
from blindsight.owner.index import ImageRecord
from blindsight.owner.keys import SecretKey
from blindsight.profile import Profile
from blindsight.shards import ShardReader, pack_shard, shard_name

__all__ = ["Sample", "layout_tasks", "layout_work", "opener"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A protected image to be made.

    Attributes:
        split: its split, or None.
        class_id: its class's id; None for unlabelled images.
        id: image id.
        path: the input's path, for the rejects.
        payload: what the worker needs.
    """

    split: str | None
    class_id: str | None
    id: str
    path: str
    payload: Any


def layout_tasks(samples: list[Sample], profile: Profile, key: SecretKey, shard_size: int) -> list[Task]:
    """The files to make: one an image, or one a shard.

    Args:
        samples: all images.
        profile: says the layout.
        key: gives the shard order.
        shard_size: images a shard.
    """
    suffix = profile.codec.suffix
    if profile.layout == "folder":
        files = ["/".join(filter(None, (s.split, s.class_id, s.id + suffix))) for s in samples]
        return [Task(file, s.path, s.payload) for file, s in zip(files, samples, strict=True)]
    tasks = []
    for split in sorted({sample.split or "" for sample in samples}):
        members = sorted((s for s in samples if (s.split or "") == split), key=lambda sample: sample.id)
        order = key.stream("shard-order", split or "all", str(len(members))).permutation(len(members))
        for number, start in enumerate(range(0, len(members), shard_size)):
            name = shard_name(split, number)
            chosen = [members[i] for i in order[start : start + shard_size]]
            parts = [(s.class_id, Task(f"{name}/{s.id}{suffix}", s.path, s.payload)) for s in chosen]
            tasks.append(Task(name, "", parts, len(parts)))
    return tasks


def layout_work(work: Work, profile: Profile) -> Work:
    """What does the tasks of :func:`layout_tasks`, from what makes one image. A shard is in memory until it is written.

    Args:
        work: makes an image's file and record, or a batch of that one record with the rejects met on the way.
        profile: says the layout and the classes' order.
    """
    if profile.layout == "folder":
        return work
    index = {name: number for number, name in enumerate(profile.classes)}

    def shard(task: Task) -> tuple[bytes, Made]:
        members: list[tuple[str, bytes]] = []
        records: list[ImageRecord] = []
        rejects: list[tuple[str, str]] = []
        for class_id, part in task.payload:
            try:
                data, made = work(part)
            except ImageError as error:
                rejects.append((part.path, str(error)))
                continue
            batch = made if isinstance(made, Batch) else Batch([made], [], made.bytes)
            records += batch.records
            rejects += batch.rejects
            members.append((part.file.rpartition("/")[2], data))
            if class_id is not None:
                members.append((f"{batch.records[0].id}.cls", b"%d" % index[class_id]))
        packed = pack_shard(members) if members else b""
        return packed, Batch(records, rejects, len(packed))

    return shard


def opener(folder: Path, profile: Profile) -> Callable[[str], Path | bytes]:
    """What gives a protected image's file, or its bytes, by the name in the index."""
    if profile.layout == "shards":
        return ShardReader(folder).read
    return lambda file: folder / file

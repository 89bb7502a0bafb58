"""What a model of plain images sees in each protected one, as soft labels for the provider: distillation.

The owner trains a model on plain images, which stays with the owner, and publishes of each training image how likely
that model takes it for each class, in ``labels.csv`` of the protected set. A model that learns from protected images
and these labels is taught by one that saw the pictures (Hinton, Vinyals & Dean, arXiv 1503.02531). The teacher is shown
the protected image itself, decrypted in memory: every view as the student meets it, cropped and flipped alike, as in
Beyer et al. (arXiv 2106.05237).

Soft labels tell the provider more about a picture than its class does: what else it resembles.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import OutputError, ParameterError, ProfileMismatchError
from blindsight.images import fit_image
from blindsight.labels import LABELS_NAME, labels_csv
from blindsight.owner._layout import opener
from blindsight.owner._parallel import default_workers
from blindsight.owner.index import ImageRecord, Index, default_index
from blindsight.owner.keys import SecretKey
from blindsight.owner.protection import Protection
from blindsight.owner.reveal import cipher_profile, protected_records, read_blocks
from blindsight.profile import Profile

__all__ = ["SoftLabelReport", "Teacher", "taught_weights", "write_soft_labels"]

#: Images in memory at a time.
BATCH = 256
#: Decimals of a weight.
DECIMALS = 5


@dataclass(frozen=True)
class Teacher:
    """A model of plain images.

    Attributes:
        classes: class names in the order of its outputs, K of them.
        size: (height, width) of the images it takes.
        channels: 3 or 1.
        predict: uint8 (N, height, width, channels) -> class probabilities, float (N, K), rows summing to 1.
    """

    classes: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    predict: Callable[[NDArray[np.uint8]], NDArray[np.floating]]


@dataclass(frozen=True)
class SoftLabelReport:
    """What :func:`write_soft_labels` did.

    Attributes:
        path: the table written.
        images: images in the set, each with a row for every class that it has a part of.
        taught: how many of them the teacher was asked about; the others keep their class.
        agreed: of those, how many the teacher takes for the class that they were given.
    """

    path: Path
    images: int
    taught: int
    agreed: int


def taught_weights(
    probabilities: NDArray[np.floating], own: NDArray[np.integer], *, temperature: float, share: float
) -> NDArray[np.float64]:
    """``share * softmax(log p / temperature) + (1 - share) * own class``, as it stands in the table.

    Args:
        probabilities: the teacher's, (N, K).
        own: class index of each image, (N,).
        temperature: above 1 flattens what the teacher says; 1 leaves it.
        share: of the teacher in the label, 0 to 1; below 1/2 the own class is always the heaviest.

    Returns:
        float64 (N, K), five decimals, rows summing to 1 but for the last bits.

    Raises:
        ParameterError: a temperature or share out of range, or what comes out are no probabilities.
    """
    if not (temperature > 0 and np.isfinite(temperature)):
        raise ParameterError(f"temperature must be above 0, got {temperature:g}")
    if not 0 <= share <= 1:
        raise ParameterError(f"share must be from 0 (the class alone) to 1 (the teacher alone), got {share:g}")
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities.astype(np.float64)) / temperature
    soft = np.exp(logs - logs.max(1, keepdims=True))
    soft /= soft.sum(1, keepdims=True)
    weights = share * soft
    rows = np.arange(len(own))
    weights[rows, own] += 1 - share
    heaviest = weights.argmax(1)
    weights = weights.round(DECIMALS)
    # Small parts are rounded away; what that leaves open goes to the heaviest.
    weights[rows, heaviest] += 1 - weights.sum(1)
    rounded: NDArray[np.float64] = weights.round(DECIMALS)
    if not (np.isfinite(rounded).all() and (rounded >= 0).all()):
        raise ParameterError(
            "the teacher's answers give no probabilities (not a number, or too many classes for five decimals); "
            "see that it predicts at all, and choose another --temperature"
        )
    return rounded


def write_soft_labels(
    protected: Path,
    key: SecretKey,
    teacher: Teacher,
    *,
    temperature: float = 2.0,
    share: float = 0.5,
    index: Path | None = None,
    replace: bool = False,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SoftLabelReport:
    """Writes ``labels.csv`` into a protected folder: the teacher's answers on its training images.

    Images of the splits ``val`` and ``test`` keep their class, so that accuracies stay what they were; of a set without
    splits all are taught. Same folder, key and teacher: same bytes.

    Args:
        protected: what ``protect`` wrote, of layout ``folder``.
        key: the key that its profile names.
        teacher: a model of the plain images.
        temperature: see :func:`taught_weights`.
        share: likewise.
        index: the owner's index; default ``PROTECTED.owner`` where it exists. Opaque class ids need it.
        replace: write over an earlier table.
        workers: threads that read and decrypt; 0 is one a processor.
        progress: called with (done, all) images.

    Raises:
        ProfileError: not a protected folder.
        WrongKeyError: another key.
        ProfileMismatchError: the teacher knows other classes or channels.
        ParameterError: a temperature or share out of range, or shards.
        OutputError: a table is there already, the index is missing, or no space.
        ImageError: an image cannot be read.
    """
    profile = cipher_profile(protected)
    protection = Protection(profile, key)
    taught_weights(np.ones((1, 1)), np.zeros(1, np.int64), temperature=temperature, share=share)
    path = protected / LABELS_NAME
    if profile.layout == "shards":
        raise ParameterError(f"{protected} is in shards, which hold their labels; protect with --layout folder")
    if path.exists() and not replace:
        raise OutputError(f"{path} is there already; add --replace to write it anew")
    columns = _columns(protected, profile, teacher, index)
    records = protected_records(protected, index, profile)
    asked = [record for record in records if record.split in ("", "train")]
    own = np.array([_own(record, profile) for record in asked], np.int64)
    weights = {r.file: {profile.classes[_own(r, profile)]: 1.0} for r in records if r.split not in ("", "train")}
    read, done, agreed = opener(protected, profile), 0, 0

    def picture(record: ImageRecord) -> NDArray[np.uint8]:
        plain = protection.decrypt(read_blocks(read, record, profile), record.id)
        return fit_image(plain, block_size=1, size=teacher.size, fit="resize")

    with ThreadPoolExecutor(workers or default_workers()) as pool:
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            answers = teacher.predict(np.stack(list(pool.map(picture, batch))))[:, columns]
            mine = own[start : start + BATCH]
            agreed += int((answers.argmax(1) == mine).sum())
            rows = taught_weights(answers, mine, temperature=temperature, share=share)
            weights.update((r.file, dict(_parts(row, profile))) for r, row in zip(batch, rows, strict=True))
            done += len(batch)
            if progress:
                progress(done, len(asked))
    from blindsight.nets.runs import write_atomic

    write_atomic(path, labels_csv(weights))
    return SoftLabelReport(path, len(records), len(asked), agreed)


def _parts(row: NDArray[np.float64], profile: Profile) -> Iterator[tuple[str, float]]:
    return ((name, float(part)) for name, part in zip(profile.classes, row, strict=True) if part > 0)


def _own(record: ImageRecord, profile: Profile) -> int:
    """The class of an image: that of its folder."""
    parts = record.file.split("/")
    name = parts[1 if record.split else 0]
    if len(parts) < 2 or name not in profile.classes:
        raise ProfileMismatchError(f"{record.file} is in the folder of none of the {len(profile.classes)} classes")
    return profile.classes.index(name)


def _columns(protected: Path, profile: Profile, teacher: Teacher, index: Path | None) -> list[int]:
    """Where the teacher's answer for each of the set's classes stands.

    Raises:
        ProfileMismatchError: it knows other classes or channels.
        ParameterError: the set is unlabelled.
        OutputError: class ids are opaque, and no index says what they mean.
    """
    if not profile.classes:
        raise ParameterError(f"{protected} has no classes: its images are unlabelled")
    if teacher.channels != profile.channels:
        raise ProfileMismatchError(
            f"the teacher takes images of {teacher.channels} channels and {protected} has {profile.channels}; "
            f"train it on images of {profile.channels} channels"
        )
    names = {name: name for name in profile.classes}
    if profile.opaque_classes:
        names = Index(index or default_index(protected)).classes()
    wanted = [names.get(identifier, identifier) for identifier in profile.classes]
    other = sorted(Counter(wanted) - Counter(teacher.classes)) + sorted(Counter(teacher.classes) - Counter(wanted))
    if other:
        raise ProfileMismatchError(
            f"the teacher and {protected} do not have the same classes: {other[0]!a} is known to one of them alone; "
            f"train the teacher on the images that were protected"
        )
    return [teacher.classes.index(name) for name in wanted]

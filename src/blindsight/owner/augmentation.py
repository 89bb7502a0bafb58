"""Augmentation after mixing: a mixed or plain data set in, the same with changed copies of its training images out.

The paper on pixel block mixing multiplies its mixed training set by four (Xiang et al., EAAI 2023, arXiv 2105.08876;
its ``data_argument.py``): the image itself, brightness x 1.5, a horizontal flip, a rotation by 20 degrees. No key is
needed, so either side can do it. Encrypted images are refused: moving their pixels would tear their blocks apart.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from blindsight.errors import ImageError, ParameterError, UnknownNameError
from blindsight.images import codec_versions, encode_image
from blindsight.labels import LABELS_NAME, labels_csv
from blindsight.owner._job import Job, Progress, Task, no_space_means
from blindsight.owner._layout import Sample, layout_tasks, layout_work
from blindsight.owner._published import Picture, PublishedSet
from blindsight.owner.index import ImageRecord
from blindsight.owner.keys import SecretKey
from blindsight.profile import Profile
from blindsight.shards import ShardImage

__all__ = ["RECIPES", "AugmentReport", "augment", "brighten", "flip", "identity", "rotate"]

# Changes when the same options would give other bytes.
OUTPUT_VERSION = 1
#: Shards must be in a mixed order, and it need not be a secret one: whoever reads them sees every image's name.
SHARD_ORDER = SecretKey(hashlib.sha256(b"blindsight augment: an order that anybody may know").digest())


def identity(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image itself."""
    return pixels


def brighten(pixels: NDArray[np.uint8], factor: float = 1.5) -> NDArray[np.uint8]:
    """Multiplies every sample and clips, as ``PIL.ImageEnhance.Brightness`` does: fractions are cut off.

    Args:
        pixels: uint8 (H, W, C).
        factor: 0 or more; 1 changes nothing.

    Returns:
        uint8 (H, W, C).
    """
    table = np.minimum(np.arange(256, dtype=np.float32) * np.float32(factor), 255).astype(np.uint8)
    brighter: NDArray[np.uint8] = table[pixels]
    return brighter


def flip(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Left becomes right: uint8 (H, W, C) in and out. Twice is the identity."""
    return np.ascontiguousarray(pixels[:, ::-1])


def rotate(pixels: NDArray[np.uint8], degrees: float = 20.0) -> NDArray[np.uint8]:
    """Turns an image counter-clockwise about its centre; it keeps its size, and corners that nothing covers are black.

    The resampling is bilinear; the paper's is unknown. Nearest neighbours would leave steps along every edge, by which
    a network could tell turned copies; bicubic would overshoot, and invent values that no pixel around had.

    Args:
        pixels: uint8 (H, W, C), C = 3 or 1.
        degrees: the angle.

    Returns:
        uint8 (H, W, C).
    """
    picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    turned = picture.rotate(degrees, Image.Resampling.BILINEAR, expand=False)
    return np.array(turned, dtype=np.uint8).reshape(pixels.shape)


#: Recipe -> what is done to a training image: name of the copy -> function of uint8 (H, W, C).
RECIPES: MappingProxyType[str, dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]] = MappingProxyType(
    {"pbm": {"identity": identity, "brightness": brighten, "flip": flip, "rotation": rotate}}
)


@dataclass(frozen=True)
class AugmentReport:
    """What :func:`augment` did.

    Attributes:
        profile: as written to ``profile.json``.
        images: images in the output.
        resumed: how many of them an earlier, interrupted run had written.
        rejects: (path, reason) of inputs that are not in the output.
        bytes: size of the images.
        seconds: wall time of this run.
    """

    profile: Profile
    images: int
    resumed: int
    rejects: list[tuple[str, str]]
    bytes: int
    seconds: float


def augment(
    folder: Path,
    out: Path,
    recipe: str = "pbm",
    *,
    resume: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
) -> AugmentReport:
    """Multiplies the training images of a mixed or plain set.

    Each gets a file ``STEM-NAME.SUFFIX`` for every copy of the recipe; images of ``val`` and ``test`` are carried over
    under their own names, as they are. Images that need no change keep their very bytes where the set's profile says
    how they are stored; the others are encoded by the same codec, JPEG therefore once more at the same quality. A
    folder without a profile becomes one of kind ``plain``, as PNG, every image of its own size. The same input, recipe
    and codec libraries give the same tree byte for byte, whatever the number of workers and interruptions.

    Args:
        folder: a set of kind ``mix`` or ``plain``, in either layout, or an ImageFolder tree.
        out: folder for the output; absent or empty.
        recipe: a name in ``RECIPES``.
        resume: finish an interrupted run.
        workers: threads; 0 is one a processor.
        progress: called with (done, all) after each image.

    Raises:
        UnknownNameError: no such recipe.
        ProfileError: the set is encrypted.
        ProfileMismatchError: a class folder is none of the profile's classes.
        ParameterError: no images to train on.
        CorruptDataError: shards or soft labels are damaged, or the latter do not fit the images.
        OutputError: the input is unfinished or one split of a set; or the output is not ours to write to, lies inside
            the input, is in use, has no space, or the run to resume was another.
    """
    started = time.monotonic()
    if recipe not in RECIPES:
        raise UnknownNameError.of("recipe", recipe, sorted(RECIPES))
    copies = RECIPES[recipe]
    published = PublishedSet(folder)
    if not any(picture.split in (None, "train") for picture in published.pictures):
        raise ParameterError(f"{folder} has no train split, and only training images are multiplied; give it one")
    profile = published.profile.model_copy(update={"views": published.profile.views * len(copies)})
    description = {
        "command": "augment",
        "output version": OUTPUT_VERSION,
        "recipe": recipe,
        "profile": profile.model_dump(mode="json"),
        "inputs": published.fingerprint(),
        "libraries": {**codec_versions(profile.codec), "rotation": f"Pillow {PIL.__version__}"},
    }
    samples = [sample for picture in published.pictures for sample in _samples(picture, list(copies))]
    with Job(out, None, description, resume=resume, inputs=folder) as job:
        tasks = layout_tasks(samples, profile, SHARD_ORDER, published.shard_size)
        work = layout_work(_worker(published, copies), profile)
        outcome = job.run(tasks, work, workers=workers, progress=progress)
        if published.weights is not None:
            weights = {record.file: published.weights[record.path] for record in outcome.records}
            with no_space_means(out):
                job.place(LABELS_NAME, labels_csv(weights).encode())
        # An unreadable image is one reject, however many copies of it there were to be.
        rejects = sorted({*outcome.rejects, *published.rejects})
        job.finish(outcome, {}, profile)
    return AugmentReport(
        profile,
        len(outcome.records),
        outcome.resumed,
        rejects,
        sum(record.bytes for record in outcome.records),
        time.monotonic() - started,
    )


def _samples(picture: Picture, names: list[str]) -> list[Sample]:
    """The copies to be made of an image: each its name in the output, and what the worker needs."""
    wanted = [(f"{picture.stem}-{name}", view, name) for view, name in enumerate(names)]
    if picture.split not in (None, "train"):
        wanted = [(picture.stem, 0, "")]
    # In a folder the stem is a whole path, with split and class.
    place = (picture.split, picture.class_id) if isinstance(picture.source, ShardImage) else (None, None)
    return [Sample(*place, stem, picture.path, (picture, view, name)) for stem, view, name in wanted]


def _worker(
    published: PublishedSet, copies: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]
) -> Callable[[Task], tuple[bytes, ImageRecord]]:
    codec = published.profile.codec

    def work(task: Task) -> tuple[bytes, ImageRecord]:
        picture, view, name = task.payload
        pixels, stored = published.read(picture)
        change = copies.get(name, identity)
        try:
            encoded = stored if change is identity and stored else encode_image(change(pixels), codec)
        except ParameterError as error:  # more pixels a side than the format can hold: this image alone cannot be done
            raise ImageError(f"{picture.path}: {error}") from None
        height, width = pixels.shape[:2]
        record = ImageRecord(
            file=task.file,
            id=task.file.rpartition("/")[2].rpartition(".")[0],
            view=view,
            split=picture.split or "",
            class_name=picture.class_id or "",
            path=picture.path,
            height=height,
            width=width,
            bytes=len(encoded),
        )
        return encoded, record

    return work

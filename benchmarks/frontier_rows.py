"""The images of a bench's rows as an attacker sees them: a part of benchmarks/frontier_scores.py."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blindsight.audit.opening import open_published
from blindsight.audit.threat import LabelledSet
from blindsight.bench.cells import cells_of
from blindsight.bench.data import BenchData, open_data, read_pixels
from blindsight.bench.prepare import prepare
from blindsight.bench.recipe import Limit, Recipe
from blindsight.bench.row import Images
from blindsight.errors import ParameterError
from blindsight.images import fit_image
from blindsight.owner.index import Index
from blindsight.owner.protection import Protection
from blindsight.owner.sources import open_source
from blindsight.profile import Profile

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Victim:
    """A row's published training images, as the attacker sees them, and apart from that the truth.

    Attributes:
        seen: the set with labels, and public images.
        originals: uint8 (N, H, W, 3), RGB at their own size.
        shown: the same of what was encrypted: reduced, mixed, in grey.
    """

    seen: LabelledSet
    originals: Pixels
    shown: Pixels


def rows_of(recipe: Recipe, scale: str) -> dict[str, Images]:
    """What the images of each row go through, of the rows that protect them."""
    cells = cells_of(recipe, scale)
    return {cell.row: cell.images for cell in reversed(cells) if cell.images.scheme}


def published(images: Images, data: BenchData, seed: int, work: Path) -> tuple[Profile, Pixels, Pixels, list[str]]:
    """Profile; training images as published, and as they were encrypted; the paths of their originals."""
    folders = prepare(images, data, seed, work, lambda line: print(line, file=sys.stderr))
    opened = open_published(folders.train, 1 << 30, seed=seed)
    kept = [k for k, record in enumerate(opened.records) if record.split == "train"]
    undo = Protection(opened.profile, folders.key).decrypt
    before = np.stack([undo(opened.images[k], opened.records[k].id) for k in kept])
    paths = [opened.records[k].path for k in kept]
    if images.mix:
        made = [Index(index).images() for index in (work / "images").glob(f"{images.mix.method}-*.owner")]
        origins = {record.file: record.path for records in made for record in records}
        paths = [origins[path] for path in paths]
    return opened.profile, opened.images[kept], before, paths


def victim(images: Images, data: BenchData, plain: BenchData, public: int, seed: int, work: Path) -> Victim:
    """A row's images, and as many public ones of the same data as are asked for, none of which is published."""
    profile, seen, before, paths = published(images, data, seed, work)
    items = {item.path: item for item in plain.source.items}
    used = {item.path for item in data.source.items}
    free = [item for item in plain.source.items if item.split == "train" and item.path not in used]
    chosen = [free[k] for k in np.random.default_rng(seed).permutation(len(free))[:public]]
    names = sorted({str(item.label) for item in plain.source.items})
    originals = np.stack([read_pixels(plain.source, items[path]) for path in paths])
    height, width, channels = seen.shape[1:]
    known = [
        fit_image(read_pixels(plain.source, item), block_size=1, size=(height, width), fit="resize") for item in chosen
    ]
    observation = LabelledSet(
        profile=profile,
        images=seen,
        public=np.stack([_in_channels(image, channels) for image in known]),
        labels=np.array([names.index(str(items[path].label)) for path in paths]),
        public_labels=np.array([names.index(str(item.label)) for item in chosen]),
    )
    return Victim(observation, originals, as_original(before, originals.shape))


def _in_channels(image: Pixels, channels: int) -> Pixels:
    return image if channels == 3 else np.asarray(Image.fromarray(image).convert("L"))[:, :, None]


def as_original(images: Pixels, shape: tuple[int, ...]) -> Pixels:
    """Images scaled to the size of originals (N, H, W, 3), grey ones repeated."""
    if images.shape[1:] == shape[1:]:
        return images
    rgb = np.broadcast_to(images, (*images.shape[:3], 3)).copy()
    size = (shape[2], shape[1])
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in rgb])


def faces_data(folder: Path, side: int, work: Path) -> tuple[BenchData, Labels]:
    """Photographs of people as bench data of one class, and who is on each, by number."""
    source = open_source(folder)
    items = [item for item in source.items if item.label is not None]
    if len({item.label for item in items}) < 2:
        raise ParameterError(f"{folder} is no folder [train|test/]PERSON/PHOTOGRAPH of two people or more")
    photos = [fit_image(read_pixels(source, item), block_size=1, size=(side, side), fit="resize") for item in items]
    path = work / f"faces-{side}.npz"
    work.mkdir(parents=True, exist_ok=True)
    # The bench wants a test image.
    split = np.array(["train"] * len(photos) + ["test"])
    x = np.stack([*photos, photos[0]])
    np.savez(path, x=x, y=np.zeros(len(x), np.int64), classes=np.array(["face"]), split=split)
    return open_data(str(path), work, Limit()), np.unique([str(item.label) for item in items], return_inverse=True)[1]

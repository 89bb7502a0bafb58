"""The image folders of a bench: plain, protected or mixed, made once for each row and seed."""

import hashlib
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

from blindsight.bench.data import BenchData, read_pixels
from blindsight.bench.row import Images, Teach
from blindsight.errors import ParameterError
from blindsight.images import encode_image, fit_image
from blindsight.labels import LABELS_NAME
from blindsight.owner.ids import image_id
from blindsight.owner.keyfile import create_keyfile, load_keyset
from blindsight.owner.keys import Keyset, SecretKey
from blindsight.owner.mixing import MixOptions, mix
from blindsight.owner.options import class_ids
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.soft_labels import Teacher, write_soft_labels
from blindsight.owner.sources import Item, Source, open_source
from blindsight.owner.views import augmented_view
from blindsight.profile import INCOMPLETE_MARKER, PROFILE_NAME, Profile

__all__ = ["Folders", "bench_key", "prepare"]


@dataclass(frozen=True)
class Folders:
    """Where the images of a cell are: what it learns from, what it is tested on, and the key they were made with."""

    train: Path
    test: Path
    key: SecretKey


def bench_key(seed: int, work: Path) -> SecretKey:
    """The key of a seed: derived from the seed, so that everybody gets the same images. It protects nothing.

    Args:
        seed: any.
        work: the key file is written to its ``keys`` folder, for ``blindsight reveal``.
    """
    path = work / "keys" / f"seed-{seed}.key"
    if path.exists():
        return load_keyset(path).primary
    key = SecretKey(hashlib.sha256(f"blindsight bench, seed {seed}: a key that anybody can make".encode()).digest())
    path.parent.mkdir(parents=True, exist_ok=True)
    create_keyfile(path, Keyset.new(key, label="bench: made from a seed, no secret"))
    return key


def prepare(
    images: Images,
    data: BenchData,
    seed: int,
    work: Path,
    say: Callable[[str], None],
    teacher: Path | None = None,
) -> Folders:
    """Makes the images of a cell, or finds them made.

    Args:
        images: what they go through.
        data: the plain ones.
        seed: which key, and which views.
        work: they go to its ``images`` folder.
        say: told what is being made.
        teacher: run folder of the model that ``images.soft_labels`` asks for.

    Raises:
        ParameterError: options that cannot work; an image that cannot be read.
        OutputError: the folder cannot be written to.
    """
    key = bench_key(seed, work)
    if images.soft_labels and not images.scheme:
        raise ParameterError(f"soft_labels are for images with a scheme; these are {images.kind}: leave them out there")
    if not images.scheme and (images.reductions or images.gray):
        raise ParameterError(
            f"reductions and gray are for images with a scheme; these are {images.kind}: leave them out"
        )

    def make(what: Images, write: Callable[[Path, bool], object]) -> Path:
        out = work / "images" / _folder_name(what, data, seed, teacher)
        if not (out / PROFILE_NAME).exists() or (out / INCOMPLETE_MARKER).exists():
            say(f"images: {what.summary()}")
            out.parent.mkdir(parents=True, exist_ok=True)
            write(out, out.exists())
        return out

    def plain(views: int = 1) -> Path:
        only = Images(size=images.size, views=views, codec=images.codec)
        return make(only, lambda out, _: _write_plain(only, data, key, out))

    def augmented(made: Path) -> Path:
        if images.augment is None:
            return made
        from blindsight.owner.augmentation import augment

        recipe = images.augment
        return make(images, lambda out, begun: _all_read(augment(made, out, recipe, resume=begun).rejects))

    def mixed(what: Images) -> Path:
        assert what.mix is not None
        mixing = MixOptions(
            method=what.mix.method,
            block=what.mix.block,
            sources=what.mix.sources,
            probability=what.mix.probability,
            partners=what.mix.partners,
            size=size,
            codec=what.codec,
        )
        return make(what, lambda out, begun: _all_read(mix(data.source, out, key, mixing, resume=begun).rejects))

    def make_protected(what: Images, source: Source, options: ProtectOptions) -> Path:
        return make(what, lambda out, begun: _all_read(protect(source, out, key, options, resume=begun).rejects))

    size = (images.size, images.size) if images.size else None
    if images.kind == "plain":
        return Folders(augmented(plain(images.views)), plain(images.views), key)
    if images.scheme:
        options = ProtectOptions(
            scheme=images.scheme,
            parameters=images.parameters,
            block_size=images.block,
            key_scope=images.key_scope,
            reductions=images.reductions,
            channels=1 if images.gray else 3,
            codec=images.codec,
            allow_lossy=images.allow_lossy,
            size=size,
            views=images.views,
        )
        source, test = data.source, None
        if images.mix:
            # The published training images are mixed before they are encrypted; what is asked about cannot be.
            source = open_source(mixed(Images(mix=images.mix, size=images.size)), mixed=True)
            alone = images.model_copy(update={"mix": None, "views": 1})
            asked = copy(data.source)
            asked.items = [item for item in asked.items if item.split == "test"]
            test = make_protected(alone, asked, replace(options, views=1))
        made = make_protected(images, source, options)
        if images.soft_labels and teacher and not (made / LABELS_NAME).exists():
            say(f"labels: {images.soft_labels.teacher} is asked")
            _teach(made, key, teacher, images.soft_labels)
        return Folders(made, test or made, key)
    made = mixed(images.model_copy(update={"augment": None}))
    return Folders(augmented(made), plain(), key)


def _teach(protected: Path, key: SecretKey, teacher: Path, how: Teach) -> None:
    from blindsight.nets.runs import load_run
    from blindsight.provider.prediction import predict

    run = load_run(teacher)
    asked = Teacher(run.profile.classes, run.size, run.profile.channels, lambda pixels: predict(run, pixels))
    write_soft_labels(protected, key, asked, temperature=how.temperature, share=how.share)


def _folder_name(images: Images, data: BenchData, seed: int, teacher: Path | None) -> str:
    """A name that two rows share only where their images are the same. Plain images without views have no seed."""
    drawn = images.kind != "plain" or images.views > 1
    facts = {"images": images.facts(), "data": data.digest}
    if images.soft_labels and teacher:
        facts["teacher"] = teacher.name  # it tells one training of that cell from another
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
    word = images.scheme or (images.mix.method if images.mix else "plain")
    return f"{word}-{digest}" + (f"-seed-{seed}" if drawn else "")


def _all_read(rejects: list[tuple[str, str]]) -> None:
    """A comparison on fewer images than it says would be wrong."""
    if rejects:
        path, reason = rejects[0]
        raise ParameterError(f"{len(rejects)} images cannot be used, the first {path}: {reason}; take them out")


def _write_plain(images: Images, data: BenchData, key: SecretKey, out: Path) -> None:
    """The plain images as a data folder: fitted, in as many views as the protected ones have, and through the codec."""
    source = data.source
    ids = class_ids(key, source.classes(), opaque=False)
    size = (images.size, images.size) if images.size else source.uniform_size
    if out.exists():
        shutil.rmtree(out)  # what was interrupted here is ours, and made again in less time than it takes to check
    for item in source.items:
        (out / str(item.split) / ids[str(item.label)]).mkdir(parents=True, exist_ok=True)
    (out / INCOMPLETE_MARKER).write_text("The bench did not finish this folder; it will make it anew.\n")

    def write(item: Item) -> None:
        pixels = read_pixels(source, item)
        plain = fit_image(pixels, block_size=1, size=size, fit="resize")
        for view in range(images.views if item.split == "train" else 1):
            name = image_id(key, source.label, item.path, view)
            shown = augmented_view(pixels, (plain.shape[0], plain.shape[1]), key, name) if view else plain
            path = out / str(item.split) / ids[str(item.label)] / f"{name}{images.codec.suffix}"
            path.write_bytes(encode_image(shown, images.codec))

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(write, source.items):
            pass
    profile = Profile(kind="plain", size=size, fit="resize", codec=images.codec, classes=tuple(sorted(ids.values())))
    (out / PROFILE_NAME).write_text(profile.to_json())
    (out / INCOMPLETE_MARKER).unlink()

"""Turns archives of real images into folders or arrays that blindsight reads.

    python benchmarks/prepare.py cifar10    --source DATA_DIR --out .work/cifar10.npz [--limit N]
    python benchmarks/prepare.py caltech101 --source DATA_DIR --out .work/caltech101
    python benchmarks/prepare.py utkface    --source DATA_DIR --out .work/utkface [--label race]
    python benchmarks/prepare.py orl        --source DATA_DIR --out .work/orl

DATA_DIR holds the archives under these names:

    cifar10/cifar10_train.npz, cifar10/cifar10_test.npz   residuals of CIFAR-10 with the sha256 of the true pixels
    large/caltech101_21.zip, faces/utkface_gender.zip     train|test/<class>/<picture>.jpg
    faces/orl_faces.npz                                   x (400, 112, 92) uint8, y subject, take 1 to 10

What comes out: for cifar10 an npz of x (N, H, W, 3) uint8, y (N,) int64, classes (K,) str, split (N,) str, and with
``--limit N`` only the first N of each split; for the others a tree train|test/<class>/<picture>. UTKFace's classes are
the genders, or with ``--label race`` the races, which stand in the file names; the split stays. An output that exists
already is refused.
"""

import argparse
import hashlib
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

MAX_UNPACKED_BYTES = 4 * 2**30
#: UTKFace's coding of the third field of a file name, [age]_[gender]_[race]_[time], its 4 ("others") aside.
RACES = {"0": "white", "1": "black", "2": "asian", "3": "indian"}


def prepare_cifar10(source: Path, out: Path, limit: int | None) -> str:
    """Undoes the residual coding, checks the pixels against their sha256 and writes both splits to one npz."""
    xs, ys, splits, classes = [], [], [], None
    for split in ("train", "test"):
        with np.load(source / "cifar10" / f"cifar10_{split}.npz", allow_pickle=False) as archive:
            planes = archive["residual"].cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
            x = np.stack([planes[0] + planes[1], planes[0], planes[0] + planes[2]], -1)
            if hashlib.sha256(x.tobytes()).hexdigest() != str(archive["sha256_of_x"]):
                raise SystemExit(f"cifar10_{split}.npz: the decoded pixels are not those of CIFAR-10; copy it again")
            xs.append(x[:limit])
            ys.append(archive["y"].astype(np.int64)[:limit])
            splits.append(np.full(len(ys[-1]), split))
            classes = archive["classes"]
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, x=np.concatenate(xs), y=np.concatenate(ys), classes=classes, split=np.concatenate(splits))
    return f"{len(ys[0]):,} + {len(ys[1]):,} images"


def by_race(path: PurePosixPath) -> PurePosixPath | str:
    """Where a picture of UTKFace belongs by its race, <split>/<race>/<picture>, or why it is left out."""
    fields = path.name.split("_")
    race = fields[2] if len(fields) == 4 else ""
    if race == "4":
        return "of race 4 (others)"
    if race not in RACES or len(path.parts) != 3:
        return "without a valid race field"
    return PurePosixPath(path.parts[0], RACES[race], path.name)


def unpack(archive: Path, out: Path, place: Callable[[PurePosixPath], PurePosixPath | str] | None = None) -> str:
    """Unpacks a zip of pictures. Entries that would land outside the folder, links and zip bombs are refused.

    ``place`` says where in the folder an entry belongs, or in words why it is left out; None keeps the paths.
    """
    written, left_out = 0, Counter[str]()
    with zipfile.ZipFile(archive) as pictures:
        entries = [entry for entry in pictures.infolist() if not entry.is_dir()]
        for entry in entries:
            path = PurePosixPath(entry.filename)
            is_link = entry.external_attr >> 28 == 0o12
            if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in entry.filename or is_link:
                raise SystemExit(f"{archive.name}: the entry {entry.filename!r} would land outside {out}; not unpacked")
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
            raise SystemExit(f"{archive.name} unpacks to more than {MAX_UNPACKED_BYTES:,} bytes; not unpacked")
        for entry in entries:
            path = PurePosixPath(entry.filename)
            placed = place(path) if place else path
            if isinstance(placed, str):
                left_out[placed] += 1
                continue
            target = out.joinpath(*placed.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with pictures.open(entry) as packed, target.open("xb") as file:
                shutil.copyfileobj(packed, file)
            written += 1
    return "; ".join([f"{written:,} files", *(f"left out {n:,} {why}" for why, n in sorted(left_out.items()))])


def prepare_orl(source: Path, out: Path) -> str:
    """Writes the faces as PNG, one folder a person: pictures 1 to 5 to train, 6 to 10 to test (the usual split)."""
    with np.load(source / "faces" / "orl_faces.npz", allow_pickle=False) as archive:
        faces, subjects, takes = archive["x"], archive["y"], archive["take"]
    for face, subject, take in zip(faces, subjects, takes, strict=True):
        folder = out / ("train" if take <= 5 else "test") / f"s{subject + 1:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(folder / f"{take:02d}.png")
    return f"{len(faces)} files"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=("cifar10", "caltech101", "utkface", "orl"))
    parser.add_argument("--source", type=Path, required=True, help="folder that holds the archives")
    parser.add_argument("--out", type=Path, required=True, help="npz file (cifar10) or folder to write; must not exist")
    parser.add_argument("--limit", type=int, help="cifar10 only: the first N images of each split")
    parser.add_argument("--label", choices=("gender", "race"), help="utkface only: the classes; default gender")
    options = parser.parse_args(arguments)
    if options.limit is not None and (options.dataset != "cifar10" or options.limit < 1):
        parser.error("--limit takes a positive number and belongs to cifar10")
    if options.label is not None and options.dataset != "utkface":
        parser.error("--label belongs to utkface")
    if options.dataset == "cifar10" and options.out.suffix != ".npz":
        parser.error(f"--out is {options.out}, expected a file that ends in .npz")
    if options.out.exists():
        parser.error(f"--out {options.out} exists; choose another name or remove it")
    try:
        if options.dataset == "cifar10":
            written = prepare_cifar10(options.source, options.out, options.limit)
        elif options.dataset == "orl":
            written = prepare_orl(options.source, options.out)
        else:
            name = {"caltech101": "large/caltech101_21.zip", "utkface": "faces/utkface_gender.zip"}[options.dataset]
            written = unpack(options.source / name, options.out, by_race if options.label == "race" else None)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"prepare: {error}")
    print(f"{options.out}: {written}")


if __name__ == "__main__":
    main()

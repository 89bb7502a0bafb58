"""The demo, step by step: key, protect, train on plain and on protected images, measure, show."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blindsight.demo.page import write_page
from blindsight.demo.pictures import load_digits, load_photo, write_tree
from blindsight.errors import OutputError
from blindsight.owner.keys import Keyset, SecretKey
from blindsight.owner.protection import Protection
from blindsight.profile import Profile

__all__ = ["DemoReport", "Scale", "run_demo", "top1_under_key"]

BLOCK = 4
PHOTO_BLOCK = 16
WRONG_KEYS = 5
CHANCE = 0.1


@dataclass(frozen=True)
class Scale:
    """How much the demo does.

    Attributes:
        digits: how many scans; None is all 1,797.
        epochs: passes over the training images, by model.
    """

    digits: int | None = None
    epochs: dict[str, int] = field(default_factory=lambda: {"ViT": 20, "ConvMixer": 20})

    @classmethod
    def quick(cls) -> "Scale":
        """Enough to see that every part runs; too little to learn much."""
        return cls(digits=400, epochs={"ViT": 2, "ConvMixer": 2})


# One recipe a model, the same for plain and protected images.
RECIPES: dict[str, dict[str, Any]] = {
    "ViT": {
        "model": "vit_micro_patch4_32",
        "model_args": {"depth": 4},
        "lr": 2e-3,
        "batch_size": 64,
        "warmup_epochs": 2,
        "ema": 0.0,
    },
    "ConvMixer": {
        "model": "convmixer_128_4_patch4_32",
        "sched": "onecycle",
        "lr": 0.01,
        "weight_decay": 0.01,
        "opt_eps": 1e-3,
        "batch_size": 64,
    },
}


@dataclass(frozen=True)
class Row:
    """One model of the closing table. Accuracies are top-1 on the test digits, 0 to 1; times in seconds."""

    model: str
    plain: float
    protected: float
    wrong_keys: list[float]
    plain_seconds: float
    protected_seconds: float

    @property
    def gap(self) -> float:
        """Accuracy lost to the protection, in points."""
        return 100 * (self.plain - self.protected)

    @property
    def wrong(self) -> float:
        """Mean accuracy under wrong keys."""
        return float(np.mean(self.wrong_keys))


@dataclass(frozen=True)
class DemoReport:
    """What the demo measured and where it is."""

    folder: Path
    page: Path
    rows: list[Row]
    train_images: int
    test_images: int
    protect_images_per_second: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        values = asdict(self) | {"folder": str(self.folder), "page": str(self.page), "chance": CHANCE}
        for row, kept in zip(values["rows"], self.rows, strict=True):
            row |= {"gap_points": kept.gap, "wrong_keys_mean": kept.wrong}
        return values


def top1_under_key(
    run: Any, images: list[NDArray[np.uint8]], labels: NDArray[np.int64], key: SecretKey | None
) -> float:
    """Top-1 of a model on plain images that are encrypted with any key, the right one or not.

    The commands refuse images of another key; this goes around the refusal, to measure what it would have given.

    Args:
        run: a :class:`blindsight.nets.runs.Run`.
        images: fitted plain images, uint8 (H, W, C).
        labels: int (N,), indices into the run's classes.
        key: None leaves the images plain.
    """
    from blindsight.provider.prediction import predict

    if key is not None:
        protection = Protection(run.profile.model_copy(update={"key_id": key.id}), key)
        images = [protection.encrypt(image, str(number)) for number, image in enumerate(images)]
    return float((predict(run, np.stack(images)).argmax(1) == labels).mean())


def run_demo(
    folder: Path, scale: Scale, say: Callable[[str], None], progress: Callable[[str, int], Any] | None = None
) -> DemoReport:
    """Runs the whole demo.

    Args:
        folder: where everything goes; absent or empty.
        scale: how much to do.
        say: called with a line for each step, among them the commands that do the same.
        progress: called with a title and a number of epochs before each training; gives its progress display.

    Raises:
        OutputError: the folder is not empty.
        MissingDependencyError: scikit-learn is not installed.
    """
    from blindsight.owner.keyfile import create_keyfile
    from blindsight.owner.protect import ProtectOptions, protect
    from blindsight.owner.sources import FolderSource

    started = time.monotonic()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is not empty; remove it, or choose another folder with --out")
    images, labels = load_digits(scale.digits)
    digits, protected = folder / "digits", folder / "protected"
    write_tree(images, labels, digits)
    photo_file = folder / "photo" / "china.png"
    photo_file.parent.mkdir(parents=True)
    Image.fromarray(load_photo()).save(photo_file)
    say(f"1. {len(images):,} handwritten digits and a photograph, from scikit-learn, are in {digits} and {photo_file}")

    keyset = Keyset.new(label="demo")
    create_keyfile(folder / "owner.key", keyset)
    key = keyset.primary
    say(f"2. The owner makes a key, {key.id}:\n   blindsight key new {folder / 'owner.key'}")

    say(
        "3. The owner encrypts the digits:\n"
        f"   blindsight protect {digits} {protected} --key {folder / 'owner.key'} --block-size {BLOCK} --size 32"
    )
    report = protect(FolderSource(digits), protected, key, ProtectOptions(block_size=BLOCK, size=(32, 32)))

    rows = []
    test = sorted((digits / "test").rglob("*.png"))
    plain_test = [np.asarray(Image.open(path)) for path in test]
    truth = np.array([int(path.parent.name) for path in test])
    for number, (name, epochs) in enumerate(scale.epochs.items()):
        # The last epoch counts: a held-out part would be small, and choosing by the test images would flatter.
        recipe = {**RECIPES[name], "epochs": epochs, "holdout": 0.0, "seed": 1}
        recipe_file = folder / f"{name.lower()}-recipe.json"
        recipe_file.write_text(json.dumps(recipe, indent=1) + "\n")
        say(
            f"{4 + number}. A {name} learns, once from the plain digits, once from the protected ones:\n"
            f"   blindsight train {protected} --recipe {recipe_file} "
            f"--out {folder / 'runs' / (name.lower() + '-protected')}"
        )
        rows.append(_train_and_measure(name, recipe, folder, key, plain_test, truth, progress))

    say(
        f"{4 + len(rows)}. The photograph, there and back:\n"
        f"   blindsight protect {photo_file.parent} {folder / 'protected-photo'} --key {folder / 'owner.key'}\n"
        f"   blindsight reveal {folder / 'protected-photo'} {folder / 'revealed-photo'} --key {folder / 'owner.key'}"
    )
    pictures = _digits(plain_test, truth, report.profile, key) | _photo(folder, key)
    page = write_page(folder, rows, report.profile, pictures, key)
    return DemoReport(
        folder=folder,
        page=page,
        rows=rows,
        train_images=len(images) - len(test),
        test_images=len(test),
        protect_images_per_second=report.images / report.seconds,
        seconds=time.monotonic() - started,
    )


def _train_and_measure(
    name: str,
    recipe: dict[str, Any],
    folder: Path,
    key: SecretKey,
    images: list[NDArray[np.uint8]],
    truth: NDArray[np.int64],
    progress: Callable[[str, int], Any] | None,
) -> Row:
    from blindsight.nets.runs import load_run
    from blindsight.provider.recipe import TrainConfig
    from blindsight.provider.training import train

    config = TrainConfig.make(recipe)
    accuracy, seconds, wrong = {}, {}, []
    for kind, data in (("plain", folder / "digits"), ("protected", folder / "protected")):
        out = folder / "runs" / f"{name.lower()}-{kind}"
        before = time.monotonic()
        if progress is None:
            train(data, out, config)
        else:
            with progress(f"{name}, {kind}", config.epochs) as shown:
                train(data, out, config, progress=shown)
        seconds[kind] = time.monotonic() - before
        run = load_run(out)
        accuracy[kind] = top1_under_key(run, images, truth, key if kind == "protected" else None)
        if kind == "protected":
            others = [SecretKey.generate() for _ in range(WRONG_KEYS)]
            wrong = [top1_under_key(run, images, truth, other) for other in others]
    return Row(name, accuracy["plain"], accuracy["protected"], wrong, seconds["plain"], seconds["protected"])


def _photo(folder: Path, key: SecretKey) -> dict[str, NDArray[np.uint8]]:
    """Protects the photograph and reveals it again; what lies in the three folders, uint8 (H, W, 3)."""
    from blindsight.owner.protect import ProtectOptions, protect
    from blindsight.owner.reveal import reveal
    from blindsight.owner.sources import FolderSource

    hidden, back = folder / "protected-photo", folder / "revealed-photo"
    protect(FolderSource(folder / "photo"), hidden, key, ProtectOptions(block_size=PHOTO_BLOCK))
    reveal(hidden, back, key)
    names = {"photo_owner": folder / "photo", "photo_provider": hidden, "photo_back": back}
    return {name: np.asarray(Image.open(next(where.glob("*.png")))) for name, where in names.items()}


def _digits(
    images: list[NDArray[np.uint8]], truth: NDArray[np.int64], profile: Profile, key: SecretKey
) -> dict[str, NDArray[np.uint8]]:
    """Three test images of each digit, plain and protected, as walls of pictures."""
    protection = Protection(profile, key)
    columns = [[images[i] for i in np.flatnonzero(truth == digit)[:3]] for digit in range(10)]
    hidden = [[protection.encrypt(image) for image in column] for column in columns]
    return {"digits_owner": _wall(columns), "digits_provider": _wall(hidden)}


def _wall(columns: list[list[NDArray[np.uint8]]], gap: int = 4) -> NDArray[np.uint8]:
    """Columns of images of one size on a white sheet."""
    side = columns[0][0].shape[0] + gap
    sheet = np.full((max(map(len, columns)) * side - gap, len(columns) * side - gap, 3), 255, np.uint8)
    for x, column in enumerate(columns):
        for y, image in enumerate(column):
            sheet[y * side : y * side + side - gap, x * side : x * side + side - gap] = image
    return sheet

"""What the tests of protect, reveal and rotate share: small data sets, comparing trees, error messages."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blindsight.owner.keys import SecretKey

KEY, OTHER = SecretKey(bytes(range(32))), SecretKey(bytes(32))


def picture(height, width, seed=0, channels=3):
    """Smooth with some noise, as photographs are: uint8 (H, W) or (H, W, 3)."""
    rng = np.random.default_rng([seed, height, width])
    small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.clip(np.asarray(small).astype(int) + rng.integers(-4, 5, (height, width, 3)), 0, 255).astype(np.uint8)
    return pixels if channels == 3 else pixels[:, :, 0]


def write_image(path, height=20, width=27, seed=0, channels=3, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(height, width, seed, channels)).save(path, **options)
    return path


def write_folder(root, files):
    """PNG (or what the suffix says) for each name, with sizes that differ and fit no block."""
    for i, name in enumerate(files):
        write_image(root / name, 17 + 3 * i % 14, 20 + 5 * i % 19, i)
    return root


def tree(*folders):
    """Every file below the folders, by its relative path: its hash. Folders without files count too."""
    found = {}
    for number, folder in enumerate(folders):
        for path in sorted(Path(folder).rglob("*")):
            name = f"{number}/{path.relative_to(folder).as_posix()}"
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def result(out, index=None):
    """What a finished run leaves: OUT, and the index without the records of the run itself."""
    index = index or out.with_name(out.name + ".owner")
    own = ("1/lock", "1/journal.jsonl")
    return {name: value for name, value in tree(out, index).items() if name not in own}


def refused(kind, call, *arguments, **options):
    """The message of the error that a call must end in; one line."""
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


def pixels_of(path, channels=3):
    return np.asarray(Image.open(path).convert("RGB" if channels == 3 else "L"))

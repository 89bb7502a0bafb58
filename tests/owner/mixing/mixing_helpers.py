"""Small labelled sets for the tests of mixing, in memory and on disk."""

import numpy as np

from blindsight.owner.mixing import Mixer, MixOptions
from blindsight.owner.sources import open_source
from protect_helpers import KEY, write_image


def noise_set(path, counts=(12, 14), size=(12, 16), seed=0, split=None, channels=3):
    """An npz of noise images, so that no two blocks are equal by chance: classes a, b, ..."""
    rng = np.random.default_rng(seed)
    total = sum(counts)
    x = rng.integers(0, 256, (total, *size, channels), np.uint8)
    y = np.repeat(np.arange(len(counts)), counts)
    arrays = {"x": x, "y": y, "classes": np.array([chr(97 + i) for i in range(len(counts))])}
    if split is not None:
        arrays["split"] = np.array(split)
    np.savez(path, **arrays)
    return path


def noise_mixer(tmp_path, counts=(12, 14), size=(12, 16), key=KEY, **options):
    """A mixer of such a set; blocks of 4x4 where nothing else is asked for."""
    source = open_source(noise_set(tmp_path / "noise.npz", counts, size))
    return Mixer(source, MixOptions(**{"size": None, "block": (4, 4), **options}), key)


def photo_tree(root, counts=(6, 5), splits=("train", "test"), channels=3):
    """An ImageFolder tree of pictures of mixed sizes."""
    for split in splits:
        for k, count in enumerate(counts):
            for i in range(count):
                write_image(root / split / f"class{k}/{i}.png", 40 + i, 50 - i, 10 * k + i + len(split), channels)
    return root


def blocks_of(pixels, block):
    """(H, W, C) -> (rows, columns, height, width, C)."""
    height, width = block
    h, w, channels = pixels.shape
    return pixels.reshape(h // height, height, w // width, width, channels).swapaxes(1, 2)

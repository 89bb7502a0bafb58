"""What a model says of images that were protected with another key than its own."""

import hashlib
from itertools import starmap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blindsight.bench.data import BenchData, read_pixels
from blindsight.images import encode_image, read_protected
from blindsight.owner.keys import SecretKey
from blindsight.owner.protect import fitted
from blindsight.owner.protection import Protection

if TYPE_CHECKING:
    from blindsight.nets.runs import Run

__all__ = ["top1_under_wrong_keys"]


def top1_under_wrong_keys(run: "Run", data: BenchData, keys: int, images: int) -> tuple[list[float], int]:
    """Accuracy under other keys, with the refusal that the commands would give gone around.

    The test images take the same way as under the right key, through the codec too.

    Args:
        run: a model trained on enciphered images.
        data: the plain images.
        keys: how many keys to try; they are the same ones every time.
        images: at most so many test images, drawn once and for all.

    Returns:
        Top-1 for each key, 0 to 1, and the number of images.
    """
    from blindsight.provider.prediction import predict

    items = [item for item in data.source.items if item.split == "test"]
    chosen = [items[i] for i in np.random.default_rng(0).permutation(len(items))[:images]]
    plain = [fitted(read_pixels(data.source, item), run.profile) for item in chosen]
    index = {name: k for k, name in enumerate(run.profile.classes)}
    labels = np.array([index[str(item.label)] for item in chosen])
    found = []
    for number in range(keys):
        key = SecretKey(hashlib.sha256(f"blindsight bench, wrong key {number}".encode()).digest())
        profile = run.profile.model_copy(update={"key_id": key.id})
        protection = Protection(profile, key)

        def through(number: int, pixels: NDArray[np.uint8], protection: Protection = protection) -> NDArray[np.uint8]:
            hidden = protection.encrypt(pixels, str(number))
            if run.profile.codec.lossless:
                return hidden
            return read_protected(encode_image(hidden, run.profile.codec), channels=run.profile.channels)

        hidden = np.stack(list(starmap(through, enumerate(plain))))
        found.append(float((predict(run, hidden).argmax(1) == labels).mean()))
    return found, len(chosen)

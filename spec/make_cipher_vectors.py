"""Writes ``spec/vectors/ciphers.json`` anew: ``python spec/make_cipher_vectors.py``.

The file changes only with the specification; ``tests/spec`` compares it with what the code gives now.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from blindsight.owner.ciphers import BlockScramble, Cipher, NegativePositive, PixelShuffle, create_cipher
from blindsight.owner.ids import image_id
from blindsight.owner.keys import SecretKey
from blindsight.owner.protection import Protection
from blindsight.owner.views import augmented_view
from blindsight.profile import Profile

VECTORS = Path(__file__).parent / "vectors"
KEY = SecretKey(bytes(range(32)))
HEIGHT, WIDTH, BLOCK = 8, 12, 4
SCHEMES: list[tuple[str, dict[str, bool | float | str]]] = [
    ("etc", {}),
    ("pe", {"color_shuffle": True}),
    ("pe", {"color_shuffle": False}),
    ("np", {"per": "pixel"}),
    ("np", {"per": "block"}),
    ("shf", {"negation": True}),
    ("shf", {"negation": False}),
    ("le", {"paper": False}),
    ("le", {"paper": True}),
    ("ele", {"paper": False}),
    ("ele", {"paper": True}),
    ("bps", {"scramble": False}),
    ("bps", {"scramble": True}),
    ("rrp", {"blocks": 0.5, "samples": 0.5}),
    ("rrp", {"blocks": 0.75, "samples": 1.0}),
    ("rrp", {"blocks": 0.0, "samples": 0.3}),
]
STEPS = (PixelShuffle(shared=False), BlockScramble(), NegativePositive(per="pixel"))
PARTS = (PixelShuffle(shared=False, share=0.4),)
IMAGE_ID = image_id(KEY, "photos", "cat/1.jpg")
POOL = 3


def ciphers() -> dict[str, Any]:
    """Vectors of ``ciphers.md``."""
    made = [create_cipher(name, BLOCK, channels, **given) for name, given in SCHEMES for channels in (3, 1)]
    made += [create_cipher("etc", 1), create_cipher("etc", 2), Cipher("steps-each", STEPS, BLOCK)]
    made += [create_cipher("le", 1), Cipher("steps-part", PARTS, BLOCK)]
    return {
        "spec": "ciphers.md",
        "master": bytes(range(32)).hex(),
        "ciphers": [entry(cipher, scope) for cipher in made for scope in ([], [IMAGE_ID], [pool_element(POOL)])],
        "pools": [
            {"size": size, "image_id": IMAGE_ID, "element": pool_element(size)} for size in (1, POOL, 1000, 999999999)
        ],
        "views": [
            view(number, size) for number, size in ((1, (427, 640)), (2, (427, 640)), (3, (32, 32)), (4, (9, 300)))
        ],
    }


def entry(cipher: Cipher, scope: list[str]) -> dict[str, Any]:
    """The image of the formula, encrypted."""
    shape = (HEIGHT, WIDTH, cipher.channels)
    image = ((7 * np.arange(np.prod(shape)) + 3) % 256).astype(np.uint8).reshape(shape)
    encrypted = np.asarray(cipher.compile(KEY, HEIGHT, WIDTH, *scope).apply(image)).tobytes()
    return {
        "scheme": cipher.scheme,
        "parameters": cipher.parameters,
        "block_size": cipher.block_size,
        "height": HEIGHT,
        "width": WIDTH,
        "channels": cipher.channels,
        "scope": scope,
        "first": encrypted[:24].hex(),
        "sha256": hashlib.sha256(encrypted).hexdigest(),
    }


def pool_element(size: int) -> str:
    """What scope ``pool:K`` puts last in the path."""
    profile = Profile(kind="cipher", scheme="etc", block_size=BLOCK, key_scope=f"pool:{size}", key_id=KEY.id)
    (element,) = Protection(profile, KEY)._scope_path(IMAGE_ID)
    return element


def view(number: int, size: tuple[int, int]) -> dict[str, Any]:
    """What a view draws: the box overheard where it is scaled, the flip seen on a picture that brightens rightwards."""
    identifier = image_id(KEY, "photos", "cat/1.jpg", number)
    ramp = np.broadcast_to(np.linspace(0, 255, size[1]).astype(np.uint8)[:, None], (*size, 3))
    with patch.object(Image.Image, "resize", autospec=True, side_effect=Image.Image.resize) as resize:
        pixels = augmented_view(np.ascontiguousarray(ramp), (8, 8), KEY, identifier)
    left, top, right, bottom = resize.call_args.kwargs["box"]
    flip = bool(pixels[0, 0, 0] > pixels[0, -1, 0])
    return {
        "id": identifier,
        "height": size[0],
        "width": size[1],
        "box": [left, top, right - left, bottom - top],
        "flip": flip,
    }


def text(vectors: dict[str, Any]) -> str:
    """JSON, lists of numbers on one line."""
    spread = json.dumps(vectors, indent=1) + "\n"
    return re.sub(r"\[[\d,\s]+\]", lambda numbers: " ".join(numbers[0].split()), spread)


if __name__ == "__main__":
    (VECTORS / "ciphers.json").write_text(text(ciphers()), encoding="utf-8")

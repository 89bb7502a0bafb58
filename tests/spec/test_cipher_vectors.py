"""The vectors of ciphers.md are what the code gives, and what a reader of the text alone would write."""

import hashlib
import importlib.util
import json
from pathlib import Path

import ciphers_by_spec
import numpy as np
import pytest
from PIL import Image

from blindsight.owner.keys import SecretKey
from blindsight.owner.views import augmented_view

SPEC = Path(__file__).parents[2] / "spec"
FILE = SPEC / "vectors" / "ciphers.json"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
MASTER = bytes.fromhex(VECTORS["master"])


def name_of(vector: dict) -> str:
    parameters = ",".join(f"{name}={value}" for name, value in vector["parameters"].items())
    colors = "gray" if vector["channels"] == 1 else "RGB"
    return f"{vector['scheme']}({parameters})-{vector['block_size']}-{colors}-{''.join(vector['scope']) or 'dataset'}"


def test_the_vectors_are_what_the_code_gives():
    module_spec = importlib.util.spec_from_file_location("make_cipher_vectors", SPEC / "make_cipher_vectors.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    assert module.text(module.ciphers()) == FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("vector", VECTORS["ciphers"], ids=name_of)
def test_the_text_alone_gives_the_vectors(vector):
    height, width, channels = (vector[name] for name in ("height", "width", "channels"))
    data = [(7 * i + 3) % 256 for i in range(height * width * channels)]
    pixels = [data[i : i + channels] for i in range(0, len(data), channels)]
    image = [pixels[y * width : (y + 1) * width] for y in range(height)]
    encrypted = ciphers_by_spec.encrypt(
        image, MASTER, vector["scheme"], vector["parameters"], vector["block_size"], vector["scope"]
    )
    result = bytes(value for line in encrypted for pixel in line for value in pixel)
    assert result[:24].hex() == vector["first"]
    assert hashlib.sha256(result).hexdigest() == vector["sha256"]


def test_no_two_vectors_are_equal():
    """Each depends on the scheme, its parameters, the blocks and the scope; gray PE has no colours to shuffle."""
    hashes = [vector["sha256"] for vector in VECTORS["ciphers"] if vector["channels"] == 3]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("vector", VECTORS["pools"], ids=lambda vector: str(vector["size"]))
def test_the_text_alone_gives_the_pools(vector):
    assert ciphers_by_spec.pool_element(MASTER, vector["size"], vector["image_id"]) == vector["element"]


@pytest.mark.parametrize("vector", VECTORS["views"], ids=lambda vector: vector["id"][:6])
def test_the_text_alone_gives_the_views(vector):
    height, width = vector["height"], vector["width"]
    box, flip = ciphers_by_spec.view(MASTER, vector["id"], height, width)
    assert (box, flip) == (vector["box"], vector["flip"])
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    corners = (box[0], box[1], box[0] + box[2], box[1] + box[3])
    scaled = np.asarray(Image.fromarray(pixels).resize((16, 24), Image.Resampling.BICUBIC, box=corners))
    expected = scaled[:, ::-1] if flip else scaled
    assert np.array_equal(augmented_view(pixels, (24, 16), SecretKey(MASTER), vector["id"]), expected)

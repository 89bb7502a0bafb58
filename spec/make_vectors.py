"""Writes ``spec/vectors/keys.json`` anew: ``python spec/make_vectors.py``.

The file changes only with the specification; ``tests/spec`` compares it with what the code gives now.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from blindsight.owner.ids import class_id, image_id
from blindsight.owner.keys import SecretKey

VECTORS = Path(__file__).parent / "vectors"
MASTER = bytes(range(32))
PATHS: list[list[str]] = [
    [],
    ["key-id"],
    ["image-id"],
    ["etc", "scramble", "h=14,w=14"],
    ["a", "bc"],
    ["ab", "c"],
    ["größe"],
]
STREAM = ["etc", "scramble", "h=14,w=14"]
# 2^31 + 1 refuses almost every second word; 2^32 none.
BOUNDS = [1, 2, 6, 8, 196, 1000003, 2**31 + 1, 2**32 - 1, 2**32]
LENGTHS = [0, 1, 2, 16, 196, 768]
IMAGES = [
    ("photos", "cat/1.jpg", 0),
    ("photos", "cat/1.jpg", 1),
    ("Fotos", "Köln/Dom.png", 0),
    ("Fotos", "Ko\u0308ln/Dom.png", 0),
    ("photos", "1.png", 10),
]
CLASSES = ["cat", "Straße", "猫"]
FIXED_SALT, FIXED_NONCE = bytes(range(16)), bytes(range(12))


def keys() -> dict[str, Any]:
    """Vectors of ``keys.md``."""
    key = SecretKey(MASTER)

    def fresh() -> Any:
        return key.stream(*STREAM)

    return {
        "spec": "keys.md",
        "master": MASTER.hex(),
        "key_id": key.id,
        "subkeys": [{"path": path, "subkey": key.subkey(*path).hex()} for path in PATHS],
        "stream": {
            "path": STREAM,
            "words": fresh().words(20).tolist(),
            "below": [{"n": n, "values": fresh().below(n, 12).tolist()} for n in BOUNDS],
            "permutations": [{"n": n, "values": fresh().permutation(n).tolist()} for n in LENGTHS],
            "uniform": fresh().uniform(4).tolist(),
            "in_sequence": sequence(key),
        },
        "digests": [
            {"purpose": "image-id", "fields": fields, "digest": key.digest(*fields, purpose="image-id").hex()}
            for fields in ([], [""], ["photos", "cat/1.jpg", "0"])
        ],
        "image_ids": [
            {"label": label, "path": path, "view": view, "id": image_id(key, label, path, view)}
            for label, path, view in IMAGES
        ],
        "class_ids": [{"name": name, "id": class_id(key, name)} for name in CLASSES],
        "key_files": key_files(key),
    }


def sequence(key: SecretKey) -> list[dict[str, Any]]:
    """Draws of several kinds one after another from one stream: each goes on where the last one stopped."""
    stream = key.stream(*STREAM)
    return [
        {"call": "below", "n": 2**31 + 1, "values": stream.below(2**31 + 1, 5).tolist()},
        {"call": "permutation", "n": 5, "values": stream.permutation(5).tolist()},
        {"call": "words", "n": 3, "values": stream.words(3).tolist()},
    ]


def key_files(key: SecretKey) -> list[dict[str, Any]]:
    """One keyset as two key files; the second with passphrase ``correct horse``."""
    other = SecretKey(bytes(32))
    public: dict[str, Any] = {
        "format": "blindsight-keyset/1",
        "primary": other.id,
        "keys": [
            {"id": key.id, "created": "2025-01-31", "status": "enabled", "label": "größe"},
            {"id": other.id, "created": "2025-02-01", "status": "enabled"},
        ],
    }
    entries = [
        {**entry, "secret": base64url(k.to_bytes())} for entry, k in zip(public["keys"], (key, other), strict=True)
    ]
    return [
        {"passphrase": None, "file": {**public, "keys": entries}},
        {"passphrase": "correct horse", "file": sealed(public, key.to_bytes() + other.to_bytes())},
    ]


def sealed(public: dict[str, Any], plain: bytes) -> dict[str, Any]:
    """The protected form written out by hand, with a fixed salt and nonce and a low cost."""
    header = {"cipher": "chacha20-poly1305", "kdf": "scrypt", "n": 1024, "r": 8, "p": 1}
    header |= {"salt": base64url(FIXED_SALT), "nonce": base64url(FIXED_NONCE)}
    document = {**public, "protection": header}
    associated = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    wrapping = Scrypt(salt=FIXED_SALT, length=32, n=1024, r=8, p=1).derive(b"correct horse")
    document["sealed"] = base64url(ChaCha20Poly1305(wrapping).encrypt(FIXED_NONCE, plain, associated))
    return document


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def text(vectors: dict[str, Any]) -> str:
    """JSON, lists of numbers on one line."""
    spread = json.dumps(vectors, indent=1) + "\n"
    return re.sub(r"\[[\d.,\s]+\]", lambda numbers: " ".join(numbers[0].split()), spread)


if __name__ == "__main__":
    (VECTORS / "keys.json").write_text(text(keys()), encoding="utf-8")

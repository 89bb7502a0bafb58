"""Writes ``spec/vectors/mixing.json`` anew: ``python spec/make_mixing_vectors.py``.

The file changes only with the specification; ``tests/spec`` compares it with what the code gives now.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from blindsight.owner.keys import SecretKey
from blindsight.owner.mixing import Mixer, MixOptions
from blindsight.owner.sources._base import Item, Source

VECTORS = Path(__file__).parent / "vectors"
KEY = SecretKey(bytes(range(32)))
HEIGHT, WIDTH, CLASSES = 8, 12, (("cat", 5), ("dog", 4))
CASES: list[dict[str, Any]] = [
    {"method": "pbm", "block": (4, 2), "sources": 3, "probability": 0.5},
    {"method": "pbm", "block": (8, 12), "sources": 4, "probability": 0.75, "include_target": True, "targets": 3},
    {"method": "pbm", "block": (1, 1), "sources": 7, "replacement": True, "targets": 6},
    {"method": "mixup", "alpha": 0.4},
    {"method": "mixup", "alpha": 2.0, "partners": "any"},
    {"method": "cutmix", "alpha": 1.0},
    {"method": "instahide"},
    {"method": "instahide", "sources": 1, "partners": "same"},
]


class FormulaSource(Source):
    """Byte i of image number k is (7 i + 31 k^2 + 3) mod 256; names are CLASS/NUMBER.png."""

    label = "photos"

    def __init__(self) -> None:
        self.rejects = []
        labels = [name for name, count in CLASSES for _ in range(count)]
        self._keep([Item(f"{name}/{k}.png", None, name, k) for k, name in enumerate(labels)])
        self.uniform_size = (HEIGHT, WIDTH)

    def read(self, item: Item) -> np.ndarray:
        values = (7 * np.arange(HEIGHT * WIDTH * 3) + 31 * item.number**2 + 3) % 256
        return values.astype(np.uint8).reshape(HEIGHT, WIDTH, 3)

    def fingerprint(self, item: Item) -> str:
        return str(item.number)


def mixing() -> dict[str, Any]:
    """Vectors of ``mixing.md``."""
    return {
        "spec": "mixing.md",
        "master": bytes(range(32)).hex(),
        "label": "photos",
        "height": HEIGHT,
        "width": WIDTH,
        "channels": 3,
        "classes": [list(entry) for entry in CLASSES],
        "cases": [case(values) for values in CASES],
    }


def case(values: dict[str, Any]) -> dict[str, Any]:
    """All mixed images of one setting."""
    options = MixOptions(**{"size": None, "block": (1, 1), **values})
    mixer = Mixer(FormulaSource(), options, KEY)
    images = []
    for target in mixer.targets:
        mixture = mixer.make(target)
        images.append(
            {
                "path": target.item.path,
                "view": target.view,
                "id": target.id,
                "donors": [item.number for item in mixture.donors],
                "weights": mixture.weights,
                "first": mixture.pixels.tobytes()[:12].hex(),
                "sha256": hashlib.sha256(mixture.pixels.tobytes()).hexdigest(),
            }
        )
    settings = {
        "method": options.method,
        "sources": options.donors,
        "partners": options.labels,
        "include_target": options.include_target,
        "replacement": options.replacement,
        "targets": options.targets,
        "block": list(options.block),
        "probability": options.probability,
        "alpha": options.alpha,
    }
    return {**settings, "images": images}


def text(vectors: dict[str, Any]) -> str:
    """JSON, lists of numbers on one line."""
    spread = json.dumps(vectors, indent=1) + "\n"
    return re.sub(r"\[[\d.,\s]+\]", lambda numbers: " ".join(numbers[0].split()), spread)


if __name__ == "__main__":
    (VECTORS / "mixing.json").write_text(text(mixing()), encoding="utf-8")

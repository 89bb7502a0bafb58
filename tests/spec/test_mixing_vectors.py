"""The vectors of mixing.md are what the code gives, and what a reader of the text alone would write."""

import hashlib
import importlib.util
import json
from pathlib import Path

import mixing_by_spec
import pytest

SPEC = Path(__file__).parents[2] / "spec"
FILE = SPEC / "vectors" / "mixing.json"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
MASTER = bytes.fromhex(VECTORS["master"])
SIZE = (VECTORS["height"], VECTORS["width"])
CLASSES = [(name, count) for name, count in VECTORS["classes"]]
PATHS = [f"{name}/{k}.png" for k, name in enumerate(name for name, count in CLASSES for _ in range(count))]
IMAGES = [
    bytes((7 * i + 31 * k * k + 3) % 256 for i in range(SIZE[0] * SIZE[1] * 3))
    for k in range(sum(count for _, count in CLASSES))
]


def test_the_vectors_are_what_the_code_gives():
    module_spec = importlib.util.spec_from_file_location("make_mixing_vectors", SPEC / "make_mixing_vectors.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    assert module.text(module.mixing()) == FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: f"{case['method']}-{case['sources']}")
def test_the_text_alone_gives_the_vectors(case):
    by_id = {entry["id"]: entry for entry in case["images"]}
    made = 0
    first = 0
    for name, count in CLASSES:
        members = list(range(first, first + count))
        first += count
        for number, view in mixing_by_spec.targets(MASTER, case["method"], "photos", name, count, case["targets"]):
            target = members[number]
            identifier = mixing_by_spec.identifier(MASTER, case, "photos", f"{name}/{target}.png", view, SIZE, PATHS)
            pool = members if case["partners"] == "same" else list(range(len(IMAGES)))
            others = [image for image in pool if case["include_target"] or image != target]
            donors = mixing_by_spec.donors(
                MASTER, case["method"], identifier, others, case["sources"], case["replacement"]
            )
            assert by_id[identifier]["donors"] == donors
            pixels = mixing_by_spec.mixed(MASTER, case, identifier, [IMAGES[i] for i in (target, *donors)], SIZE)
            assert pixels[:12].hex() == by_id[identifier]["first"]
            assert hashlib.sha256(pixels).hexdigest() == by_id[identifier]["sha256"]
            made += 1
    assert made == len(by_id)

"""The published vectors are what the code gives, and what the specification's own words give."""

import hashlib
import hmac
import importlib.util
import json
from pathlib import Path

import pytest

from blindsight.owner._keyformat import parse_info, parse_keyset
from blindsight.owner.keys import SecretKey

SPEC = Path(__file__).parents[2] / "spec"
VECTORS = json.loads((SPEC / "vectors" / "keys.json").read_text(encoding="utf-8"))


def test_the_vectors_are_what_the_code_gives():
    module_spec = importlib.util.spec_from_file_location("make_vectors", SPEC / "make_vectors.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    assert module.text(module.keys()) == (SPEC / "vectors" / "keys.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("vector", VECTORS["subkeys"], ids=lambda vector: "/".join(vector["path"]))
def test_subkeys_are_one_hmac_of_the_path(vector):
    fields = ["blindsight/v1", *vector["path"]]
    info = b"".join(len(field.encode()).to_bytes(2, "big") + field.encode() for field in fields)
    assert hmac.digest(bytes.fromhex(VECTORS["master"]), info + b"\x01", hashlib.sha256).hex() == vector["subkey"]


def test_the_vectors_show_a_rejection():
    stream, n = VECTORS["stream"], 2**31 + 1
    below = next(vector for vector in stream["below"] if vector["n"] == n)
    accepted = [word for word in stream["words"] if word < n]
    assert accepted != stream["words"]
    assert below["values"][: len(accepted)] == accepted[:12]


@pytest.mark.parametrize("vector", VECTORS["key_files"], ids=["plain", "protected"])
def test_key_files_are_read(vector):
    text = json.dumps(vector["file"]).encode()
    keyset = parse_keyset(text, "the vector", vector["passphrase"])
    assert keyset.secrets == (SecretKey(bytes.fromhex(VECTORS["master"])), SecretKey(bytes(32)))
    assert keyset.primary == SecretKey(bytes(32))
    assert keyset.info == parse_info(text, "the vector")
    assert keyset.info.keys[0].label == "größe"

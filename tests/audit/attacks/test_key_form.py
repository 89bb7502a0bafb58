"""What an attacker knows of a scheme's keys before seeing any: by looking at keys of his own."""

from typing import Any, ClassVar

import numpy as np
import pytest
from pair_helpers import noise

from blindsight.algebra import BlockGrid, SignedPermutation
from blindsight.audit import Budget, get_attack
from blindsight.audit.attacks._key_form import KeyForm, key_form
from blindsight.audit.scenario import make_scenario
from blindsight.owner.ciphers import Cipher
from blindsight.owner.keystream import KeyStream
from blindsight.profile import Profile


def form_of(scheme: str, shape: tuple[int, int, int] = (16, 16, 3), **parameters: Any) -> KeyForm:
    facts = {"kind": "cipher", "scheme": scheme, "block_size": 4, "parameters": parameters, "channels": shape[2]}
    return key_form(Profile(**facts, key_scope="dataset", key_id="bsk1-" + "a" * 16), shape)


@pytest.mark.parametrize(
    ("scheme", "parameters", "expected"),
    [
        ("etc", {}, {"kind": "states", "moves": True, "orientations": 8, "negatives": 2, "colors": 6}),
        ("np", {"per": "block"}, {"kind": "states", "moves": False, "orientations": 1, "negatives": 2, "colors": 1}),
        ("np", {}, {"kind": "tiles", "reach": "sample", "shared": True, "moves": False, "masks": (0, 255)}),
        ("pe", {}, {"kind": "tiles", "reach": "pixel", "shared": False, "moves": False, "masks": (0, 255)}),
        ("shf", {}, {"kind": "tiles", "reach": "block", "shared": True, "moves": True, "masks": (0, 255)}),
        ("shf", {"negation": False}, {"masks": (0,), "shared": True}),
        ("rrp", {}, {"reach": "block", "shared": True, "moves": True, "masks": (0,)}),
        ("rrp", {"samples": 0.0}, {"kind": "states", "moves": True, "orientations": 1, "negatives": 1}),
        ("bps", {}, {"reach": "block", "shared": False, "moves": False, "masks": (0,), "sample": "byte"}),
        ("le", {}, {"reach": "block", "shared": True, "moves": False, "masks": (0, 15), "sample": "nibble"}),
        ("ele", {"paper": True}, {"shared": False, "moves": True, "masks": (0, 15), "sample": "nibble"}),
        ("of-somebody-else", {}, {"kind": "flat", "masks": tuple(range(16)), "sample": "nibble", "grid": None}),
    ],
)
def test_forms(scheme: str, parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    form = form_of(scheme, **parameters)
    assert {name: getattr(form, name) for name in expected} == expected


def test_grey_images_have_no_colour_orders() -> None:
    assert form_of("etc", (16, 16, 1)).colors == 1
    assert form_of("pe", (16, 16, 1)).reach == "sample"


def test_samples_of_blocks_are_where_the_key_says() -> None:
    images = noise(3, 16, 16)
    for scheme in ("shf", "le"):
        form = form_of(scheme)
        inside = form.in_blocks(images)
        assert inside.shape == (16, 48 if scheme == "shf" else 96, 3)
        assert np.array_equal(form.samples(images)[:, form.places].transpose(1, 2, 0), inside)


class Anywhere:
    """A third party's step without block structure: samples go anywhere, XORed with anything."""

    name: ClassVar[str] = "anywhere"
    shared: ClassVar[bool] = False
    jpeg_safe: ClassVar[bool] = False

    def compile(self, stream: KeyStream, grid: BlockGrid) -> SignedPermutation:
        count = int(np.prod(grid.shape))
        return SignedPermutation(grid.shape, stream.permutation(count), stream.below(256, count))


@pytest.mark.parametrize("attack", ["known-pairs", "chosen-plaintext"])
def test_a_scheme_without_blocks_falls_too(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def created(*_: Any, **__: Any) -> Cipher:
        return Cipher("anywhere", [Anywhere()], 4)

    for module in ("blindsight.audit.attacks._key_form", "blindsight.owner.protection"):
        monkeypatch.setattr(f"{module}.create_cipher", created)
    pairs = {"pairs": 6} if attack == "known-pairs" else {}
    scenario = make_scenario(noise(7, 8, 12), "anywhere", 4, attack, **pairs)
    found = get_attack(attack).run(scenario.observation, Budget())
    assert found.key == scenario.truth.key
    if attack == "chosen-plaintext":
        assert found.facts["queries"] == 3  # 288 places and 256 masks, words of 256 values each

"""Key spaces: exact, against formulas and against counting."""

from itertools import permutations
from math import lgamma, log, log2
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.audit.keyspace import MASTER_KEY_BITS, KeySpace, key_space
from blindsight.errors import ParameterError
from blindsight.owner.ciphers import list_ciphers
from blindsight.profile import Profile


def space(scheme: str, block: int, size: tuple[int, int] | None, channels: int = 3, **parameters: Any) -> KeySpace:
    facts = {"kind": "cipher", "scheme": scheme, "block_size": block, "size": size, "channels": channels}
    return key_space(Profile(**facts, parameters=parameters, key_scope="dataset", key_id="bsk1-" + "a" * 16))


def factorial_bits(n: int) -> float:
    return lgamma(n + 1) / log(2)


@pytest.mark.parametrize(
    ("scheme", "block", "side", "parameters", "bits"),
    [
        ("etc", 8, 32, {}, 150),
        ("etc", 4, 32, {}, 717),
        ("etc", 16, 96, {}, 375),
        ("etc", 8, 96, {}, 1778),
        ("etc", 16, 224, {}, 2506),
        ("le", 4, 32, {"paper": True}, 498),
        ("le", 4, 32, {}, 594),
        ("ele", 4, 32, {"paper": True}, 32186),
        ("ele", 4, 32, {}, 38330),
        ("pe", 4, 32, {}, 5719),
        ("pe", 16, 224, {}, 280231),
    ],
)
def test_published_settings(scheme: str, block: int, side: int, parameters: dict[str, Any], bits: int) -> None:
    found = space(scheme, block, (side, side), **parameters)
    assert found.bits == pytest.approx(bits, abs=0.5)
    assert found.searched == min(found.bits, MASTER_KEY_BITS)


@given(st.sampled_from((2, 4, 8)), st.integers(1, 6), st.integers(1, 6), st.sampled_from((1, 3)))
def test_formulas(block: int, rows: int, cols: int, channels: int) -> None:
    size, n, s = (rows * block, cols * block), rows * cols, block * block * channels
    colors = log2(6) * (channels == 3)
    expected = {
        "etc": factorial_bits(n) + n * (3 + 1 + colors),
        "shf": factorial_bits(n) + factorial_bits(s) + s,
        "np": s,
        "pe": n * s + n * block * block * colors,
        "le": factorial_bits(2 * s) + 2 * s,
        "ele": n * (factorial_bits(2 * s) + 2 * s) + factorial_bits(n),
        "bps": n * factorial_bits(s),
    }
    for scheme, bits in expected.items():
        assert space(scheme, block, size, channels).bits == pytest.approx(bits, rel=1e-9), scheme
    assert space("np", block, size, channels, per="block").bits == n
    assert space("shf", block, size, channels, negation=False).bits == pytest.approx(expected["shf"] - s)
    assert space("pe", block, size, channels, color_shuffle=False).bits == n * s
    scrambled = space("bps", block, size, channels, scramble=True).bits
    assert scrambled == pytest.approx(expected["bps"] + factorial_bits(n))
    assert space("rrp", block, size, channels, blocks=1.0, samples=1.0).bits == pytest.approx(expected["shf"] - s)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_restricted_permutations_are_counted(share: float) -> None:
    most = int(6 * share + 0.5)
    reached = sum(sum(a != b for a, b in enumerate(order)) <= most for order in permutations(range(6)))
    found = space("rrp", 4, (8, 12), blocks=share, samples=0.0)
    assert found.bits == pytest.approx(log2(reached))
    assert found.parts == {"block-scramble-part": pytest.approx(log2(reached))}


def test_blocks_of_one_pixel_have_no_orientation() -> None:
    assert space("etc", 1, (2, 2)).bits == pytest.approx(log2(24) + 4 + 4 * log2(6))


def test_every_scheme_has_a_count_and_says_that_it_is_not_the_answer() -> None:
    for scheme in list_ciphers():
        found = space(scheme, 4, (32, 32))
        if scheme in ("bps", "ele", "etc", "le", "np", "pe", "rrp", "shf"):
            assert found.bits == pytest.approx(sum(found.parts.values()))
        assert "not a security level" in found.why_not_security


def test_mixing_has_no_key() -> None:
    found = key_space(Profile(kind="mix", scheme="pbm", block_size=8))
    assert (found.bits, found.searched, found.parts) == (0.0, 0.0, {})
    assert "true pixels are published" in found.why_not_security


def test_an_unknown_scheme_is_not_guessed() -> None:
    found = space("of-somebody-else", 4, (32, 32))
    assert (found.bits, found.searched) == (None, None)


def test_unknown_steps_are_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    from blindsight.owner.ciphers import BlockScramble, Cipher

    class Strange(BlockScramble):
        pass

    class Other:
        name, shared, jpeg_safe = "other", False, False
        compile = Strange().compile

    made = Cipher("strange", [BlockScramble(), Other()], 4)
    monkeypatch.setattr("blindsight.audit.keyspace.create_cipher", lambda *_, **__: made)
    found = space("strange", 4, (8, 8))
    assert (found.bits, found.searched) == (None, None)
    assert found.parts == {"block-scramble": pytest.approx(log2(24))}


def test_a_size_can_be_given_and_must_be() -> None:
    profile = Profile(kind="cipher", scheme="etc", block_size=8, key_scope="dataset", key_id="bsk1-" + "a" * 16)
    assert key_space(profile, (32, 32)).bits == pytest.approx(149.6, abs=0.05)
    with pytest.raises(ParameterError, match="give size"):
        key_space(profile)
    with pytest.raises(ParameterError, match="multiple of the block size"):
        key_space(profile, (33, 32))
    with pytest.raises(ParameterError, match="protects nothing"):
        key_space(Profile(kind="plain"))

import copy
import pickle
import struct
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.errors import ParameterError
from blindsight.owner.keystream import KeyStream, hkdf_expand

SUBKEY = bytes(range(32))
subkeys = st.binary(min_size=32, max_size=32)
bounds = st.one_of(st.integers(1, 300), st.integers(1, 2**32), st.integers(2**31 - 5, 2**31 + 5), st.just(2**32))


def quarter(s: list[int], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        s[z] ^= s[x]
        s[z] = ((s[z] << turn) | (s[z] >> (32 - turn))) & 0xFFFFFFFF


def chacha20_block(key: bytes, counter: int, nonce: bytes = bytes(12)) -> list[int]:
    """RFC 8439, section 2.3.1, written out: the 16 words of one block."""
    state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *struct.unpack("<8I", key), counter]
    state += struct.unpack("<3I", nonce)
    s = list(state)
    for _ in range(10):
        for column in range(4):
            quarter(s, column, column + 4, column + 8, column + 12)
        for diagonal in range(4):
            quarter(s, diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4)
    return [(x + y) & 0xFFFFFFFF for x, y in zip(s, state, strict=True)]


def below_one_by_one(stream: KeyStream, n: int) -> int:
    while True:
        x = int(stream.words(1)[0])
        if x < (2**32 // n) * n:
            return x % n


def permutation_one_by_one(stream: KeyStream, n: int) -> list[int]:
    items = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below_one_by_one(stream, i + 1)
        items[i], items[j] = items[j], items[i]
    return items


class Scripted(KeyStream):
    """A stream of chosen words."""

    def __init__(self, words: list[int]) -> None:
        self.left = list(words)

    def words(self, n: int) -> np.ndarray:
        taken, self.left = self.left[:n], self.left[n:]
        assert len(taken) == n, "drew more words than the definition uses"
        return np.array(taken, dtype=np.uint32)


def test_the_reference_block_function_gives_the_vector_of_rfc_8439_section_2_3_2():
    nonce = bytes.fromhex("000000090000004a00000000")
    expected = (
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )
    assert struct.pack("<16I", *chacha20_block(SUBKEY, 1, nonce)).hex() == expected


def test_words_are_the_vectors_of_rfc_8439_appendix_a_1():
    # Test vectors 1 and 2: key 0, nonce 0, block counters 0 and 1.
    expected = (
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    )
    assert KeyStream(bytes(32)).words(32).astype("<u4").tobytes().hex() == expected


def test_hkdf_expand_gives_test_case_1_of_rfc_5869():
    prk = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    info = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9")
    expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    assert hkdf_expand(prk, info, 42).hex() == expected


@given(subkeys, st.integers(0, 100))
def test_words_are_chacha20_with_nonce_0_and_counter_from_0(subkey, n):
    reference = [word for counter in range(-(-n // 16)) for word in chacha20_block(subkey, counter)][:n]
    words = KeyStream(subkey).words(n)
    assert words.tolist() == reference
    assert words.dtype == np.uint32


@given(subkeys, st.lists(st.integers(0, 40), max_size=8))
def test_words_do_not_depend_on_how_they_are_grouped(subkey, sizes):
    stream = KeyStream(subkey)
    parts = [stream.words(n) for n in sizes]
    whole = KeyStream(subkey).words(sum(sizes))
    assert np.concatenate([*parts, np.array([], np.uint32)]).tolist() == whole.tolist()


@given(subkeys, bounds, st.integers(0, 50))
def test_below_equals_its_definition_and_leaves_the_stream_at_the_same_word(subkey, n, size):
    fast, slow = KeyStream(subkey), KeyStream(subkey)
    drawn = fast.below(n, size)
    assert drawn.dtype == np.int64
    assert drawn.tolist() == [below_one_by_one(slow, n) for _ in range(size)]
    assert fast.words(3).tolist() == slow.words(3).tolist()
    assert ((drawn >= 0) & (drawn < n)).all()


@given(subkeys, bounds, st.integers(0, 30), st.integers(0, 30))
def test_below_does_not_depend_on_how_draws_are_grouped(subkey, n, a, b):
    stream = KeyStream(subkey)
    parts = [*stream.below(n, a), *stream.below(n, b)]
    assert parts == KeyStream(subkey).below(n, a + b).tolist()


def test_below_rejects_the_words_that_would_make_it_biased():
    limit = 2**32 - 2**32 % 5
    assert Scripted([limit - 1, limit, limit, 7, 2**32 - 1, 3]).below(5, 3).tolist() == [4, 2, 3]


@given(subkeys, st.integers(0, 300))
def test_permutation_is_a_bijection_and_equals_its_definition(subkey, n):
    fast, slow = KeyStream(subkey), KeyStream(subkey)
    drawn = fast.permutation(n)
    assert drawn.dtype == np.int64
    assert sorted(drawn.tolist()) == list(range(n))
    assert drawn.tolist() == permutation_one_by_one(slow, n)
    assert fast.words(1).tolist() == slow.words(1).tolist()


def test_permutation_takes_rejections_word_by_word():
    # Both words are refused below 5, the second of them would also be refused below 3.
    refused = 2**32 - 1
    script = [refused, refused, 4, 1, refused, 2, 0]
    assert Scripted(script).permutation(5).tolist() == permutation_one_by_one(Scripted(script), 5)


def test_a_long_permutation_equals_its_definition_and_is_fast():
    # Long enough that about three words are rejected on the way.
    n = 190_000
    fast, slow = KeyStream(SUBKEY), KeyStream(SUBKEY)
    start = time.perf_counter()
    drawn = fast.permutation(n)
    assert time.perf_counter() - start < 2, "should take about 0.05 s"
    words = KeyStream(SUBKEY).words(n + 100)
    drawn_slowly, used = list(range(n)), 0
    for i in range(n - 1, 0, -1):
        limit = 2**32 // (i + 1) * (i + 1)
        while int(words[used]) >= limit:
            used += 1
        j = int(words[used]) % (i + 1)
        used += 1
        drawn_slowly[i], drawn_slowly[j] = drawn_slowly[j], drawn_slowly[i]
    assert used > n - 1, "no rejection happened; the test tests nothing"
    assert drawn.tolist() == drawn_slowly
    slow.words(used)
    assert fast.words(1).tolist() == slow.words(1).tolist()


@given(subkeys, st.integers(0, 40), st.integers(0, 9))
def test_permutations_made_together_are_those_made_one_by_one(subkey, n, count):
    together, single = KeyStream(subkey), KeyStream(subkey)
    drawn = together.permutations(count, n)
    assert drawn.shape == (count, n)
    assert drawn.tolist() == [single.permutation(n).tolist() for _ in range(count)]
    assert np.array_equal(together.words(3), single.words(3)), "and not a word more is used"


def test_permutations_made_in_spans_are_the_same(monkeypatch):
    whole = KeyStream(SUBKEY).permutations(11, 7)
    monkeypatch.setattr("blindsight.owner.keystream.SPAN", 16)
    assert np.array_equal(KeyStream(SUBKEY).permutations(11, 7), whole)


def test_permutations_take_rejections_word_by_word():
    script = [2**32 - 1, 5, 2**32 - 1, 2**32 - 1, 9, 4, 3, 2**32 - 1, 8, 7, 6, 2, 1, 0, 11, 12, 13]
    assert 2**32 - 1 >= 2**32 // 5 * 5, "the largest word is rejected for bounds of 5 and 3"
    single = Scripted(script)
    assert Scripted(script).permutations(2, 5).tolist() == [single.permutation(5).tolist() for _ in range(2)]


def test_permutations_are_uniform():
    stream = KeyStream(SUBKEY)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(12_000):
        drawn = tuple(stream.permutation(3).tolist())
        counts[drawn] = counts.get(drawn, 0) + 1
    chi_squared = sum((count - 2000) ** 2 / 2000 for count in counts.values())
    assert len(counts) == 6
    assert chi_squared < 20.5  # 99.9 % of uniform samples, 5 degrees of freedom


@pytest.mark.parametrize("n", [6, 8, 196])
def test_below_is_uniform(n):
    counts = np.bincount(KeyStream(SUBKEY).below(n, 1000 * n), minlength=n)
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_squared < n - 1 + 4 * (2 * (n - 1)) ** 0.5


@given(subkeys, st.integers(0, 50))
def test_uniform_is_the_word_over_two_to_the_32(subkey, size):
    drawn = KeyStream(subkey).uniform(size)
    assert drawn.dtype == np.float64
    assert drawn.tolist() == [int(word) / 2**32 for word in KeyStream(subkey).words(size)]
    assert ((drawn >= 0) & (drawn < 1)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: KeyStream(b"short"), "a key stream needs a subkey of 32 bytes, got 5"),
        (lambda: KeyStream(SUBKEY).words(-1), "a number of draws must be 0 or more, got -1"),
        (lambda: KeyStream(SUBKEY).below(5, -1), "a number of draws must be 0 or more, got -1"),
        (lambda: KeyStream(SUBKEY).below(0, 1), "below(n) needs n from 1 to 2^32, got 0"),
        (lambda: KeyStream(SUBKEY).below(2**32 + 1, 1), "below(n) needs n from 1 to 2^32, got 4294967297"),
        (lambda: KeyStream(SUBKEY).permutation(-1), "permutation(n) needs n from 0 to 2^32, got -1"),
        (lambda: KeyStream(SUBKEY).permutations(-1, 3), "a number of draws must be 0 or more, got -1"),
        (
            lambda: KeyStream(SUBKEY).permutations(2, 1 << 31),
            "permutations(count, n) needs n from 0 to 2^31 - 1, got 2147483648",
        ),
    ],
)
def test_values_that_cannot_work_are_named(call, message):
    with pytest.raises(ParameterError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_stream_is_never_pickled_or_copied(duplicate):
    with pytest.raises(TypeError, match="derive it again"):
        duplicate(KeyStream(SUBKEY))


def test_repr_shows_nothing():
    assert repr(KeyStream(SUBKEY)) == "KeyStream(…)"

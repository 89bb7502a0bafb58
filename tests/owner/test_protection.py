import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.errors import ParameterError, ProfileError, UnknownNameError, WrongKeyError
from blindsight.owner import protection
from blindsight.owner.ciphers import create_cipher, list_ciphers
from blindsight.owner.protection import Protection
from blindsight.profile import Profile
from protect_helpers import KEY, OTHER, picture, refused

SCHEMES = ["bps", "ele", "etc", "le", "np", "pe", "rrp", "shf"]


def profile(**changes):
    base = {"kind": "cipher", "scheme": "etc", "block_size": 4, "key_scope": "dataset", "key_id": KEY.id}
    return Profile(**{**base, **changes})


@settings(max_examples=60, deadline=None)
@given(
    scheme=st.sampled_from(SCHEMES),
    scope=st.sampled_from(["dataset", "image", "pool:3"]),
    channels=st.sampled_from([1, 3]),
    rows=st.integers(1, 4),
    cols=st.integers(1, 5),
    block=st.integers(1, 6),
    identifier=st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    seed=st.integers(0, 2**32),
)
def test_decrypting_undoes_encrypting(scheme, scope, channels, rows, cols, block, identifier, seed):
    p = Protection(profile(scheme=scheme, block_size=block, channels=channels, key_scope=scope), KEY)
    image = np.random.default_rng(seed).integers(0, 256, (rows * block, cols * block, channels), np.uint8)
    before = image.copy()
    hidden = p.encrypt(image, identifier)
    assert hidden.shape == image.shape
    assert hidden.dtype == np.uint8
    assert np.array_equal(p.decrypt(hidden, identifier), image)
    assert np.array_equal(image, before)


def test_every_registered_scheme_is_tested_here():
    assert set(SCHEMES) <= set(list_ciphers())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_scope_dataset_is_the_cipher_under_the_key_alone(scheme):
    image = picture(16, 24)
    table = create_cipher(scheme, 4).compile(KEY, 16, 24)
    p = Protection(profile(scheme=scheme), KEY)
    assert np.array_equal(p.encrypt(image), table.apply(image))
    assert np.array_equal(p.encrypt(image, "any id"), table.apply(image))
    assert not np.array_equal(p.encrypt(image), image)


def test_scope_image_puts_the_id_into_the_key_path():
    image = picture(16, 24)
    p = Protection(profile(key_scope="image"), KEY)
    assert np.array_equal(p.encrypt(image, "a"), create_cipher("etc", 4).compile(KEY, 16, 24, "a").apply(image))
    assert not np.array_equal(p.encrypt(image, "a"), p.encrypt(image, "b"))


def test_scope_pool_draws_one_of_k_keys_from_the_id():
    image = picture(16, 24)
    p = Protection(profile(key_scope="pool:3"), KEY)
    cipher = create_cipher("etc", 4)
    pool = [cipher.compile(KEY, 16, 24, f"pool:{k}").apply(image).tobytes() for k in range(3)]
    drawn = [pool.index(p.encrypt(image, str(i)).tobytes()) for i in range(60)]
    assert {drawn.count(k) >= 10 for k in range(3)} == {True}  # all of them, about equally often
    assert drawn == [pool.index(Protection(p.profile, KEY).encrypt(image, str(i)).tobytes()) for i in range(60)]


def test_parameters_of_the_profile_reach_the_cipher():
    with pytest.raises(ParameterError, match="has no parameter 'rounds'"):
        Protection(profile(parameters={"rounds": 3}), KEY)


def test_tables_are_kept_for_the_geometries_last_seen(monkeypatch):
    monkeypatch.setattr(protection, "CACHED_TABLES", 2)
    p = Protection(profile(), KEY)
    first = p.permutation(8, 8)
    assert p.permutation(8, 8) is first
    assert p.permutation(8, 8, inverse=True) is not first
    assert p.permutation(8, 8) is first
    p.permutation(8, 12)
    p.permutation(12, 8)
    assert len(p._tables) == 2
    assert p.permutation(8, 8) is not first
    assert np.array_equal(p.permutation(8, 8).index, first.index)


def test_a_key_that_serves_one_image_is_not_kept():
    p = Protection(profile(key_scope="image"), KEY)
    for i in range(5):
        p.permutation(8, 8, str(i))
    assert not p._tables


def test_threads_agree():
    p = Protection(profile(key_scope="pool:2"), KEY)
    images = [picture(8 + 4 * (i % 3), 12, i) for i in range(60)]
    with ThreadPoolExecutor(4) as pool:
        hidden = list(pool.map(p.encrypt, images, map(str, range(60))))
    alone = Protection(p.profile, KEY)
    assert all(np.array_equal(h, alone.encrypt(x, str(i))) for i, (h, x) in enumerate(zip(hidden, images, strict=True)))


def test_what_does_not_fit_is_refused():
    p = Protection(profile(), KEY)
    assert "shape (H, W, C)" in refused(ParameterError, p.encrypt, np.zeros((8, 8), np.uint8))
    assert "uint8" in refused(ParameterError, p.encrypt, np.zeros((8, 8, 3), np.float32))
    assert "(8, 8, 1)" in refused(ParameterError, p.encrypt, np.zeros((8, 8, 1), np.uint8))
    assert "block" in refused(ParameterError, p.decrypt, np.zeros((9, 8, 3), np.uint8))


@pytest.mark.parametrize("scope", ["image", "pool:5"])
@pytest.mark.parametrize("identifier", [None, ""])
def test_a_scope_below_the_data_set_needs_the_id(scope, identifier):
    p = Protection(profile(key_scope=scope), KEY)
    text = refused(ParameterError, p.encrypt, np.zeros((8, 8, 3), np.uint8), identifier)
    assert text == f"key scope '{scope}' draws its key from the image's id; give image_id"


def test_another_key_is_refused():
    text = refused(WrongKeyError, Protection, profile(), OTHER)
    assert text == f"the profile names key {KEY.id}, the key at hand is {OTHER.id}; give that key"


def test_only_ciphers_have_a_way_back():
    for other in (Profile(kind="plain"), Profile(kind="mix", scheme="pbm", block_size=4)):
        assert f"kind '{other.kind}' has no cipher" in refused(ProfileError, Protection, other, KEY)
    assert "unknown scheme 'etd'; did you mean etc" in refused(UnknownNameError, Protection, profile(scheme="etd"), KEY)


def test_the_repr_shows_the_profile_and_no_key():
    text = repr(Protection(profile(), KEY))
    assert text == f"Protection(etc, blocks of 4, mixed sizes RGB, png, key {KEY.id}, scope dataset)"
    assert bytes(range(32)).hex() not in text


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_protection_is_never_pickled_or_copied(duplicate):
    with pytest.raises(TypeError) as caught:
        duplicate(Protection(profile(), KEY))
    assert str(caught.value).splitlines()[0] == (
        "a Protection holds a secret key and is never pickled or copied; share the object itself, "
        "or give another process the profile and a KeyReference, which names the key's file"
    )

import copy
import hashlib
import hmac
import multiprocessing
import pickle
import traceback
from concurrent.futures import ProcessPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.errors import KeyFileError, ParameterError, PassphraseError, WrongKeyError
from blindsight.owner import _keyformat, keys
from blindsight.owner._encoding import encode_fields
from blindsight.owner.keyfile import create_keyfile
from blindsight.owner.keys import KeyReference, Keyset, SecretKey, load_keyset

MASTER = bytes(range(32))
paths = st.lists(st.text(st.characters(codec="utf-8"), max_size=10), max_size=5)


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch):
    monkeypatch.setattr(keys, "_loaded", {})


def forms(secret: bytes) -> list[str]:
    """How a secret might show in a text."""
    return [secret.hex(), repr(secret)[2:-1], _keyformat._encode(secret), str(list(secret))[1:-1]]


@given(st.binary(min_size=32, max_size=32), paths)
def test_a_subkey_is_one_hmac_of_the_length_prefixed_path(master, path):
    # HKDF-Expand for 32 bytes is T(1) = HMAC(PRK, info || 0x01).
    info = b"".join(len(p.encode()).to_bytes(2, "big") + p.encode() for p in ["blindsight/v1", *path])
    assert SecretKey(master).subkey(*path) == hmac.new(master, info + b"\x01", hashlib.sha256).digest()


@given(paths, paths)
def test_different_paths_never_give_the_same_info(a, b):
    assert (encode_fields(*a) == encode_fields(*b)) == (a == b)


@given(paths)
def test_a_digest_is_hmac_under_the_subkey_of_its_purpose(fields):
    key = SecretKey(MASTER)
    expected = hmac.new(key.subkey("image-id"), encode_fields(*fields), hashlib.sha256).digest()
    assert key.digest(*fields, purpose="image-id") == expected
    assert key.digest(*fields, purpose="class-id") != expected


def test_a_stream_begins_at_the_subkey_of_its_path():
    key = SecretKey(MASTER)
    assert key.stream("etc", "x").words(4).tolist() == key.stream("etc", "x").words(4).tolist()
    assert key.stream("etc", "x").words(4).tolist() != key.stream("etc", "y").words(4).tolist()


def test_the_id_is_derived_and_public():
    assert SecretKey(MASTER).id == "bsk1-qytsatddgparq3pe"
    assert SecretKey.generate().id != SecretKey.generate().id


def test_keys_compare_by_their_bytes():
    assert SecretKey(MASTER) == SecretKey(MASTER)
    assert SecretKey(MASTER) != SecretKey(bytes(32))
    assert SecretKey(MASTER) != MASTER
    assert len({SecretKey(MASTER), SecretKey(MASTER), SecretKey(bytes(32))}) == 2


def test_nothing_shows_the_secret():
    key = SecretKey(MASTER)
    assert repr(key) == str(key) == f"{key}" == "SecretKey(bsk1-qytsatddgparq3pe)"
    shown = repr(Keyset.new(key)) + repr(KeyReference("owner.key", key.id)) + repr(key.stream())
    assert not any(form in shown for form in forms(MASTER))
    with pytest.raises(TypeError):
        vars(key)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_is_never_pickled_or_copied(duplicate):
    with pytest.raises(TypeError, match="KeyReference, which names the key's file"):
        duplicate(SecretKey(MASTER))


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.deepcopy])
def test_nor_is_a_keyset(duplicate):
    with pytest.raises(TypeError, match="KeyReference, which names the key's file"):
        duplicate(Keyset.new())


@pytest.mark.parametrize(
    ("value", "got"), [(MASTER[:31], "31 bytes"), (b"", "0 bytes"), ("x" * 32, "str"), (bytearray(32), "bytearray")]
)
def test_a_key_of_another_size_or_type_is_refused_without_showing_it(value, got):
    with pytest.raises(ParameterError) as caught:
        SecretKey(value)
    assert str(caught.value) == f"a secret key is 32 bytes, got {got}; SecretKey.generate() makes one"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("a" * 65_536, "a name of 65536 bytes is too long; names may have up to 65535 bytes of UTF-8"),
        ("caf\udce9.png", r"'caf\udce9.png' is not valid Unicode; rename it (file names must be UTF-8)"),
    ],
)
def test_names_that_cannot_be_hashed_are_named(part, message):
    with pytest.raises(ParameterError) as caught:
        SecretKey(MASTER).subkey("etc", part)
    assert str(caught.value) == message


# References


def test_a_reference_loads_the_primary_key_or_the_named_one(tmp_path):
    first, second = SecretKey.generate(), SecretKey.generate()
    file = tmp_path / "owner.key"
    create_keyfile(file, Keyset.new(first).with_key(second))
    assert KeyReference.of(file).load() == first
    reference = KeyReference.of(file, second.id)
    assert reference == KeyReference(str(file), second.id)
    assert hash(reference) == hash(KeyReference(str(file), second.id))
    assert reference.load() == second
    with pytest.raises(WrongKeyError, match="is needed, but"):
        KeyReference.of(file, "bsk1-" + "a" * 16)


def test_a_reference_holds_an_absolute_path(tmp_path, monkeypatch):
    create_keyfile(tmp_path / "owner.key", Keyset.new())
    monkeypatch.chdir(tmp_path)
    assert KeyReference.of("owner.key").source == str(tmp_path / "owner.key")


def test_a_reference_reads_a_file_once(tmp_path):
    file = tmp_path / "owner.key"
    create_keyfile(file, Keyset.new())
    reference = pickle.loads(pickle.dumps(KeyReference.of(file)))
    file.unlink()
    assert reference.load().id == reference.key_id


def test_a_reference_follows_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "owner.key"
    create_keyfile(file, Keyset.new())
    monkeypatch.setenv("BLINDSIGHT_KEY_FILE", str(file))
    reference = KeyReference.of(None)
    assert reference.source is None
    keys._loaded.clear()
    assert reference.load() == load_keyset(file).primary


def test_a_reference_to_a_key_that_the_file_lost_is_an_error(tmp_path):
    file = tmp_path / "owner.key"
    create_keyfile(file, Keyset.new())
    with pytest.raises(WrongKeyError, match="is needed, but"):
        KeyReference(str(file), "bsk1-" + "a" * 16).load()


def load_in_worker(reference: KeyReference) -> str:
    try:
        return reference.load().id
    except KeyFileError as error:
        return type(error).__name__ + ": " + str(error)


@pytest.fixture(scope="module")
def worker():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_a_spawned_worker_loads_the_key_from_its_file(tmp_path, worker):
    create_keyfile(tmp_path / "plain.key", Keyset.new())
    reference = KeyReference.of(tmp_path / "plain.key")
    assert worker.submit(load_in_worker, reference).result() == reference.key_id


def test_a_spawned_worker_says_what_a_passphrase_key_needs(tmp_path, worker):
    file = tmp_path / "locked.key"
    create_keyfile(file, Keyset.new(), "correct horse")
    reference = KeyReference.of(file, passphrase="correct horse")
    assert reference.load().id == reference.key_id
    assert worker.submit(load_in_worker, reference).result() == (
        f"PassphraseError: {file} is protected by a passphrase and a worker process cannot ask for it; "
        "set BLINDSIGHT_PASSPHRASE, which workers inherit"
    )


def test_a_spawned_worker_cannot_read_standard_input(worker):
    assert worker.submit(load_in_worker, KeyReference("-", "bsk1-" + "a" * 16)).result() == (
        "KeyFileError: the key came from standard input, which a worker process cannot read; use a key file"
    )


def test_the_secret_is_in_no_traceback(tmp_path):
    key = SecretKey(MASTER)
    file = tmp_path / "owner.key"
    create_keyfile(file, Keyset.new(key))
    file.write_bytes(file.read_bytes().replace(key.id[-4:].encode(), b"aaaa"))
    with pytest.raises(KeyFileError) as caught:
        load_keyset(file)
    text = "".join(traceback.format_exception(caught.value))
    assert not any(form in text for form in forms(MASTER))
    assert caught.value.__cause__ is None
    assert isinstance(PassphraseError("x"), KeyFileError)

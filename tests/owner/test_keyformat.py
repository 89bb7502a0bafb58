import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_helpers import CHEAP, FIRST, PASSPHRASE, SECOND, message

from blindsight.errors import KeyFileError, PassphraseError
from blindsight.owner import _keyformat
from blindsight.owner.keys import SecretKey
from blindsight.owner.keyset import KeyInfo, Keyset, KeysetInfo


@given(
    st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4, unique=True),
    st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=10),
    st.data(),
)
def test_what_is_written_is_read_back(masters, passphrase, data):
    secrets = [SecretKey(master) for master in masters]
    labels = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=9).filter(str.isprintable)
    statuses = st.sampled_from(["enabled", "disabled"])
    infos = [KeyInfo(secrets[0].id, "2025-01-31", "enabled", data.draw(labels))]
    infos += [KeyInfo(key.id, "2024-12-01", data.draw(statuses), data.draw(labels)) for key in secrets[1:]]
    info = KeysetInfo(secrets[0].id, tuple(infos), protected=passphrase is not None)
    text = _keyformat.write_keyset(Keyset(info, secrets), passphrase, CHEAP)
    back = _keyformat.parse_keyset(text, "x", passphrase)
    assert back.info == _keyformat.parse_info(text, "x") == info
    assert list(back.secrets) == secrets


@given(st.binary(max_size=200))
def test_no_bytes_give_anything_but_a_key_file_error(text):
    with pytest.raises(KeyFileError):
        _keyformat.parse_keyset(text, "x", "p")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(json_values, st.sampled_from([None, PASSPHRASE]), st.data())
def test_no_json_value_anywhere_gives_anything_but_a_key_file_error(value, passphrase, data):
    document = json.loads(_keyformat.write_keyset(Keyset.new(FIRST), passphrase, CHEAP))
    places = [document, document["keys"][0], *([document["protection"]] if passphrase else [])]
    place = data.draw(st.sampled_from(places))
    name = data.draw(st.sampled_from(sorted(place)))
    before = place[name]
    place[name] = value
    try:
        _keyformat.parse_keyset(json.dumps(document).encode(), "x", PASSPHRASE)
    except KeyFileError:
        pass
    else:
        # A date is free text in an unprotected file, and a number may be the same number.
        assert value == before or (name in ("created", "label") and passphrase is None)


def test_a_protected_file_shows_no_secret(locked):
    text = locked.read_text()
    for key in (FIRST, SECOND):
        assert _keyformat._encode(key.to_bytes()) not in text


def damage(change, passphrase=None):
    document = json.loads(_keyformat.write_keyset(Keyset.new(FIRST).with_key(SECOND), passphrase, CHEAP))
    change(document)
    return message(lambda: _keyformat.parse_keyset(json.dumps(document).encode(), "k", PASSPHRASE))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d.update(extra=1), "its fields are not those of a key file"),
        (lambda d: d.pop("keys"), "its fields are not those of a key file"),
        (lambda d: d.update(keys=[1]), "its fields are not those of a key file"),
        (lambda d: d["keys"][0].update(extra="1"), "a key's fields are not those of a key file"),
        (lambda d: d["keys"][0].pop("secret"), "a key's fields are not those of a key file"),
        (lambda d: d["keys"][0].update(id=1), "a key's fields are not those of a key file"),
        (lambda d: d["keys"][0].update(id="bsk1-x"), "a key's id, date, status or label is malformed"),
        (lambda d: d["keys"][0].update(created="20250101"), "a key's id, date, status or label is malformed"),
        (lambda d: d["keys"][0].update(status="lost"), "a key's id, date, status or label is malformed"),
        (lambda d: d["keys"][0].update(label="\x1b[2J"), "a key's id, date, status or label is malformed"),
        (lambda d: d["keys"][0].update(secret="AAAA"), "its 'secret' is not 32 bytes in base64url"),
        (lambda d: d["keys"][0].update(secret="A"), "its 'secret' is not 32 bytes in base64url"),
        (lambda d: d["keys"][1].update(secret="A" * 42 + "B"), "its 'secret' is not 32 bytes in base64url"),
        (lambda d: d["keys"][1].update(secret="B" * 42 + "A"), "a secret does not give the key id stated for it"),
        (lambda d: d["keys"][1].update(id="bsk1-" + "a" * 16), "a secret does not give the key id stated for it"),
        (lambda d: d["keys"].append(d["keys"][0]), "a keyset cannot hold the same key twice"),
        (lambda d: d.update(keys=d["keys"] * 501), "a keyset cannot hold the same key twice"),
        (
            lambda d: d.update(primary="bsk1-" + "a" * 16),
            "the primary key must be one of the enabled keys; enable it, or promote another",
        ),
        (
            lambda d: d["keys"][0].update(status="disabled"),
            "the primary key must be one of the enabled keys; enable it, or promote another",
        ),
    ],
)
def test_damage_is_named(change, why):
    assert damage(change).removesuffix("; use a backup of it").removesuffix("; use a backup") == f"k is damaged: {why}"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d.update(protection=1), "k is damaged: its passphrase protection is malformed; use a backup of it"),
        (
            lambda d: d["protection"].update(n=1 << 40),
            "k is damaged: scrypt would take 1073741824 MiB; at most 1024 MiB are accepted; use a backup of it",
        ),
        (
            lambda d: d["protection"].update(p=5),
            "k is damaged: scrypt's n must be a power of two, r 1 to 64 and p 1 to 4; use a backup of it",
        ),
        (lambda d: d["protection"].update(r=True), "k is damaged: its scrypt cost is not a number; use a backup of it"),
        (
            lambda d: d["protection"].update(kdf="argon2"),
            "k is protected in a way this version does not know; update blindsight",
        ),
        (
            lambda d: d["protection"].update(salt="AA=="),
            "k is damaged: its 'salt' is not 16 bytes in base64url; use a backup of it",
        ),
        (lambda d: d.update(sealed=7), "k is damaged: its 'sealed' is not 80 bytes in base64url; use a backup of it"),
    ],
)
def test_damaged_protection_is_named(change, text):
    assert damage(change, PASSPHRASE) == text


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(primary=SECOND.id),
        lambda d: d["keys"][1].update(label="mine"),
        lambda d: d["keys"][1].update(status="disabled"),
        lambda d: d["keys"][0].update(created="2001-01-01"),
    ],
)
def test_the_passphrase_also_protects_the_public_facts(change):
    document = json.loads(_keyformat.write_keyset(Keyset.new(FIRST).with_key(SECOND), PASSPHRASE, CHEAP))
    before = copy.deepcopy(document)
    change(document)
    assert document != before
    assert message(
        lambda: _keyformat.parse_keyset(json.dumps(document).encode(), "k", PASSPHRASE), PassphraseError
    ) == ("wrong passphrase for k (or the file was changed by hand)")


def test_unicode_spellings_of_a_passphrase_are_one():
    text = _keyformat.write_keyset(Keyset.new(FIRST), "café", CHEAP)
    assert _keyformat.parse_keyset(text, "k", "cafe\u0301").primary == FIRST

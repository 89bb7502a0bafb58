import copy
import errno
import getpass
import io
import json
import os
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.errors import KeyFileError, ParameterError, PassphraseError, WrongKeyError
from blindsight.owner import _keyformat, _passphrase, keyfile
from blindsight.owner._passphrase import ScryptCost, choose
from blindsight.owner.keyfile import create_keyfile, edit_keyfile, load_keyset, read_info, set_passphrase
from blindsight.owner.keys import SecretKey
from blindsight.owner.keyset import KeyInfo, Keyset, KeysetInfo

CHEAP = ScryptCost(n=16)
FIRST, SECOND = SecretKey(bytes(range(32))), SecretKey(bytes(32))
PASSPHRASE = "correct horse"


@pytest.fixture(autouse=True)
def _cheap_and_without_environment(monkeypatch):
    monkeypatch.setattr(_keyformat, "DEFAULT_COST", CHEAP)
    for name in ("BLINDSIGHT_KEY_FILE", "BLINDSIGHT_PASSPHRASE", "BLINDSIGHT_NEW_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "owner.key"
    create_keyfile(path, Keyset.new(FIRST, label="wards").with_key(SECOND))
    return path


@pytest.fixture
def locked(tmp_path):
    path = tmp_path / "locked.key"
    create_keyfile(path, Keyset.new(FIRST, label="wards").with_key(SECOND), PASSPHRASE)
    return path


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def typed(monkeypatch):
    """A terminal at which the given lines are typed; collects the prompts."""
    lines, prompts = [], []

    def answer(prompt):
        prompts.append(prompt)
        if not lines:
            raise EOFError
        return lines.pop(0)

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", answer)
    return SimpleNamespace(lines=lines, prompts=prompts)


def message(call, kind=KeyFileError):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    text = str(caught.value)
    assert "\n" not in text
    for key in (FIRST, SECOND):
        assert _keyformat._encode(key.to_bytes()) not in text
    return text


# Laws


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


# Reading


def test_a_file_is_read_from_a_path_the_environment_or_standard_input(file, monkeypatch):
    monkeypatch.setenv("BLINDSIGHT_KEY_FILE", str(file))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    for source in (file, str(file), None, "-"):
        keyset = load_keyset(source)
        assert keyset.primary == FIRST
        assert keyset.ids == (FIRST.id, SECOND.id)
        assert keyset.get(SECOND.id) == SECOND


def test_public_facts_need_no_passphrase(locked):
    info = read_info(locked)
    assert info.protected
    assert info.primary == FIRST.id
    assert info.ids == (FIRST.id, SECOND.id)
    assert info.keys[0].label == "wards"


def test_a_protected_file_shows_no_secret(locked):
    text = locked.read_text()
    for key in (FIRST, SECOND):
        assert _keyformat._encode(key.to_bytes()) not in text


def test_the_default_cost_takes_128_mebibytes():
    assert 128 * _passphrase.DEFAULT_COST.n * _passphrase.DEFAULT_COST.r == 128 << 20


def test_no_key_given():
    assert message(load_keyset) == (
        "no key given; name a key file with --key FILE or BLINDSIGHT_KEY_FILE, or pipe one in with --key - "
        "(make one with: blindsight key new FILE)"
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(file, mode):
    file = file.rename(file.with_name("my owner.key"))
    file.chmod(mode)
    assert message(lambda: load_keyset(file)) == (
        f"key file {file} is open to other users (mode 0{mode:o}); run: chmod 600 '{file}'"
    )


def test_on_windows_the_mode_is_not_checked_and_a_warning_says_so(file, monkeypatch):
    monkeypatch.setattr(keyfile, "ON_WINDOWS", True)
    file.chmod(0o644)
    with pytest.warns(UserWarning, match="is not checked on Windows"):
        assert load_keyset(file).primary == FIRST
    with pytest.warns(UserWarning, match="is not checked on Windows"):
        edit_keyfile(file, lambda keyset: keyset.with_primary(SECOND.id))


def test_things_that_are_no_key_file(tmp_path, file):
    missing, link, fifo, garbage = (tmp_path / name for name in ("no such.key", "link", "fifo", "garbage"))
    assert message(lambda: load_keyset(missing)) == (
        f"key file {missing} does not exist; make one with: blindsight key new '{missing}'"
    )
    link.symlink_to(file)
    assert message(lambda: load_keyset(link)) == f"{link} is a symbolic link; give the key file itself: {file}"
    os.mkfifo(fifo)
    assert message(lambda: load_keyset(fifo)) == (
        f"{fifo} is not a file; to take a key from another program, pipe it in with --key -"
    )
    assert message(lambda: load_keyset(tmp_path)) == f"{tmp_path} is a folder; give the key file in it"
    assert message(lambda: load_keyset(file / "x")) == f"key file {file / 'x'} cannot be read: not a directory"
    assert message(lambda: load_keyset("a\0b")) == "key file a\0b cannot be read: embedded null byte"
    garbage.touch(0o600)
    expected = f"{garbage} is not a blindsight key file; make one with: blindsight key new FILE"
    for content in (b"", b"\x89PNG\r\n\xff", b"hello", b"[1]", b"{}", b"[" * 100_000, b"9" * 10_000):
        garbage.write_bytes(content)
        assert message(lambda: load_keyset(garbage)) == expected
    garbage.write_bytes(b'{"format": "blindsight-keyset/2"}')
    assert message(lambda: load_keyset(garbage)) == (
        f"{garbage} is not of format 'blindsight-keyset/1'; update blindsight, or give another key file"
    )
    garbage.write_bytes(b" " * (1 << 20) + b"{")
    assert message(lambda: load_keyset(garbage)) == (
        f"{garbage} is too large for a key file (over 1 MiB); is it the right file?"
    )


def test_a_disk_that_fails_while_reading_is_one_line(file, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, *_):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(keyfile.os, "fdopen", lambda *_, **__: Failing())
    assert message(lambda: load_keyset(file)) == f"key file {file} cannot be read: input/output error"


def test_standard_input_that_is_no_key_file(monkeypatch):
    hint = "pipe one in: ... --key - < FILE"
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert message(lambda: load_keyset("-")) == f"standard input is a terminal, not a key file; {hint}"
    monkeypatch.setattr(sys, "stdin", None)
    assert message(lambda: load_keyset("-")) == f"standard input is a terminal, not a key file; {hint}"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert message(lambda: load_keyset("-")) == f"standard input is empty, expected a key file; {hint}"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(2 << 20))))
    assert message(lambda: load_keyset("-")).startswith("standard input is too large for a key file")


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


def test_a_keyset_holds_up_to_a_thousand_keys():
    infos = tuple(KeyInfo(str(i), "2025-01-01") for i in range(1001))
    with pytest.raises(ParameterError, match="a keyset holds up to 1000 keys, got 1001"):
        KeysetInfo("0", infos)


# Passphrases


def test_a_passphrase_comes_from_the_argument_the_environment_or_the_terminal(locked, monkeypatch, typed):
    assert load_keyset(locked, passphrase=PASSPHRASE).primary == FIRST
    assert load_keyset(locked, passphrase=lambda: PASSPHRASE).primary == FIRST
    assert typed.prompts == []
    typed.lines.append(PASSPHRASE)
    assert load_keyset(locked).primary == FIRST
    assert typed.prompts == [f"Passphrase for {locked}: "]
    monkeypatch.setenv("BLINDSIGHT_PASSPHRASE", PASSPHRASE)
    assert load_keyset(locked).primary == FIRST


def test_unicode_spellings_of_a_passphrase_are_one():
    text = _keyformat.write_keyset(Keyset.new(FIRST), "café", CHEAP)
    assert _keyformat.parse_keyset(text, "k", "cafe\u0301").primary == FIRST


@pytest.mark.usefixtures("typed")
def test_passphrase_errors(locked, monkeypatch):
    assert message(lambda: load_keyset(locked, passphrase="wrong"), PassphraseError) == (
        f"wrong passphrase for {locked} (or the file was changed by hand)"
    )
    assert message(lambda: load_keyset(locked), PassphraseError) == "no passphrase was typed; nothing was done"
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert message(lambda: load_keyset(locked), PassphraseError) == (
        f"{locked} is protected by a passphrase and there is no terminal to ask at; set BLINDSIGHT_PASSPHRASE"
    )
    monkeypatch.setattr(sys, "stdin", None)
    assert "there is no terminal" in message(lambda: load_keyset(locked), PassphraseError)
    monkeypatch.setattr(_passphrase, "in_worker", lambda: True)
    assert message(lambda: load_keyset(locked), PassphraseError) == (
        f"{locked} is protected by a passphrase and a worker process cannot ask for it; "
        "set BLINDSIGHT_PASSPHRASE, which workers inherit"
    )


def test_choosing_a_passphrase(monkeypatch, typed):
    typed.lines += ["a b c", "a b c"]
    assert choose("k") == "a b c"
    assert typed.prompts == ["New passphrase for k: ", "The same again: "]
    typed.lines += ["a b c", "a b d"]
    assert message(lambda: choose("k"), PassphraseError) == (
        "the two passphrases differ; nothing was written, try again"
    )
    monkeypatch.setenv("BLINDSIGHT_PASSPHRASE", "x y z")
    assert choose("k") == "x y z"
    monkeypatch.delenv("BLINDSIGHT_PASSPHRASE")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert message(lambda: choose("k"), PassphraseError) == (
        "a new passphrase for k is needed and there is no terminal to ask at; set BLINDSIGHT_PASSPHRASE"
    )


def test_an_empty_passphrase_is_refused_and_nothing_written(tmp_path):
    path = tmp_path / "owner.key"
    assert message(lambda: create_keyfile(path, Keyset.new(FIRST), ""), PassphraseError) == (
        "the passphrase is empty; give one of several words, or none at all"
    )
    assert not path.exists()


def test_too_little_memory_for_scrypt_is_one_line(locked, monkeypatch):
    def fail(**_):
        raise MemoryError

    monkeypatch.setattr(_passphrase, "Scrypt", fail)
    assert message(lambda: load_keyset(locked, passphrase=PASSPHRASE), PassphraseError) == (
        "unlocking takes 0 MiB of memory, which is not free; close something"
    )


def test_a_passphrase_is_set_changed_and_removed(file):
    for new, present in (("one", None), ("two", "one"), (None, "two")):
        set_passphrase(file, new, passphrase=present)
        assert read_info(file).protected == (new is not None)
        assert load_keyset(file, passphrase=new).secrets == (FIRST, SECOND)
        assert file.stat().st_mode & 0o777 == 0o600
    assert message(lambda: set_passphrase(file, ""), PassphraseError).startswith("the passphrase is empty")
    assert load_keyset(file).primary == FIRST


# Writing


def test_a_new_file_is_its_owners_alone_and_never_overwritten(tmp_path, file):
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for path in (file, link, tmp_path):
        expected = f"{path} exists already and a key file is never overwritten; choose another name"
        assert message(lambda path=path: create_keyfile(path, Keyset.new())) == expected
        assert message(lambda path=path: keyfile._write_new(path, b"")) == expected
    assert file.read_bytes() == before
    assert not (tmp_path / "nowhere").exists()


def test_places_where_no_file_can_be_written(tmp_path):
    assert message(lambda: create_keyfile(tmp_path / "no" / "owner.key", Keyset.new())) == (
        f"the folder {tmp_path / 'no'} does not exist; make it first, or choose another place"
    )
    assert message(lambda: create_keyfile("-", Keyset.new())) == (
        "a new key is written to a file, not to standard output; give a file name"
    )
    path = tmp_path / ("x" * 300)
    assert message(lambda: keyfile._write_new(path, b"")) == f"key file {path} cannot be written: file name too long"


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_no_new_file(tmp_path, monkeypatch):
    path = tmp_path / "owner.key"
    monkeypatch.setattr(keyfile.os, "fsync", full)
    assert message(lambda: create_keyfile(path, Keyset.new())) == (
        f"key file {path} cannot be written: no space left on device"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(file, monkeypatch, function):
    before = file.read_bytes()
    monkeypatch.setattr(keyfile.os, function, full)
    assert "no space left on device" in message(lambda: edit_keyfile(file, lambda k: k.with_key(SecretKey.generate())))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["owner.key"]


def test_an_interrupt_leaves_the_old_file_whole(file, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = file.read_bytes()
    monkeypatch.setattr(keyfile.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        edit_keyfile(file, lambda k: k.with_primary(SECOND.id))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["owner.key"]


def test_a_file_that_changed_meanwhile_is_not_overwritten(file):
    def change(keyset):
        edit_keyfile(file, lambda inner: inner.with_primary(SECOND.id))
        return keyset.with_key(SecretKey.generate())

    assert message(lambda: edit_keyfile(file, change)) == (
        f"{file} was changed by another program meanwhile; run the command again"
    )
    assert load_keyset(file).primary == SECOND
    assert [path.name for path in file.parent.iterdir()] == ["owner.key"]


def test_editing_keeps_the_passphrase_and_asks_for_it_once(locked, typed):
    typed.lines.append(PASSPHRASE)
    added = SecretKey.generate()
    edit_keyfile(locked, lambda keyset: keyset.with_key(added))
    assert len(typed.prompts) == 1
    assert load_keyset(locked, passphrase=PASSPHRASE).secrets == (FIRST, SECOND, added)
    assert locked.stat().st_mode & 0o777 == 0o600


# Keysets


def test_changes_give_a_new_keyset():
    keyset = Keyset.new(FIRST, label="a")
    both = keyset.with_key(SECOND, label="b")
    assert keyset.ids == (FIRST.id,)
    assert both.primary == FIRST
    assert both.with_primary(SECOND.id[:9]).primary == SECOND
    assert both.with_primary(SECOND.id[5:9]).primary == SECOND
    assert [key.label for key in both.info.keys] == ["a", "b"]
    assert repr(both) == f"Keyset({FIRST.id}, {SECOND.id})"
    assert Keyset.new().primary != Keyset.new().primary


def test_a_disabled_key_is_kept_and_refused():
    keyset = Keyset.new(FIRST).with_key(SECOND).with_status(SECOND.id, "disabled")
    assert keyset.secrets == (FIRST, SECOND)
    assert message(lambda: keyset.get(SECOND.id), WrongKeyError) == (
        f"key {SECOND.id} is disabled in the keyset; enable it with: blindsight key enable FILE {SECOND.id}"
    )
    assert keyset.with_status(SECOND.id, "enabled").get(SECOND.id) == SECOND
    primary = "the primary key must be one of the enabled keys; enable it, or promote another"
    assert message(lambda: keyset.with_primary(SECOND.id), ParameterError) == primary
    assert message(lambda: keyset.with_status(FIRST.id, "disabled"), ParameterError) == primary


def test_keys_that_are_not_there(file):
    keyset = load_keyset(file)
    ids = f"{FIRST.id}, {SECOND.id}"
    assert message(lambda: keyset.get("bsk1-" + "a" * 16), WrongKeyError) == (
        f"key bsk1-aaaaaaaaaaaaaaaa is needed, but {file} holds {ids}"
    )
    assert (
        message(lambda: keyset.with_primary("1"), WrongKeyError) == f"no key begins with '1'; the keys here are {ids}"
    )
    assert message(lambda: keyset.with_primary("bsk1-"), WrongKeyError) == (
        f"more than one key begins with 'bsk1-'; the keys here are {ids}"
    )
    assert message(lambda: Keyset.new(FIRST).with_primary(""), WrongKeyError) == (
        f"no key begins with ''; the keys here are {FIRST.id}"
    )
    assert message(lambda: keyset.with_key(SECOND), ParameterError) == f"{file} holds key {SECOND.id} already"


@pytest.mark.parametrize("label", ["", "x" * 201, "two\nlines", "\x1b[31m"])
def test_labels_are_short_and_printable(label):
    assert message(lambda: Keyset.new(label=label), ParameterError) == (
        "a label is one line of 1 to 200 printable characters"
    )

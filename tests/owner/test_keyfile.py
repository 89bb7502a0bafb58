import errno
import io
import os
import sys

import pytest
from key_helpers import FIRST, PASSPHRASE, SECOND, Terminal, message

from blindsight.owner import keyfile
from blindsight.owner.keyfile import create_keyfile, edit_keyfile, load_keyset, read_info
from blindsight.owner.keys import SecretKey
from blindsight.owner.keyset import Keyset

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

import io
import sys

import pytest
from key_helpers import FIRST, PASSPHRASE, SECOND, message

from blindsight.errors import PassphraseError
from blindsight.owner import _passphrase
from blindsight.owner._passphrase import choose
from blindsight.owner.keyfile import create_keyfile, load_keyset, read_info, set_passphrase
from blindsight.owner.keyset import Keyset


def test_the_default_cost_takes_128_mebibytes():
    assert 128 * _passphrase.DEFAULT_COST.n * _passphrase.DEFAULT_COST.r == 128 << 20


def test_a_passphrase_comes_from_the_argument_the_environment_or_the_terminal(locked, monkeypatch, typed):
    assert load_keyset(locked, passphrase=PASSPHRASE).primary == FIRST
    assert load_keyset(locked, passphrase=lambda: PASSPHRASE).primary == FIRST
    assert typed.prompts == []
    typed.lines.append(PASSPHRASE)
    assert load_keyset(locked).primary == FIRST
    assert typed.prompts == [f"Passphrase for {locked}: "]
    monkeypatch.setenv("BLINDSIGHT_PASSPHRASE", PASSPHRASE)
    assert load_keyset(locked).primary == FIRST


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

"""Key files for the tests of the owner's wing."""

import getpass
import sys
from types import SimpleNamespace

import pytest
from key_helpers import CHEAP, FIRST, PASSPHRASE, SECOND, Terminal

from blindsight.owner import _keyformat
from blindsight.owner.keyfile import create_keyfile
from blindsight.owner.keyset import Keyset


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

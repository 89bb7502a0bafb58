"""The command line as it is typed: what it prints, and its exit status."""

import pytest

from blindsight.cli.main import main
from blindsight.owner import _keyformat
from blindsight.owner._passphrase import ScryptCost
from blindsight.owner.keyfile import create_keyfile
from blindsight.owner.keys import Keyset
from protect_helpers import KEY, OTHER, write_folder


@pytest.fixture
def owners_folder(monkeypatch, tmp_path):
    """The working folder of an owner with two keys and a few photos."""
    monkeypatch.setattr(_keyformat, "DEFAULT_COST", ScryptCost(n=16))
    for name in ("BLINDSIGHT_KEY_FILE", "BLINDSIGHT_PASSPHRASE", "BLINDSIGHT_NEW_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    create_keyfile(tmp_path / "owner.key", Keyset.new(KEY))
    create_keyfile(tmp_path / "other.key", Keyset.new(OTHER))
    write_folder(tmp_path / "photos", ["train/cat/1.png", "train/dog/1.png", "test/cat/1.png"])


@pytest.fixture
def run(capsys):
    def run(line, status=0):
        """(stdout, stderr) of a command line, words separated by spaces."""
        with pytest.raises(SystemExit) as caught:
            main(line.split() if isinstance(line, str) else line)
        captured = capsys.readouterr()
        assert caught.value.code == status, captured
        assert "Traceback" not in captured.err
        return captured.out, captured.err

    return run


@pytest.fixture
def fails(run):
    def fails(line, status=1):
        """The one line that an error is said in."""
        out, err = run(line, status)
        assert out == ""
        assert err.count("\n") == 1, err
        assert err.startswith("error: ")
        return err.removeprefix("error: ").rstrip("\n")

    return fails

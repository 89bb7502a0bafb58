"""``protect --layout shards`` as it is typed, and the way back."""

import json

import pytest

from blindsight.cli.main import main
from blindsight.owner import _keyformat
from blindsight.owner._passphrase import ScryptCost
from blindsight.owner.keyfile import create_keyfile
from blindsight.owner.keys import Keyset
from protect_helpers import KEY, OTHER, write_folder


@pytest.fixture
def type_in(monkeypatch, tmp_path, capsys):
    """Runs a command line in an owner's folder; gives stdout and stderr."""
    monkeypatch.setattr(_keyformat, "DEFAULT_COST", ScryptCost(n=16))
    monkeypatch.delenv("BLINDSIGHT_KEY_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    create_keyfile(tmp_path / "owner.key", Keyset.new(KEY))
    create_keyfile(tmp_path / "other.key", Keyset.new(OTHER))
    write_folder(tmp_path / "photos", ["train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "test/cat/1.png"])

    def run(line, status=0):
        with pytest.raises(SystemExit) as caught:
            main(line.split())
        captured = capsys.readouterr()
        assert caught.value.code == status, captured
        return captured.out, captured.err

    return run


def test_shards_there_and_back(type_in, tmp_path):
    command = "protect photos out --key owner.key --block-size 4 --layout shards --shard-size 2 --json"
    said = json.loads(type_in(command)[0])
    assert (said["images"], said["profile"]["layout"]) == (4, "shards")
    names = ["_info.json", "profile.json", "test-000000.tar", "train-000000.tar", "train-000001.tar"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    assert type_in("rotate out new --key owner.key --new-key other.key")[0].startswith("new: 4 images")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == names
    out, _ = type_in("reveal new back --key other.key --compare photos")
    assert "4 of 4 equal to the fitted original bit for bit" in out


def test_a_shard_size_needs_shards(type_in, tmp_path):
    _, said = type_in("protect photos out --key owner.key --shard-size 10", 1)
    assert said == "error: --shard-size is for shards; add --layout shards, or leave it out\n"
    _, said = type_in("protect photos out --key owner.key --layout tar", 1)
    assert said == "error: layout must be folder or shards, got 'tar'\n"
    assert not (tmp_path / "out").exists()

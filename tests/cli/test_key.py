import json

import pytest
from typer.testing import CliRunner

from blindsight.cli.key import key_app
from blindsight.errors import KeyFileError, ParameterError, PassphraseError, WrongKeyError
from blindsight.owner import _keyformat
from blindsight.owner._passphrase import ScryptCost
from blindsight.owner.keyfile import load_keyset, read_info


@pytest.fixture(autouse=True)
def _cheap_and_without_environment(monkeypatch):
    monkeypatch.setattr(_keyformat, "DEFAULT_COST", ScryptCost(n=16))
    for name in ("BLINDSIGHT_KEY_FILE", "BLINDSIGHT_PASSPHRASE", "BLINDSIGHT_NEW_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments, **options):
    result = CliRunner().invoke(key_app, [str(argument) for argument in arguments], **options)
    if result.exit_code:
        return result
    assert result.exception is None
    return result


def fails(kind, *arguments, **options):
    result = run(*arguments, **options)
    assert type(result.exception) is kind, result.output
    assert result.stdout == ""
    return str(result.exception)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "owner.key"
    run("new", path, "--label", "wards")
    return path


def secret_of(path):
    return json.loads(path.read_text())["keys"][0]["secret"]


def test_new_prints_the_id_and_where_it_wrote(tmp_path):
    path = tmp_path / "owner.key"
    result = run("new", path)
    assert result.stdout == load_keyset(path).primary.id + "\n"
    assert result.stderr == f"wrote {path}; keep a backup: reveal and predict need this key\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret_of(path) not in result.output


def test_new_never_overwrites(file):
    before = file.read_bytes()
    for options in ([], ["--passphrase"]):
        assert "exists already and a key file is never overwritten" in fails(KeyFileError, "new", file, *options)
    assert file.read_bytes() == before


def test_new_with_a_passphrase(tmp_path):
    path = tmp_path / "owner.key"
    assert "set BLINDSIGHT_PASSPHRASE" in fails(PassphraseError, "new", path, "--passphrase")
    assert not path.exists()
    run("new", path, "--passphrase", env={"BLINDSIGHT_PASSPHRASE": "a b c"})
    assert read_info(path).protected
    assert load_keyset(path, passphrase="a b c").primary.id == read_info(path).primary


def test_show_prints_public_facts_and_never_the_secret(file):
    result = run("show", file)
    key = read_info(file).keys[0]
    assert result.stdout == f"passphrase: no\n{key.id}  {key.created}  primary   wards\n"
    assert secret_of(file) not in result.output + run("show", file, "--json").output


def test_show_as_json(file):
    key = read_info(file).keys[0]
    assert json.loads(run("show", file, "--json").stdout) == {
        "primary": key.id,
        "protected": False,
        "keys": [{"id": key.id, "created": key.created, "status": "enabled", "label": "wards", "primary": True}],
    }


def test_show_needs_no_passphrase(tmp_path):
    path = tmp_path / "owner.key"
    run("new", path, "--passphrase", env={"BLINDSIGHT_PASSPHRASE": "a b c"})
    assert run("show", path).stdout.startswith("passphrase: yes\nbsk1-")


def test_show_reads_the_environment_and_standard_input(file):
    expected = run("show", file).stdout
    assert run("show", env={"BLINDSIGHT_KEY_FILE": str(file)}).stdout == expected
    assert run("show", "-", input=file.read_bytes()).stdout == expected
    assert fails(KeyFileError, "show").startswith("no key given; ")


def test_add_and_promote(file):
    first = read_info(file).primary
    added = run("add", file, "--label", "2026").stdout.strip()
    assert read_info(file).primary == first
    assert read_info(file).keys[1].label == "2026"
    result = run("promote", file, added[:14])
    assert result.stdout == added + "\n"
    assert read_info(file).primary == added
    assert fails(WrongKeyError, "promote", file, "zzz1").startswith("no key begins with 'zzz1'; the keys here are ")


def test_add_imports_the_keys_of_another_file(tmp_path, file):
    other = tmp_path / "other.key"
    run("new", other, "--label", "theirs")
    run("add", other)
    result = run("add", file, "--import", other)
    assert result.stdout.split() == list(read_info(other).ids)
    assert load_keyset(file).secrets[1:] == load_keyset(other).secrets
    assert read_info(file).keys[1] == read_info(other).keys[0]
    before = file.read_bytes()
    assert fails(ParameterError, "add", file, "--import", other) == (
        f"{file} holds every key of {other} already; nothing was changed"
    )
    assert fails(ParameterError, "add", file, "--import", other, "--label", "x") == (
        "--label is for a new key; keys brought with --import keep theirs"
    )
    assert file.read_bytes() == before


def test_disable_and_enable(file):
    added = run("add", file).stdout.strip()
    assert run("disable", file, added).stdout == added + "\n"
    assert read_info(file).keys[1].status == "disabled"
    assert "disabled" in run("show", file).stdout
    run("enable", file, added)
    assert read_info(file).keys[1].status == "enabled"
    assert "the primary key must be one of the enabled keys" in fails(
        ParameterError, "disable", file, read_info(file).primary
    )


def test_passphrase_is_set_changed_and_removed(file):
    key = load_keyset(file).primary
    result = run("passphrase", file, env={"BLINDSIGHT_NEW_PASSPHRASE": "one"})
    assert result.stderr == f"{file} has a new passphrase\n"
    run("passphrase", file, env={"BLINDSIGHT_PASSPHRASE": "one", "BLINDSIGHT_NEW_PASSPHRASE": "two"})
    assert load_keyset(file, passphrase="two").primary == key
    wrong = {"BLINDSIGHT_PASSPHRASE": "one"}
    assert fails(PassphraseError, "passphrase", file, "--remove", env=wrong).startswith("wrong passphrase for ")
    result = run("passphrase", file, "--remove", env={"BLINDSIGHT_PASSPHRASE": "two"})
    assert result.stderr == f"{file} has no passphrase now\n"
    assert load_keyset(file).primary == key
    assert "set BLINDSIGHT_NEW_PASSPHRASE" in fails(PassphraseError, "passphrase", file)


@pytest.mark.parametrize("command", ["new", "show", "add", "promote", "disable", "enable", "passphrase"])
def test_help_teaches_with_an_example(command):
    assert f"blindsight key {command} owner.key" in " ".join(run(command, "--help").stdout.split())

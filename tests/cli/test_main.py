"""The command as a whole: help, versions, exit status, Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blindsight import __version__
from blindsight.cli import main as module
from blindsight.cli._common import parse_size
from blindsight.cli.main import main
from blindsight.errors import ParameterError
from blindsight.owner.keyfile import create_keyfile
from blindsight.owner.keys import Keyset
from protect_helpers import KEY, result, write_image

COMMANDS = ["protect", "preview", "reveal", "rotate", "train", "evaluate", "predict", "demo"]
KEY_COMMANDS = ["new", "show", "add", "promote", "disable", "enable", "passphrase"]


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(line):
        with pytest.raises(SystemExit) as caught:
            main(line.split())
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


def test_the_version(run):
    assert run("--version") == (0, f"blindsight {__version__}\n", "")


def test_help_lists_every_command_and_says_what_the_protection_is_not(run):
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    for command in ["key", *COMMANDS]:
        assert re.search(rf"│ {command} ", out), command
    assert "visual obfuscation, not cryptography" in out


@pytest.mark.parametrize("command", [*COMMANDS, *(f"key {name}" for name in KEY_COMMANDS)])
def test_the_help_of_every_command_has_an_example(run, command):
    status, out, _ = run(f"{command} --help")
    assert status == 0
    assert f"Example: blindsight {command}" in re.sub(r"\s+", " ", out)


@pytest.mark.parametrize(
    ("command", "default"),
    [("protect", "[default: resize where --size is given, else pad]"), ("train", "[default: vit_micro_patch4_32]")],
)
def test_help_shows_the_defaults_that_are_worked_out_later(run, command, default):
    assert default in re.sub(r"[\s│]+", " ", run(f"{command} --help")[1])


@pytest.mark.parametrize("command", [*COMMANDS, "key"])
def test_no_command_calls_anything_secure(run, command):
    words = re.findall(r"\w+", run(f"{command} --help")[1].lower())
    assert not {"secure", "securely", "security", "safe", "unbreakable"} & set(words)


@pytest.mark.parametrize(
    ("line", "message"), [("encrypt", "No such command"), ("--turbo", "No such option"), ("protect --turbo", "--turbo")]
)
def test_a_wrong_command_line_is_status_2(run, line, message):
    status, out, err = run(line)
    assert (status, out) == (2, "")
    assert message in err


def command(monkeypatch, action):
    """Makes `blindsight reveal out back` do something else."""

    def failing(*_arguments, **_options):
        action()

    monkeypatch.setattr("blindsight.owner.keys.load_keyset", failing)


def raises(error):
    def action():
        raise error

    return action


def test_an_error_is_one_line_and_status_1(run, monkeypatch):
    command(monkeypatch, raises(ParameterError("the name is 'a\nb\r\nc'; rename it")))
    assert run("reveal out back") == (1, "", "error: the name is 'a b c'; rename it\n")


def test_ctrl_c_is_one_line_and_status_1(run, monkeypatch):
    line = "interrupted; what is finished is kept: repeat the command with --resume to go on\n"
    command(monkeypatch, raises(KeyboardInterrupt))
    assert run("reveal out back") == (1, "", line)
    monkeypatch.setattr(module, "app", lambda _: raises(KeyboardInterrupt)())
    assert run("reveal out back") == (1, "", line)


@pytest.mark.parametrize(
    "line",
    [
        "protect {0} out --key k",
        "reveal {0} back --key k",
        "train {0} --out run",
        "train . --out {0}",
        "evaluate {0} .",
    ],
)
def test_a_path_that_cannot_exist_is_one_line(run, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    assert run("key new k")[0] == 0
    status, out, err = run(line.format("x" * 300))
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_no_memory_left_is_one_line(run, monkeypatch):
    command(monkeypatch, raises(MemoryError()))
    status, _, err = run("reveal out back")
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("error: out of memory")


def test_a_profile_that_is_a_folder_is_one_line(run, tmp_path):
    (tmp_path / "out/profile.json").mkdir(parents=True)
    status, _, err = run(f"train {tmp_path / 'out'} --out {tmp_path / 'run'}")
    assert status == 1
    assert err.startswith(f"error: cannot read {tmp_path / 'out/profile.json'}")
    assert err.count("\n") == 1


def test_a_defect_of_ours_is_not_hidden(monkeypatch):
    command(monkeypatch, raises(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["reveal", "out", "back"])


@pytest.mark.parametrize(
    ("text", "size"), [(None, None), ("224", (224, 224)), ("192x256", (192, 256)), (" 8X4 ", (8, 4))]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "0", "-4", "4x", "x4", "4x0", "4*4", "1.5", "1234567", "٣"])
def test_what_is_no_size(text):
    with pytest.raises(ParameterError) as caught:
        parse_size(text)
    assert str(caught.value) == f"a size is pixels such as 224, or HEIGHTxWIDTH such as 192x256; got {text!r}"


# As a process


ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("BLINDSIGHT")},
    "PYTHONPATH": os.pathsep.join(str(Path(p).resolve()) for p in sys.path if p),
}


def start(*words, cwd):
    arguments = [sys.executable, "-m", "blindsight", *words]
    return subprocess.Popen(arguments, cwd=cwd, env=ENVIRONMENT, stdout=-1, stderr=-1, text=True)


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    process = start("key", "--help", cwd=tmp_path)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait() in (0, 1)
    assert err == ""


def test_ctrl_c_in_the_middle_of_protecting(tmp_path):
    create_keyfile(tmp_path / "owner.key", Keyset.new(KEY))
    for i in range(300):
        write_image(tmp_path / f"photos/a/{i}.png", 64, 64, i)
    words = ["protect", "photos", "out", "--key", "owner.key", "--workers", "1"]
    process = start(*words, cwd=tmp_path)
    journal = tmp_path / "out.owner/journal.jsonl"
    while process.poll() is None and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    if process.returncode:  # else it was quicker than the signal
        assert process.returncode == 1
        assert (out, err) == (
            "",
            "interrupted; what is finished is kept: repeat the command with --resume to go on\n",
        )
        assert (tmp_path / "out/.incomplete").is_dir()
        assert not (tmp_path / "out/profile.json").exists()
        with pytest.raises(SystemExit) as caught:
            main([str(tmp_path / w) if w in ("photos", "out", "owner.key") else w for w in [*words, "--resume"]])
        assert caught.value.code == 0
    with pytest.raises(SystemExit):
        main(["protect", str(tmp_path / "photos"), str(tmp_path / "whole"), "--key", str(tmp_path / "owner.key")])
    assert result(tmp_path / "out") == result(tmp_path / "whole")


def test_importing_the_command_line_imports_nothing_heavy():
    code = (
        "import sys, blindsight.cli.main; print(*sorted({'torch', 'cryptography', 'PIL', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"

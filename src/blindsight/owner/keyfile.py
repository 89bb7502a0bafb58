"""Key files: reading, creating and changing them without ever losing or showing a key."""

import contextlib
import errno
import os
import secrets
import shlex
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from blindsight.errors import KeyFileError
from blindsight.owner._keyformat import parse_info, parse_keyset, write_keyset
from blindsight.owner._passphrase import Passphrase, ask, in_worker
from blindsight.owner.keyset import Keyset, KeysetInfo

__all__ = [
    "KEY_FILE_VARIABLE",
    "create_keyfile",
    "edit_keyfile",
    "load_keyset",
    "read_info",
    "refuse_existing",
    "set_passphrase",
]

KEY_FILE_VARIABLE = "BLINDSIGHT_KEY_FILE"
STDIN = "-"
MAX_BYTES = 1 << 20
ON_WINDOWS = os.name == "nt"
READ_FLAGS = os.O_RDONLY
WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    READ_FLAGS |= getattr(os, _name, 0)
    WRITE_FLAGS |= getattr(os, _name, 0)

Source = Path | str | None


def load_keyset(source: Source = None, *, passphrase: Passphrase | None = None) -> Keyset:
    """Reads the keys of a key file.

    Args:
        source: the key file; ``-`` for standard input; None for the file that BLINDSIGHT_KEY_FILE names.
        passphrase: the passphrase, or a function that gives it where one is needed. Without it, the passphrase
            comes from BLINDSIGHT_PASSPHRASE or is asked for at the terminal.

    Raises:
        KeyFileError: no key given, or the file is missing, malformed, damaged, too large or readable by others.
        PassphraseError: a passphrase is needed and cannot be asked for, or is wrong.
    """
    text, origin = _read(source)
    return parse_keyset(text, origin, passphrase)


def read_info(source: Source = None) -> KeysetInfo:
    """Reads the public facts of a key file; needs no passphrase.

    Args:
        source: as for :func:`load_keyset`.

    Raises:
        KeyFileError: as for :func:`load_keyset`.
    """
    return parse_info(*_read(source))


def create_keyfile(path: Path, keyset: Keyset, passphrase: str | None = None) -> None:
    """Writes a new key file that only its owner can read; never overwrites.

    Args:
        path: where to; must not exist.
        keyset: what to write.
        passphrase: seals the secrets; None leaves them readable to whoever reads the file.

    Raises:
        KeyFileError: the file exists, or cannot be written.
    """
    refuse_existing(path)
    _write_new(path, write_keyset(keyset, passphrase))
    _sync_folder(path.parent)


def refuse_existing(path: Path) -> None:
    """Refuses a name for a new key file that cannot be used.

    Raises:
        KeyFileError: something of that name exists, or its folder does not, or the name is ``-``.
    """
    if str(path) == STDIN:
        raise KeyFileError("a new key is written to a file, not to standard output; give a file name")
    if os.path.lexists(path):
        raise KeyFileError(f"{path} exists already and a key file is never overwritten; choose another name")
    if not path.parent.is_dir():
        raise KeyFileError(f"the folder {path.parent} does not exist; make it first, or choose another place")


def edit_keyfile(path: Path, change: Callable[[Keyset], Keyset], *, passphrase: Passphrase | None = None) -> Keyset:
    """Changes a key file in one step: at every moment the old or the new file is whole on disk.

    Args:
        path: the key file.
        change: makes the new keyset from the old.
        passphrase: as for :func:`load_keyset`; the new file keeps it.

    Returns:
        The new keyset.

    Raises:
        KeyFileError: the file cannot be read or written, or was changed by somebody else meanwhile.
        PassphraseError: as for :func:`load_keyset`.
    """
    text = _read_file(path)
    known = ask(str(path), passphrase) if parse_info(text, str(path)).protected else None
    keyset = change(parse_keyset(text, str(path), known))
    _replace(path, text, write_keyset(keyset, known))
    return keyset


def set_passphrase(path: Path, new: Passphrase | None, *, passphrase: Passphrase | None = None) -> None:
    """Gives a key file another passphrase, or none.

    Args:
        path: the key file.
        new: the new passphrase or a function that gives it, called once the file is unlocked; None for none.
        passphrase: the present one, as for :func:`load_keyset`.

    Raises:
        KeyFileError: as for :func:`edit_keyfile`.
        PassphraseError: as for :func:`load_keyset`.
    """
    text = _read_file(path)
    keyset = parse_keyset(text, str(path), passphrase)
    _replace(path, text, write_keyset(keyset, None if new is None else ask(str(path), new)))


def _read(source: Source) -> tuple[bytes, str]:
    """The text of a key file, and what to call it."""
    if source is None:
        named = os.environ.get(KEY_FILE_VARIABLE)
        if not named:
            raise KeyFileError(
                f"no key given; name a key file with --key FILE or {KEY_FILE_VARIABLE}, or pipe one in with --key - "
                "(make one with: blindsight key new FILE)"
            )
        return _read_file(Path(named)), named
    if str(source) == STDIN:
        return _read_stdin(), "the key on standard input"
    return _read_file(Path(source)), str(source)


def _read_stdin() -> bytes:
    if in_worker():
        raise KeyFileError("the key came from standard input, which a worker process cannot read; use a key file")
    if sys.stdin is None or sys.stdin.isatty():
        raise KeyFileError("standard input is a terminal, not a key file; pipe one in: ... --key - < FILE")
    text = sys.stdin.buffer.read(MAX_BYTES + 1)
    if not text:
        raise KeyFileError("standard input is empty, expected a key file; pipe one in: ... --key - < FILE")
    return _bounded(text, "standard input")


def _read_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, READ_FLAGS)
    except FileNotFoundError:
        raise KeyFileError(
            f"key file {path} does not exist; make one with: blindsight key new {shlex.quote(str(path))}"
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise KeyFileError(
                f"{path} is a symbolic link; give the key file itself: {os.path.realpath(path)}"
            ) from None
        raise KeyFileError(f"key file {path} cannot be read: {_reason(error)}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise KeyFileError(f"{path} is a folder; give the key file in it")
        if not stat.S_ISREG(mode):
            raise KeyFileError(f"{path} is not a file; to take a key from another program, pipe it in with --key -")
        _check_mode(path, mode)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return _bounded(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise KeyFileError(f"key file {path} cannot be read: {_reason(error)}") from None
    finally:
        os.close(descriptor)


def _check_mode(path: Path, mode: int) -> None:
    if ON_WINDOWS:
        warnings.warn(f"who else can read {path} is not checked on Windows", stacklevel=2)
    elif mode & 0o077:
        raise KeyFileError(
            f"key file {path} is open to other users (mode {stat.S_IMODE(mode):04o}); "
            f"run: chmod 600 {shlex.quote(str(path))}"
        )


def _bounded(text: bytes, origin: str) -> bytes:
    if len(text) > MAX_BYTES:
        raise KeyFileError(f"{origin} is too large for a key file (over 1 MiB); is it the right file?")
    return text


def _replace(path: Path, before: bytes, after: bytes) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    _write_new(new, after)
    try:
        if _read_file(path) != before:
            raise KeyFileError(f"{path} was changed by another program meanwhile; run the command again")
        os.replace(new, path)  # noqa: PTH105
    except OSError as error:
        raise KeyFileError(f"key file {path} cannot be replaced: {_reason(error)}") from None
    finally:
        new.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _write_new(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, WRITE_FLAGS, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists already and a key file is never overwritten; choose another name") from None
    except OSError as error:
        raise KeyFileError(f"key file {path} cannot be written: {_reason(error)}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException as error:
        # Half a key file must not lie there as if it were one.
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise KeyFileError(f"key file {path} cannot be written: {_reason(error)}") from None
        raise


def _sync_folder(folder: Path) -> None:
    """Makes a new name in a folder outlast a power cut, where the system can."""
    if ON_WINDOWS:
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()

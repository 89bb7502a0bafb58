"""Passphrases: where they come from, and sealing bytes with one (scrypt, then ChaCha20-Poly1305)."""

import getpass
import multiprocessing
import os
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from blindsight.errors import PassphraseError

__all__ = [
    "DEFAULT_COST",
    "NEW_PASSPHRASE_VARIABLE",
    "PASSPHRASE_VARIABLE",
    "Passphrase",
    "ScryptCost",
    "ask",
    "choose",
    "derive",
    "in_worker",
    "unseal",
]

PASSPHRASE_VARIABLE = "BLINDSIGHT_PASSPHRASE"
NEW_PASSPHRASE_VARIABLE = "BLINDSIGHT_NEW_PASSPHRASE"
MAX_MEMORY = 1 << 30

Passphrase = str | Callable[[], str]


@dataclass(frozen=True)
class ScryptCost:
    """Cost of scrypt (RFC 7914): 128 n r bytes of memory, p times over.

    Attributes:
        n: a power of two; the default 2^17 takes 128 MiB and about half a second.
        r: block size.
        p: passes.
    """

    n: int = 1 << 17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        """Bounds the cost, so that a hostile file cannot take all memory or hours.

        Raises:
            ValueError: out of bounds.
        """
        if not (self.n >= 2 and self.n & (self.n - 1) == 0 and 1 <= self.r <= 64 and 1 <= self.p <= 4):
            raise ValueError("scrypt's n must be a power of two, r 1 to 64 and p 1 to 4")
        if 128 * self.n * self.r > MAX_MEMORY:
            raise ValueError(f"scrypt would take {128 * self.n * self.r >> 20} MiB; at most 1024 MiB are accepted")


DEFAULT_COST = ScryptCost()


def derive(passphrase: str, salt: bytes, cost: ScryptCost) -> ChaCha20Poly1305:
    """The cipher that a passphrase stands for; the passphrase counts as NFC-normalised UTF-8.

    Raises:
        PassphraseError: there is not the memory that scrypt takes.
    """
    data = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    try:
        return ChaCha20Poly1305(Scrypt(salt=salt, length=32, n=cost.n, r=cost.r, p=cost.p).derive(data))
    except MemoryError:
        needed = 128 * cost.n * cost.r >> 20
        raise PassphraseError(f"unlocking takes {needed} MiB of memory, which is not free; close something") from None


def unseal(sealed: bytes, nonce: bytes, public: bytes, cipher: ChaCha20Poly1305, origin: str) -> bytes:
    """Opens sealed bytes.

    Raises:
        PassphraseError: wrong passphrase, or the sealed or the public part was changed.
    """
    try:
        return cipher.decrypt(nonce, sealed, public)
    except InvalidTag:
        raise PassphraseError(f"wrong passphrase for {origin} (or the file was changed by hand)") from None


def ask(origin: str, given: Passphrase | None = None) -> str:
    """The passphrase of a key file: as given, else from BLINDSIGHT_PASSPHRASE, else asked for at the terminal.

    Args:
        origin: the key file, for the prompt.
        given: the passphrase or a function that gives it.

    Raises:
        PassphraseError: none given, and nobody to ask: no terminal, or a worker process.
    """
    if given is not None:
        return given if isinstance(given, str) else given()
    if os.environ.get(PASSPHRASE_VARIABLE):
        return os.environ[PASSPHRASE_VARIABLE]
    _require_terminal(f"{origin} is protected by a passphrase", PASSPHRASE_VARIABLE)
    return _prompt(f"Passphrase for {origin}: ")


def choose(origin: str, variable: str = PASSPHRASE_VARIABLE) -> str:
    """A new passphrase: from an environment variable, else asked for twice at the terminal.

    Args:
        origin: the key file, for the prompt.
        variable: the environment variable.

    Raises:
        PassphraseError: nobody to ask, or typed differently the second time.
    """
    if os.environ.get(variable):
        passphrase = os.environ[variable]
    else:
        _require_terminal(f"a new passphrase for {origin} is needed", variable)
        passphrase = _prompt(f"New passphrase for {origin}: ")
        if passphrase != _prompt("The same again: "):
            raise PassphraseError("the two passphrases differ; nothing was written, try again")
    return passphrase


def in_worker() -> bool:
    """True in a process that multiprocessing started."""
    return multiprocessing.parent_process() is not None


def _require_terminal(need: str, variable: str) -> None:
    if in_worker():
        raise PassphraseError(f"{need} and a worker process cannot ask for it; set {variable}, which workers inherit")
    if sys.stdin is None or not sys.stdin.isatty():
        raise PassphraseError(f"{need} and there is no terminal to ask at; set {variable}")


def _prompt(text: str) -> str:
    try:
        return getpass.getpass(text)
    except EOFError:
        raise PassphraseError("no passphrase was typed; nothing was done") from None

"""The text of a key file, ``blindsight-keyset/1``: JSON, described in ``spec/keys.md``."""

import base64
import binascii
import datetime
import json
import os
import re
from typing import Any, cast

from blindsight.errors import KeyFileError, ParameterError, PassphraseError
from blindsight.owner._passphrase import DEFAULT_COST, Passphrase, ScryptCost, ask, derive, unseal
from blindsight.owner._secret import KEY_BYTES, SecretKey
from blindsight.owner.keyset import KeyInfo, Keyset, KeysetInfo

__all__ = ["FORMAT", "parse_info", "parse_keyset", "write_keyset"]

FORMAT = "blindsight-keyset/1"
KEY_ID = re.compile(r"bsk1-[a-z2-7]{16}")
SALT_BYTES, NONCE_BYTES = 16, 12


def write_keyset(keyset: Keyset, passphrase: str | None = None, cost: ScryptCost | None = None) -> bytes:
    """The text of a keyset.

    Args:
        keyset: what to write.
        passphrase: seals the secrets; None leaves them readable.
        cost: cost of scrypt.

    Returns:
        UTF-8 JSON with a newline at the end.

    Raises:
        PassphraseError: the passphrase is empty.
    """
    document = _public(keyset.info)
    if passphrase is None:
        for entry, key in zip(document["keys"], keyset.secrets, strict=True):
            entry["secret"] = _encode(key.to_bytes())
    else:
        if not passphrase:
            raise PassphraseError("the passphrase is empty; give one of several words, or none at all")
        cost = cost or DEFAULT_COST
        salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
        document["protection"] = {
            "cipher": "chacha20-poly1305",
            "kdf": "scrypt",
            "n": cost.n,
            "nonce": _encode(nonce),
            "p": cost.p,
            "r": cost.r,
            "salt": _encode(salt),
        }
        plain = b"".join(key.to_bytes() for key in keyset.secrets)
        document["sealed"] = _encode(derive(passphrase, salt, cost).encrypt(nonce, plain, _associated(document)))
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def parse_info(text: bytes, origin: str) -> KeysetInfo:
    """The public facts of a keyset's text; needs no passphrase, and so does not check the secrets.

    Raises:
        KeyFileError: malformed.
    """
    return _parse(text, origin)[1]


def parse_keyset(text: bytes, origin: str, passphrase: Passphrase | None = None) -> Keyset:
    """The keyset of a text.

    Args:
        text: what a key file holds.
        origin: what to call it in error messages.
        passphrase: the passphrase or a function that gives it, called only where the text is protected.

    Raises:
        KeyFileError: malformed, or a secret does not give its stated id.
        PassphraseError: a passphrase is needed and cannot be asked for, or is wrong.
    """
    document, info = _parse(text, origin)
    if not info.protected:
        secrets = [_decode(entry.get("secret"), KEY_BYTES, "secret", origin) for entry in document["keys"]]
    else:
        header = document["protection"]
        salt = _decode(header.get("salt"), SALT_BYTES, "salt", origin)
        nonce = _decode(header.get("nonce"), NONCE_BYTES, "nonce", origin)
        sealed = _decode(document.get("sealed"), KEY_BYTES * len(info.keys) + 16, "sealed", origin)
        cipher = derive(ask(origin, passphrase), salt, _cost(header, origin))
        plain = unseal(sealed, nonce, _associated(document), cipher, origin)
        secrets = [plain[i : i + KEY_BYTES] for i in range(0, len(plain), KEY_BYTES)]
    return Keyset(info, [SecretKey(secret) for secret in secrets], origin)


def _public(info: KeysetInfo) -> dict[str, Any]:
    keys = [
        {"id": key.id, "created": key.created, "status": key.status, **({"label": key.label} if key.label else {})}
        for key in info.keys
    ]
    return {"format": FORMAT, "primary": info.primary, "keys": keys}


def _associated(document: dict[str, Any]) -> bytes:
    """Everything but the sealed bytes, in one canonical form: what a passphrase also protects from being changed."""
    public = {name: value for name, value in document.items() if name != "sealed"}
    return json.dumps(public, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _parse(text: bytes, origin: str) -> tuple[dict[str, Any], KeysetInfo]:
    # No message quotes the text: it may hold secrets.
    try:
        document = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "format" not in document:
        raise KeyFileError(f"{origin} is not a blindsight key file; make one with: blindsight key new FILE")
    if document["format"] != FORMAT:
        raise KeyFileError(f"{origin} is not of format '{FORMAT}'; update blindsight, or give another key file")
    protected = "protection" in document
    fields = {"format", "primary", "keys"} | ({"protection", "sealed"} if protected else set())
    entries = document.get("keys")
    if set(document) != fields or not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise _damaged(origin, "its fields are not those of a key file")
    if protected:
        _cost(document["protection"], origin)
    keys = tuple(_parse_key(entry, protected, origin) for entry in entries)
    try:
        return document, KeysetInfo(document["primary"], keys, protected)
    except ParameterError as error:
        raise _damaged(origin, str(error)) from None


def _parse_key(entry: dict[str, Any], protected: bool, origin: str) -> KeyInfo:
    fields = {"id", "created", "status"} | (set() if protected else {"secret"})
    if not all(isinstance(value, str) for value in entry.values()) or set(entry) - {"label"} != fields:
        raise _damaged(origin, "a key's fields are not those of a key file")
    try:
        created = datetime.date.fromisoformat(entry["created"]).isoformat()
        status = entry["status"]
        if created != entry["created"] or not KEY_ID.fullmatch(entry["id"]) or status not in ("enabled", "disabled"):
            raise ValueError
        return KeyInfo(entry["id"], created, status, entry.get("label"))
    except ValueError:
        raise _damaged(origin, "a key's id, date, status or label is malformed") from None


def _cost(header: object, origin: str) -> ScryptCost:
    names = {"cipher", "kdf", "n", "nonce", "p", "r", "salt"}
    if not isinstance(header, dict) or set(header) != names:
        raise _damaged(origin, "its passphrase protection is malformed")
    if header["kdf"] != "scrypt" or header["cipher"] != "chacha20-poly1305":
        raise KeyFileError(f"{origin} is protected in a way this version does not know; update blindsight")
    values = [header[name] for name in ("n", "r", "p")]
    if not all(type(value) is int for value in values):
        raise _damaged(origin, "its scrypt cost is not a number")
    try:
        return ScryptCost(*values)
    except ValueError as error:
        raise _damaged(origin, str(error)) from None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: object, length: int, name: str, origin: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(cast(str, text) + "=" * (-len(cast(str, text)) % 4))
    except (ValueError, TypeError, binascii.Error):
        data = b""
    # Encoding again refuses stray characters and loose bits, which the decoder lets pass.
    if len(data) != length or _encode(data) != text:
        raise _damaged(origin, f"its '{name}' is not {length} bytes in base64url")
    return data


def _damaged(origin: str, why: str) -> KeyFileError:
    return KeyFileError(f"{origin} is damaged: {why}; use a backup of it")

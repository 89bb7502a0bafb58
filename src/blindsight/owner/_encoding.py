"""How strings become bytes and bytes become names, as fixed in ``spec/keys.md``."""

import base64

from blindsight.errors import ParameterError

__all__ = ["base32", "encode_fields"]


def encode_fields(*fields: str) -> bytes:
    """Concatenates ``u16be(length) || UTF-8`` of every field, so that no two lists of fields give the same bytes.

    Raises:
        ParameterError: a field is longer than 65,535 bytes or is not valid Unicode (a lone surrogate).
    """
    parts = []
    for field in fields:
        try:
            data = field.encode("utf-8")
        except UnicodeEncodeError:
            raise ParameterError(f"{field!a} is not valid Unicode; rename it (file names must be UTF-8)") from None
        if len(data) > 0xFFFF:
            raise ParameterError(f"a name of {len(data)} bytes is too long; names may have up to 65535 bytes of UTF-8")
        parts += [len(data).to_bytes(2, "big"), data]
    return b"".join(parts)


def base32(data: bytes) -> str:
    """Lower-case base32 (RFC 4648) without padding: safe in file names and never case-sensitive."""
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()

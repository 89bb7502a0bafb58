"""The master key as an object that cannot be shown by accident."""

import hmac
import os
from typing import NoReturn, Self, SupportsIndex, final

from blindsight.errors import ParameterError
from blindsight.owner._encoding import base32, encode_fields
from blindsight.owner.keystream import KeyStream, hkdf_expand

__all__ = ["ID_PREFIX", "KEY_BYTES", "NAMESPACE", "SecretKey"]

KEY_BYTES = 32
ID_PREFIX = "bsk1-"
NAMESPACE = "blindsight/v1"


@final
class SecretKey:
    """32 random bytes from which everything keyed is derived. Derivations are fixed in ``spec/keys.md``.

    The bytes appear in no repr, message or pickle; two keys compare in constant time. To hand a key to another
    process, hand over a :class:`blindsight.owner.keys.KeyReference`.
    """

    __slots__ = ("__id", "__master")

    def __init__(self, master: bytes) -> None:
        """Wraps key bytes.

        Args:
            master: 32 bytes from a cryptographic random source.

        Raises:
            ParameterError: not 32 bytes.
        """
        if not isinstance(master, bytes) or len(master) != KEY_BYTES:
            got = f"{len(master)} bytes" if isinstance(master, bytes) else type(master).__name__
            raise ParameterError(f"a secret key is {KEY_BYTES} bytes, got {got}; SecretKey.generate() makes one")
        self.__master = master
        self.__id = ID_PREFIX + base32(self.subkey("key-id")[:10])

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's random source."""
        return cls(os.urandom(KEY_BYTES))

    @property
    def id(self) -> str:
        """The public id: ``bsk1-`` and 16 characters. It says which key, and nothing about its bytes."""
        return self.__id

    def subkey(self, *path: str) -> bytes:
        """Derives 32 bytes: HKDF-Expand-SHA256 of the key, with the namespace and the path as info.

        Args:
            path: what the subkey is for, e.g. scheme, step, geometry; image id last for a key per image.

        Raises:
            ParameterError: a part of the path is too long or not valid Unicode.
        """
        return hkdf_expand(self.__master, encode_fields(NAMESPACE, *path))

    def stream(self, *path: str) -> KeyStream:
        """The key stream of the subkey of this path, from its beginning."""
        return KeyStream(self.subkey(*path))

    def digest(self, *fields: str, purpose: str) -> bytes:
        """A keyed hash, 32 bytes: HMAC-SHA256 of the length-prefixed fields under ``subkey(purpose)``.

        Raises:
            ParameterError: a field is too long or not valid Unicode.
        """
        return hmac.digest(self.subkey(purpose), encode_fields(*fields), "sha256")

    def to_bytes(self) -> bytes:
        """The 32 secret bytes, for writing a key file and for bringing a key to other software; nothing else."""
        return self.__master

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretKey):
            return NotImplemented
        return hmac.compare_digest(self.__master, other.__master)

    def __hash__(self) -> int:
        return hash(self.__id)

    def __repr__(self) -> str:
        return f"SecretKey({self.__id})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            "a SecretKey is never pickled or copied; share the object itself, "
            "or give another process a KeyReference, which names the key's file"
        )

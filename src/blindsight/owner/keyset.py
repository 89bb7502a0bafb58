"""Keysets: several keys, one of them primary, so that keys can be changed step by step."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from blindsight.errors import KeyFileError, ParameterError, WrongKeyError
from blindsight.owner._secret import ID_PREFIX, SecretKey

__all__ = ["KeyInfo", "Keyset", "KeysetInfo"]

MAX_LABEL = 200
MAX_KEYS = 1000


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


@dataclass(frozen=True)
class KeyInfo:
    """The public facts of one key.

    Attributes:
        id: public key id, ``bsk1-…``.
        created: UTC date, ``YYYY-MM-DD``.
        status: a ``disabled`` key is kept but refused.
        label: a note for people, or None.
    """

    id: str
    created: str
    status: Literal["enabled", "disabled"] = "enabled"
    label: str | None = None

    def __post_init__(self) -> None:
        if self.label is not None and (not self.label.isprintable() or not 0 < len(self.label) <= MAX_LABEL):
            raise ParameterError(f"a label is one line of 1 to {MAX_LABEL} printable characters")


@dataclass(frozen=True)
class KeysetInfo:
    """The public facts of a key file, readable without its passphrase.

    Attributes:
        primary: id of the key that new data is protected with.
        keys: every key, in the order of the file.
        protected: True where a passphrase is needed for the secrets.
    """

    primary: str
    keys: tuple[KeyInfo, ...]
    protected: bool = False

    def __post_init__(self) -> None:
        ids = [key.id for key in self.keys]
        if len(set(ids)) != len(ids):
            raise ParameterError("a keyset cannot hold the same key twice")
        if len(ids) > MAX_KEYS:
            raise ParameterError(f"a keyset holds up to {MAX_KEYS} keys, got {len(ids)}")
        primary = next((key for key in self.keys if key.id == self.primary), None)
        if primary is None or primary.status != "enabled":
            raise ParameterError("the primary key must be one of the enabled keys; enable it, or promote another")

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(key.id for key in self.keys)

    def find(self, prefix: str) -> KeyInfo:
        """The key whose id begins with a prefix (with or without ``bsk1-``).

        Raises:
            WrongKeyError: no key, or more than one, begins so.
        """
        wanted = prefix if prefix.startswith(ID_PREFIX) else ID_PREFIX + prefix
        found = [key for key in self.keys if key.id.startswith(wanted)]
        if len(found) == 1 and wanted != ID_PREFIX:
            return found[0]
        problem = "more than one key begins" if len(found) > 1 else "no key begins"
        raise WrongKeyError(f"{problem} with '{prefix}'; the keys here are {', '.join(self.ids)}")


class Keyset:
    """Secret keys with their public facts. Immutable: changes give a new keyset.

    Attributes:
        info: the public facts.
    """

    __slots__ = ("_origin", "_secrets", "info")

    def __init__(self, info: KeysetInfo, secrets: Iterable[SecretKey], origin: str = "the keyset") -> None:
        """Joins public facts and secrets.

        Args:
            info: public facts.
            secrets: the keys, in the same order.
            origin: what to call the keyset in error messages, e.g. its file.

        Raises:
            KeyFileError: a secret does not have the id that is stated for it.
        """
        self._secrets: Mapping[str, SecretKey] = {key.id: key for key in secrets}
        if tuple(self._secrets) != info.ids:
            raise KeyFileError(f"{origin} is damaged: a secret does not give the key id stated for it; use a backup")
        self.info = info
        self._origin = origin

    @classmethod
    def new(cls, key: SecretKey | None = None, label: str | None = None) -> Self:
        """A keyset of one key, freshly generated where none is given.

        Raises:
            ParameterError: the label is too long or not printable.
        """
        key = key or SecretKey.generate()
        return cls(KeysetInfo(key.id, (KeyInfo(key.id, _today(), label=label),)), [key])

    @property
    def primary(self) -> SecretKey:
        """The key to protect new data with."""
        return self._secrets[self.info.primary]

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of every key, in the order of the file."""
        return self.info.ids

    @property
    def secrets(self) -> tuple[SecretKey, ...]:
        """Every key, disabled ones too, in the order of the file."""
        return tuple(self._secrets.values())

    def get(self, key_id: str) -> SecretKey:
        """The key of an id, as a profile names it.

        Raises:
            WrongKeyError: the key is not here, or is disabled.
        """
        info = next((key for key in self.info.keys if key.id == key_id), None)
        if info is None:
            raise WrongKeyError(f"key {key_id} is needed, but {self._origin} holds {', '.join(self.ids)}")
        if info.status != "enabled":
            raise WrongKeyError(
                f"key {key_id} is disabled in {self._origin}; enable it with: blindsight key enable FILE {key_id}"
            )
        return self._secrets[key_id]

    def with_key(self, key: SecretKey, info: KeyInfo | None = None, label: str | None = None) -> Self:
        """This keyset and one more key, not primary.

        Args:
            key: the key to add.
            info: its public facts where it has some already; else it counts as created today.
            label: a label for a key without facts.

        Raises:
            ParameterError: the key is here already, or the label is not printable.
        """
        if key.id in self._secrets:
            raise ParameterError(f"{self._origin} holds key {key.id} already")
        added = info or KeyInfo(key.id, _today(), label=label)
        return self._with(replace(self.info, keys=(*self.info.keys, added)), (*self.secrets, key))

    def with_primary(self, prefix: str) -> Self:
        """This keyset with another primary key.

        Raises:
            WrongKeyError: no key, or more than one, begins with the prefix.
            ParameterError: the key is disabled.
        """
        return self._with(replace(self.info, primary=self.info.find(prefix).id), self.secrets)

    def with_status(self, prefix: str, status: Literal["enabled", "disabled"]) -> Self:
        """This keyset with a key enabled or disabled.

        Raises:
            WrongKeyError: no key, or more than one, begins with the prefix.
            ParameterError: the primary key would be disabled.
        """
        found = self.info.find(prefix)
        keys = tuple(replace(key, status=status) if key is found else key for key in self.info.keys)
        return self._with(replace(self.info, keys=keys), self.secrets)

    def _with(self, info: KeysetInfo, secrets: Iterable[SecretKey]) -> Self:
        return type(self)(info, secrets, self._origin)

    def __repr__(self) -> str:
        return f"Keyset({', '.join(self.ids)})"

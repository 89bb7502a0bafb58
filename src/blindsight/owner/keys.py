"""Secret keys, where they are kept, and references to them that other processes can be given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from blindsight.owner._passphrase import Passphrase
from blindsight.owner._secret import SecretKey
from blindsight.owner.keyfile import STDIN, load_keyset
from blindsight.owner.keyset import KeyInfo, Keyset, KeysetInfo

__all__ = ["KeyInfo", "KeyReference", "Keyset", "KeysetInfo", "SecretKey", "load_keyset"]


@dataclass(frozen=True)
class KeyReference:
    """Says where a key is and which one, and holds nothing secret: it can be pickled, hashed and printed.

    A worker process loads the key again from the file. Where that takes a passphrase, the worker can take it from
    BLINDSIGHT_PASSPHRASE only.

    Attributes:
        source: absolute path of the key file; ``-`` for standard input (loaded in this process only); None for the
            file that BLINDSIGHT_KEY_FILE names.
        key_id: which key of the file.
    """

    source: str | None
    key_id: str

    @classmethod
    def of(cls, source: Path | str | None, key_id: str | None = None, *, passphrase: Passphrase | None = None) -> Self:
        """Loads a key once and makes a reference to it.

        Args:
            source: as for :func:`load_keyset`.
            key_id: which key, as a profile names it; None for the primary one.
            passphrase: as for :func:`load_keyset`.

        Raises:
            KeyFileError: as for :func:`load_keyset`.
            PassphraseError: as for :func:`load_keyset`.
            WrongKeyError: the key is not in the file.
        """
        return cls.to(load_keyset(source, passphrase=passphrase), source, key_id)

    @classmethod
    def to(cls, keyset: Keyset, source: Path | str | None, key_id: str | None = None) -> Self:
        """A reference to a key of a keyset that was loaded from source.

        Raises:
            WrongKeyError: the key is not in the keyset.
        """
        key = keyset.primary if key_id is None else keyset.get(key_id)
        place = None if source is None else STDIN if str(source) == STDIN else str(Path(source).absolute())
        reference = cls(place, key.id)
        _loaded[reference] = key
        return reference

    def load(self) -> SecretKey:
        """The key; read once in each process.

        Raises:
            KeyFileError: as for :func:`load_keyset`.
            PassphraseError: a passphrase is needed and there is nobody to ask, as in a worker process.
            WrongKeyError: the file holds the key no more.
        """
        key = _loaded.get(self)
        if key is None:
            key = _loaded[self] = load_keyset(self.source).get(self.key_id)
        return key


_loaded: dict[KeyReference, SecretKey] = {}

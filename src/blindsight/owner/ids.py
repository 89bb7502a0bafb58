"""Names of protected images and classes: keyed hashes that only the key's owner can compute. See ``spec/keys.md``."""

import os
import unicodedata
from pathlib import PurePath, PurePosixPath

from blindsight.errors import ParameterError
from blindsight.owner._encoding import base32
from blindsight.owner._secret import SecretKey

__all__ = ["class_id", "image_id", "mixed_id", "query_id"]


def image_id(key: SecretKey, label: str, relative_path: PurePath | str, view: int = 0) -> str:
    """Id of a protected image: HMAC of data-set label, relative path and view.

    Unicode spellings of one name (NFC, NFD) give the same id, as file systems treat them differently.

    Args:
        key: the owner's key.
        label: the data set's label.
        relative_path: path of the image inside the data set; a string has ``/`` between its parts.
        view: number of the view, 0 or more.

    Returns:
        26 characters a-z, 2-7.

    Raises:
        ParameterError: an absolute path, one with ``..``, an empty one, or a negative view.
    """
    return base32(key.digest(*_identity(label, relative_path, view), purpose="image-id")[:16])


def mixed_id(key: SecretKey, label: str, relative_path: PurePath | str, view: int, method: str, settings: str) -> str:
    """Id of a mixed image: another one than any protected image's, and another one under other settings.

    So nobody can tell from their names that two published images were made of the same one.

    Args:
        key: the owner's key.
        label: the data set's label.
        relative_path: path of the target inside the data set.
        view: how many mixed images of that target come before this one.
        method: of mixing.
        settings: everything else that decides the mixture, as one text.

    Returns:
        26 characters a-z, 2-7.

    Raises:
        ParameterError: as for :func:`image_id`.
    """
    fields = (*_identity(label, relative_path, view), method, settings)
    return base32(key.digest(*fields, purpose="mixed-id")[:16])


def _identity(label: str, relative_path: PurePath | str, view: int) -> tuple[str, str, str]:
    path = PurePosixPath(relative_path.as_posix() if isinstance(relative_path, PurePath) else relative_path)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ParameterError(f"an image id needs a path inside the data set, got '{ascii(str(path))[1:-1]}'")
    if view < 0:
        raise ParameterError(f"a view is numbered from 0, got {view}")
    return _nfc(label), _nfc(str(path)), str(view)


def class_id(key: SecretKey, name: str) -> str:
    """Opaque id of a class: HMAC of its name alone, so that training and test sets of one key agree.

    Args:
        key: the owner's key.
        name: the class's name.

    Returns:
        16 characters a-z, 2-7.
    """
    return base32(key.digest(_nfc(name), purpose="class-id")[:10])


def query_id() -> str:
    """A fresh random id for one query: 26 characters a-z, 2-7 (16 random bytes)."""
    return base32(os.urandom(16))


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)

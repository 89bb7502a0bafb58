"""A profile and the key it names, ready to encrypt and decrypt pixels."""

import threading
from collections import OrderedDict
from typing import NoReturn, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.errors import ParameterError, ProfileError, WrongKeyError
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey
from blindsight.owner.reductions import reduce_image
from blindsight.profile import Profile

__all__ = ["Protection"]

# A folder of mixed sizes meets a few hundred geometries; tables of EtC take about 7 bytes a block.
CACHED_TABLES = 256


class Protection:
    """Encrypts and decrypts uint8 images as a profile says.

    Tables are kept for the last geometries seen, so a folder of mixed sizes compiles each of them once. Thread-safe.

    Args:
        profile: of kind ``cipher``.
        key: the key that the profile names.

    Raises:
        ProfileError: the profile is not of kind ``cipher``.
        UnknownNameError: its scheme is not registered here.
        WrongKeyError: the key is another one.
    """

    def __init__(self, profile: Profile, key: SecretKey) -> None:
        if profile.kind != "cipher" or profile.scheme is None or profile.block_size is None or not profile.key_scope:
            raise ProfileError(
                f"a profile of kind '{profile.kind}' has no cipher; only protected images have a way back"
            )
        if profile.key_id != key.id:
            raise WrongKeyError(f"the profile names key {profile.key_id}, the key at hand is {key.id}; give that key")
        self.profile = profile
        self.cipher = create_cipher(profile.scheme, profile.block_size, profile.channels, **profile.parameters)
        self._key = key
        self._scope = profile.key_scope
        self._tables: OrderedDict[tuple[int, int, tuple[str, ...], bool], SignedPermutation] = OrderedDict()
        self._lock = threading.Lock()

    def permutation(
        self, height: int, width: int, image_id: str | None = None, *, inverse: bool = False
    ) -> SignedPermutation:
        """What encrypts an image of this size, or decrypts it.

        Args:
            height: image height in pixels, a multiple of the block size.
            width: image width in pixels, likewise.
            image_id: the image's id; needed for key scopes ``image`` and ``pool:K``.
            inverse: the direction of decryption.

        Raises:
            ParameterError: the size does not fit the blocks, or the scope needs an id.
        """
        scope = self._scope_path(image_id)
        name = (height, width, scope, inverse)
        with self._lock:
            table = self._tables.get(name)
            if table is not None:
                self._tables.move_to_end(name)
                return table
        table = self.cipher.compile(self._key, height, width, *scope)
        if inverse:
            table = table.inverse()
        if self._scope != "image":  # a key that serves one image is not met again
            with self._lock:
                self._tables[name] = table
                while len(self._tables) > CACHED_TABLES:
                    self._tables.popitem(last=False)
        return table

    def encrypt(self, pixels: NDArray[np.uint8], image_id: str | None = None) -> NDArray[np.uint8]:
        """Protects one image: reduces it as the profile says, then encrypts.

        Args:
            pixels: uint8 (H, W, C), H and W multiples of the block size, C the profile's channels.
            image_id: as for :meth:`permutation`.

        Returns:
            uint8 (H, W, C).

        Raises:
            ParameterError: another dtype or shape, or the scope or a reduction needs an id.
        """
        _check_image(pixels)
        block = self.profile.block_size
        assert block is not None  # __init__ refuses a profile without
        reduced = reduce_image(pixels, self.profile.reductions, block, self._key, image_id)
        return self._apply(reduced, image_id, inverse=False)

    def decrypt(self, pixels: NDArray[np.uint8], image_id: str | None = None) -> NDArray[np.uint8]:
        """Undoes the encryption exactly, and no reduction; arguments and errors as for :meth:`encrypt`."""
        return self._apply(pixels, image_id, inverse=True)

    def _apply(self, pixels: NDArray[np.uint8], image_id: str | None, inverse: bool) -> NDArray[np.uint8]:
        _check_image(pixels)
        table = self.permutation(pixels.shape[0], pixels.shape[1], image_id, inverse=inverse)
        result = table.apply(pixels)
        assert isinstance(result, np.ndarray)  # arrays in, arrays out
        return result

    def _scope_path(self, image_id: str | None) -> tuple[str, ...]:
        """The last elements of the key path; spec/ciphers.md fixes them."""
        if self._scope == "dataset":
            return ()
        if not image_id:
            raise ParameterError(f"key scope '{self._scope}' draws its key from the image's id; give image_id")
        if self._scope == "image":
            return (image_id,)
        size = int(self._scope.removeprefix("pool:"))
        drawn = self._key.stream("key-pool", str(size), image_id).below(size, 1)[0]
        return (f"pool:{drawn}",)

    def __repr__(self) -> str:
        return f"Protection({self.profile.summary()})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            "a Protection holds a secret key and is never pickled or copied; share the object itself, "
            "or give another process the profile and a KeyReference, which names the key's file"
        )


def _check_image(pixels: NDArray[np.uint8]) -> None:
    if pixels.ndim != 3:
        raise ParameterError(f"an image has shape (H, W, C), got {pixels.shape}")

"""The stream of choices that a subkey stands for: HKDF-Expand, ChaCha20, rejection, Fisher-Yates.

Fixed byte by byte in ``spec/keys.md``, so that a data set protected today can be revealed by any later version and by
other software. No generator of NumPy, torch or :mod:`random` touches key material.
"""

from typing import NoReturn, SupportsIndex

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from numpy.typing import NDArray

from blindsight.errors import ParameterError

__all__ = ["KeyStream", "hkdf_expand"]

WORD_VALUES = 1 << 32
# Draws of one Fisher-Yates round are checked together; a rejection costs a pass over the rest of its round.
ROUND = 4096
# Draws of many permutations at a time: 8 MiB of words.
SPAN = 1 << 20


def hkdf_expand(master: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869, section 2.3); no Extract, since the master key is uniform already."""
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(master)


class KeyStream:
    """A subkey's endless stream of 32-bit words, and numbers and permutations drawn from it.

    Every call continues where the last one stopped, and uses exactly the words that drawing one number at a time
    would use: how draws are grouped into calls never changes what they give.
    """

    __slots__ = ("_encryptor",)

    def __init__(self, subkey: bytes) -> None:
        """Starts the stream of a subkey.

        Args:
            subkey: 32 bytes; key of ChaCha20 (RFC 8439), with nonce 0 and the block counter from 0.

        Raises:
            ParameterError: not 32 bytes.
        """
        if len(subkey) != 32:
            raise ParameterError(f"a key stream needs a subkey of 32 bytes, got {len(subkey)}")
        self._encryptor = Cipher(ChaCha20(subkey, bytes(16)), mode=None).encryptor()

    def words(self, n: int) -> NDArray[np.uint32]:
        """The next words of the stream.

        Args:
            n: how many, 0 or more.

        Returns:
            (n,) uint32, little-endian words of the ChaCha20 key stream.

        Raises:
            ParameterError: n is negative.
        """
        if n < 0:
            raise ParameterError(f"a number of draws must be 0 or more, got {n}")
        data = self._encryptor.update(bytes(4 * n))
        return np.frombuffer(data, dtype="<u4").astype(np.uint32)

    def below(self, n: int, size: int) -> NDArray[np.int64]:
        """Uniform integers: draw a word x, draw again while x >= floor(2^32 / n) n, give x mod n.

        Args:
            n: exclusive upper bound, 1 to 2^32.
            size: how many integers.

        Returns:
            (size,) int64 in [0, n).

        Raises:
            ParameterError: n or size is out of range.
        """
        if not 1 <= n <= WORD_VALUES:
            raise ParameterError(f"below(n) needs n from 1 to 2^32, got {n}")
        limit = WORD_VALUES - WORD_VALUES % n
        # Drawing only as many words as numbers are missing never uses a word too many.
        words = self.words(size).astype(np.int64)
        accepted = words[words < limit]
        while len(accepted) < size:
            words = self.words(size - len(accepted)).astype(np.int64)
            accepted = np.concatenate([accepted, words[words < limit]])
        return accepted % n

    def permutation(self, n: int) -> NDArray[np.int64]:
        """A uniform permutation by Fisher-Yates from the top: for i = n-1 ... 1, swap i and below(i + 1).

        Args:
            n: length, 0 to 2^32.

        Returns:
            (n,) int64, a rearrangement of 0 ... n-1.

        Raises:
            ParameterError: n is out of range.
        """
        if not 0 <= n <= WORD_VALUES:
            raise ParameterError(f"permutation(n) needs n from 0 to 2^32, got {n}")
        items = list(range(n))
        for top in range(n, 1, -ROUND):
            bounds = np.arange(top, max(top - ROUND, 1), -1, dtype=np.int64)
            for i, j in zip(range(top - 1, 0, -1), self._below_each(bounds).tolist(), strict=False):
                items[i], items[j] = items[j], items[i]
        return np.array(items, dtype=np.int64)

    def permutations(self, count: int, n: int) -> NDArray[np.int32]:
        """What ``count`` calls of ``permutation(n)`` would give, made together: much faster where they are short.

        Args:
            count: how many, 0 or more.
            n: length of each, 0 to 2^31 - 1.

        Returns:
            (count, n) int32, each row a rearrangement of 0 ... n-1.

        Raises:
            ParameterError: count or n is out of range.
        """
        if count < 0:
            raise ParameterError(f"a number of draws must be 0 or more, got {count}")
        if not 0 <= n < 1 << 31:
            raise ParameterError(f"permutations(count, n) needs n from 0 to 2^31 - 1, got {n}")
        # One permutation a column, so that each exchange of Fisher-Yates works along rows.
        items = np.repeat(np.arange(n, dtype=np.int32)[:, None], count, axis=1)
        bounds = np.arange(n, 1, -1, dtype=np.int64)
        step = max(1, SPAN // max(n, 1))
        for first in range(0, count, step):
            part = items[:, first : first + step]
            every = np.arange(part.shape[1])
            swaps = self._below_each(np.tile(bounds, len(every))).reshape(len(every), len(bounds))
            for i, j in zip(range(n - 1, 0, -1), swaps.T, strict=True):
                taken = part[j, every]
                part[j, every] = part[i]
                part[i] = taken
        return np.ascontiguousarray(items.T)

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Uniform numbers, word / 2^32.

        Args:
            size: how many.

        Returns:
            (size,) float64 in [0, 1), multiples of 2^-32.

        Raises:
            ParameterError: size is negative.
        """
        return self.words(size) / float(WORD_VALUES)

    def _below_each(self, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
        """One ``below(n)`` for each n of bounds, in order."""
        limits = WORD_VALUES - WORD_VALUES % bounds
        words = self.words(len(bounds)).astype(np.int64)
        while True:
            rejected = words >= limits
            if not rejected.any():
                return words % bounds
            # The words after a rejected one move up by one place, where other limits hold: one at a time.
            first = int(rejected.argmax())
            words = np.append(np.delete(words, first), self.words(1).astype(np.int64))

    def __repr__(self) -> str:
        return "KeyStream(…)"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a KeyStream is never pickled or copied; derive it again from its key with key.stream(...)")

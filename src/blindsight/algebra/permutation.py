"""Signed permutations: the one algebra under every perceptual cipher.

On the flattened samples x of an image, ``y[i] = x[index[i]] XOR mask[i]``. Samples are bytes, or 4-bit nibbles
(nibble 2i is the low half of byte i, nibble 2i + 1 its high half). Signed permutations form a group.
"""

import sys
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blindsight.errors import ParameterError

if TYPE_CHECKING:
    import torch

__all__ = ["Sample", "SignedPermutation", "frozen"]

Sample = Literal["byte", "nibble"]


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A contiguous, read-only array; tables are shared between threads and caches."""
    array = np.ascontiguousarray(array)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


class SignedPermutation:
    """A signed permutation of the samples of an (H, W, C) image, given by its flat tables.

    The table forms (:class:`~blindsight.algebra.BlockPermutation`, :class:`~blindsight.algebra.TilePermutation`) are
    faster for everything with block structure and have the same meaning; this form serves laws, attacks and ciphers
    without structure.

    Args:
        shape: (H, W, C) of the images it acts on.
        index: int (samples,), a permutation: which sample each destination takes.
        mask: uint8 (samples,), what each destination is XORed with: 0..255 for bytes, 0..15 for nibbles.
        sample: ``byte`` (H * W * C samples) or ``nibble`` (twice as many).

    Raises:
        ParameterError: tables of another length, an index that is not a permutation, or a mask out of range.
    """

    __hash__ = None  # type: ignore[assignment]  # equality is by value, over large arrays
    # NumPy must not take `array @ permutation` elementwise.
    __array_ufunc__ = None

    def __init__(
        self, shape: tuple[int, int, int], index: ArrayLike, mask: ArrayLike | None = None, *, sample: Sample = "byte"
    ) -> None:
        if len(shape) != 3 or min(shape) < 1:
            raise ParameterError(f"a signed permutation acts on images of a shape (H, W, C), got {shape}")
        self._shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self._sample: Sample = sample
        count = prod(self._shape) * samples_per_byte(sample)
        places = as_integers(index, "index")
        values = np.zeros(count, np.uint8) if mask is None else as_integers(mask, "mask")
        if places.shape != (count,) or values.shape != (count,):
            raise ParameterError(
                f"a signed permutation of {self._shape} {sample}s needs index and mask of {count} entries, "
                f"got {places.shape} and {values.shape}"
            )
        check_permutation(places, count, "index")
        # A copy: the caller may write to its own array later.
        self._index: NDArray[np.int64] = frozen(places.astype(np.int64))
        self._mask: NDArray[np.uint8] = frozen(check_mask(values, sample))
        self._device_tables: dict[str, Any] = {}

    @classmethod
    def identity(cls, shape: tuple[int, int, int], *, sample: Sample = "byte") -> "SignedPermutation":
        """The permutation that changes nothing."""
        count = prod(shape) * samples_per_byte(sample)
        return SignedPermutation(shape, np.arange(count), sample=sample)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images it acts on."""
        return self._shape

    @property
    def sample(self) -> Sample:
        """``byte`` or ``nibble``."""
        return self._sample

    @property
    def index(self) -> NDArray[np.int64]:
        """int64 (samples,): ``y[i] = x[index[i]] ^ mask[i]``."""
        return self._index

    @property
    def mask(self) -> NDArray[np.uint8]:
        """uint8 (samples,)."""
        return self._mask

    # --- acting on images -------------------------------------------------------------------------------------

    def apply(self, images: "NDArray[np.uint8] | torch.Tensor") -> "NDArray[np.uint8] | torch.Tensor":
        """Permutes and masks images; the input is left as it is.

        Args:
            images: uint8. NumPy arrays are (..., H, W, C), or (..., H, W) where C is 1; torch tensors, on any device,
                are (..., C, H, W), as each library has them.

        Returns:
            The same type, shape and device.

        Raises:
            ParameterError: another dtype or image shape.
        """
        if isinstance(images, np.ndarray):
            self._check(images.dtype == np.uint8, images.dtype, images.shape, self._array_fits(images.shape))
            batch = np.ascontiguousarray(images.reshape(-1, *self._shape))
            return self._apply_batch(batch).reshape(images.shape)
        # Where torch was never imported nothing can be a tensor, and torch need not be installed.
        if not isinstance(images, getattr(sys.modules.get("torch"), "Tensor", ())):
            raise ParameterError(f"images must be a NumPy array or a torch tensor, got {type(images).__name__}")
        from blindsight.algebra._torch import apply_tensor

        return apply_tensor(self, images)

    __call__ = apply

    def _apply_batch(self, batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(N, H, W, C) contiguous -> the same."""
        flat = batch.reshape(len(batch), prod(self._shape))  # not -1, which an empty batch cannot tell
        if self._sample == "byte":
            return (np.take(flat, self.index, axis=1) ^ self.mask).reshape(batch.shape)
        return merge_nibbles(np.take(split_nibbles(flat), self.index, axis=1) ^ self.mask).reshape(batch.shape)

    def _array_fits(self, shape: tuple[int, ...]) -> bool:
        height, width, channels = self._shape
        return shape[-3:] == self._shape or (channels == 1 and shape[-2:] == (height, width))

    def _check(self, right_type: bool, dtype: object, shape: object, fits: bool, layout: str = "H, W, C") -> None:
        if not right_type:
            raise ParameterError(f"images must be uint8, got {dtype}; encrypt pixels before normalising them")
        if not fits:
            raise ParameterError(
                f"this permutation acts on images of (H, W, C) = {self._shape}, got (..., {layout}) = {shape}"
            )

    # --- the group --------------------------------------------------------------------------------------------

    def __matmul__(self, other: "SignedPermutation") -> "SignedPermutation":
        """``(a @ b).apply(x) == a.apply(b.apply(x))``."""
        if not isinstance(other, SignedPermutation):
            return NotImplemented
        if self._shape != other._shape:
            raise ParameterError(f"cannot compose permutations of {self._shape} and {other._shape} images")
        product = self._compose_tables(other)
        if product is not None:
            return product
        a, b = self, other
        if a.sample != b.sample:
            a, b = a.as_nibbles(), b.as_nibbles()
        index = a.index
        return SignedPermutation(self._shape, b.index[index], b.mask[index] ^ a.mask, sample=a.sample)

    def _compose_tables(self, other: "SignedPermutation") -> "SignedPermutation | None":  # noqa: ARG002
        """The product in a table form, where both have one."""
        return None

    def inverse(self) -> "SignedPermutation":
        """The permutation that undoes this one: decryption."""
        index = self.index
        inverse = np.empty_like(index)
        inverse[index] = np.arange(len(inverse))
        return SignedPermutation(self._shape, inverse, self.mask[inverse], sample=self._sample)

    def __eq__(self, other: object) -> bool:
        """Whether both do the same to every image, whatever their form."""
        if not isinstance(other, SignedPermutation):
            return NotImplemented
        if self._shape != other._shape:
            return False
        same = self._equal_tables(other)
        if same is not None:
            return same
        a, b = self, other
        if a.sample != b.sample:
            a, b = a.as_nibbles(), b.as_nibbles()
        return np.array_equal(a.index, b.index) and np.array_equal(a.mask, b.mask)

    def _equal_tables(self, other: "SignedPermutation") -> bool | None:  # noqa: ARG002
        """Equality decided on tables, where both have the same form."""
        return None

    # --- other forms ------------------------------------------------------------------------------------------

    def flat(self) -> "SignedPermutation":
        """The same permutation by its flat tables."""
        return SignedPermutation(self._shape, self.index, self.mask, sample=self._sample)

    def as_nibbles(self) -> "SignedPermutation":
        """The same permutation on nibbles: a byte's two halves move together."""
        if self._sample == "nibble":
            return self
        index = (2 * self.index[:, None] + np.arange(2)).reshape(-1)
        mask = split_nibbles(self.mask)
        return SignedPermutation(self._shape, index, mask, sample="nibble")

    def __repr__(self) -> str:
        # Never the tables: they are what the key stands for.
        return f"{type(self).__name__}(shape={self._shape}, sample={self._sample!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} is never pickled, since its tables stand for the key; "
            f"give the other process a KeyReference and compile again there"
        )


def samples_per_byte(sample: Sample) -> int:
    """1 for bytes, 2 for nibbles."""
    if sample not in ("byte", "nibble"):
        raise ParameterError(f"sample must be 'byte' or 'nibble', got {sample!r}")
    return 2 if sample == "nibble" else 1


def as_integers(values: ArrayLike, name: str) -> NDArray[Any]:
    """An array of integers; fractions would be cut off in silence."""
    array = np.asarray(values)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "iu" and array.size:
        raise ParameterError(f"{name} must hold integers, got {array.dtype}")
    return array


def check_permutation(index: NDArray[Any], count: int, name: str) -> None:
    """Refuses an index whose last axis is not a permutation of 0..count-1."""
    if index.size == 0 or index.min() < 0 or index.max() >= count:
        raise ParameterError(f"{name} must hold every number from 0 to {count - 1} once; some are out of range")
    rows = index.reshape(-1, count)
    seen = np.zeros(rows.shape, bool)
    np.put_along_axis(seen, rows, True, axis=1)
    if not seen.all():
        raise ParameterError(f"{name} must hold every number from 0 to {count - 1} once; some repeat")


def check_mask(mask: NDArray[Any], sample: Sample) -> NDArray[np.uint8]:
    """A mask as uint8, within the range of its samples."""
    limit = 15 if sample == "nibble" else 255
    if mask.size and (mask.min() < 0 or mask.max() > limit):
        raise ParameterError(f"mask entries of {sample}s must be 0 to {limit}, got {mask.min()} to {mask.max()}")
    return mask.astype(np.uint8)


def split_nibbles(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(..., samples) bytes -> (..., 2 * samples) nibbles, low half first."""
    return np.stack([data & 15, data >> 4], axis=-1).reshape(*data.shape[:-1], 2 * data.shape[-1])


def merge_nibbles(nibbles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of :func:`split_nibbles`."""
    halves = nibbles.reshape(*nibbles.shape[:-1], nibbles.shape[-1] // 2, 2)
    merged: NDArray[np.uint8] = halves[..., 0] | (halves[..., 1] << np.uint8(4))
    return merged

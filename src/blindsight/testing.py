"""Certifies that a cipher keeps the laws that everything else here relies on, ours and other people's alike.

>>> from blindsight.testing import check_cipher
>>> check_cipher("etc")
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NoReturn, get_args

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, SignedPermutation, kernels
from blindsight.algebra.states import COLOR_ORDERS, orient
from blindsight.errors import MissingDependencyError, ParameterError
from blindsight.owner.ciphers import Cipher, Step, create_cipher, list_ciphers
from blindsight.owner.keys import SecretKey
from blindsight.profile import Scalar

__all__ = ["check_cipher"]

# Keys that must give different permutations. Where a block has few samples a cipher may have few keys altogether, and
# only ignoring the key is a fault.
KEYS = 24
ENOUGH_SAMPLES = 32
JPEG_BLOCK = 8


def check_cipher(
    cipher: Cipher | str,
    *,
    sizes: Sequence[tuple[int, int]] = ((1, 1), (3, 2), (4, 6)),
    block_sizes: Sequence[int] = (1, 4, 8),
    channels: Sequence[int] = (3, 1),
    **parameters: Scalar,
) -> None:
    """Certifies a cipher: returns if it keeps every law, raises at the first that it breaks.

    The laws: names and parameters that a profile can record and :func:`~blindsight.owner.ciphers.create_cipher` can
    read back; one permutation of the right shape under one key, another under another key or key scope; exact
    decryption; the group laws; the same bytes from every kernel, form and layout; inputs left as they are; and, where
    the cipher claims to be ``jpeg_safe``, 8 x 8 blocks that stay whole. Keys are fixed, so the verdict is always the
    same. It says nothing about security.

    Args:
        cipher: a cipher, registered or not, or the name of a registered scheme.
        sizes: image sizes (rows, columns), counted in blocks. Different keys must differ on the largest.
        block_sizes: where a name is given, the block sizes to check.
        channels: where a name is given, the channel counts to check.
        parameters: where a name is given, the scheme's parameters.

    Raises:
        AssertionError: a law is broken; the message names the law, the cipher and size, and what to do.
        UnknownNameError: no scheme of that name.
        ParameterError: parameters that the scheme does not have, or nothing to check.
    """
    if isinstance(cipher, str):
        pairs = product(block_sizes, channels)
        ciphers = [create_cipher(cipher, size, count, **parameters) for size, count in pairs]
    else:
        ciphers = [cipher]
    if not ciphers or not sizes:
        raise ParameterError("nothing to check; give at least one size, block size and channel count")
    for each in ciphers:
        _check_names(each)
        cases = [_Case(each, rows * each.block_size, cols * each.block_size) for rows, cols in sizes]
        for case, law in product(cases, _LAWS):
            law(case)
        _check_keys_matter(max(cases, key=lambda case: case.height * case.width))


@dataclass(frozen=True)
class _Case:
    """One cipher at one image size."""

    cipher: Cipher
    height: int
    width: int

    def compile(self, number: int = 0, *scope: str) -> SignedPermutation:
        # A new key object each time: nothing may hang on its identity.
        key = SecretKey(hashlib.sha256(f"blindsight.testing {number}".encode()).digest())
        try:
            compiled = self.cipher.compile(key, self.height, self.width, *scope)
        except Exception as error:
            self.fail(
                "compile accepts every size that is a multiple of the block size",
                f"it raised {type(error).__name__}: {error}",
                "mend compile, or give check_cipher only the sizes, block sizes and channels that the cipher is for",
            )
        shape = (self.height, self.width, self.cipher.channels)
        self.require(
            isinstance(compiled, SignedPermutation) and compiled.shape == shape,
            f"compile gives a SignedPermutation of shape {shape}",
            f"it gave {compiled!r}",
            "let every step return a permutation made with the grid that it is given",
        )
        return compiled

    def images(self) -> list[NDArray[np.uint8]]:
        """Random, constant and extreme images."""
        shape = (self.height, self.width, self.cipher.channels)
        noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        constants = [np.full(shape, value, np.uint8) for value in (0, 128, 255)]
        return [noise, *constants, np.where(noise > 127, 255, 0).astype(np.uint8)]

    def require(self, kept: bool, law: str, found: str, advice: str) -> None:
        if not kept:
            self.fail(law, found, advice)

    def fail(self, law: str, found: str, advice: str) -> NoReturn:
        colors = "RGB" if self.cipher.channels == 3 else "grayscale"
        raise AssertionError(
            f"law broken: {law}. Cipher '{self.cipher.scheme}', blocks of {self.cipher.block_size}, "
            f"{self.height}x{self.width} {colors}: {found}. To do: {advice}."
        )


def _apply(permutation: SignedPermutation, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    result = permutation.apply(images)
    assert isinstance(result, np.ndarray), f"apply gave a {type(result).__name__} for an array"
    return result


def _same(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b)


# --- one cipher -------------------------------------------------------------------------------------------------------


def _check_names(cipher: Cipher) -> None:
    case = _Case(cipher, cipher.block_size, cipher.block_size)
    for what, name in (("scheme", cipher.scheme), *(("step", getattr(step, "name", None)) for step in cipher.steps)):
        case.require(
            isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name) is not None,
            "names of schemes and steps are 1 to 32 lower-case letters, digits and hyphens",
            f"a {what} is named {name!r}",
            "rename it; names stand in key paths, so choose one that can stay",
        )
    for step in cipher.steps:
        case.require(
            isinstance(step, Step) and type(step.shared) is bool and type(step.jpeg_safe) is bool,
            "a step has name, shared, jpeg_safe and compile(stream, grid)",
            f"step {step!r} lacks one, or shared or jpeg_safe is no bool",
            "see blindsight.owner.ciphers.Step",
        )
    sound = all(type(value) in get_args(Scalar) for value in cipher.parameters.values())
    sound = sound and all(math.isfinite(v) for v in cipher.parameters.values() if isinstance(v, float))
    case.require(
        sound and all(name.isidentifier() for name in cipher.parameters),
        "parameters are bool, int, finite float or str, and their names are identifiers",
        f"parameters are {cipher.parameters!r}",
        "record what else chooses the steps as a text or a number",
    )
    if cipher.scheme in list_ciphers():
        _check_rebuilt(case)


def _check_rebuilt(case: _Case) -> None:
    cipher = case.cipher
    law = "create_cipher rebuilds the cipher from the name, block size, channels and parameters of its profile"
    advice = "record every parameter of the factory, and register the scheme under the name that the cipher has"
    recorded = json.loads(json.dumps(cipher.parameters))
    try:
        rebuilt = create_cipher(cipher.scheme, cipher.block_size, cipher.channels, **recorded)
    except Exception as error:
        case.fail(law, f"it raised {type(error).__name__}: {error}", advice)
    size = 4 * cipher.block_size
    same = _Case(rebuilt, size, size).compile() == _Case(cipher, size, size).compile()
    case.require(same and rebuilt.parameters == cipher.parameters, law, "the rebuilt one is another cipher", advice)


def _check_keys_matter(case: _Case) -> None:
    distinct: list[SignedPermutation] = []
    for number in range(KEYS):
        compiled = case.compile(number)
        if compiled not in distinct:
            distinct.append(compiled)
    grid = BlockGrid(case.height, case.width, case.cipher.channels, case.cipher.block_size)
    few = grid.block_samples < ENOUGH_SAMPLES
    case.require(
        len(distinct) == KEYS or (few and len(distinct) > 1),
        "different keys give different permutations",
        f"{KEYS} keys gave {len(distinct)}",
        "draw every choice from the stream that compile is given; if the cipher has few keys at this size, give "
        "check_cipher larger sizes",
    )
    scopes = [case.compile(0), case.compile(0, "a"), case.compile(0, "b"), case.compile(0, "a", "b")]
    count = sum(all(a != b for b in scopes[:i]) for i, a in enumerate(scopes))
    case.require(
        count == len(scopes) or (few and count > 1),
        "scope elements change the key",
        f"{len(scopes)} scopes gave {count} permutations",
        "hand the scope on to key.stream as the last elements of the path",
    )


# --- one cipher at one size -------------------------------------------------------------------------------------------


def _check_deterministic(case: _Case) -> None:
    for scope in ((), ("a",)):
        case.require(
            case.compile(1, *scope) == case.compile(1, *scope),
            "one key gives one permutation, always",
            "compiling twice under one key gave two permutations",
            "draw from the stream alone; no other generator, clock or counter",
        )


def _check_input(case: _Case) -> None:
    permutation = case.compile()
    for image in case.images():
        before = image.copy()
        _apply(permutation, image)
        law = "apply leaves its input as it is"
        case.require(_same(image, before), law, "the input was written to", "write to a new array")


def _check_decryption(case: _Case) -> None:
    encrypt = case.compile()
    decrypt = encrypt.inverse()
    for image in case.images():
        case.require(
            _same(_apply(decrypt, _apply(encrypt, image)), image)
            and _same(_apply(encrypt, _apply(decrypt, image)), image),
            "decryption gives every image back, bit for bit",
            "inverse().apply(apply(image)) is another image",
            "inverse() must undo apply exactly; with SignedPermutation's own forms it does",
        )


def _check_group(case: _Case) -> None:
    a, b, c = (case.compile(number) for number in range(3))
    noise = case.images()[0]
    one = SignedPermutation.identity(a.shape, sample=a.sample)
    laws: dict[str, Callable[[], bool]] = {
        "a @ a.inverse() is the identity": lambda: a @ a.inverse() == one,
        "a.inverse() @ a is the identity": lambda: a.inverse() @ a == one,
        "(a @ b) @ c equals a @ (b @ c)": lambda: (a @ b) @ c == a @ (b @ c),
        "(a @ b).inverse() equals b.inverse() @ a.inverse()": lambda: (a @ b).inverse() == b.inverse() @ a.inverse(),
        "(a @ b).apply(x) equals a.apply(b.apply(x))": lambda: _same(_apply(a @ b, noise), _apply(a, _apply(b, noise))),
    }
    for law, kept in laws.items():
        case.require(kept(), law, "it does not", "return one of SignedPermutation's forms; they keep the group laws")


def _check_forms(case: _Case) -> None:
    permutation = case.compile()
    noise = case.images()[0]
    expected = _apply(permutation, noise)
    flat = permutation.flat()
    case.require(
        flat == permutation and _same(_apply(flat, noise), expected),
        "the flat form does the same",
        "flat() gives other pixels, or is not equal",
        "index and mask must say what apply does: y[i] = x[index[i]] ^ mask[i]",
    )
    backends: tuple[Literal["numpy", "numba"], ...] = ("numpy", "numba")
    for backend in backends:
        try:
            with kernels.use(backend):
                result = _apply(permutation, noise)
        except MissingDependencyError:
            continue
        advice = "leave apply to SignedPermutation's own forms, or make yours the same on both"
        case.require(_same(result, expected), "all kernels agree bit for bit", f"{backend} differs", advice)


def _check_layouts(case: _Case) -> None:
    permutation = case.compile()
    single = case.images()
    batch = np.stack([*single, single[0]])
    expected = np.stack([_apply(permutation, image) for image in batch])
    grouped = batch.reshape(2, 3, *batch.shape[1:])
    strided = np.repeat(batch, 2, axis=2)[:, :, ::2]
    for what, images in (("a batch", batch), ("two leading dimensions", grouped), ("strided memory", strided)):
        case.require(
            _same(_apply(permutation, images), expected.reshape(images.shape)),
            "images in a batch are treated one by one",
            f"{what} gives other pixels than single images",
            "apply must act on the last three dimensions alone",
        )


def _check_jpeg(case: _Case) -> None:
    cipher = case.cipher
    if not cipher.jpeg_safe or cipher.block_size % JPEG_BLOCK:
        return
    grid = BlockGrid(case.height, case.width, cipher.channels, JPEG_BLOCK)
    noise = case.images()[0]
    shape = (-1, JPEG_BLOCK, JPEG_BLOCK, cipher.channels)
    orders = COLOR_ORDERS if cipher.channels == 3 else np.zeros((1, 1), np.uint8)
    states = {
        (orient(block, code)[..., order] ^ mask).tobytes()
        for block in grid.to_blocks(noise[None])[0].reshape(shape)
        for code, order, mask in product(range(8), orders, (np.uint8(0), np.uint8(255)))
    }
    case.require(
        all(block.tobytes() in states for block in grid.to_blocks(_apply(case.compile(), noise)[None])[0]),
        "a jpeg_safe cipher keeps 8x8 blocks whole, but for orientation, negation and colour order",
        "a block of the output is no block of the input",
        "set jpeg_safe to False on the step that breaks blocks up, so that it is stored without loss",
    )


_LAWS: tuple[Callable[[_Case], None], ...] = (
    _check_deterministic,
    _check_input,
    _check_decryption,
    _check_group,
    _check_forms,
    _check_layouts,
    _check_jpeg,
)

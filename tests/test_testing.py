"""What keeps the laws passes; what breaks one is told which."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from blindsight.algebra import BlockGrid, BlockPermutation, SignedPermutation, TilePermutation, kernels
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.ciphers import BlockScramble, Cipher, NegativePositive, PixelShuffle, create_cipher, registry
from blindsight.testing import check_cipher


@dataclass
class Custom:
    """A step that does what it is given."""

    make: object
    name: str = "custom"
    shared: bool = False
    jpeg_safe: bool = False

    def compile(self, stream, grid):
        return self.make(stream, grid)


def cipher_of(make, block=4, **attributes):
    return Cipher("mine", (Custom(make, **attributes),), block)


def scrambled(stream, grid):
    return BlockPermutation(grid, stream.permutation(grid.blocks))


class Lossy(BlockPermutation):
    """Loses the lowest bit, as an encryption on floats might."""

    def _apply_batch(self, batch):
        return super()._apply_batch(batch) & 254


class WrongInverse(BlockPermutation):
    def inverse(self):
        return BlockPermutation(self.grid, self.source, self.orientation, self.negative, self.color)


class InPlace(BlockPermutation):
    def apply(self, images):
        images[...] = super().apply(images)
        return images


class WholeBatch(BlockPermutation):
    """Reads a batch as one image."""

    def _apply_batch(self, batch):
        return super()._apply_batch(batch)[::-1]


class OtherFlat(BlockPermutation):
    def flat(self):
        return BlockPermutation(self.grid, self.source, negative=1 - self.negative).flat()


class BackendDependent(BlockPermutation):
    def _apply_batch(self, batch):
        return super()._apply_batch(batch) if kernels.backend() == "numba" else batch.copy()


class WrongProduct(BlockPermutation):
    def _compose_tables(self, other):
        return BlockPermutation(self.grid, other.source)


def flat(stream, grid):
    return SignedPermutation(grid.shape, stream.permutation(grid.blocks * grid.block_samples))


def with_form(form):
    return lambda stream, grid: form(grid, stream.permutation(grid.blocks))


counter = itertools.count()
BROKEN = {
    "one key gives one permutation, always": cipher_of(
        lambda _, grid: BlockPermutation(grid, negative=[next(counter) % 2] * grid.blocks)
    ),
    "different keys give different permutations": cipher_of(lambda _, grid: BlockPermutation(grid)),
    "decryption gives every image back, bit for bit": cipher_of(with_form(Lossy)),
    "apply leaves its input as it is": cipher_of(with_form(InPlace)),
    "images in a batch are treated one by one": cipher_of(with_form(WholeBatch)),
    "the flat form does the same": cipher_of(with_form(OtherFlat)),
    "a @ a.inverse() is the identity": cipher_of(with_form(WrongProduct)),
    "names of schemes and steps are": cipher_of(scrambled, name="My Step"),
    "a step has name, shared, jpeg_safe and compile": cipher_of(scrambled, jpeg_safe=None),
    "a jpeg_safe cipher keeps 8x8 blocks whole": cipher_of(flat, block=8, jpeg_safe=True),
    "compile accepts every size": cipher_of(lambda _, grid: BlockPermutation(grid, [0, 1])),
    "compile gives a SignedPermutation of shape (4, 4, 3)": cipher_of(lambda stream, _: stream.permutation(3)),
}


@pytest.mark.parametrize("law", BROKEN)
def test_a_broken_cipher_is_told_the_law(law):
    with pytest.raises(AssertionError) as caught:
        check_cipher(BROKEN[law])
    message = str(caught.value)
    assert law in message
    assert message.startswith("law broken: ")
    assert "Cipher 'mine', blocks of" in message
    assert "To do: " in message
    assert "\n" not in message


def test_a_wrong_inverse_is_found():
    with pytest.raises(AssertionError, match="decryption gives every image back"):
        check_cipher(cipher_of(with_form(WrongInverse)), sizes=[(4, 6)])


@pytest.mark.skipif(kernels.backend() == "numpy", reason="needs both kernels")
def test_kernels_that_disagree_are_found():
    with pytest.raises(AssertionError, match=r"all kernels agree bit for bit.*numpy differs"):
        check_cipher(cipher_of(with_form(BackendDependent)))


def test_one_kernel_is_enough(monkeypatch):
    monkeypatch.setattr(kernels, "_compiled", lambda: None)
    check_cipher("etc", block_sizes=[4])


def test_the_whole_message():
    with pytest.raises(AssertionError) as caught:
        check_cipher(cipher_of(lambda _, grid: BlockPermutation(grid)))
    assert str(caught.value) == (
        "law broken: different keys give different permutations. "
        "Cipher 'mine', blocks of 4, 16x24 RGB: 24 keys gave 1. "
        "To do: draw every choice from the stream that compile is given; if the cipher has few keys at this size, "
        "give check_cipher larger sizes."
    )


def test_a_scope_that_changes_nothing_is_found():
    class Scopeless(Cipher):
        def compile(self, key, height, width, *_):
            return super().compile(key, height, width)

    with pytest.raises(AssertionError, match=r"scope elements change the key.*4 scopes gave 1 permutations"):
        check_cipher(Scopeless("mine", (BlockScramble(),), 4))


def test_a_seeded_generator_is_found():
    def seeded(_, grid):
        return BlockPermutation(grid, np.random.default_rng(42).permutation(grid.blocks))

    with pytest.raises(AssertionError, match="different keys give different permutations"):
        check_cipher(cipher_of(seeded))


def test_a_cipher_for_some_sizes_is_certified_on_those():
    def only_large(stream, grid):
        if grid.blocks != 24:
            raise ParameterError("24 blocks only")
        return scrambled(stream, grid)

    with pytest.raises(
        AssertionError, match=r"it raised ParameterError: 24 blocks only.*give check_cipher only the sizes"
    ):
        check_cipher(cipher_of(only_large))
    check_cipher(cipher_of(only_large), sizes=[(4, 6), (3, 8)])


@pytest.mark.parametrize("value", [None, [1], float("nan"), np.int64(3)])
def test_parameters_that_a_profile_cannot_hold(value):
    cipher = Cipher("mine", (BlockScramble(),), 4, parameters={"rounds": value})
    with pytest.raises(AssertionError, match="parameters are bool, int, finite float or str"):
        check_cipher(cipher)


def test_a_cipher_that_its_profile_does_not_give_back():
    cipher = create_cipher("shf", 4)
    check_cipher(cipher)
    forgetful = Cipher("shf", create_cipher("shf", 4, negation=False).steps, 4)
    with pytest.raises(AssertionError, match=r"create_cipher rebuilds the cipher.*the rebuilt one is another cipher"):
        check_cipher(forgetful)
    unknown = Cipher("shf", cipher.steps, 4, parameters={"rounds": 2})
    with pytest.raises(AssertionError, match="it raised ParameterError: scheme 'shf' has no parameter 'rounds'"):
        check_cipher(unknown)


def test_jpeg_safe_holds_for_larger_blocks_and_is_not_asked_of_smaller_ones():
    def quarter(stream, grid):
        """Blocks of 8 inside blocks of 16."""
        halves = BlockGrid(grid.height, grid.width, grid.channels, 8)
        return BlockPermutation(halves, stream.permutation(halves.blocks))

    check_cipher(cipher_of(quarter, block=16, jpeg_safe=True))
    check_cipher(cipher_of(flat, block=4, jpeg_safe=True))


def test_nibbles_are_certified_too():
    def nibbles(stream, grid):
        index = stream.permutation(2 * grid.block_samples)[None]
        return TilePermutation(grid, None, index, stream.below(16, 2 * grid.block_samples)[None], sample="nibble")

    check_cipher(cipher_of(nibbles))


def test_few_keys_are_no_fault_where_blocks_are_small():
    check_cipher("np", block_sizes=[1], channels=[1])
    with pytest.raises(AssertionError, match="24 keys gave 2"):
        check_cipher(
            cipher_of(lambda stream, grid: BlockPermutation(grid, negative=[stream.below(2, 1)[0]] * grid.blocks))
        )


def test_unknown_names_and_parameters():
    with pytest.raises(UnknownNameError, match="unknown scheme 'ets'; did you mean etc"):
        check_cipher("ets")
    with pytest.raises(ParameterError, match="has no parameter 'rounds'"):
        check_cipher("etc", rounds=2)


@pytest.mark.parametrize("nothing", ["sizes", "block_sizes", "channels"])
def test_nothing_to_check_is_no_success(nothing):
    with pytest.raises(ParameterError, match="nothing to check"):
        check_cipher("etc", **{nothing: []})


def test_unregistered_ciphers_may_be_checked():
    assert "mine" not in registry._entries
    check_cipher(Cipher("mine", (PixelShuffle(shared=False), NegativePositive()), 4, 1))


def test_it_leaves_the_kernels_as_they_were():
    before = kernels.backend()
    check_cipher("np", block_sizes=[4])
    assert kernels.backend() == before

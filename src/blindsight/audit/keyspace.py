"""How many keys a protection has: brute force, the attack that is never needed.

Counted are distinct signed permutations, in bits, from the steps that make up the scheme (spec/ciphers.md). All keys
come from a master key of 256 bits, so no more than that can be searched, whatever the count.
"""

from dataclasses import dataclass
from math import comb, factorial, log2

from blindsight.algebra import BlockGrid
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.ciphers import (
    BlockRotateFlip,
    BlockScramble,
    ColorShuffle,
    NegativePositive,
    NibbleReverse,
    NibbleShuffle,
    PixelShuffle,
    Step,
    create_cipher,
)
from blindsight.profile import Profile

__all__ = ["MASTER_KEY_BITS", "KeySpace", "key_space"]

MASTER_KEY_BITS = 256

_ALL = "This is not a security level: no attack tries keys one by one."
_WHY_CIPHER = (
    f"{_ALL} Each known pair of a plain and a protected image rules out keys by the billion, so that a few pairs leave "
    "one; pictures are so redundant that protected images alone give a key that many of them share. What the attacks "
    "recover is what counts."
)
_WHY_MIX = (
    "There is no key: true pixels are published, mixed at random, and nothing undoes that. What the attacks recover is "
    "what counts."
)


@dataclass(frozen=True)
class KeySpace:
    """The number of keys of a protection, as bits.

    Attributes:
        bits: log2 of the number of distinct keys of one image size; 0 where there is no key, None where it is unknown.
        searched: what brute force faces at most: ``bits``, or 256 where that is less; None as above.
        parts: bits of each step, by its name; they sum to ``bits``. Steps of other people's are missing.
        why_not_security: for people: why this is not the answer.
    """

    bits: float | None
    searched: float | None
    parts: dict[str, float]
    why_not_security: str


def key_space(profile: Profile, size: tuple[int, int] | None = None) -> KeySpace:
    """Counts the keys of a protection.

    Args:
        profile: of kind ``cipher`` or ``mix``.
        size: (height, width) in pixels; None for the profile's.

    Raises:
        ParameterError: a plain profile, no size, or a size that is not a multiple of the block size.
    """
    if profile.kind == "plain":
        raise ParameterError("a plain profile protects nothing, so it has no keys; give that of a protected set")
    if profile.kind == "mix":
        return KeySpace(0.0, 0.0, {}, _WHY_MIX)
    size = size or profile.size
    if size is None:
        raise ParameterError("images of this profile have many sizes, and keys are counted for one; give size")
    try:
        cipher = create_cipher(profile.scheme or "", profile.block_size, profile.channels, **profile.parameters)
        grid = BlockGrid(*size, profile.channels, cipher.block_size)
    except UnknownNameError:
        return KeySpace(None, None, {}, _WHY_CIPHER)
    counted = {step.name: _bits(step, grid) for step in cipher.steps}
    parts = {name: bits for name, bits in counted.items() if bits is not None}
    if len(parts) < len(counted):
        return KeySpace(None, None, parts, _WHY_CIPHER)
    bits = sum(parts.values())
    return KeySpace(bits, min(bits, float(MASTER_KEY_BITS)), parts, _WHY_CIPHER)


def _bits(step: Step, grid: BlockGrid) -> float | None:
    """log2 of how many permutations a step has; None for one that we do not know."""
    n, samples = grid.blocks, grid.block_samples
    pixels = grid.block * grid.block
    match step:
        case BlockScramble(share):
            return _moved(n, share)
        case BlockRotateFlip():
            return n * 3.0 if grid.block > 1 else 0.0  # a block of one pixel looks the same in all orientations
        case NegativePositive(per="block"):
            return float(n)
        case NegativePositive(shared=shared):
            return float(samples if shared else n * samples)
        case ColorShuffle(per):
            return 0.0 if grid.channels == 1 else log2(6) * (n if per == "block" else n * pixels)
        case PixelShuffle(shared, share):
            return _moved(samples, share) * (1 if shared else n)
        case NibbleReverse(shared):
            return 2.0 * samples * (1 if shared else n)
        case NibbleShuffle(shared):  # where reversal is tied to the shuffle, it adds no keys
            return log2(factorial(2 * samples)) * (1 if shared else n)
    return None


def _moved(count: int, share: float) -> float:
    """log2 of how many permutations move no more than a share of so many things: a sum over derangements."""
    if share == 1:
        return log2(factorial(count))
    most = int(share * count + 0.5)
    derangements = [1, 0]
    while len(derangements) <= most:
        k = len(derangements)
        derangements.append((k - 1) * (derangements[-1] + derangements[-2]))
    return log2(sum(comb(count, k) * derangements[k] for k in range(most + 1)))

"""The guessing bound of pixel block mixing. It is not a security level: see :func:`guessing_bound_bits`."""

from math import log2

from blindsight.errors import ParameterError

__all__ = ["GUESSING_CAVEAT", "guessing_bound_bits"]

GUESSING_CAVEAT = (
    "This bounds blind guessing of which image each block came from, by somebody who has all the sources and no eyes. "
    "It is not a security level: every published pixel is a true pixel at its true place, neighbouring blocks of one "
    "face fit together, and nobody needs to guess what can be seen."
)


def guessing_bound_bits(sources: int, blocks: int) -> float:
    """The number of ways to choose each block's origin, (1 + N_s)^N_b, as a number of bits.

    Each of N_b blocks is the target's own or one of N_s donors'. The logarithm of that count bounds from above what
    blind guessing of all origins costs. It says nothing of what one block shows, and nothing of the attacks that
    compare instead of guess.

    Args:
        sources: N_s, donors an image, 0 or more.
        blocks: N_b, blocks an image, 1 or more.

    Returns:
        N_b log2(1 + N_s); 0 where there are no donors.

    Raises:
        ParameterError: numbers below these.
    """
    if sources < 0 or blocks < 1:
        raise ParameterError(f"expected 0 or more sources and 1 or more blocks, got {sources} and {blocks}")
    return blocks * log2(1 + sources)

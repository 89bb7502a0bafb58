"""What matching pairs gives: a key, and how much of it the pairs determine."""

from dataclasses import dataclass

from blindsight.algebra import SignedPermutation

__all__ = ["Found"]


@dataclass(frozen=True, eq=False)
class Found:
    """A key found from pairs.

    Attributes:
        key: encrypts every pair as it was encrypted where ``fits``; elsewhere the best that was found.
        share: of the key that the pairs alone determine, 0 to 1: of the blocks where blocks have states, of the samples
            elsewhere.
        placed: share of the blocks whose place the pairs alone determine.
        ambiguous: blocks or samples that they do not determine.
        guessed: how many of those were chosen by what the images to be reconstructed look like; the others are filled
            consistently in any order.
        fits: whether there is a key of this form that explains the pairs.
    """

    key: SignedPermutation
    share: float
    placed: float
    ambiguous: int
    guessed: int
    fits: bool

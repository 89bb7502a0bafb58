"""SHF: what a patch embedding and its position embeddings absorb exactly.

Kiya, Iijima, MaungMaung & Kinoshita, arXiv 2207.05366 (block scrambling and pixel shuffling), with negation.
"""

from collections.abc import Sequence

from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import BlockScramble, NegativePositive, PixelShuffle, Step

__all__: list[str] = []


@register_cipher("shf")
def shf(negation: bool = True) -> Sequence[Step]:
    """SHF: scramble blocks, shuffle the samples inside them and negate some, alike in all blocks."""
    steps = (BlockScramble(), PixelShuffle(shared=True))
    return (*steps, NegativePositive(per="pixel", shared=True)) if negation else steps

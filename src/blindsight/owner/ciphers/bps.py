"""BPS, block-wise pixel shuffling with independent keys: every block shuffles its samples in its own way.

"Privacy-Preserving ConvMixer Without Any Accuracy Degradation", Information 15(11):723, 2024, section 3.2: a key chain
of one permutation a block. The blocks stay; a model that is transformed with the key has a kernel for each.
"""

from collections.abc import Sequence

from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import BlockScramble, PixelShuffle, Step

__all__: list[str] = []


@register_cipher("bps")
def bps(scramble: bool = False) -> Sequence[Step]:
    """BPS: shuffle the samples inside each block under a key of its own; scramble: then the blocks, too."""
    shuffle = PixelShuffle(shared=False)
    return (shuffle, BlockScramble()) if scramble else (shuffle,)

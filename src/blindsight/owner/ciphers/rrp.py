"""RRP, restricted random permutations: only a share of the blocks, and of the samples inside them, may move.

Horio, Nishikawa & Kiya, arXiv 2408.08529, fine-tune a ViT on such images; Aso, Shiota & Kiya, arXiv 2408.05737, give
each its own key (key scope ``image``).
"""

from collections.abc import Sequence

from blindsight.errors import ParameterError
from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import BlockScramble, PixelShuffle, Step

__all__: list[str] = []


@register_cipher("rrp")
def rrp(blocks: float = 0.5, samples: float = 0.5) -> Sequence[Step]:
    """RRP: a share of the blocks change places, and a share of the samples inside, alike in all blocks."""
    if blocks == samples == 0:
        raise ParameterError("with blocks=0 and samples=0 nothing moves; give one of them a share above 0, up to 1")
    moves: list[Step] = [BlockScramble(share=blocks)] if blocks else []
    return [*moves, PixelShuffle(share=samples)] if samples else moves

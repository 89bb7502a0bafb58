"""PE, pixel-based encryption: every colour component of every pixel is negated or not, then each pixel's colours move.

Sirichotedumrong, Maekawa, Kinoshita & Kiya, ICIP 2019, arXiv 1905.01827.
"""

from collections.abc import Sequence

from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import ColorShuffle, NegativePositive, Step

__all__: list[str] = []


@register_cipher("pe")
def pe(color_shuffle: bool = True) -> Sequence[Step]:
    """PE: negate each pixel's components one by one, then shuffle each pixel's colours; no pixel moves."""
    negation = NegativePositive(per="pixel")
    return (negation, ColorShuffle(per="pixel")) if color_shuffle else (negation,)

"""NP: negative-positive transformation alone, a baseline and a building block."""

from collections.abc import Sequence

from blindsight.owner.ciphers.registry import register_cipher
from blindsight.owner.ciphers.steps import NegativePositive, Per, Step

__all__: list[str] = []


@register_cipher("np")
def np(per: Per = "pixel") -> Sequence[Step]:
    """NP: negation alone, by one key that all blocks share (per='pixel'), or block by block (per='block')."""
    return (NegativePositive(per=per, shared=per == "pixel"),)

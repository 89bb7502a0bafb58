"""Perceptual ciphers: steps, schemes made of them, and the registry."""

from blindsight.owner.ciphers.cipher import Cipher
from blindsight.owner.ciphers.nibbles import NibbleReverse, NibbleShuffle
from blindsight.owner.ciphers.registry import create_cipher, list_ciphers, register_cipher
from blindsight.owner.ciphers.steps import (
    BlockRotateFlip,
    BlockScramble,
    ColorShuffle,
    NegativePositive,
    PixelShuffle,
    Step,
)

__all__ = [
    "BlockRotateFlip",
    "BlockScramble",
    "Cipher",
    "ColorShuffle",
    "NegativePositive",
    "NibbleReverse",
    "NibbleShuffle",
    "PixelShuffle",
    "Step",
    "create_cipher",
    "list_ciphers",
    "register_cipher",
]

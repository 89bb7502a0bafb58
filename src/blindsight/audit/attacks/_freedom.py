"""What a scheme may have done to a whole block: known to everybody, since the scheme is."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import UnknownNameError
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.ciphers.steps import BlockRotateFlip, BlockScramble, ColorShuffle, NegativePositive
from blindsight.profile import Profile

__all__ = ["Freedom", "block_freedom"]


@dataclass(frozen=True)
class Freedom:
    """The states that a block may be in besides its place.

    A state is a number: ``tone * len(orientations) + orientation``, its tone ``negative * colors + color``.

    Attributes:
        orientations: 8 (any), or 1 where blocks are never turned.
        signs: 2 where blocks may be negative, else 1.
        colors: 6 where colours may change their order, else 1.
    """

    orientations: int
    signs: int
    colors: int

    @property
    def tones(self) -> int:
        """Number of pairs of a sign and a colour order."""
        return self.signs * self.colors

    @property
    def states(self) -> int:
        """Number of states: 96 for EtC in colour."""
        return self.orientations * self.tones

    @cached_property
    def orientation(self) -> NDArray[np.intp]:
        """(states,): the orientation of each state."""
        return np.arange(self.states) % self.orientations

    @cached_property
    def tone(self) -> NDArray[np.intp]:
        """(states,): the tone of each state."""
        return np.arange(self.states) // self.orientations


def block_freedom(profile: Profile) -> "Freedom | str":
    """What the scheme of a profile does to whole blocks, or why that is not all it does.

    Args:
        profile: of protected images.
    """
    if profile.kind != "cipher" or profile.scheme is None or profile.block_size is None:
        return "needs images whose blocks a cipher has moved"
    try:
        cipher = create_cipher(profile.scheme, profile.block_size, profile.channels, **profile.parameters)
    except UnknownNameError as error:
        return str(error)
    orientations = signs = colors = 1
    for step in cipher.steps:
        if isinstance(step, BlockRotateFlip):
            orientations = 8 if profile.block_size > 1 else 1
        elif isinstance(step, NegativePositive) and step.per == "block":
            signs = 2
        elif isinstance(step, ColorShuffle) and step.per == "block":
            colors = 6 if profile.channels == 3 else 1
        elif not isinstance(step, BlockScramble):
            return f"needs blocks that stay whole; {profile.scheme} changes what is inside ({step.name})"
    return Freedom(orientations, signs, colors)

"""What the attacks that learn have in common before they learn; needs no torch."""

from typing import ClassVar

from blindsight.audit.attack import Attack
from blindsight.audit.threat import Observation

__all__ = ["LearnedAttack"]


class LearnedAttack(Attack):
    """An attack with a network for the blocks of a cipher."""

    learns: ClassVar[bool] = True

    def why_not(self, observation: Observation) -> str | None:
        lack = super().why_not(observation)
        if lack is None and observation.profile.kind != "cipher":
            return f"needs a cipher, the images are of kind '{observation.profile.kind}'"
        return lack

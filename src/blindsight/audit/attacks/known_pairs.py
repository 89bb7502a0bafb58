"""Known plaintext: the key from pairs of plain and protected images."""

from typing import ClassVar

import numpy as np

from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks._key_form import key_form
from blindsight.audit.attacks._match import match_pairs, why_no_match
from blindsight.audit.threat import KnownPairs, Observation

__all__ = ["KnownPairsAttack"]


@register_attack
class KnownPairsAttack(Attack):
    """The encrypting signed permutation, exactly, up to what the pairs cannot tell apart.

    Facts: ``pairs``; ``share_of_key``, the share of blocks (samples, where single ones move) that the pairs alone
    determine; ``share_of_places``, of blocks whose place they determine; ``ambiguous``, how many they do not determine;
    ``guessed``, how many of these were chosen by what fits the images; ``consistent``, whether the key explains every
    pair.
    """

    name: ClassVar[str] = "known-pairs"
    title: ClassVar[str] = "the key from known pairs"
    reference: ClassVar[str] = (
        "Li, Li, Chen, Bourbakis & Lo, Signal Processing: Image Communication 23(3), 2008, for permutation-only "
        "ciphers; here for signed permutations, with the block structure of the scheme"
    )
    observes: ClassVar[type[Observation]] = KnownPairs

    def why_not(self, observation: Observation) -> str | None:
        return super().why_not(observation) or why_no_match(
            observation, key_form(observation.profile, observation.images.shape[1:])
        )

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        assert isinstance(observation, KnownPairs)
        budget.tell(0.0, "matching pairs")
        found = match_pairs(
            key_form(observation.profile, observation.images.shape[1:]),
            observation.known_plain,
            observation.known_protected,
            None if budget.over() else observation.images,
            lossless=observation.profile.codec.lossless,
            over=budget.over,
        )
        images = np.asarray(found.key.inverse().apply(observation.images))
        budget.tell(1.0, "done")
        return Reconstruction(
            images,
            key=found.key,
            facts={
                "pairs": len(observation.known_plain),
                "share_of_key": found.share,
                "share_of_places": found.placed,
                "ambiguous": found.ambiguous,
                "guessed": found.guessed,
                "consistent": found.fits,
            },
        )

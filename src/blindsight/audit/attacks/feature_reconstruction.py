"""Feature reconstruction: every value is folded on its leading bit, and no key is looked for.

Negation hides a value's leading bit and nothing else of its distance from the middle. Where samples stay in their
places the folded image shows contours at once.
"""

from typing import ClassVar

import numpy as np

from blindsight.algebra.permutation import merge_nibbles, split_nibbles
from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks._layout import layout_of
from blindsight.audit.threat import Observation

__all__ = ["FeatureReconstruction", "FeatureReconstructionHalf"]

_PAPER = (
    "Chang & Case, 'Attacks on Image Encryption Schemes for Privacy-Preserving Deep Neural Networks', arXiv 2004.13263"
)


@register_attack
class FeatureReconstruction(Attack):
    """v where v is at most 127, else 255 - v: the leading bit of every byte becomes 0."""

    name: ClassVar[str] = "feature-reconstruction"
    title: ClassVar[str] = "feature reconstruction by folding each value"
    reference: ClassVar[str] = f"{_PAPER}: the basic ciphertext-only attack of their published code; unchanged"
    observes: ClassVar[type[Observation]] = Observation

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        budget.tell(0.0, "folding")
        images = observation.images
        return Reconstruction(np.minimum(images, 255 - images))


@register_attack
class FeatureReconstructionHalf(Attack):
    """h where h is at most 7, else 15 - h, for each 4-bit half: the leading bit of what the cipher negates becomes 0.

    Of bytes that is the attack above; this form is for the schemes that negate 4-bit halves.
    """

    name: ClassVar[str] = "feature-reconstruction-half"
    title: ClassVar[str] = "feature reconstruction by folding each 4-bit half"
    reference: ClassVar[str] = f"{_PAPER}: the fold on the leading bit, of the scheme's own samples: 4-bit halves"
    observes: ClassVar[type[Observation]] = Observation

    def why_not(self, observation: Observation) -> str | None:
        layout = layout_of(observation)
        if layout is None or layout.sample != "nibble":
            return "the scheme negates no 4-bit halves; feature-reconstruction folds bytes"
        return super().why_not(observation)

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        budget.tell(0.0, "folding")
        images = observation.images
        halves = split_nibbles(images.reshape(len(images), -1))
        return Reconstruction(merge_nibbles(np.minimum(halves, 15 - halves)).reshape(images.shape))

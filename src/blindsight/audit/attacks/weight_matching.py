"""Reads the key off an encrypted model whose public checkpoint is at hand, and decrypts with it."""

from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.threat import Observation, SharedModel
from blindsight.errors import IncompatibleModelError, ParameterError
from blindsight.profile import Scalar

if TYPE_CHECKING:
    from blindsight.audit.weight_matching import ModelMatch

__all__ = ["WeightMatching"]


@register_attack
class WeightMatching(Attack):
    """Matches columns of the first layer, and position embeddings; see :mod:`blindsight.audit.weight_matching`.

    ``likeness`` is the mean cosine of matched columns (1 for weights that were not trained further), ``margin`` by how
    much the least certain match beats the next. Low likeness means a checkpoint that the model did not begin from.
    """

    name: ClassVar[str] = "weight-matching"
    title: ClassVar[str] = "the key from an encrypted model and its public checkpoint"
    reference: ClassVar[str] = "linear assignment, Kuhn 1955; on models encrypted as in Kiya et al., arXiv 2207.05366"
    observes: ClassVar[type[Observation]] = SharedModel

    def why_not(self, observation: Observation) -> str | None:
        if (reason := super().why_not(observation)) is not None:
            return reason
        if cast(SharedModel, observation).checkpoint is None:
            return "needs the public checkpoint that the model began from"
        if observation.profile.kind != "cipher" or observation.profile.key_scope != "dataset":
            return "a model can be encrypted for one key only, and the images have keys of their own"
        try:
            _matched(cast(SharedModel, observation))
        except (IncompatibleModelError, ParameterError) as error:
            return str(error)
        return None

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        found = _matched(cast(SharedModel, observation))
        budget.tell(1.0, "decrypting")
        images = cast(NDArray[np.uint8], found.permutation.inverse().apply(observation.images))
        facts: dict[str, Scalar] = {
            "likeness": float(found.columns.likeness.mean()),
            "margin": float(found.columns.margin.min()),
        }
        return Reconstruction(images, key=found.permutation, facts=facts)


def _matched(seen: SharedModel) -> "ModelMatch":
    from blindsight.audit.weight_matching import match_models  # needs torch, and so do only observations with models

    height, width = seen.images.shape[1:3]
    return match_models(seen.checkpoint, seen.model, (height, width))

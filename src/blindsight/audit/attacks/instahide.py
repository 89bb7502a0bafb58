"""Takes blends of images apart: InstaHide, which flips signs, and Mixup, which does not."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks.unmixing import Values, unmix
from blindsight.audit.threat import Observation, ProtectedSet
from blindsight.profile import Scalar

__all__ = ["InstaHide", "agree_on_signs", "likely_sign"]

#: Fewer blends of each original than this leave more unknowns than the attack can solve for.
LEAST_VIEWS = 4


@register_attack
class InstaHide(Attack):
    """Finds members of blends, then originals; see :mod:`.unmixing`. For sets that blend each original several times.

    Signs that are lost are found up to one for each sample of all originals; neighbouring samples agree, which leaves
    one for the whole set: whether all are negatives. Public images say which, else that light comes from above. The
    image given back for a blend is its member of the largest weight. ``unexplained`` near 1: nothing was solved.
    """

    name: ClassVar[str] = "instahide"
    title: ClassVar[str] = "originals solved for from their blends"
    reference: ClassVar[str] = (
        "after Carlini et al., arXiv 2011.05315; independent components (Hyvärinen & Oja, 2000) in place of a "
        "similarity network and cliques, alternating projections in place of gradient descent"
    )
    observes: ClassVar[type[Observation]] = ProtectedSet

    def why_not(self, observation: Observation) -> str | None:
        if (reason := super().why_not(observation)) is not None:
            return reason
        profile = observation.profile
        if profile.kind != "mix" or profile.scheme not in ("instahide", "mixup"):
            return "solves for the members of blends (instahide, mixup), and these images are none"
        if profile.views < LEAST_VIEWS:
            return f"needs {LEAST_VIEWS} blends of each original or more, and the set has {profile.views}"
        if len(observation.images) // profile.views <= _members(observation):
            return "needs more originals than a blend has members"
        return None

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        images, folded = observation.images, observation.profile.scheme == "instahide"
        values = 2 * images.reshape(len(images), -1).astype(np.float32) - 255
        count, members = len(images) // observation.profile.views, _members(observation)
        found = unmix(np.abs(values) if folded else values, count, members, folded=folded, budget=budget)
        originals = found.originals
        if folded:
            originals = agree_on_signs(originals, images.shape[1:])
            originals = originals * likely_sign(originals.mean(axis=0).reshape(images.shape[1:]), observation.public)
        pixels = np.clip(np.rint((originals + 255) / 2), 0, 255).astype(np.uint8).reshape(-1, *images.shape[1:])
        facts: dict[str, Scalar] = {"originals": count, "members": members, "unexplained": found.residual}
        return Reconstruction(pixels[found.weights.argmax(axis=1)], symmetric=folded, facts=facts)


def _members(observation: Observation) -> int:
    return int(observation.profile.parameters.get("sources", 1)) + 1


def agree_on_signs(originals: Values, shape: tuple[int, ...]) -> Values:
    """One sign for each sample, the same in all originals, so that neighbouring samples and colours are alike.

    Along the spanning tree of the neighbours whose products over all originals are clearest.

    Args:
        originals: float32 (M, D).
        shape: (H, W, C) of an image, D = H * W * C.

    Returns:
        float32 (M, D), right up to one sign for everything.
    """
    every = np.arange(originals.shape[1]).reshape(shape)
    pairs = [(every[:-1], every[1:]), (every[:, :-1], every[:, 1:]), (every[..., :-1], every[..., 1:])]
    a, b = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    unit = originals / np.maximum(np.linalg.norm(originals, axis=0), 1e-6)
    alike = (unit[:, a] * unit[:, b]).sum(axis=0)
    # Weight 0 would mean no edge.
    tree = minimum_spanning_tree(coo_array((1.001 - np.abs(alike), (a, b)), shape=(every.size, every.size)).tocsr())
    order, before = breadth_first_order(tree, 0, directed=False)
    sign = np.ones(every.size, np.float32)
    for place in order[1:]:
        parent = before[place]
        sign[place] = sign[parent] * (1 if unit[:, place] @ unit[:, parent] >= 0 else -1)
    return originals * sign


def likely_sign(mean: Values, public: NDArray[np.uint8] | None) -> int:
    """Whether a mean image, float (H, W, C) about 0, is likelier as it is (1) or as its negative (-1)."""
    if public is not None:
        expected = 2 * public.astype(np.float32).mean(axis=0) - 255
        return 1 if float((mean * expected).sum()) >= 0 else -1
    half = len(mean) // 2
    return 1 if float(mean[:half].mean()) >= float(mean[half:].mean()) else -1

"""The jigsaw over a set whose images draw their keys from a pool: images are sorted by key, then solved together."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks._pools import Pools
from blindsight.audit.attacks._solver import state_model
from blindsight.audit.attacks.dataset_jigsaw import puzzle_of, why_no_jigsaw
from blindsight.audit.threat import Observation, ProtectedSet
from blindsight.profile import Scalar

__all__ = ["PoolJigsaw"]


@register_attack
class PoolJigsaw(Attack):
    """Recovers the keys of a pool from protected images alone; what shares no key found is solved by itself."""

    name: ClassVar[str] = "pool-jigsaw"
    title: ClassVar[str] = "jigsaw puzzle of each key of a pool"
    reference: ClassVar[str] = (
        "ours: layouts of single images, as in the jigsaw (Chuman, Kurihara & Kiya, IEICE Trans. E101-D(1), 2018), are "
        "tested on all others by their seams, which sorts the images by key; each key is then solved from its images"
    )
    observes: ClassVar[type[Observation]] = ProtectedSet

    def why_not(self, observation: Observation) -> str | None:
        lacking = super().why_not(observation) or why_no_jigsaw(observation)
        if lacking is None and not str(observation.profile.key_scope).startswith("pool:"):
            return "needs images that draw their keys from a pool; jigsaw and dataset-jigsaw take the others"
        return lacking

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        """Images that no key is found for and that the time does not suffice for are given back as they came.

        The state of the whole is chosen for each key on its own.
        """
        grid, freedom = puzzle_of(observation)
        images = observation.images
        # A key an image is a pool of as many; why_not refuses it, and controls run it all the same.
        keys = int(str(observation.profile.key_scope).partition(":")[2] or len(images))
        pools = Pools(images, grid, freedom, keys, budget, state_model(observation.public, grid, freedom, budget))
        single: dict[int, NDArray[np.uint8]] = {}
        order = budget.rng(20).permutation(len(images)).tolist()
        tried = 0
        for careful in (False, True):
            for number in order:
                if budget.over() or (pools.complete and not careful):
                    break
                if pools.of[number] >= 0:
                    continue
                if careful:
                    alone = pools.alone(number)
                    single[number] = alone.images[0]
                    layout = alone.decrypts
                else:
                    layout = pools.rough(number)
                tried += 1
                if not pools.complete:
                    pools.take(number, layout)
                done = float((pools.of >= 0).mean())
                budget.tell(0.9 * done, f"{len(pools.found)} of {keys} keys, {tried} images tried alone")
            pools.settle()
        out = images.copy()
        for number, found in single.items():
            out[number] = found
        for pool in pools.found:
            plain = pool.decrypts.apply(images[pool.members])
            assert isinstance(plain, np.ndarray)  # arrays in, arrays out
            out[pool.members] = plain
        facts: dict[str, Scalar] = {
            "keys_found": len(pools.found),
            "images_sorted": int((pools.of >= 0).sum()),
            "images_alone": int(sum(pools.of[number] < 0 for number in single)),
            "tried_alone": tried,
        }
        return Reconstruction(out, symmetric=True, facts=facts)

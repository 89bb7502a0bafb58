"""How much of an original a whole mixed set publishes, in its own mixed images and in those it gave blocks to."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.estimates import Estimate, estimate
from blindsight.owner.mixing import Mixer, Target
from blindsight.owner.mixing.mixer import CACHE_BYTES
from blindsight.owner.sources import Item

__all__ = ["original_in_set"]


def original_in_set(
    mixer: Mixer, published: Iterable[Target], sample: Sequence[Target], seed: int = 0
) -> Estimate | None:
    """Share of an original's blocks that are published at their own place somewhere in the set.

    One mixed image keeps 1 - p of its original. The rest is not gone: other images of the class draw it as a donor.
    With as many mixed images as originals, about 1 - p exp(-p) of each is published, 70 % for p = 1/2.

    Args:
        mixer: of the set, with its own options.
        published: every image of the set.
        sample: whose originals are looked at.
        seed: of the interval.

    Returns:
        None for other methods than ``pbm``, and for sets whose originals do not fit the cache: what was drawn is known
        once the donors of every image are read, and reading them again and again would take as long as mixing did.
    """
    if mixer.options.method != "pbm":
        return None
    wanted = {target.item for target in sample}
    if len(mixer.items) * mixer.pixels(sample[0].item).nbytes > CACHE_BYTES:
        return None
    labels = {item.label for item in wanted}
    shown: dict[Item, NDArray[np.bool_]] = {}
    for target in published:
        if target.item.label not in labels:
            continue
        mixture = mixer.make(target)
        assert mixture.choice is not None
        for number, item in enumerate([target.item, *mixture.donors]):
            if item in wanted:
                here = mixture.choice == number
                shown[item] = shown[item] | here if item in shown else here
    return estimate([float(shown[item].mean()) for item in sorted(shown, key=lambda item: item.number)], seed=seed)

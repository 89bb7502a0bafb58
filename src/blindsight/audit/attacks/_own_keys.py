"""The attacker's own keys: the scheme is public, so anybody can protect images as the owner does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.permutation import Sample
from blindsight.audit.scenario import publisher
from blindsight.owner.keys import SecretKey
from blindsight.owner.protection import Protection
from blindsight.profile import Profile

__all__ = ["SchemeFacts", "own_publisher", "scheme_facts"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class SchemeFacts:
    """What everybody can learn about a scheme by using it.

    Attributes:
        sample: what it moves, bytes or nibbles.
        moves_blocks: whether samples leave their blocks.
    """

    sample: Sample
    moves_blocks: bool


def scheme_facts(profile: Profile, shape: tuple[int, ...], rng: np.random.Generator) -> SchemeFacts:
    """Compiles the scheme under a key of one's own and looks.

    Args:
        profile: of kind ``cipher``.
        shape: (H, W, C) of the images.
        rng: draws the key.
    """
    key = _own_key(rng)
    permutation = Protection(_under(profile, key), key).permutation(shape[0], shape[1], "own")
    side = profile.block_size or 1
    rows, cols = (np.arange(length) // side for length in shape[:2])
    blocks = np.broadcast_to((rows[:, None] * len(cols) + cols)[:, :, None], shape).reshape(-1)
    if permutation.sample == "nibble":
        blocks = blocks.repeat(2)
    return SchemeFacts(permutation.sample, bool((blocks[permutation.index] != blocks).any()))


def own_publisher(profile: Profile, rng: np.random.Generator) -> Callable[[Pixels], Pixels]:
    """Publishes batches as the profile says, every image under a fresh key.

    Args:
        profile: of kind ``cipher``.
        rng: draws the master key that the keys come from.

    Returns:
        uint8 (N, H, W, C) -> the same, as published and decoded.
    """
    key = _own_key(rng)
    publish = publisher(_under(profile, key), key)
    count = iter(range(1 << 62))
    return lambda images: np.stack([publish(image, f"own-{next(count)}") for image in images])


def _own_key(rng: np.random.Generator) -> SecretKey:
    return SecretKey(rng.bytes(32))


def _under(profile: Profile, key: SecretKey) -> Profile:
    return profile.model_copy(update={"key_id": key.id, "key_scope": "image"})

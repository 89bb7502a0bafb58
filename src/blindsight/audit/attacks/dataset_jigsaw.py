"""The data-set-level jigsaw: all images under one key are one puzzle, with a picture for each image on every piece."""

from typing import ClassVar

import numpy as np

from blindsight.algebra import BlockGrid
from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks._freedom import Freedom, block_freedom
from blindsight.audit.attacks._solver import solve, state_model
from blindsight.audit.threat import Observation, ProtectedSet
from blindsight.errors import ParameterError
from blindsight.profile import Scalar

__all__ = ["DatasetJigsaw"]

#: Samples of images that are looked at, at most, 1365 images of 32x32: memory grows with them, and a few are enough.
MOST_SAMPLES = 1 << 22
#: Blocks at most: the table of joins has 1536 bytes for each pair of blocks.
MOST_BLOCKS = 1024


@register_attack
class DatasetJigsaw(Attack):
    """Recovers the key of a block cipher from protected images alone, where they share it."""

    name: ClassVar[str] = "dataset-jigsaw"
    title: ClassVar[str] = "jigsaw puzzle of the whole set"
    reference: ClassVar[str] = (
        "Chuman, Kurihara & Kiya, IEICE Trans. E101-D(1), 2018 (extended jigsaw puzzle solver), with the statistics of "
        "the joins pooled over all images under one key, whitened by joins inside blocks, and a genetic search"
    )
    observes: ClassVar[type[Observation]] = ProtectedSet

    def why_not(self, observation: Observation) -> str | None:
        lacking = super().why_not(observation) or why_no_jigsaw(observation)
        if lacking is None and observation.profile.key_scope != "dataset":
            return "needs images that share a key; here keys change from image to image"
        return lacking

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        grid, freedom = puzzle_of(observation)
        images, chosen = observation.images, observation.images
        most = max(1, MOST_SAMPLES // images[0].size)
        if len(images) > most:
            chosen = images[budget.rng(1).choice(len(images), most, replace=False)]
        model = state_model(observation.public, grid, freedom, budget)
        found = solve(chosen, grid, freedom, budget, 2, model=model)
        plain = found.images if chosen is images else found.decrypts.apply(images)
        assert isinstance(plain, np.ndarray)  # arrays in, arrays out
        facts: dict[str, Scalar] = {
            "images": len(chosen),
            "join_cost": found.mean_cost,
            "assemblies": found.assemblies,
        }
        return Reconstruction(plain, found.decrypts.inverse(), symmetric=True, facts=facts)


def why_no_jigsaw(observation: Observation) -> str | None:
    """Why there is no puzzle of whole blocks to solve; None where there is one."""
    freedom = block_freedom(observation.profile)
    if isinstance(freedom, str):
        return freedom
    block = observation.profile.block_size or 0
    height, width = observation.images.shape[1:3]
    if block < 2 or height * width < 2 * block * block or height % block or width % block:
        return f"needs at least two blocks of at least 2 pixels a side, got blocks of {block} in {height}x{width}"
    if height * width > MOST_BLOCKS * block * block:
        return f"compares all blocks with all, at most {MOST_BLOCKS}; {height}x{width} has more of {block}x{block}"
    return None


def puzzle_of(observation: Observation) -> tuple[BlockGrid, Freedom]:
    """Geometry and freedom of the blocks.

    Raises:
        ParameterError: there is no puzzle; the reason is that of :func:`why_no_jigsaw`.
    """
    freedom, reason = block_freedom(observation.profile), why_no_jigsaw(observation)
    if isinstance(freedom, str) or reason is not None:
        raise ParameterError(f"no jigsaw here: it {reason}")
    height, width, channels = observation.images.shape[1:]
    return BlockGrid(height, width, channels, observation.profile.block_size or 0), freedom

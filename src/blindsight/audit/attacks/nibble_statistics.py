"""LE from protected images alone: second moments of 4-bit halves, matched to those of public images.

LE treats all blocks alike and leaves them in place, so even one image shows each half many times. High halves are those
that correlate; their signs are those of the leading eigenvector; their places are those under which moments within
blocks and between neighbouring ones look like a photograph's.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import TilePermutation
from blindsight.algebra.permutation import split_nibbles
from blindsight.audit.attack import Budget, Reconstruction, register_attack
from blindsight.audit.attacks._arrange import arrange, high_halves, recolored
from blindsight.audit.attacks._layout import Layout, groups
from blindsight.audit.attacks._likeliest_state import StateModel
from blindsight.audit.attacks._low_halves import HIGH, LowHalves
from blindsight.audit.attacks._moments import PublicMoments, public_moments
from blindsight.audit.attacks._statistics import StatisticsAttack
from blindsight.audit.global_states import global_states
from blindsight.audit.threat import Observation
from blindsight.profile import Scalar

__all__ = ["NibbleStatistics"]


@register_attack
class NibbleStatistics(StatisticsAttack):
    """For schemes that treat the 4-bit halves of all blocks alike and leave blocks in place: LE."""

    name: ClassVar[str] = "nibble-statistics"
    title: ClassVar[str] = "statistics of 4-bit halves, matched to public images"
    observes: ClassVar[type[Observation]] = Observation  # the blocks of one image are many samples of one key
    misfit: ClassVar[str] = "the scheme does not shuffle 4-bit halves alike in all blocks that stay in place"

    def fits(self, layout: Layout) -> bool:
        return layout.sample == "nibble" and not layout.moves and layout.shared

    def solve(self, observation: Observation, layout: Layout, budget: Budget) -> Reconstruction:
        public = observation.public
        assert public is not None  # why_not refuses the rest
        learned = public_moments(public, layout.grid.block, budget.rng(1), high=True)
        low = LowHalves(public, layout.grid)
        model = StateModel(_middle(public), global_states(public.shape, oriented=False), budget)
        out = np.empty_like(observation.images)
        parts = groups(observation)
        key, trusted = None, 0
        for number, part in enumerate(parts):
            budget.tell(0.2 + 0.8 * number / len(parts), f"arranging halves, set {number + 1} of {len(parts)}")
            out[part], key, held = _one_key(observation.images[part], layout, learned, low, model, budget)
            trusted += held
        facts: dict[str, Scalar] = {"low_halves_known": trusted / len(parts)}
        return Reconstruction(out, key if len(parts) == 1 else None, symmetric=True, facts=facts)


def _middle(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """High halves alone, low ones at the middle: negation leaves them there, but for one."""
    return (images & HIGH) + np.uint8(8)


def _one_key(
    images: NDArray[np.uint8],
    layout: Layout,
    learned: PublicMoments,
    low: LowHalves,
    model: StateModel,
    budget: Budget,
) -> tuple[NDArray[np.uint8], TilePermutation, bool]:
    """Images, encrypting permutation, whether low halves are trusted."""
    grid, size = layout.grid, layout.grid.block_samples
    halves = split_nibbles(grid.to_blocks(images)).astype(np.float32) - 7.5  # (N, n, 2 S)
    columns = high_halves(halves.reshape(-1, 2 * size), size)
    highs = halves[..., columns]
    order, sign = arrange(
        highs.reshape(len(images), grid.rows, grid.cols, size) / 7.5, learned, signs=layout.negates, budget=budget
    )

    def shown() -> NDArray[np.uint8]:
        placed = (highs * sign)[..., order] + 7.5
        return grid.from_blocks(placed.round().astype(np.uint8) << np.uint8(4))

    _, negative, color = model.likeliest(_middle(shown()))
    order, sign = recolored(order, sign, grid.channels, negative, color)
    high = shown()
    others = np.setdiff1d(np.arange(2 * size), columns)
    low_order, low_sign, trusted = low.match(high, halves[..., others], shared=True, signs=layout.negates)
    index = np.empty(2 * size, np.int64)
    index[1::2], index[::2] = columns[order], others[low_order[0]]
    signs = np.empty(2 * size)
    signs[columns], signs[others] = sign, low_sign[0]
    mask = np.where(signs[index] < 0, 15, 0).astype(np.uint8)
    decrypting = TilePermutation(grid, None, index[None], mask[None], sample="nibble")
    if trusted:
        found = decrypting.apply(images)
        assert isinstance(found, np.ndarray)
    else:
        found = high | low.expected(high)
    return found, decrypting.inverse(), trusted

"""SHF, RRP and NP from protected images alone: second moments of samples, matched to public ones, then the blocks.

These ciphers treat the samples of all blocks alike. So each place inside a block is seen once a block and image, and
the moments of places give their arrangement and signs. Where blocks moved, they are then put together like a puzzle
whose pieces all have one orientation; what is then known of neighbours corrects the arrangement inside.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, TilePermutation
from blindsight.audit.attack import Budget, Reconstruction, register_attack
from blindsight.audit.attacks._arrange import arrange, arrange_alone, leading_signs
from blindsight.audit.attacks._borders import Borders, place
from blindsight.audit.attacks._layout import Layout, groups
from blindsight.audit.attacks._likeliest_state import StateModel
from blindsight.audit.attacks._matching import Matrix, Order, cost, polish
from blindsight.audit.attacks._moments import PublicMoments, centred, moments, public_moments
from blindsight.audit.attacks._statistics import StatisticsAttack
from blindsight.audit.global_states import global_states, state_permutation
from blindsight.audit.threat import Observation

__all__ = ["PixelStatistics"]

#: Images that moments and borders are taken from; more change nothing.
POOLED = 2000
_ROUNDS = 3


@register_attack
class PixelStatistics(StatisticsAttack):
    """For schemes that treat the bytes of all blocks alike, wherever the blocks go: SHF, RRP, NP."""

    name: ClassVar[str] = "pixel-statistics"
    title: ClassVar[str] = "statistics of pixels, then a puzzle of blocks"
    misfit: ClassVar[str] = "the scheme does not treat the bytes of all blocks alike"

    def fits(self, layout: Layout) -> bool:
        return layout.sample == "byte" and layout.shared

    def solve(self, observation: Observation, layout: Layout, budget: Budget) -> Reconstruction:
        public = observation.public
        assert public is not None  # why_not refuses the rest
        solver = _Solver(layout, public, budget)
        out = np.empty_like(observation.images)
        parts = groups(observation)
        key = None
        for number, part in enumerate(parts):
            budget.tell(0.2 + 0.8 * number / len(parts), f"set {number + 1} of {len(parts)}")
            out[part], key = solver.solve(observation.images[part])
        return Reconstruction(out, key if len(parts) == 1 else None, symmetric=True)


class _Solver:
    """What is learned from public images, once for all sets of images that share a key."""

    def __init__(self, layout: Layout, public: NDArray[np.uint8], budget: Budget) -> None:
        self._layout, self._budget = layout, budget
        self._learned: PublicMoments = public_moments(public, layout.grid.block, budget.rng(1))
        self._borders = Borders(public, layout.grid.block, budget.rng(2)) if layout.moves else None
        # Without moves and shuffles only the sign is open.
        self._states = global_states(public.shape, oriented=layout.moves, colored=layout.shuffles != "none")
        self._model = StateModel(public, self._states, budget)

    def solve(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], TilePermutation]:
        """Images of one key -> the decoded ones, and what encrypts them."""
        layout, grid, budget = self._layout, self._layout.grid, self._budget
        some = np.sort(budget.rng(3).permutation(len(images))[:POOLED])
        values = centred(grid.to_blocks(images[some]), high=False)  # (N, n, S)
        source = np.arange(grid.blocks)
        if layout.shuffles == "none":
            order = np.arange(grid.block_samples)
            sign = leading_signs(values.reshape(-1, grid.block_samples))
        elif self._borders is None:
            order, sign = arrange(_on_grid(values, grid), self._learned, signs=layout.negates, budget=budget)
        else:
            order, sign = arrange_alone(
                values.reshape(-1, grid.block_samples), self._learned, signs=layout.negates, budget=budget
            )
        if self._borders is not None:
            source, order, sign = self._assemble(values, order, sign)
        decrypting = _decrypting(grid, source, order, sign)
        found = decrypting.apply(images)
        assert isinstance(found, np.ndarray)
        return self._in_likeliest_state(found, decrypting)

    def _assemble(self, values: NDArray[np.float32], order: Order, sign: Matrix) -> tuple[Order, Order, Matrix]:
        """Blocks put together; then samples arranged again, now with neighbours, for as long as it helps."""
        layout, grid = self._layout, self._layout.grid
        assert self._borders is not None
        best: tuple[float, Order, Order, Matrix] | None = None
        for _ in range(_ROUNDS):
            decoded = ((values * sign.astype(np.float32))[..., order]).reshape(
                *values.shape[:2], grid.block, grid.block, grid.channels
            )
            right, down = self._borders.costs(decoded)
            source, _ = place(right, down, grid, self._budget)
            observed = moments(_on_grid(values[:, source], grid))
            terms = self._learned.terms(observed)
            if layout.shuffles != "none":
                order, sign = polish(terms, None, order, sign, signs=layout.negates, budget=self._budget)
            value = cost(terms, None, order, sign)
            if best is not None and value >= best[0] - 1e-9:
                break
            best = (value, source, order, sign)
            if self._budget.over():
                break
        assert best is not None
        return best[1:]

    def _in_likeliest_state(
        self, found: NDArray[np.uint8], decrypting: TilePermutation
    ) -> tuple[NDArray[np.uint8], TilePermutation]:
        state = self._model.likeliest(found)
        turned = state_permutation(self._layout.grid, state) @ decrypting
        assert isinstance(turned, TilePermutation)
        images = state_permutation(self._layout.grid, state).apply(found)
        assert isinstance(images, np.ndarray)
        return images, turned.inverse()


def _on_grid(values: NDArray[np.float32], grid: BlockGrid) -> NDArray[np.float32]:
    return values.reshape(len(values), grid.rows, grid.cols, -1)


def _decrypting(grid: BlockGrid, source: Order, order: Order, sign: Matrix) -> TilePermutation:
    mask = np.where(sign[order] < 0, 255, 0).astype(np.uint8)
    return TilePermutation(grid, source, order[None], mask[None])

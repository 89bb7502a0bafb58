"""ELE and BPS from protected images alone: every block by its own second moments, then the puzzle, then all again.

Each block has its own arrangement, so only images of one key help. A block's arrangement by moments is known up to the
states of EtC: orientation, negation, colour order. That makes the set an EtC set, whose blocks are put together by
their borders. Then every block is arranged anew among its neighbours, which corrects what it had wrong by itself.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, TilePermutation
from blindsight.algebra.permutation import split_nibbles
from blindsight.algebra.states import COLOR_ORDERS, orient
from blindsight.audit.attack import Budget, Reconstruction, register_attack
from blindsight.audit.attacks._arrange import arrange_alone, high_halves
from blindsight.audit.attacks._borders import Borders
from blindsight.audit.attacks._layout import Layout
from blindsight.audit.attacks._likeliest_state import StateModel
from blindsight.audit.attacks._low_halves import HIGH, LowHalves
from blindsight.audit.attacks._matching import Matrix, Order, Term, cost, polish, relax
from blindsight.audit.attacks._moments import RELATIONS, PublicMoments, centred, public_moments
from blindsight.audit.attacks._statistics import StatisticsAttack
from blindsight.audit.attacks._turned_placing import pair_costs, place_turned
from blindsight.audit.global_states import State, global_states, state_permutation
from blindsight.audit.threat import Observation

__all__ = ["BlockStatistics"]

#: Images that moments and borders are taken from.
POOLED = 1000
_ROUNDS, _SWEEPS = 3, 3

Values = NDArray[np.float32]


@register_attack
class BlockStatistics(StatisticsAttack):
    """For schemes that arrange the samples or 4-bit halves of every block in its own way: ELE, BPS."""

    name: ClassVar[str] = "block-statistics"
    title: ClassVar[str] = "statistics of each block, then a puzzle of turned blocks"
    misfit: ClassVar[str] = "the scheme does not arrange the samples of each block in its own way"

    def fits(self, layout: Layout) -> bool:
        return not layout.shared and layout.shuffles == "all"

    def why_not(self, observation: Observation) -> str | None:
        lacking = super().why_not(observation)
        if lacking is None and (observation.profile.key_scope != "dataset" or len(observation.images) < 2):
            return "each block needs several images under one key"
        return lacking

    def solve(self, observation: Observation, layout: Layout, budget: Budget) -> Reconstruction:
        public = observation.public
        assert public is not None  # why_not refuses the rest
        return _Solver(observation.images, layout, public, budget).solve()


class _Solver:
    """One set of images under one key.

    Attributes:
        order, sign: (n, S) of each *position*: place i takes column order[i] of the position's block.
        source: (n,), which protected block belongs at each position.
    """

    def __init__(self, images: NDArray[np.uint8], layout: Layout, public: NDArray[np.uint8], budget: Budget) -> None:
        self._images, self._layout, self._grid, self._budget = images, layout, layout.grid, budget
        self._high = layout.sample == "nibble"
        self._public = public
        self._learned: PublicMoments = public_moments(public, self._grid.block, budget.rng(1), high=self._high)
        self._borders = Borders(public, self._grid.block, budget.rng(2), high=self._high)
        some = np.sort(budget.rng(3).permutation(len(images))[:POOLED])
        blocks = self._grid.to_blocks(images[some])
        size, n = self._grid.block_samples, self._grid.blocks
        self._columns = np.tile(np.arange(size), (n, 1))
        if self._high:
            halves = (split_nibbles(blocks).astype(np.float32) - 7.5) / 7.5
            self._columns = np.stack([high_halves(halves[:, b], size) for b in range(n)])
            self._values: Values = np.take_along_axis(halves, self._columns[None], axis=2)
        else:
            self._values = centred(blocks, high=False)

    def solve(self) -> Reconstruction:
        n, size, budget = self._grid.blocks, self._grid.block_samples, self._budget
        order, sign = np.empty((n, size), np.int64), np.empty((n, size))
        for b in range(n):
            order[b], sign[b] = arrange_alone(
                self._values[:, b], self._learned, signs=self._layout.negates, budget=budget, draw=b
            )
            budget.tell(0.1 + 0.5 * (b + 1) / n, f"block {b + 1} of {n} by itself")
        best: tuple[float, Order, Order, Matrix] | None = None
        for number in range(_ROUNDS):
            budget.tell(0.6 + 0.1 * number, "putting blocks together")
            decoded = self._decoded(np.arange(n), order, sign)
            shape = (*decoded.shape[:2], self._grid.block, self._grid.block, self._grid.channels)
            costs = pair_costs(self._borders, decoded.reshape(shape), negated=self._layout.negates)
            placed, _ = place_turned(costs, self._grid, budget)
            source = placed[:, 0]
            order, sign = self._turned(placed, order[source], sign[source])
            value = np.inf
            for sweep in range(_SWEEPS):
                order, sign, now = self._sweep(source, order, sign, sweep)
                if now >= value - 1e-6 * abs(value) or budget.over():
                    break
                value = now
            if best is not None and now >= best[0] - 1e-6 * abs(best[0]):
                break
            best = (now, source.copy(), order.copy(), sign.copy())
            if budget.over():
                break
            back = np.argsort(source)  # to the order of protected blocks, for the next puzzle
            order, sign = order[back], sign[back]
        assert best is not None
        return self._finished(*best[1:])

    def _decoded(self, source: Order, order: Order, sign: Matrix) -> Values:
        """(N, n, S) at positions."""
        signed = self._values[:, source] * sign.astype(np.float32)
        return np.take_along_axis(signed, order[None], axis=2)

    def _turned(self, placed: Order, order: Order, sign: Matrix) -> tuple[Order, Matrix]:
        """Arrangements with each block's state of the puzzle taken in."""
        side, channels = self._grid.block, self._grid.channels
        out = np.empty_like(order)
        for i, (_, turn, _, color) in enumerate(placed):
            places = orient(np.arange(order.shape[1]).reshape(side, side, channels), int(turn))
            out[i] = order[i][places[..., COLOR_ORDERS[color]] if channels == 3 else places].reshape(-1)
        return out, np.where(placed[:, 2:3] == 1, -sign, sign)

    def _sweep(self, source: Order, order: Order, sign: Matrix, draw: int) -> tuple[Order, Matrix, float]:
        """Every block arranged anew, its neighbours as they are; returns the mean cost, too."""
        order, sign = order.copy(), sign.copy()
        decoded = self._decoded(source, order, sign)
        likely, smooth = self._learned.precisions, [-c for c in self._learned.covariances]
        total = 0.0
        for i in range(self._grid.blocks):
            mine = self._values[:, source[i]]
            own = (mine.T @ mine).astype(np.float64) / len(mine)
            terms, linear = [Term(own, likely[0])], self._beside(i, mine, decoded, likely)
            starts = [(order[i], sign[i])]
            if not self._budget.over():
                toward = self._beside(i, mine, decoded, smooth)
                for s in (sign[i], -sign[i]) if self._layout.negates else (sign[i],):
                    signed = [Term(own * np.outer(s, s), smooth[0])]
                    starts.append((relax(signed, toward * s, self._budget.rng(17, draw, i), noise=0.0), s))
            found = [polish(terms, linear, o, s, signs=self._layout.negates, budget=self._budget) for o, s in starts]
            costs = [cost(terms, linear, o, s) for o, s in found]
            order[i], sign[i] = found[int(np.argmin(costs))]
            total += min(costs)
            decoded[:, i] = np.take_along_axis(mine * sign[i].astype(np.float32), order[i][None], axis=1)
        return order, sign, total / self._grid.blocks

    def _beside(self, i: int, mine: Values, decoded: Values, models: list[Matrix]) -> Matrix:
        """The linear part of block i's cost: what its columns have to do with the decoded neighbours, (S, S)."""
        y, x = divmod(i, self._grid.cols)
        linear = np.zeros((mine.shape[1], mine.shape[1]))
        for (down, right), model in zip(RELATIONS[1:], models[1:], strict=True):
            for way, table in ((1, model), (-1, model.T)):
                v, u = y + way * down, x + way * right
                if 0 <= v < self._grid.rows and 0 <= u < self._grid.cols:
                    linear += table @ (decoded[:, v * self._grid.cols + u].T @ mine).astype(np.float64) / len(mine)
        return linear

    def _finished(self, source: Order, order: Order, sign: Matrix) -> Reconstruction:
        """The likeliest state of all, then low halves, then the permutation."""
        grid, columns = self._grid, self._columns[source]
        index = np.take_along_axis(columns, order, axis=1)
        signs = np.take_along_axis(sign, order, axis=1)
        if not self._high:
            decrypting = TilePermutation(grid, source, index, np.where(signs < 0, 255, 0))
            if not self._layout.moves:
                decrypting = _after(grid, _put_back(grid, source), decrypting)
            state = self._state(_applied(decrypting, self._images), self._public)
            decrypting = _after(grid, state, decrypting)
            return Reconstruction(
                _applied(decrypting, self._images), decrypting.inverse(), symmetric=self._layout.moves
            )
        # A permutation of all halves, low ones anyhow: the state acts on high and low ones alike.
        size, n = grid.block_samples, grid.blocks
        others = np.stack([np.setdiff1d(np.arange(2 * size), row) for row in columns])
        whole, mask = np.empty((n, 2 * size), np.int64), np.zeros((n, 2 * size), np.uint8)
        whole[:, 1::2], whole[:, ::2] = index, others
        mask[:, 1::2] = np.where(signs < 0, 15, 0)
        decrypting = TilePermutation(grid, source, whole, mask, sample="nibble")
        if not self._layout.moves:
            decrypting = _after(grid, _put_back(grid, source), decrypting)
        rough = (_applied(decrypting, self._images) & HIGH) + np.uint8(8)
        state = self._state(rough, (self._public & HIGH) + np.uint8(8))
        decrypting = _after(grid, state, decrypting)
        found = _applied(decrypting, self._images)
        high = found & HIGH
        halves = split_nibbles(grid.to_blocks(found))[..., ::2].astype(np.float32) - 7.5
        low = LowHalves(self._public, grid)
        low_order, low_sign, trusted = low.match(high, halves, shared=False, signs=self._layout.negates)
        tile, bits = decrypting.tile_index.astype(np.int64), decrypting.tile_mask.copy()
        reversed_ = bits[:, ::2] ^ np.where(low_sign < 0, 15, 0).astype(np.uint8)  # of columns
        tile[:, ::2] = np.take_along_axis(tile[:, ::2], low_order, axis=1)
        bits[:, ::2] = np.take_along_axis(reversed_, low_order, axis=1)
        decrypting = TilePermutation(grid, decrypting.source, tile, bits, sample="nibble")
        out = _applied(decrypting, self._images) if trusted else high | low.expected(high)
        return Reconstruction(out, decrypting.inverse(), symmetric=True, facts={"low_halves_known": float(trusted)})

    def _state(self, images: NDArray[np.uint8], public: NDArray[np.uint8]) -> State:
        among = global_states(public.shape, oriented=self._layout.moves, negated=self._layout.negates)
        return StateModel(public, among, self._budget).likeliest(images)


def _put_back(grid: BlockGrid, source: Order) -> State:
    """Blocks stayed: of all orientations the one that puts most of them back."""
    numbers = source.reshape(grid.rows, grid.cols)
    turns = range(8 if grid.rows == grid.cols else 4)
    right = [float(np.mean(orient(numbers, turn).reshape(-1) == np.arange(grid.blocks))) for turn in turns]
    return int(np.argmax(right)), 0, 0


def _applied(permutation: TilePermutation, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found = permutation.apply(images)
    assert isinstance(found, np.ndarray)
    return found


def _after(grid: BlockGrid, state: State, decrypting: TilePermutation) -> TilePermutation:
    product = state_permutation(grid, state) @ decrypting
    assert isinstance(product, TilePermutation)
    return product

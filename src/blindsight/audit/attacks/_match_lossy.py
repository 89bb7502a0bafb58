"""Keys that move blocks and put each in a state, from pairs that went through a lossy codec.

Nothing is equal any more, so each protected block goes to the likest plain one, each once (Kuhn, 1955), in the likest
of the states. Blocks that are nearly as like to others are placed anew with what the images to be reconstructed say:
the error that the codec makes is known from the blocks that are sure, and so pairs and borders count in one unit.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.algebra import BlockGrid
from blindsight.audit.attacks._block_states import State, grid_of, in_state, key_of, stacks, states_of, undone
from blindsight.audit.attacks._found import Found
from blindsight.audit.attacks._key_form import KeyForm
from blindsight.audit.attacks._placing import Placing

__all__ = ["nearest_states"]

Pixels = NDArray[np.uint8]
_MOST_BLOCKS = 400  # the images are asked for no more: it takes the square of them, for each state
_CLEAR = 1.3  # how much farther the next likest is than a block that is sure
_FAR = 200.0  # squares in units of the codec's error, by which a source and state may be less likely than the best


def nearest_states(
    form: KeyForm,
    plain: Pixels,
    protected: Pixels,
    targets: Pixels | None = None,
    over: Callable[[], bool] = lambda: False,
) -> Found:
    """The key that explains the pairs best.

    A block counts as determined where the next likest source or state is farther by 30 % or more.

    Args:
        form: of kind ``states``.
        plain: uint8 (K, H, W, C).
        protected: uint8 (K, H, W, C), the same images encrypted and published.
        targets: uint8 (N, H, W, C), others published under the same key: they choose where the pairs hardly do.
        over: whether the time is up; then no more is asked of them.
    """
    grid, states = grid_of(form), states_of(form)
    n, rows = grid.blocks, np.arange(grid.blocks)
    seen = stacks(protected, grid).astype(np.float32)
    made = np.stack([stacks(in_state(grid, s).apply(plain), grid) for s in states])
    far = _distances(seen, made)
    if not form.moves:
        far[:, ~np.eye(n, dtype=bool)] = np.inf
    best, state = far.min(axis=0), far.argmin(axis=0)
    first, second = np.partition(far.swapaxes(0, 1).reshape(n, -1), 1)[:, :2].T if n * len(states) > 1 else far[:, 0]
    source = linear_sum_assignment(np.where(np.isfinite(best), best, 1e12))[1].astype(np.int64)
    sure = (best[rows, source] <= first) & (second > _CLEAR * first)
    chosen_state = state[rows, source]
    # Where no key explains the pairs, its residue is like that of any two blocks.
    fits = bool(best[rows, source].mean() < 0.5 * far[np.isfinite(far)].mean())
    guessed = 0
    if targets is not None and fits and sure.any() and not sure.all() and n <= _MOST_BLOCKS:
        guessed = _ask_images(grid, targets, far, source, chosen_state, sure, states, over)
    key = key_of(grid, source, chosen_state, states)
    return Found(key, float(sure.mean()), float(sure.mean()), int((~sure).sum()), guessed, fits)


def _distances(seen: NDArray[np.float32], made: Pixels) -> NDArray[np.float32]:
    """Squared distances (states, destination blocks, source blocks)."""
    far = np.empty((len(made), len(seen), len(seen)), np.float32)
    squares = (seen * seen).sum(axis=1)[:, None]
    for number, stack in enumerate(made):
        a = stack.astype(np.float32)
        far[number] = squares + (a * a).sum(axis=1) - 2 * (seen @ a.T)
    return np.maximum(far, 0, out=far)


def _ask_images(
    grid: BlockGrid,
    targets: Pixels,
    far: NDArray[np.float32],
    source: NDArray[np.int64],
    state: NDArray[np.int64],
    sure: NDArray[np.bool_],
    states: list[State],
    over: Callable[[], bool],
) -> int:
    """Places the blocks that are not sure anew; changes ``source`` and ``state``, and says how many were placed."""
    open_blocks = np.flatnonzero(~sure)
    error = max(float(far[state[sure], np.flatnonzero(sure), source[sure]].mean()) / grid.block_samples, 1.0)
    placing = Placing(grid, targets, over)
    for d in np.flatnonzero(sure).tolist():
        placing.put(int(source[d]), undone(targets, grid, d, [states[state[d]]])[0])

    least = far.min(axis=(0, 2))

    def left_open(d: int, s: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        cost = (far[:, d, s] - least[d]) / error
        which = np.flatnonzero(cost < _FAR)
        return which, cost[which].astype(np.float64)

    chosen = placing.fill(
        [(open_blocks, source[open_blocks])],
        left_open,
        lambda d, which: undone(targets, grid, d, [states[k] for k in which]),
    )
    free = set(source[open_blocks].tolist()) - {s for _, s, _ in chosen}
    for d, s, k in chosen:
        source[d], state[d] = s, k
    for d in sorted(set(open_blocks.tolist()) - {d for d, _, _ in chosen}):
        source[d] = min(free, key=lambda s, d=d: float(far[:, d, s].min()))  # type: ignore[misc]
        free.remove(int(source[d]))
        state[d] = int(far[:, d, source[d]].argmin())
    return len(chosen)

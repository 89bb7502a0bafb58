"""Keys that move blocks and put each in one of at most 96 states (EtC and its parts), from pairs.

A block over the K pairs is a stack of K blocks. Its orbit, what the states make of it, is told by the smallest hash of
its members; a protected block comes from a plain block of its own orbit, and the states between the two are those that
give equal hashes. Flat, symmetric and equal blocks leave a choice, which falls fast with K.
"""

from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.algebra.states import COLOR_INVERSE, ORIENTATION_INVERSE
from blindsight.audit.attacks._found import Found
from blindsight.audit.attacks._key_form import KeyForm
from blindsight.audit.attacks._placing import Placing
from blindsight.audit.attacks._signatures import Pairing, hashed

__all__ = ["match_states", "nearest_states"]

Pixels = NDArray[np.uint8]
State = tuple[int, int, int]


def match_states(form: KeyForm, plain: Pixels, protected: Pixels, targets: Pixels | None = None) -> Found:
    """The key, exactly, where images are kept without loss.

    On grey images the order of equal colours cannot be told and does not matter; it is left out of the count.

    Args:
        form: of kind ``states``.
        plain: uint8 (K, H, W, C).
        protected: uint8 (K, H, W, C), the same images encrypted.
        targets: uint8 (N, H, W, C), encrypted with the same key: they choose where the pairs do not.
    """
    grid = _grid(form)
    if all(_grey(images) for images in (plain, protected, targets) if images is not None):
        form = replace(form, colors=1)
    states = _states(form)
    made = np.stack([hashed(_stacks(_in_state(grid, s).apply(plain), grid)) for s in states])
    seen = np.stack([hashed(_stacks(_in_state(grid, s).apply(protected), grid)) for s in states])
    numbers = np.zeros(grid.blocks, np.uint64) if form.moves else np.arange(grid.blocks, dtype=np.uint64)
    pairing = Pairing(*(hashed(np.stack([h.min(axis=0), numbers], axis=1)) for h in (seen, made)))
    # The states that make source block s the protected block d; state 0 of `seen` is the protected block itself.
    fitting = made.T[pairing.source] == seen[0][:, None]
    sure = pairing.alone & (fitting.sum(axis=1) == 1)
    source, state = pairing.source.copy(), fitting.argmax(axis=1)
    guessed = 0
    if targets is not None and sure.any() and not sure.all():
        placing = Placing(grid, targets)
        for d in np.flatnonzero(sure).tolist():
            placing.put(int(source[d]), _undone(targets, grid, d, [states[state[d]]])[0])
        open_blocks = [(np.array([d]), source[[d]]) for d in np.flatnonzero(pairing.alone & ~sure)]
        chosen = placing.fill(
            pairing.groups + open_blocks,
            lambda d, s: np.flatnonzero(made[:, s] == seen[0, d]),
            lambda d, which: _undone(targets, grid, d, [states[k] for k in which]),
        )
        for d, s, k in chosen:
            source[d], state[d] = s, k
        guessed = len(chosen)
        _refill(source, pairing, {d for d, _, _ in chosen})
        for d in np.flatnonzero(~sure).tolist():
            if made[state[d], source[d]] != seen[0, d]:
                state[d] = int((made[:, source[d]] == seen[0, d]).argmax())
    key = _key(grid, source, state, states)
    fits = pairing.fits and np.array_equal(key.apply(plain), protected)
    return Found(key, float(sure.mean()), float(pairing.alone.mean()), int((~sure).sum()), guessed, fits)


def nearest_states(form: KeyForm, plain: Pixels, protected: Pixels) -> Found:
    """The key where the protected images went through a lossy codec: each block to the likest, each source once.

    The squared distance of every protected block to every plain one is taken in the likest of the states, and the
    blocks are assigned so that its sum is smallest (Kuhn, 1955). A block counts as determined where the next likest
    source or state is more than twice as far.

    Args:
        form: of kind ``states``.
        plain: uint8 (K, H, W, C).
        protected: uint8 (K, H, W, C), the same images encrypted and published.
    """
    grid, states = _grid(form), _states(form)
    b = _stacks(protected, grid).astype(np.float32)
    n = grid.blocks
    best, state = np.full((n, n), np.inf, np.float32), np.zeros((n, n), np.int64)
    second = np.full(n, np.inf, np.float32)  # of each destination, but for its best pair of source and state
    first = np.full(n, np.inf, np.float32)
    typical = 0.0
    for number, s in enumerate(states):
        a = _stacks(_in_state(grid, s).apply(plain), grid).astype(np.float32)
        far = np.maximum((b * b).sum(1)[:, None] + (a * a).sum(1) - 2 * (b @ a.T), 0)
        if not form.moves:
            far[~np.eye(n, dtype=bool)] = np.inf
        two = np.sort(np.column_stack([first, second, np.partition(far, 1)[:, :2] if n > 1 else far]), axis=1)
        first, second = two[:, 0], two[:, 1]
        typical += float(far[np.isfinite(far)].mean())
        state[far < best] = number
        best = np.minimum(best, far)
    cost = np.where(np.isfinite(best), best, 1e12)
    _, source = linear_sum_assignment(cost)
    rows = np.arange(n)
    sure = (best[rows, source] <= first) & (second > 2 * first)
    key = _key(grid, source.astype(np.int64), state[rows, source], states)
    # Where no key explains the pairs, its residue is like that of any two blocks.
    fits = bool(best[rows, source].mean() < 0.5 * typical / len(states))
    return Found(key, float(sure.mean()), float(sure.mean()), int((~sure).sum()), 0, fits)


def _grid(form: KeyForm) -> BlockGrid:
    assert form.grid is not None  # forms of kind states have one
    return form.grid


def _grey(images: Pixels) -> bool:
    return bool((images == images[..., :1]).all())


def _states(form: KeyForm) -> list[State]:
    return list(product(range(form.orientations), range(form.negatives), range(form.colors)))


def _in_state(grid: BlockGrid, state: State) -> BlockPermutation:
    """All blocks in one state, in their places."""
    orientation, negative, color = (np.full(grid.blocks, code) for code in state)
    return BlockPermutation(grid, None, orientation, negative, color)


def _stacks(images: object, grid: BlockGrid) -> Pixels:
    """(K, H, W, C) -> (n, K * S)."""
    assert isinstance(images, np.ndarray)  # arrays in, arrays out
    return np.ascontiguousarray(grid.to_blocks(images).swapaxes(0, 1)).reshape(grid.blocks, -1)


def _undone(images: Pixels, grid: BlockGrid, block: int, states: list[State]) -> Pixels:
    """One block of the images with each state undone: uint8 (states, N, M, M, C)."""
    m, c = grid.block, grid.channels
    row, col = divmod(int(block), grid.cols)
    cut = np.ascontiguousarray(images[:, row * m : (row + 1) * m, col * m : (col + 1) * m])
    one = BlockGrid(m, m, c, m)
    found = [
        _in_state(one, (int(ORIENTATION_INVERSE[o]), negative, int(COLOR_INVERSE[color]))).apply(cut)
        for o, negative, color in states
    ]
    return np.stack([np.asarray(view) for view in found])


def _refill(source: NDArray[np.int64], pairing: Pairing, chosen: set[int]) -> None:
    """Gives the members of a group that were not chosen the sources that are left, in place."""
    for members, sources in pairing.groups:
        rest = [d for d in members.tolist() if d not in chosen]
        taken = {int(source[d]) for d in members.tolist() if d in chosen}
        source[rest] = [s for s in sources.tolist() if s not in taken]


def _key(grid: BlockGrid, source: NDArray[np.int64], state: NDArray[np.int64], states: list[State]) -> BlockPermutation:
    orientation, negative, color = np.array(states)[state].T
    return BlockPermutation(grid, source, orientation, negative, color)

"""Keys that move blocks and put each in one of at most 96 states (EtC and its parts), from pairs.

A block over the K pairs is a stack of K blocks. Its orbit, what the states make of it, is told by the smallest hash of
its members; a protected block comes from a plain block of its own orbit, and the states between the two are those that
give equal hashes. Flat, symmetric and equal blocks leave a choice, which falls fast with K.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attacks._block_states import are_grey, grid_of, in_state, key_of, stacks, states_of, undone
from blindsight.audit.attacks._found import Found
from blindsight.audit.attacks._key_form import KeyForm
from blindsight.audit.attacks._placing import Placing
from blindsight.audit.attacks._signatures import Pairing, hashed

__all__ = ["match_states"]

Pixels = NDArray[np.uint8]


def match_states(
    form: KeyForm,
    plain: Pixels,
    protected: Pixels,
    targets: Pixels | None = None,
    over: Callable[[], bool] = lambda: False,
) -> Found:
    """The key, exactly, where images are kept without loss.

    On grey images the order of equal colours cannot be told and does not matter; it is left out of the count.

    Args:
        form: of kind ``states``.
        plain: uint8 (K, H, W, C).
        protected: uint8 (K, H, W, C), the same images encrypted.
        targets: uint8 (N, H, W, C), encrypted with the same key: they choose where the pairs do not.
        over: whether the time is up; then no more is asked of them.
    """
    grid = grid_of(form)
    if all(are_grey(images) for images in (plain, protected, targets) if images is not None):
        form = replace(form, colors=1)
    states = states_of(form)
    made = np.stack([hashed(stacks(in_state(grid, s).apply(plain), grid)) for s in states])
    seen = np.stack([hashed(stacks(in_state(grid, s).apply(protected), grid)) for s in states])
    numbers = np.zeros(grid.blocks, np.uint64) if form.moves else np.arange(grid.blocks, dtype=np.uint64)
    pairing = Pairing(*(hashed(np.stack([h.min(axis=0), numbers], axis=1)) for h in (seen, made)))
    # The states that make source block s the protected block d; state 0 of `seen` is the protected block itself.
    fitting = made.T[pairing.source] == seen[0][:, None]
    sure = pairing.alone & (fitting.sum(axis=1) == 1)
    source, state = pairing.source.copy(), fitting.argmax(axis=1)
    guessed = 0
    if targets is not None and sure.any() and not sure.all():
        placing = Placing(grid, targets, over)
        for d in np.flatnonzero(sure).tolist():
            placing.put(int(source[d]), undone(targets, grid, d, [states[state[d]]])[0])
        open_blocks = [(np.array([d]), source[[d]]) for d in np.flatnonzero(pairing.alone & ~sure)]

        def left_open(d: int, s: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            which = np.flatnonzero(made[:, s] == seen[0, d])
            return which, np.zeros(len(which))

        chosen = placing.fill(
            pairing.groups + open_blocks,
            left_open,
            lambda d, which: undone(targets, grid, d, [states[k] for k in which]),
        )
        for d, s, k in chosen:
            source[d], state[d] = s, k
        guessed = len(chosen)
        _refill(source, pairing, {d for d, _, _ in chosen})
        for d in np.flatnonzero(~sure).tolist():
            if made[state[d], source[d]] != seen[0, d]:
                state[d] = int((made[:, source[d]] == seen[0, d]).argmax())
    key = key_of(grid, source, state, states)
    fits = pairing.fits and np.array_equal(key.apply(plain), protected)
    return Found(key, float(sure.mean()), float(pairing.alone.mean()), int((~sure).sum()), guessed, fits)


def _refill(source: NDArray[np.int64], pairing: Pairing, chosen: set[int]) -> None:
    """Gives the members of a group that were not chosen the sources that are left, in place."""
    for members, sources in pairing.groups:
        rest = [d for d in members.tolist() if d not in chosen]
        taken = {int(source[d]) for d in members.tolist() if d in chosen}
        source[rest] = [s for s in sources.tolist() if s not in taken]

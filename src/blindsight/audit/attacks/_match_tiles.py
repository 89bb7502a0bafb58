"""Keys that move samples inside blocks, or anywhere, and mask them (PE, LE, ELE, SHF, BPS, RRP, any other), from pairs.

Each sample has a word over the K pairs (:mod:`._signatures`); a destination comes from a source of its own word.
Blocks are told apart by the words that they hold, in whatever order. Where all blocks share one table, the words are
taken over all blocks whose place is known, so that one pair says as much as n would; then the table tells the other
blocks apart, until neither learns from the other.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.algebra.permutation import merge_nibbles
from blindsight.audit.attacks._filling import Site, fill_samples
from blindsight.audit.attacks._found import Found
from blindsight.audit.attacks._key_form import KeyForm
from blindsight.audit.attacks._placing import Placing
from blindsight.audit.attacks._signatures import Pairing, hashed, pair_up, words

__all__ = ["match_tiles"]

Pixels = NDArray[np.uint8]
_ROUNDS = 8  # table and blocks in turn; two or three settle


class _Table(NamedTuple):
    """An in-block table for all blocks: its pairing of samples, and the leads of destinations and sources."""

    pairing: Pairing
    lead: NDArray[np.uint8]
    source_lead: NDArray[np.uint8]

    @property
    def mask(self) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = self.lead ^ self.source_lead[self.pairing.source]
        return found


def match_tiles(
    form: KeyForm,
    plain: Pixels,
    protected: Pixels,
    targets: Pixels | None = None,
    over: Callable[[], bool] = lambda: False,
) -> Found:
    """The key up to what the pairs cannot tell apart, and a consistent choice there.

    Args:
        form: of kind ``tiles`` or ``flat``.
        plain: uint8 (K, H, W, C).
        protected: uint8 (K, H, W, C), the same images encrypted, without loss.
        targets: uint8 (N, H, W, C), encrypted with the same key: they choose where the pairs do not.
        over: whether the time is up; then no more is asked of them.
    """
    x, y = form.in_blocks(plain), form.in_blocks(protected)
    blocks = _match_blocks(form, x, y)
    if form.shared:
        blocks, table = _settle(form, x, y, blocks)
    source, placed = blocks.source, blocks.alone.copy()
    if targets is not None and form.grid is not None and blocks.groups and blocks.alone.any():
        shared = (table.pairing.source, table.mask) if form.shared else None
        placed[[d for d, _, _ in _place(form, targets, source, blocks, shared, over)]] = True
    if form.shared:
        index, mask, inside, sites = _spread(form, source, table)
    else:
        index, mask, inside, sites = _match_inside(form, x, y, source)
    block = _block_of(form)
    sure = inside & blocks.alone[block]
    if targets is not None and sites:
        inside |= fill_samples(form, form.samples(targets), index, mask, inside & placed[block], sites, over)
    guessed = inside & placed[block] & ~sure
    key = SignedPermutation(form.shape, index, mask, sample=form.sample)
    fits = blocks.fits and np.array_equal(key.apply(plain), protected)
    return Found(key, float(sure.mean()), float(blocks.alone.mean()), int((~sure).sum()), int(guessed.sum()), fits)


def _block_of(form: KeyForm) -> NDArray[np.int64]:
    """The block of every flat sample."""
    places = form.places
    block = np.empty(places.size, np.int64)
    block[places] = np.arange(len(places))[:, None]
    return block


def _cells(form: KeyForm) -> NDArray[np.int64]:
    """Which part of its block a sample stays in: int64 (S,)."""
    inside = np.arange(form.places.shape[1])
    if form.reach == "sample":
        return inside
    if form.reach == "block":
        return np.zeros_like(inside)
    return inside // (form.shape[2] * (2 if form.sample == "nibble" else 1))


def _match_blocks(form: KeyForm, x: Pixels, y: Pixels) -> Pairing:
    """Source blocks by the words that blocks hold, in any order inside each part that samples stay in."""
    n = len(x)
    if not form.moves:
        return Pairing(*(np.arange(n, dtype=np.uint64),) * 2)
    cells = _cells(form)
    found = []
    for values in (y, x):
        held = hashed(words(values, form.masks)[0])
        in_order = np.lexsort((held, np.broadcast_to(cells, held.shape)), axis=1)
        found.append(hashed(np.take_along_axis(held, in_order, axis=1)))
    return Pairing(*found)


def _settle(form: KeyForm, x: Pixels, y: Pixels, blocks: Pairing) -> tuple[Pairing, _Table]:
    """The table that all blocks share, and the blocks that it tells apart."""
    table = _shared_table(form, x, y, blocks)
    for _ in range(_ROUNDS):
        sure = table.pairing.alone
        if not form.moves or blocks.alone.all() or not sure.any():
            break
        decrypted = y[:, sure] ^ table.mask[sure][:, None]
        expected = x[:, table.pairing.source[sure]]
        found = pair_up(decrypted.reshape(len(x), -1), expected.reshape(len(x), -1))
        if found.alone.sum() <= blocks.alone.sum():
            break
        blocks = found
        table = _shared_table(form, x, y, blocks)
    return blocks, table


def _shared_table(form: KeyForm, x: Pixels, y: Pixels, blocks: Pairing) -> _Table:
    known = np.flatnonzero(blocks.alone) if blocks.alone.any() else np.arange(len(x))
    samples = x.shape[1]
    taken = [values.swapaxes(0, 1).reshape(samples, -1) for values in (y[known], x[blocks.source[known]])]
    (to, lead), (of, source_lead) = (words(values, form.masks) for values in taken)
    cells = _cells(form)
    signatures = [hashed(np.stack([hashed(word), cells.astype(np.uint64)], axis=1)) for word in (to, of)]
    return _Table(Pairing(*signatures), lead, source_lead)


def _place(
    form: KeyForm,
    targets: Pixels,
    source: NDArray[np.int64],
    blocks: Pairing,
    shared: tuple[NDArray[np.int64], NDArray[np.uint8]] | None,
    over: Callable[[], bool],
) -> list[tuple[int, int, int]]:
    """Puts blocks of equal words where they fit the targets; changes ``source`` in place.

    A table for all blocks decrypts each of them. Without one a block's samples are in no order yet, and it is taken for
    flat.
    """
    grid = form.grid
    assert grid is not None
    kept = targets[:32]
    if shared is not None:
        index, mask = shared
        inner = np.argsort(index)
        places = form.places
        values = form.samples(kept)
        opened = np.empty_like(values)
        for block in range(len(places)):
            opened[:, places[block]] = values[:, places[block][inner]] ^ mask[inner]
        views = grid.to_blocks(_images(form, opened))
    else:
        mean = grid.to_blocks(kept).mean(axis=2, keepdims=True)
        views = np.broadcast_to(mean, (*mean.shape[:2], grid.block_samples)).astype(np.uint8)
    views = views.reshape(len(kept), grid.blocks, grid.block, grid.block, grid.channels).swapaxes(0, 1)
    placing = Placing(grid, kept, over)
    for d in np.flatnonzero(blocks.alone):
        placing.put(int(source[d]), views[d])
    only = np.zeros(1, np.int64), np.zeros(1)  # one state, which costs nothing
    chosen = placing.fill(blocks.groups, lambda d, s: only, lambda d, which: views[d][None])  # noqa: ARG005
    put = {d: s for d, s, _ in chosen}
    for members, sources in blocks.groups:
        left = [s for s in sources.tolist() if s not in set(put.values())]
        for d in members.tolist():
            source[d] = put[d] if d in put else left.pop(0)
    return chosen


def _images(form: KeyForm, samples: NDArray[np.uint8]) -> Pixels:
    flat = merge_nibbles(samples) if form.sample == "nibble" else samples
    return flat.reshape(len(samples), *form.shape)


def _spread(
    form: KeyForm, source: NDArray[np.int64], table: _Table
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_], list[Site]]:
    """Flat index, mask and what is sure, of a table that all blocks share; and the samples that it leaves open."""
    places, inner = form.places, table.pairing.source
    index, mask = np.empty(places.size, np.int64), np.empty(places.size, np.uint8)
    sure = np.empty(places.size, bool)
    index[places] = places[source][:, inner]
    mask[places] = np.broadcast_to(table.mask, places.shape)
    sure[places] = np.broadcast_to(table.pairing.alone, places.shape)
    sites = [
        Site(places[:, to].T, places[source][:, of].T, table.lead[to], table.source_lead[of])
        for to, of in table.pairing.groups
    ]
    return index, mask, sure, sites


def _match_inside(
    form: KeyForm, x: Pixels, y: Pixels, source: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_], list[Site]]:
    """As :func:`_spread`, where each block has a table of its own."""
    places, cells = form.places, _cells(form)
    n, samples = places.shape
    (to, lead), (of, source_lead) = words(y, form.masks), words(x, form.masks)
    parts = np.broadcast_to(cells, (n, samples))
    owner = np.arange(n)[:, None]
    keys = [
        np.stack([hashed(word), np.broadcast_to(block, (n, samples)).astype(np.uint64), parts.astype(np.uint64)], -1)
        for word, block in ((to, source[:, None]), (of, owner))
    ]
    pairing = Pairing(*(hashed(key.reshape(n * samples, 3)) for key in keys))
    flat = places.reshape(-1)
    to_lead, of_lead = lead.reshape(-1), source_lead.reshape(-1)
    index, mask = np.empty(flat.size, np.int64), np.empty(flat.size, np.uint8)
    sure = np.empty(flat.size, bool)
    index[flat] = flat[pairing.source]
    mask[flat] = to_lead ^ of_lead[pairing.source]
    sure[flat] = pairing.alone
    sites = [Site(flat[a][:, None], flat[b][:, None], to_lead[a], of_lead[b]) for a, b in pairing.groups]
    return index, mask, sure, sites

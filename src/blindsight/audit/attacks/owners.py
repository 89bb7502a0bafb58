"""Which block of a mixed set is whose: loopy belief propagation over one class of a set mixed by blocks.

For every image i of the class and every position p the question is which published block, if any, is the block of
original i at p. Two kinds of evidence meet. Who shows a block: its own mixed image keeps it with probability 1 - P, and
an image that drew i as one of its N_s donors shows it with P / N_s; equal blocks in several images tie them together.
What lies beside it: the blocks of one original fit at their edges. A published block has one owner, and an original
has one block at a position; both rules are factors of the graph (Kschischang, Frey & Loeliger, 2001).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attack import Budget

__all__ = ["Mixing", "Owners", "find_owners"]

Values = NDArray[np.float64]

#: Rounds of donors, owners and edges; sweeps over edges in each; how much of the last message stays.
ROUNDS, SWEEPS, DAMPING = 5, 4, 0.5


@dataclass(frozen=True)
class Mixing:
    """The public parameters of pixel block mixing.

    Attributes:
        probability: P, of a block to be replaced.
        sources: N_s, donors an image.
    """

    probability: float
    sources: int


@dataclass(frozen=True)
class Owners:
    """What is believed in the end.

    Attributes:
        belief: float64 (N, n, V + 1): for image i and position p, of each distinct block there, that it is the block of
            original i; the last entry: that none of them is.
        donors: float64 (N, N): [i, j], that image j drew original i.
    """

    belief: Values
    donors: Values


def find_owners(
    shown: NDArray[np.int64],
    grid: tuple[int, int],
    mixing: Mixing,
    joins: Callable[[int, int], Values],
    budget: Budget,
) -> Owners:
    """Weighs all the evidence.

    Args:
        shown: int64 (N, n): which of the distinct blocks of a position each mixed image shows there, from 0.
        grid: rows and columns of blocks, n together.
        mixing: the public parameters.
        joins: (position, neighbouring position) -> likelihood ratios (V, V) of the distinct blocks here and there to be
            of one original; called once for each pair of neighbours.
        budget: stops between sweeps.
    """
    count, places = shown.shape
    most = int(shown.max()) + 1
    member = np.zeros((places, most, count), np.float64)  # which images show a block
    member[np.arange(places)[:, None], shown.T, np.arange(count)] = 1
    exists = member.any(axis=2)
    edges = _edges(*grid)
    ratios = {}
    for number, (p, q) in enumerate(edges):
        budget.tell(0.5 * number / len(edges), "comparing edges")
        ratios[p, q] = joins(p, q)
    share = mixing.probability / max(mixing.sources, 1)
    drawn = np.full((count, count), min(mixing.sources / max(count - 1, 1), 1.0))
    log_message = {edge: np.zeros((count, most)) for pair in edges for edge in (pair, pair[::-1])}
    fits = np.zeros((count, places, most))  # what edges say of a block, against no block
    belief = np.zeros((count, places, most + 1))
    for turn in range(ROUNDS):
        shows = np.log(np.clip(drawn * share, 1e-9, 1))
        np.fill_diagonal(shows, np.log(max(1 - mixing.probability, 1e-9) / max(mixing.probability, 1e-9)))
        hosts = np.einsum("pvj,ij->ipv", member, shows, optimize=True)
        for _ in range(SWEEPS):
            prior = _odds(hosts, fits)
            prior[:, ~exists] = -np.inf
            for p, q in edges:
                for a, b in ((p, q), (q, p)):
                    table = ratios[p, q] if a == p else ratios[p, q].T
                    sent = _message(prior[:, a] + fits[:, a] - log_message[b, a], table)
                    new = DAMPING * log_message[a, b] + (1 - DAMPING) * sent
                    fits[:, b] += new - log_message[a, b]
                    log_message[a, b] = new
            belief = _normalised(np.concatenate([prior + fits, np.zeros((count, places, 1))], axis=2))
            if budget.over():
                return Owners(belief, drawn)
        budget.tell(0.5 + 0.5 * (turn + 1) / ROUNDS, f"owners of blocks, round {turn + 1} of {ROUNDS}")
        drawn = _donors(belief, member, drawn, mixing, share * places)
    return Owners(belief, drawn)


def _edges(rows: int, columns: int) -> list[tuple[int, int]]:
    every = np.arange(rows * columns).reshape(rows, columns)
    right = zip(every[:, :-1].ravel().tolist(), every[:, 1:].ravel().tolist(), strict=True)
    down = zip(every[:-1].ravel().tolist(), every[1:].ravel().tolist(), strict=True)
    return [*right, *down]


def _odds(hosts: Values, fits: Values) -> Values:
    """Log odds that a block is this image's and not another's: a block has one owner."""
    weight = hosts + fits
    top = weight.max(axis=0)
    each = np.exp(weight - top)
    # Where one image has nearly all the weight the difference is rounding; the second largest bounds it from below.
    others = np.maximum(each.sum(axis=0) - each, 1e-12)
    found: Values = hosts - (np.log(others) + top)
    return found


def _message(cavity: Values, ratios: Values) -> Values:
    """Log of what a position says of its neighbour's blocks, against no block: float (N, V)."""
    top = np.maximum(cavity.max(axis=1, keepdims=True), 0)
    weight, none = np.exp(cavity - top), np.exp(-top)
    found: Values = np.log((weight @ ratios + none) / (weight.sum(axis=1, keepdims=True) + none))
    return found


def _normalised(logs: Values) -> Values:
    weight = np.exp(logs - logs.max(axis=2, keepdims=True))
    found: Values = weight / weight.sum(axis=2, keepdims=True)
    return found


def _donors(belief: Values, member: Values, drawn: Values, mixing: Mixing, expected: float) -> Values:
    """Who drew whom, from how many blocks of i are believed to be in j: a Poisson number, against none at all."""
    count = len(drawn)
    blocks = np.einsum("ipv,pvj->ij", belief[:, :, :-1], member, optimize=True)
    rate = min(mixing.sources / max(count - 1, 1), 1 - 1e-6)
    odds = np.log(rate / (1 - rate)) - expected + blocks * np.log(1 / rate)
    drew = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    np.fill_diagonal(drew, 0)
    found: Values = np.clip(drew * mixing.sources / np.maximum(drew.sum(axis=0), 1e-9), 1e-6, 1.0)
    return found

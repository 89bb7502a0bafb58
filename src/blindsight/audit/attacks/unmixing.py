"""Which images were blended into which, and what they were: independent components, then phase retrieval in turns.

A set of blends is E = |W X| sample by sample: W sparse (a few of M originals in each), X the originals about mid-grey,
the absolute value only where signs were flipped. E is nearly a mixture of what each original does to it, by weights of
which most are 0; independent component analysis finds such sources (Hyvärinen & Oja, 2000). From the members of
each blend the originals follow sample by sample by alternating projections from a spectral start (Netrapalli, Jain &
Sanghavi, 2013), and from the originals better members and weights; a few turns of both.
"""

import warnings
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning

from blindsight.audit.attack import Budget

__all__ = ["Unmixed", "unmix"]

Values = NDArray[np.float32]

#: Turns of originals and members; steps of alternating projections in each.
TURNS, FIRST_TURNS, STEPS = 5, 2, 25
#: Components for each original, one start each; the start that explains most goes on.
ROOM = (2.0, 1.5, 1.2)
#: Members of a blend are looked for among so many of the likeliest; samples that sets of members are compared on.
LIKELIEST, PROBES = 8, 300
#: Samples whose spectral start is found at once.
CHUNK = 256


@dataclass(frozen=True)
class Unmixed:
    """What was found.

    Attributes:
        originals: float32 (M, D), values about 0, up to one sign a sample for all originals where blends are folded.
        weights: float32 (N, M), ``members`` of each row above 0, summing to 1.
        residual: root mean square of what is left unexplained, over that of the blends about their mean.
    """

    originals: Values
    weights: Values
    residual: float


def unmix(blends: Values, count: int, members: int, *, folded: bool, budget: Budget) -> Unmixed:
    """Solves for originals and weights.

    Args:
        blends: float32 (N, D), values about 0; absolute ones where folded.
        count: M, how many originals there are.
        members: how many are in each blend, below M.
        folded: whether signs are lost.
        budget: stops between turns.
    """
    scale = float(np.sqrt(np.mean(blends**2))) or 1.0
    e = blends / np.float32(scale)
    principal = _principal(e)
    starts = []
    for number, room in enumerate(ROOM):
        budget.tell(0.5 * number / len(ROOM), f"independent components, start {number + 1} of {len(ROOM)}")
        scores = _components(principal, count, room if folded else 1.0, budget.seed + number)
        weights = _first_weights(scores, members)
        starts.append(_turns(e, _originals(e, weights, None, folded), weights, members, folded, FIRST_TURNS, budget))
        if budget.over() or not folded:
            break
    best = min(starts, key=lambda found: found.residual)
    if not budget.over():
        best = _turns(e, best.originals, best.weights, members, folded, TURNS, budget)
    return Unmixed((best.originals * scale).astype(np.float32), best.weights, best.residual)


def _turns(
    e: Values, originals: Values, weights: Values, members: int, folded: bool, turns: int, budget: Budget
) -> Unmixed:
    """Members and originals in turns; the best of what was met."""
    best: Unmixed | None = None
    spread = float(np.sqrt(np.mean((e - e.mean(axis=0)) ** 2))) or 1.0
    for turn in range(turns):
        weights = _members(e, originals, weights, members, folded, budget.rng(turn))
        # Projections end where they began if members were wrong then: the first turn begins anew.
        originals = _originals(e, weights, originals if turn or turns == TURNS else None, folded)
        left = float(np.sqrt(np.mean((e - _blended(weights, originals, folded)) ** 2))) / spread
        budget.tell(0.5, f"members and originals, turn {turn + 1}; {left:.2f} unexplained")
        if best is None or left < best.residual:
            best = Unmixed(originals, weights, left)
        if budget.over():
            break
    assert best is not None
    return best


def _blended(weights: Values, originals: Values, folded: bool) -> Values:
    product = weights @ originals
    return np.abs(product) if folded else product


def _principal(signals: Values) -> Values:
    """Principal components of the signals, (N, min(N, D)), the largest first, from the smaller Gram matrix."""
    centred = (signals - signals.mean(axis=0)).astype(np.float64)
    wide = signals.shape[0] <= signals.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    found = vectors * np.sqrt(np.maximum(values, 0)) if wide else centred @ vectors
    principal: Values = found[:, ::-1].astype(np.float32)
    return principal


def _components(principal: Values, count: int, room: float, seed: int) -> Values:
    """How much of each of M sources is in each blend, (N, M), from the most lop-sided independent components."""
    s = np.linalg.norm(principal, axis=0)
    # Folding makes products of originals sources, too; room for some keeps them out of the others. Without it, weights
    # sum to 1, which takes one source away.
    wanted = min(int(room * count) if room > 1 else count - 1, int((s > s[0] * 1e-5).sum()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the turns that follow need no more than a good start
        analysis = FastICA(wanted, whiten="unit-variance", max_iter=400, tol=1e-3, random_state=seed)
        found = analysis.fit_transform(principal[:, :wanted])
    found = found * np.sign((found**3).mean(axis=0))
    # A source is in k / M of the blends, a product of two or an outlier in far fewer: both have long tails on one side,
    # but few blends in them.
    tail = (found > 2).sum(axis=0) - (found < -2).sum(axis=0)
    found = found[:, np.argsort(-tail, kind="stable")[:count]]
    if found.shape[1] < count:
        # The last source is what the others leave.
        found = np.concatenate([found, -found.sum(axis=1, keepdims=True)], axis=1)
        found = np.pad(found, ((0, 0), (0, count - found.shape[1])))
    scores: Values = found.astype(np.float32)
    return scores


def _first_weights(scores: Values, members: int) -> Values:
    weights = np.zeros_like(scores)
    top = np.argpartition(-scores, members - 1, axis=1)[:, :members]
    np.put_along_axis(weights, top, np.float32(1 / members), axis=1)
    return weights


def _originals(e: Values, weights: Values, start: Values | None, folded: bool) -> Values:
    """Originals from weights: least squares, with signs found in turns where they are lost."""
    gram = weights.T @ weights
    inverse = np.linalg.inv(gram + 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram))).astype(np.float32)
    solve = (inverse @ weights.T).astype(np.float32)
    if not folded:
        found: Values = solve @ e
        return found
    x = _spectral(e, weights) if start is None else start
    for _ in range(STEPS):
        x = solve @ np.copysign(e, weights @ x)
    return x


def _spectral(e: Values, weights: Values) -> Values:
    """For each sample the leading eigenvector of sum e^2 w w^T, whitened by sum w w^T: (M, D)."""
    gram = weights.T @ weights
    values, vectors = np.linalg.eigh(gram + 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    half = (vectors / np.sqrt(values)) @ vectors.T
    white = (weights @ half).astype(np.float32)
    outer = (white[:, :, None] * white[:, None]).reshape(len(white), -1)
    found = np.empty((weights.shape[1], e.shape[1]), np.float32)
    for begin in range(0, e.shape[1], CHUNK):
        part = (e[:, begin : begin + CHUNK] ** 2).T @ outer
        _, leading = np.linalg.eigh(part.reshape(-1, *gram.shape))
        found[:, begin : begin + CHUNK] = half @ leading[:, :, -1].T
    size = np.abs(weights @ found).mean(axis=0)
    scaled: Values = (found * e.mean(axis=0) / np.maximum(size, 1e-6)).astype(np.float32)
    return scaled


def _members(
    e: Values, originals: Values, weights: Values, members: int, folded: bool, rng: np.random.Generator
) -> Values:
    """Members and weights of each blend from the originals."""
    # Squares of blends are mixtures of squared originals, and of products that least squares averages out.
    targets, sources = (e**2, originals**2) if folded else (e, originals)
    mean = targets.mean(axis=0)
    basis = sources - sources.mean(axis=0)
    gram = basis @ basis.T
    scores = np.linalg.solve(gram + 1e-2 * np.trace(gram) / len(gram) * np.eye(len(gram)), basis @ (targets - mean).T).T
    # Members so far stay in the choice.
    scores = scores + np.where(weights > 0, scores.max(), 0)
    many = min(max(LIKELIEST, members + 2), originals.shape[0])
    likely = np.argsort(-scores, axis=1)[:, :many]
    probes = rng.permutation(e.shape[1])[: min(PROBES, e.shape[1])]
    sets = np.array(list(combinations(range(many), members)))
    shares = _shares(members)
    best, chosen = np.full(len(e), np.inf), np.zeros((len(e), members), np.int64)
    seen = e[:, probes]
    x = originals[:, probes]
    for places in sets:
        ids = likely[:, places]
        parts = x[ids]  # (N, members, probes)
        for share in shares:
            made = np.einsum("nkp,k->np", parts, share)
            left = ((seen - (np.abs(made) if folded else made)) ** 2).sum(axis=1)
            better = left < best
            best[better], chosen[better] = left[better], ids[better]
    return _weighed(e, originals, chosen, folded)


def _shares(members: int) -> Values:
    """A few ways to share 1 among members: all alike, and more of each."""
    alike = np.full(members, 1 / members)
    lean = [np.where(np.arange(members) == one, 0.6, 0.4 / max(members - 1, 1)) for one in range(members)]
    return np.array([alike, *lean], np.float32)


def _weighed(e: Values, originals: Values, chosen: NDArray[np.int64], folded: bool) -> Values:
    """Weights of the chosen members by least squares, signs in turns; none negative, summing to 1."""
    weights = np.zeros((len(e), len(originals)), np.float32)
    for row, ids in enumerate(chosen):
        x = originals[ids]
        inverse = np.linalg.inv(x @ x.T + 1e-4 * np.eye(len(ids)) * np.sum(x * x) / len(ids))
        share = np.full(len(ids), 1 / len(ids))
        for _ in range(4 if folded else 1):
            share = inverse @ (x @ (np.copysign(e[row], share @ x) if folded else e[row]))
            share = np.clip(share, 0.02, None)
            share /= share.sum()
        weights[row, ids] = share
    return weights

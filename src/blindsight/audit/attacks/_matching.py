"""Signed quadratic matching: which observed variable stands at which place, negated or not, so that moments agree.

The cost of an arrangement is the sum over terms of ``sum_ij model[i, j] s[p_i] s[p_j] observed[p_i, p_j]`` and of a
linear part ``sum_i linear[i, p_i] s[p_i]``: place i takes observed variable p_i with the sign s of that variable. With
``model`` a precision matrix of public data and ``observed`` a matrix of second moments this is, up to a constant, minus
the Gaussian log-likelihood a sample. Relaxation: Vogelstein et al., "Fast approximate quadratic programming for graph
matching", PLOS ONE 10(4), 2015. Then a local search over swaps and changes of sign, the best first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.audit.attack import Budget

__all__ = ["Term", "cost", "polish", "relax"]

Matrix = NDArray[np.float64]
Order = NDArray[np.int64]

_ITERATIONS = 40
_TINY = 1e-9


class Term(NamedTuple):
    """A pair of matrices (n, n), symmetric or not: what was observed, and what the model says of places."""

    observed: Matrix
    model: Matrix


def cost(terms: Sequence[Term], linear: Matrix | None, order: Order, sign: Matrix) -> float:
    """What an arrangement costs; ``sign`` is of observed variables."""
    s = sign[order]
    total = sum(float(np.sum(t.model * t.observed[np.ix_(order, order)] * np.outer(s, s))) for t in terms)
    return total if linear is None else total + float(linear[np.arange(len(order)), order] @ s)


def relax(terms: Sequence[Term], linear: Matrix | None, rng: np.random.Generator, noise: float = 0.3) -> Order:
    """An arrangement, without signs, by Frank and Wolfe's descent over doubly stochastic matrices.

    Args:
        terms: at least one.
        linear: (n, n) or None.
        rng: the start is the mean of all arrangements, with some noise.
        noise: share of a random doubly stochastic matrix in the start, 0 to 1.

    Returns:
        int (n,), a permutation.
    """
    n = len(terms[0].observed)
    start = rng.random((n, n))
    for _ in range(20):
        start /= start.sum(0)
        start /= start.sum(1, keepdims=True)
    now = (1 - noise) / n + noise * start
    for _ in range(_ITERATIONS):
        # The terms at now give gradient and value; those at the step give the curvature of the line search.
        slope = sum(t.model @ now @ t.observed.T + t.model.T @ now @ t.observed for t in terms)
        assert isinstance(slope, np.ndarray)
        if linear is not None:
            slope = slope + linear
        step = -now
        rows, columns = linear_sum_assignment(slope)
        step[rows, columns] += 1
        first = float(np.sum(slope * step))
        second = sum(float(np.sum(t.model * (step @ t.observed @ step.T))) for t in terms)
        length = min(1.0, -first / (2 * second)) if second > 0 else float(first + second < 0)
        if length < 1e-6 or first > -_TINY:
            break
        now = now + length * step
    found: Order = linear_sum_assignment(-now)[1].astype(np.int64)
    return found


def polish(
    terms: Sequence[Term],
    linear: Matrix | None,
    order: Order,
    sign: Matrix,
    *,
    signs: bool = True,
    steps: int = 2000,
    budget: Budget | None = None,
) -> tuple[Order, Matrix]:
    """Swaps two variables or changes the sign of one, always the move that gains most, until none gains.

    Args:
        terms: at least one.
        linear: (n, n) or None.
        order: int (n,), where to start; left as it is.
        sign: 1.0 or -1.0 (n,), of observed variables; left as it is.
        signs: whether signs may change.
        steps: at most so many moves.
        budget: its time ends the search.
    """
    order, sign = order.copy(), sign.copy()
    n = len(order)
    placed = [
        Term((t.observed * np.outer(sign, sign))[np.ix_(order, order)], np.asarray(t.model, np.float64)) for t in terms
    ]
    line = np.zeros((n, n)) if linear is None else (linear * sign)[:, order]
    for _ in range(steps):
        if budget is not None and budget.over():
            break
        swap, flip = _gains(placed, line)
        best = int(np.argmin(swap))
        r, q = divmod(best, n)
        turn = int(np.argmin(flip))
        if signs and flip[turn] < min(swap[r, q], -_TINY):
            for term in placed:
                term.observed[turn] *= -1
                term.observed[:, turn] *= -1
            line[:, turn] *= -1
            sign[order[turn]] *= -1
        elif swap[r, q] < -_TINY:
            pair, other = [r, q], [q, r]
            for term in placed:
                term.observed[pair] = term.observed[other]
                term.observed[:, pair] = term.observed[:, other]
            line[:, pair] = line[:, other]
            order[pair] = order[other]
        else:
            break
    return order, sign


def _gains(placed: Sequence[Term], line: Matrix) -> tuple[Matrix, Matrix]:
    """By how much the cost changes for every swap (n, n) and every change of sign (n,); one product a term."""
    diagonal = np.diag(line)
    swap = line + line.T - diagonal[:, None] - diagonal
    flip = -2 * diagonal
    for observed, model in placed:
        seen, wanted = np.diag(observed), np.diag(model)
        for a, b in ((observed, model), (observed.T, model.T)):
            product = b @ a.T
            own = np.diag(product)
            swap = swap + product + product.T - own[:, None] - own
            # The two that change places were counted as if the other stayed.
            swap -= (wanted[:, None] - b.T) * (a.T - seen[:, None]) + (b - wanted) * (seen - a)
            flip = flip - 2 * (own - seen * wanted)
        swap += (wanted[:, None] - wanted) * (seen - seen[:, None]) + (model - model.T) * (observed.T - observed)
    return swap, flip

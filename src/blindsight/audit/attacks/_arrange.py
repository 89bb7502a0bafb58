"""The arrangement of samples inside blocks, by second moments: several starts, each polished, the likeliest kept."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.states import COLOR_ORDERS
from blindsight.audit.attack import Budget
from blindsight.audit.attacks._matching import Matrix, Order, Term, cost, polish, relax
from blindsight.audit.attacks._moments import PublicMoments, moments

__all__ = ["arrange", "arrange_alone", "high_halves", "leading_signs", "recolored"]

#: As good as equal, relative to the cost: the same arrangement found again from another start.
_SAME = 1e-6
_STARTS, _AGREE = 8, 2


def correlations(values: NDArray[np.floating]) -> Matrix:
    """(K, n) -> (n, n), zeros on the diagonal; a constant variable correlates with nothing."""
    apart = values - values.mean(0)
    spread = np.sqrt((apart**2).mean(0)) + 1e-6
    found: Matrix = (apart.T @ apart).astype(np.float64) / len(apart) / np.outer(spread, spread)
    np.fill_diagonal(found, 0)
    return found


def high_halves(halves: NDArray[np.floating], count: int) -> Order:
    """Which columns are high halves: those that correlate most, with one another; (K, n) -> sorted int (count,)."""
    strength = np.maximum(correlations(halves) ** 2 - 1 / len(halves), 0)
    weight = np.ones(len(strength))
    for _ in range(20):
        weight = strength @ weight
        weight /= np.linalg.norm(weight) + 1e-30
    return np.sort(np.argsort(-weight, kind="stable")[:count])


def leading_signs(values: NDArray[np.floating]) -> Matrix:
    """Signs under which all samples go up and down together, up to a common one; (K, n) -> 1.0 or -1.0 (n,)."""
    leading = np.linalg.eigh(correlations(values))[1][:, -1]
    return np.where(leading < 0, -1.0, 1.0)


def arrange(
    values: NDArray[np.floating], public: PublicMoments, *, signs: bool, budget: Budget, draw: int = 0
) -> tuple[Order, Matrix]:
    """Blocks at known places, samples in one unknown arrangement for all blocks.

    Args:
        values: (N, rows, cols, S).
        public: of such samples.
        signs: whether samples may be negative.
        budget: its time ends the starts.
        draw: tells this use of chance from others.

    Returns:
        order: int (S,), place i takes sample order[i]; sign: of samples, 1.0 or -1.0.
    """
    observed = moments(values)
    start = leading_signs(values.reshape(-1, values.shape[-1])) if signs else np.ones(values.shape[-1])
    return _best_start(lambda smooth: public.terms(observed, smooth=smooth), start, signs, budget, draw)


def arrange_alone(
    values: NDArray[np.floating], public: PublicMoments, *, signs: bool, budget: Budget, draw: int = 0
) -> tuple[Order, Matrix]:
    """As :func:`arrange`, of blocks whose neighbours are not known; values (K, S). The result may be turned."""
    observed = (values.T @ values).astype(np.float64) / len(values)
    start = leading_signs(values) if signs else np.ones(values.shape[-1])
    return _best_start(lambda smooth: public.terms_alone(observed, smooth=smooth), start, signs, budget, draw)


def _best_start(
    terms: Callable[[bool], list[Term]], sign: Matrix, signs: bool, budget: Budget, draw: int
) -> tuple[Order, Matrix]:
    rng = budget.rng(11, draw)
    signed = [Term(t.observed * np.outer(sign, sign), t.model) for t in terms(True)]
    likelihood = terms(False)
    best: tuple[float, Order, Matrix] | None = None
    agreed = 0
    for _ in range(_STARTS):
        order, found = polish(likelihood, None, relax(signed, None, rng), sign, signs=signs, budget=budget)
        value = cost(likelihood, None, order, found)
        if best is None or value < best[0] - _SAME * abs(best[0]):
            best, agreed = (value, order, found), 1
        elif value <= best[0] + _SAME * abs(best[0]):
            agreed += 1
        if agreed >= _AGREE or budget.over():
            break
    assert best is not None  # there is at least one start
    return best[1], best[2]


def recolored(order: Order, sign: Matrix, channels: int, negative: int, color: int) -> tuple[Order, Matrix]:
    """An arrangement of pixels of channels, brought into another global state."""
    colors = COLOR_ORDERS[color] if channels == 3 else np.zeros(1, np.uint8)
    return order.reshape(-1, channels)[:, colors].reshape(-1), -sign if negative else sign

"""Random choices of mixing, drawn from the key stream. Fixed word by word in ``spec/mixing.md``.

Weights are whole numbers of 1/65,536, so that images are blended by integer arithmetic, the same on every machine.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from blindsight.owner.keystream import KeyStream

__all__ = ["UNIT", "beta_weight", "block_choice", "candidates", "first_usable", "simplex_weights"]

#: The sum of the weights of an image.
UNIT = 1 << 16
T = TypeVar("T")


def candidates(stream: KeyStream, pool: int, *, replacement: bool) -> Iterator[int]:
    """Numbers below ``pool`` in random order: ``below(pool)`` again and again.

    Args:
        stream: the draws.
        pool: how many there are to choose from, 1 or more.
        replacement: True goes on for ever; False skips numbers that have come before, and ends when all have come.
    """
    seen: set[int] = set()
    while len(seen) < pool:
        number = int(stream.below(pool, 1)[0])
        if replacement:
            yield number
        elif number not in seen:
            seen.add(number)
            yield number


def first_usable(numbers: Iterator[int], pool: int, wanted: int, use: Callable[[int], T | None]) -> list[T]:
    """The first ``wanted`` candidates that can be used; fewer only where the pool holds no more.

    Args:
        numbers: of :func:`candidates`.
        pool: how many different ones there are.
        wanted: how many to take.
        use: gives what a candidate stands for, or None where it cannot be used.
    """
    found: list[T] = []
    useless: set[int] = set()
    for number in numbers if wanted else ():
        thing = use(number)
        if thing is None:
            useless.add(number)
        else:
            found.append(thing)
        if len(found) == wanted or len(useless) == pool:
            break
    return found


def block_choice(stream: KeyStream, rows: int, columns: int, sources: int, probability: float) -> NDArray[np.int64]:
    """Where each block of a PBM image comes from (arXiv 2105.08876; the authors' code draws the same way).

    First a uniform number for every block, row by row: it is replaced where that is below ``probability``. Then
    ``below(sources)`` for every block, used where it is replaced.

    Args:
        stream: the draws.
        rows: of blocks.
        columns: of blocks.
        sources: N_s, the number of donors; 0 leaves every block.
        probability: of a block to be replaced, 0 to 1.

    Returns:
        (rows, columns) int64: 0 for the target's own block, k for the k-th donor's, from 1.
    """
    if not sources:
        return np.zeros((rows, columns), np.int64)
    replaced = stream.uniform(rows * columns) < probability
    donor = stream.below(sources, rows * columns) + 1
    return np.where(replaced, donor, 0).reshape(rows, columns)


def beta_weight(stream: KeyStream, alpha: float) -> int:
    """The larger of lambda and 1 - lambda, lambda from Beta(alpha, alpha), in units of 1/65,536.

    Mixing a with b by lambda is mixing b with a by 1 - lambda, so the target can always have the larger part.
    Jöhnk's method for alpha below 1: two uniform numbers u, v; x = u^(1/alpha), y = v^(1/alpha); again while x + y is 0
    or above 1; lambda = x / (x + y). Else rejection: lambda uniform, taken where a second number is below
    (4 lambda (1 - lambda))^(alpha - 1).

    Args:
        stream: the draws.
        alpha: above 0.

    Returns:
        32,768 to 65,536.
    """
    while True:
        u, v = (float(x) for x in stream.uniform(2))
        if alpha < 1:
            x, y = u ** (1 / alpha), v ** (1 / alpha)
            if not 0 < x + y <= 1:
                continue
            lam = x / (x + y)
        else:
            lam = u
            if v >= (4 * lam * (1 - lam)) ** (alpha - 1):
                continue
        larger: float = round(max(lam, 1 - lam) * UNIT)
        return int(larger)


def simplex_weights(stream: KeyStream, count: int, largest: float) -> list[int]:
    """Weights uniform on the simplex, redrawn while one is above ``largest``, in falling order.

    Exponential numbers -log((word + 1) / 2^32) divided by their sum are uniform on the simplex.

    Args:
        stream: the draws.
        count: how many weights.
        largest: bound on the largest one, above 1 / count.

    Returns:
        ``count`` units of 1/65,536 that sum to 65,536; the largest first.
    """
    while True:
        exponential = -np.log((stream.words(count).astype(np.float64) + 1) / 2.0**32)
        total = float(exponential.sum())
        if total == 0:
            continue
        weights = np.sort(exponential / total)[::-1]
        if weights[0] <= largest:
            break
    units = [int(w) for w in np.floor(weights[1:] * UNIT)]
    return [UNIT - sum(units), *units]

"""The search for the cheapest assembly: many growths, and offspring of the best.

Single growths go astray where joins are doubtful, but astray in different ways. So assemblies are bred as in the
genetic jigsaw solver of Sholomon, David & Netanyahu (CVPR 2013): an offspring grows while the joins of its two parents
are cheaper. In turn with that, doubtful or chance parts of one assembly are taken away and grown again (the trim and
fill of Gallagher, CVPR 2012), and the rest may come to lie elsewhere in the box.
"""

import numpy as np

from blindsight.audit.attack import Budget
from blindsight.audit.attacks._assembly import Assembly, grow, join_costs, largest_part
from blindsight.audit.attacks._joins import Joins

__all__ = ["find_assembly"]

#: First growths that all end alike leave nothing to search for.
AGREEING = 4
#: Growths from single blocks, and assemblies that are kept.
SEEDS, POPULATION = 24, 16
#: Offspring and repairs at most, and how many without a better assembly end the search.
ROUNDS, PATIENCE = 500, 120
#: How much cheaper a parent's joins are.
BONUS = 1.0


def find_assembly(
    joins: Joins, shapes: list[tuple[int, int]], budget: Budget, *of: int, told: tuple[float, float] = (0.0, 1.0)
) -> tuple[Assembly, int]:
    """The cheapest assembly found, and how many were made.

    Args:
        joins: the costs.
        shapes: (rows, cols) of the box; two of them where nobody can tell which way up it is.
        budget: to be kept; at least one assembly is made.
        of: tells its chance from that of other searches.
        told: the shares of progress between which it tells.
    """
    rng = budget.rng(*of)
    kept: dict[float, Assembly] = {}
    made = 0

    def keep(assembly: Assembly) -> None:
        nonlocal made
        made += 1
        kept.setdefault(round(assembly.cost, 2), assembly)

    def tell(share: float) -> None:
        budget.tell(told[0] + (told[1] - told[0]) * share, f"{made} assemblies")

    for number, seed in enumerate(rng.permutation(joins.blocks)[:SEEDS]):
        shape = shapes[number % len(shapes)]
        keep(grow(joins, Assembly.seed(int(seed), shape), shape))
        tell(number / (SEEDS + ROUNDS))
        if budget.over() or (made == AGREEING and len(kept) == 1):
            return kept[min(kept)], made
    last = 0
    for number in range(ROUNDS):
        costs = sorted(kept)[:POPULATION]
        kept = {cost: kept[cost] for cost in costs}
        if number % 2:
            keep(_repaired(joins, kept[costs[int(rng.integers(len(costs)))]], rng))
        else:
            pair = rng.integers(len(costs), size=2)
            keep(_offspring(joins, [kept[costs[int(one)]] for one in pair], int(rng.integers(joins.blocks))))
        last = number if min(kept) < costs[0] else last
        tell((SEEDS + number) / (SEEDS + ROUNDS))
        if budget.over() or number - last >= PATIENCE:
            break
    return kept[min(kept)], made


def _offspring(joins: Joins, parents: list[Assembly], seed: int) -> Assembly:
    shape = (parents[0].block.shape[0], parents[0].block.shape[1])
    with joins.favouring([(parent.block, parent.state) for parent in parents], BONUS):
        child = grow(joins, Assembly.seed(seed, shape), shape)
    return Assembly.of(joins, child.block, child.state)


def _repaired(joins: Joins, assembly: Assembly, rng: np.random.Generator) -> Assembly:
    """Grown again after its dearest joins were cut, or a window taken out, and only the largest part was kept."""
    shape = rows, cols = (assembly.block.shape[0], assembly.block.shape[1])
    right, down = join_costs(joins, assembly.block, assembly.state)
    if rng.random() < 0.5:
        limit = np.quantile(np.concatenate([right, down], axis=None), rng.uniform(0.3, 0.95))
        part = largest_part(right <= limit, down <= limit)
    else:
        rest = np.ones(shape, bool)
        top, left = rng.integers(rows), rng.integers(cols)
        rest[top : top + rng.integers(1, rows // 2 + 2), left : left + rng.integers(1, cols // 2 + 2)] = False
        part = largest_part(rest[:, 1:] & rest[:, :-1], rest[1:] & rest[:-1])
    return grow(joins, Assembly(np.where(part, assembly.block, -1), assembly.state, 0.0), shape)

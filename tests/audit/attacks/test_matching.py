"""Signed quadratic matching: its moves gain what they say, and planted arrangements are found."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.audit.attacks._matching import Term, cost, polish, relax


def _problem(seed: int, n: int) -> tuple[list[Term], np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    terms = [Term(rng.normal(size=(n, n)), rng.normal(size=(n, n))) for _ in range(2)]
    return terms, rng.normal(size=(n, n)), rng.permutation(n), rng.choice([-1.0, 1.0], n)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 6), signs=st.booleans())
def test_one_step_is_the_best_of_all_single_moves(seed: int, n: int, signs: bool) -> None:
    terms, linear, order, sign = _problem(seed, n)
    reachable = [cost(terms, linear, order, sign)]
    for r in range(n):
        if signs:
            turned = sign.copy()
            turned[r] *= -1
            reachable.append(cost(terms, linear, order, turned))
        for q in range(r):
            swapped = order.copy()
            swapped[[r, q]] = swapped[[q, r]]
            reachable.append(cost(terms, linear, swapped, sign))
    moved = polish(terms, linear, order, sign, signs=signs, steps=1)
    assert np.isclose(cost(terms, linear, *moved), min(reachable))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_start_is_left_alone_and_the_end_is_a_permutation(seed: int) -> None:
    terms, linear, order, sign = _problem(seed, 7)
    before = order.copy(), sign.copy()
    found, signs = polish(terms, linear, order, sign)
    assert np.array_equal(before[0], order)
    assert np.array_equal(before[1], sign)
    assert sorted(found) == list(range(7))
    assert set(signs) <= {-1.0, 1.0}
    assert sorted(relax(terms, linear, np.random.default_rng(seed))) == list(range(7))


def test_a_planted_arrangement_is_found() -> None:
    rng = np.random.default_rng(0)
    n = 12
    root = rng.normal(size=(n, n))
    covariance = root @ root.T + np.eye(n)
    order, sign = rng.permutation(n), rng.choice([-1.0, 1.0], n)
    # Place i holds variable order[i]: seen[order[i], order[j]] = model[i, j], with signs.
    seen = np.empty((n, n))
    seen[np.ix_(order, order)] = covariance
    seen *= np.outer(sign, sign)
    likelihood = [Term(seen, np.linalg.inv(covariance))]
    absolute = [Term(np.abs(seen), -np.abs(covariance))]
    # Signs are those of one row of the truth, which has no zeros here.
    starts = [polish(likelihood, None, relax(absolute, None, rng), sign.copy()) for _ in range(10)]
    found = min(starts, key=lambda s: cost(likelihood, None, *s))
    assert np.array_equal(found[0], order)
    assert np.isclose(cost(likelihood, None, *found), n)

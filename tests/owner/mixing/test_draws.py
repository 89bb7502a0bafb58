"""Random choices of mixing: exact distributions, bounds, and the draws that the specification fixes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.owner.mixing.draws import (
    UNIT,
    beta_weight,
    block_choice,
    candidates,
    first_usable,
    simplex_weights,
)
from protect_helpers import KEY


def stream(*path):
    return KEY.stream("test-of-mixing", *map(str, path))


@given(st.integers(1, 40), st.integers(0, 10**6))
def test_candidates_without_replacement_are_all_numbers_once(pool, seed):
    assert sorted(candidates(stream(seed), pool, replacement=False)) == list(range(pool))


def test_candidates_are_the_draws_of_the_stream_without_what_came_before():
    drawn = stream("plain").below(7, 1000).tolist()
    assert list(itertools.islice(candidates(stream("plain"), 7, replacement=True), 1000)) == drawn
    assert list(candidates(stream("plain"), 7, replacement=False)) == list(dict.fromkeys(drawn))


def test_first_usable_passes_over_what_cannot_be_used_and_keeps_the_order():
    even = first_usable(iter([3, 8, 1, 2, 6]), 10, 2, lambda n: n if n % 2 == 0 else None)
    assert even == [8, 2]


@pytest.mark.parametrize("replacement", [True, False])
def test_first_usable_ends_where_too_few_can_be_used(replacement):
    found = first_usable(
        candidates(stream("few"), 5, replacement=replacement), 5, 9, lambda n: n if replacement is False and n else None
    )
    assert sorted(found) == ([] if replacement else [1, 2, 3, 4])


def test_nothing_is_drawn_where_nothing_is_wanted():
    assert first_usable(iter(int, 1), 3, 0, lambda n: n) == []


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_the_share_of_replaced_blocks_is_the_probability(probability):
    blocks = np.concatenate([block_choice(stream(i), 10, 20, 7, probability).ravel() for i in range(100)])
    replaced = (blocks > 0).mean()
    assert abs(replaced - probability) < 4 * math.sqrt(probability * (1 - probability) / len(blocks))
    # Donors are equally likely: chi-square of 6 degrees of freedom, 0.999 quantile 22.5.
    counts = np.bincount(blocks[blocks > 0], minlength=8)[1:]
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 22.5


def test_probability_0_and_1_and_no_donors_are_exact():
    assert not block_choice(stream(1), 30, 30, 4, 0.0).any()
    assert block_choice(stream(1), 30, 30, 4, 1.0).all()
    assert not block_choice(stream(1), 3, 3, 0, 1.0).any()


def test_which_blocks_are_replaced_does_not_depend_on_the_number_of_donors():
    few, many = (block_choice(stream("n"), 8, 8, sources, 0.5) > 0 for sources in (1, 10))
    assert (few == many).all()


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 1.5, 8.0])
def test_beta_weights_have_the_moments_of_the_folded_beta_distribution(alpha):
    weights = np.array([beta_weight(stream(alpha, i), alpha) for i in range(3000)]) / UNIT
    assert weights.min() >= 0.5
    assert weights.max() <= 1
    # max(lam, 1 - lam) = 1/2 + |lam - 1/2|, and the variance of Beta(a, a) is 1 / (4 (2a + 1)).
    variance = 1 / (4 * (2 * alpha + 1))
    assert ((weights - 0.5) ** 2).mean() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("count", [2, 4, 6])
def test_simplex_weights_sum_to_one_fall_and_stay_below_the_bound(count):
    for i in range(300):
        weights = simplex_weights(stream(count, i), count, 0.65)
        assert sum(weights) == UNIT
        assert weights == sorted(weights, reverse=True)
        assert weights[0] <= 0.65 * UNIT + count
        assert weights[-1] >= 0


def test_simplex_weights_are_uniform_on_the_simplex():
    # Without a bound the sum of squares of k such weights is 2 / (k + 1) on average.
    squares = [sum((w / UNIT) ** 2 for w in simplex_weights(stream("s", i), 4, 1.0)) for i in range(3000)]
    assert np.mean(squares) == pytest.approx(0.4, rel=0.03)

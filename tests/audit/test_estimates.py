import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.audit.estimates import Estimate, estimate


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_the_mean_lies_in_its_interval_and_the_interval_in_the_range(values):
    found = estimate(values)
    assert found.n == len(values)
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= found.low <= found.mean <= found.high <= max(values) + slack


def test_equal_values_have_no_interval_and_none_have_no_mean():
    assert estimate([1.0] * 7) == Estimate(1.0, 1.0, 1.0, 7)
    assert estimate([]) is None


def test_infinity_counts_as_the_ceiling():
    assert estimate([math.inf, 50.0], ceiling=100).mean == 75


def test_the_interval_is_that_of_the_normal_distribution_for_many_values_and_repeats_with_its_seed():
    x = np.random.default_rng(0).normal(5, 2, 400)
    found = estimate(x, seed=1)
    half = 1.96 * x.std() / 20
    assert found.low == pytest.approx(x.mean() - half, abs=0.03)
    assert found.high == pytest.approx(x.mean() + half, abs=0.03)
    assert estimate(x, seed=1) == found != estimate(x, seed=2)

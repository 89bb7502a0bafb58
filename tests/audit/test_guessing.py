import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.audit.guessing import GUESSING_CAVEAT, guessing_bound_bits
from blindsight.errors import ParameterError


@given(st.integers(0, 30), st.integers(1, 128))
def test_it_is_the_logarithm_of_the_number_of_choices(sources, blocks):
    ways = (1 + sources) ** blocks
    bits = guessing_bound_bits(sources, blocks)
    assert bits == pytest.approx(ways.bit_length(), abs=1.000001)
    assert guessing_bound_bits(sources, 2 * blocks) == pytest.approx(2 * bits)


@pytest.mark.parametrize(("blocks", "bits"), [(8, 27.7), (16, 55.4), (128, 442.8)])
def test_the_papers_settings(blocks, bits):
    assert guessing_bound_bits(10, blocks) == pytest.approx(bits, abs=0.05)


@pytest.mark.parametrize(("sources", "blocks"), [(-1, 8), (10, 0)])
def test_impossible_numbers_are_refused(sources, blocks):
    with pytest.raises(ParameterError, match=f"got {sources} and {blocks}"):
        guessing_bound_bits(sources, blocks)


def test_nobody_is_told_that_it_is_security():
    assert "It is not a security level: every published pixel is a true pixel at its true place" in GUESSING_CAVEAT

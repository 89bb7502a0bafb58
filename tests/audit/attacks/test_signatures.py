"""Words, leads and pairings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.audit.attacks._signatures import Pairing, hashed, pair_up, words


@given(st.sampled_from(((0,), (0, 255), (0, 15), tuple(range(16)), tuple(range(256)))), st.integers(0, 99))
def test_a_word_is_the_same_under_every_mask_and_leads_tell_the_mask(masks: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, max(masks) + 1 if len(masks) > 1 else 256, (20, 5), np.uint8)
    mask = rng.choice(masks, 20).astype(np.uint8)
    word, lead = words(values, masks)
    other, other_lead = words(values ^ mask[:, None], masks)
    assert np.array_equal(word, other)
    assert np.array_equal(lead ^ other_lead, mask)
    assert np.array_equal(values ^ lead[:, None], word)


@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 99))
def test_pairings_are_one_to_one_and_of_equal_rows(count: int, values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = rng.integers(0, values, (count, 2))
    order = rng.permutation(count)
    found = pair_up(source[order], source)
    assert found.fits
    assert sorted(found.source.tolist()) == list(range(count))
    assert np.array_equal(source[found.source], source[order])
    assert np.array_equal(found.source[found.alone], order[found.alone])
    rows = [tuple(row) for row in source[order].tolist()]
    assert found.alone.tolist() == [rows.count(row) == 1 for row in rows]
    grouped = sorted(int(d) for members, _ in found.groups for d in members)
    assert grouped == np.flatnonzero(~found.alone).tolist()


def test_what_does_not_fit_is_paired_as_far_as_it_goes() -> None:
    found = Pairing(np.array([5, 5, 7, 9], np.uint64), np.array([7, 5, 8, 8], np.uint64))
    assert not found.fits
    assert sorted(found.source.tolist()) == [0, 1, 2, 3]
    assert found.source[0] == 1
    assert found.source[2] == 0
    assert found.alone.tolist() == [False, False, True, False]


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64])
def test_hashes_tell_rows_apart(dtype: type) -> None:
    rows = np.random.default_rng(0).integers(0, 4, (5000, 12)).astype(dtype)
    assert len(np.unique(hashed(rows))) == len(np.unique(rows, axis=0))

import numpy as np
import pytest

from blindsight.audit.reidentification import by_blocks, by_folded_pixels, by_pixels, top1


def noise(count, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, 8, 12, 3), np.uint8))


def test_by_pixels_is_minus_the_squared_distance_exactly():
    a, b = noise(3), noise(150, 1)  # more than one chunk
    scores = by_pixels(a, b)
    expected = [[-((x.astype(int) - y.astype(int)) ** 2).sum() for y in b] for x in a]
    assert np.array_equal(scores, expected)


def test_equal_images_score_zero_and_tie_with_their_copies():
    images = noise(5)
    scores = by_pixels(images[:1], [*images, images[0].copy()])
    assert scores[0, 0] == scores[0, 5] == 0
    assert (scores[0, 1:5] < 0).all()
    found = top1(scores, [0])
    assert found.top1.mean == 0.5
    assert found.chance == pytest.approx(1 / 6)


def test_folded_pixels_see_through_random_signs():
    images = noise(40)
    signs = np.random.default_rng(2).integers(0, 2, images[0].shape).astype(bool)
    negated = [np.where(signs, 255 - image, image).astype(np.uint8) for image in images]
    assert top1(by_folded_pixels(negated, images), range(40)).top1.mean == 1
    assert (np.diag(by_folded_pixels(negated, images)) == 0).all()
    assert top1(by_pixels(negated, images), range(40)).top1.mean < 0.5


def test_by_blocks_counts_blocks_that_are_equal_in_every_sample():
    a, b = noise(2)
    mixed = a.copy()
    mixed[4:, :6] = b[4:, :6]  # one of four blocks
    assert by_blocks([mixed], [a, b], (4, 6)).tolist() == [[3, 1]]
    mixed[0, 0, 0] ^= 1
    assert by_blocks([mixed], [a, b], (4, 6)).tolist() == [[2, 1]]


def test_top1_shares_ties_and_counts_misses():
    scores = np.array([[1.0, 5, 2], [3, 3, 3], [9, 0, 0]])
    found = top1(scores, [1, 0, 2])
    assert found.top1.mean == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert found.candidates == 3
    assert found.shows_ties
    assert not top1(scores[[0, 2]], [1, 2]).shows_ties

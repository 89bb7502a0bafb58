"""Orthogonal block transforms: exact up to rounding, uniform, and absorbed by a linear embedding."""

import copy
import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.algebra import BlockGrid, TilePermutation
from blindsight.errors import ParameterError
from blindsight.owner.keys import SecretKey
from blindsight.owner.orthogonal import OrthogonalBlocks

KEY, OTHER = SecretKey(bytes(range(32))), SecretKey(bytes(32))


def picture(*shape: int, dtype: type = np.float64) -> np.ndarray:
    return (np.random.default_rng(0).integers(0, 256, shape) / 127.5 - 1).astype(dtype)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]), st.sampled_from(["f4", "f8"]),
    st.sampled_from([(), (2,), (2, 3)]),
)  # fmt: skip
def test_the_inverse_gives_every_image_back(block, rows, cols, channels, dtype, leading):
    transform = OrthogonalBlocks.from_key(KEY, block, channels)
    images = picture(*leading, rows * block, cols * block, channels, dtype=dtype)
    before = images.copy()
    hidden = transform.apply(images)
    assert hidden.shape == images.shape
    assert hidden.dtype == images.dtype
    assert np.array_equal(images, before)
    assert np.allclose(transform.inverse().apply(hidden), images, atol=1e-5 if dtype == "f4" else 1e-12)


def test_bytes_come_back_exactly():
    pixels = np.random.default_rng(1).integers(0, 256, (32, 48, 3), np.uint8)
    transform = OrthogonalBlocks.from_key(KEY, 16)
    back = transform.inverse().apply(transform.apply((pixels / 127.5 - 1).astype(np.float32)))
    assert np.array_equal(np.rint((back + 1) * 127.5).astype(np.uint8), pixels)


def test_a_block_is_multiplied_by_the_matrix():
    transform, image = OrthogonalBlocks.from_key(KEY, 2), picture(4, 6, 3)
    hidden = transform(image)
    for y, x in ((0, 0), (0, 4), (2, 2)):
        block = image[y : y + 2, x : x + 2].reshape(-1)
        assert np.allclose(hidden[y : y + 2, x : x + 2].reshape(-1), transform.matrix @ block)


def test_an_embedding_takes_the_matrix_up():
    """W Q^T gives for encrypted patches what W gives for plain ones."""
    transform, image = OrthogonalBlocks.from_key(KEY, 4), picture(8, 12, 3)
    weights = np.random.default_rng(2).normal(size=(10, 48))
    grid = BlockGrid(8, 12, 3, 4)
    plain, hidden = (grid.to_blocks(x[None])[0] for x in (image, transform.apply(image)))
    assert np.allclose(hidden @ (weights @ transform.matrix.T).T, plain @ weights.T)
    assert not np.allclose(hidden @ weights.T, plain @ weights.T, atol=0.1)


def test_distances_stay():
    """What it does not hide."""
    transform, images = OrthogonalBlocks.from_key(KEY, 4), picture(5, 8, 8, 3)
    hidden = transform.apply(images)
    plain, secret = (np.linalg.norm(x[:, None] - x[None], axis=(2, 3)) for x in (images, hidden))
    assert np.allclose(np.sqrt((plain**2).sum(-1)), np.sqrt((secret**2).sum(-1)))


def test_products():
    a, b = (OrthogonalBlocks.from_key(key, 2) for key in (KEY, OTHER))
    image = picture(4, 6, 3)
    assert np.allclose((a @ b).apply(image), a.apply(b.apply(image)))
    assert np.allclose((a @ a.inverse()).matrix, np.eye(12))


def test_a_pixel_shuffle_is_one_of_them():
    order = np.random.default_rng(3).permutation(12)
    grid = BlockGrid(4, 6, 3, 2)
    pixels = np.random.default_rng(4).integers(0, 256, grid.shape, np.uint8)
    shuffled = TilePermutation(grid, None, [order]).apply(pixels)
    assert np.array_equal(OrthogonalBlocks(np.eye(12)[order], 2).apply(pixels.astype(float)), shuffled)


def test_the_key_scope_and_geometry_choose_the_matrix():
    made = [
        OrthogonalBlocks.from_key(KEY, 4),
        OrthogonalBlocks.from_key(OTHER, 4),
        OrthogonalBlocks.from_key(KEY, 4, 3, "an image"),
    ]
    assert np.allclose(made[0].matrix, OrthogonalBlocks.from_key(SecretKey(bytes(range(32))), 4).matrix)
    for i, one in enumerate(made):
        assert all(np.abs(one.matrix - other.matrix).max() > 0.1 for other in made[:i])


def test_matrices_are_uniform():
    """Of uniform 3 x 3 matrices an entry is uniform in -1 to 1, and half of them are reflections; keys are fixed."""
    keys = [SecretKey(hashlib.sha256(f"orthogonal {n}".encode()).digest()) for n in range(600)]
    matrices = np.array([OrthogonalBlocks.from_key(key, 1).matrix for key in keys])
    for row in range(3):
        for column in range(3):
            seen = np.histogram(matrices[:, row, column], bins=8, range=(-1, 1))[0]
            assert ((seen - 75) ** 2 / 75).sum() < 24.32  # upper 0.1 % point, 7 degrees of freedom
    reflections = (np.linalg.det(matrices) < 0).sum()
    assert (reflections - 300) ** 2 / 150 < 10.83


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OrthogonalBlocks(np.eye(3), 2), r"blocks of 2 with 3 channels need a matrix of 12x12, got .3, 3."),
        (lambda: OrthogonalBlocks(2 * np.eye(3), 1), "the matrix is not orthogonal"),
        (lambda: OrthogonalBlocks.from_key(KEY, 0), "block size must be at least 1 pixel, got 0"),
        (lambda: OrthogonalBlocks.from_key(KEY, 4, 4), "channels must be 1 .grayscale. or 3 .RGB., got 4"),
        (lambda: OrthogonalBlocks.from_key(KEY, 33), "blocks of 33 have 3267 values, and a matrix takes at most 3072"),
        (lambda: OrthogonalBlocks.from_key(KEY, 2).apply(np.zeros((4, 4, 3), np.uint8)), "got uint8; normalise bytes"),
        (lambda: OrthogonalBlocks.from_key(KEY, 2).apply([0.0]), "must be an array of floats, got list"),
        (lambda: OrthogonalBlocks.from_key(KEY, 2).apply(np.zeros((4, 4))), r"must be .*H, W, 3., got .4, 4."),
        (lambda: OrthogonalBlocks.from_key(KEY, 2).apply(np.zeros((5, 4, 3))), "height 5 is not a positive multiple"),
        (lambda: OrthogonalBlocks(np.eye(3), 1) @ OrthogonalBlocks(np.eye(1), 1, 1), "cannot combine OrthogonalBlocks"),
    ],
)
def test_what_cannot_work_is_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_shows_and_hands_out_nothing(duplicate):
    transform = OrthogonalBlocks.from_key(KEY, 1)
    assert repr(transform) == "OrthogonalBlocks(block_size=1, channels=3)"
    with pytest.raises(TypeError, match="never pickled or copied"):
        duplicate(transform)
    with pytest.raises(ValueError, match="read-only"):
        transform.matrix[0, 0] = 1

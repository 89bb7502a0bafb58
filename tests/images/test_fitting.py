"""Laws of fitting, then what each fit does to a picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from blindsight.errors import ImageError, ParameterError
from blindsight.images import check_size, fit_image, unfit_image

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from((1, 3)))
images = shapes.flatmap(lambda shape: hnp.arrays(np.uint8, shape))
blocks = st.integers(1, 17)
fits = st.sampled_from(("pad", "crop", "resize"))


@given(images, blocks)
def test_unfit_undoes_padding_exactly(pixels, block_size):
    fitted = fit_image(pixels, block_size=block_size, size=None, fit="pad")
    back = unfit_image(fitted, original=pixels.shape[:2], size=None, fit="pad", block_size=block_size)
    assert np.array_equal(back, pixels)
    assert back.flags.c_contiguous


@given(images, blocks, fits)
def test_fitted_to_whole_blocks(pixels, block_size, fit):
    if fit == "crop" and min(pixels.shape[:2]) < block_size:
        with pytest.raises(ImageError, match="use fit pad"):
            fit_image(pixels, block_size=block_size, size=None, fit=fit)
        return
    fitted = fit_image(pixels, block_size=block_size, size=None, fit=fit)
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    assert fitted.shape[2] == pixels.shape[2]
    for before, after in zip(pixels.shape[:2], fitted.shape[:2], strict=True):
        assert after % block_size == 0
        assert after > 0
        assert {"pad": after >= before, "crop": after <= before, "resize": True}[fit]
        assert abs(after - before) < block_size


@given(images, blocks, st.tuples(st.integers(1, 4), st.integers(1, 4)), fits)
def test_fitted_to_the_size_asked_for(pixels, block_size, grid, fit):
    size = (grid[0] * block_size, grid[1] * block_size)
    fitted = fit_image(pixels, block_size=block_size, size=size, fit=fit)
    assert fitted.shape == (*size, pixels.shape[2])
    assert fitted.flags.c_contiguous
    assert unfit_image(fitted, original=pixels.shape[:2], size=size, fit=fit, block_size=block_size) is fitted


@given(st.tuples(st.integers(1, 3), st.integers(1, 3)), blocks, fits, st.booleans())
def test_an_exact_fit_keeps_every_pixel(grid, block_size, fit, state_size):
    size = (grid[0] * block_size, grid[1] * block_size)
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    fitted = fit_image(pixels, block_size=block_size, size=size if state_size else None, fit=fit)
    assert np.array_equal(fitted, pixels)


@given(st.integers(0, 255), shapes, fits)
def test_one_colour_stays_one_colour(value, shape, fit):
    fitted = fit_image(np.full(shape, value, np.uint8), block_size=8, size=(24, 32), fit=fit)
    assert (fitted == value).all()


def test_padding_repeats_the_last_row_and_column(noise):
    fitted = fit_image(noise, block_size=16, size=None, fit="pad")
    assert fitted.shape == (48, 64, 3)
    assert np.array_equal(fitted, np.pad(noise, ((0, 8), (0, 8), (0, 0)), mode="edge"))


def test_crop_is_centred(noise):
    assert np.array_equal(fit_image(noise, block_size=16, size=None, fit="crop"), noise[4:36, 4:52])


def test_resize_takes_the_nearest_multiples():
    assert fit_image(np.zeros((25, 23, 3), np.uint8), block_size=16, size=None, fit="resize").shape == (32, 16, 3)
    assert fit_image(np.zeros((3, 300, 1), np.uint8), block_size=16, size=None, fit="resize").shape == (16, 304, 1)


def test_pad_to_a_size_keeps_the_proportions():
    fitted = fit_image(np.full((10, 20, 3), 200, np.uint8), block_size=16, size=(32, 32), fit="pad")
    assert fitted.shape == (32, 32, 3)
    column = np.repeat(np.arange(20, dtype=np.uint8) * 10, 3).reshape(1, 20, 3)
    fitted = fit_image(np.repeat(column, 10, axis=0), block_size=16, size=(32, 32), fit="pad")
    assert (fitted[16:] == fitted[15]).all()  # half as high as wide: the lower half is padding
    assert fitted[0, 0, 0] < 20
    assert fitted[0, -1, 0] > 170


def test_crop_to_a_size_covers_and_cuts_evenly(photo):
    wide = photo[:, 1:]  # 427 x 639: 106 columns too many on either side
    fitted = fit_image(wide, block_size=16, size=(224, 224), fit="crop")
    square = fit_image(wide[:, 106:533], block_size=16, size=(224, 224), fit="resize")
    inner = np.abs(fitted.astype(int) - square)[3:-3, 3:-3]  # at its rim a crop still sees the pixels beside it
    assert inner.max() <= 1
    mirrored = fit_image(photo[:, ::-1], block_size=16, size=(224, 224), fit="crop")
    assert (
        np.abs(fit_image(photo, block_size=16, size=(224, 224), fit="crop")[:, ::-1] - mirrored.astype(int)).max() <= 1
    )


def test_a_line_of_pixels_covers_a_square_without_growing_first():
    line = np.zeros((1, 65_000, 3), np.uint8)
    assert fit_image(line, block_size=16, size=(224, 224), fit="crop").shape == (224, 224, 3)


def test_unfit_refuses_another_images_padding():
    with pytest.raises(ParameterError, match="padded to blocks of 16 is 48x64, not 64x64"):
        unfit_image(np.zeros((64, 64, 3), np.uint8), original=(40, 56), size=None, fit="pad", block_size=16)


def test_unknown_fit():
    with pytest.raises(ParameterError, match="expected pad, crop or resize"):
        fit_image(np.zeros((4, 4, 3), np.uint8), block_size=2, size=None, fit="stretch")


@pytest.mark.parametrize(
    ("size", "block_size", "message"),
    [
        ((225, 224), 16, "size 225x224 is not made of whole blocks of 16 pixels; use 224x224 or 240x224"),
        ((10, 32), 16, "size 10x32 is not made of whole blocks of 16 pixels; use 16x32"),
        ((0, 32), 16, "size is 0x32, expected positive numbers"),
        ((32, 32), 0, "block size is 0, expected 1 or more"),
    ],
)
def test_sizes_that_cannot_work(size, block_size, message):
    with pytest.raises(ParameterError, match=message):
        check_size(size, block_size)


def test_sizes_that_work():
    check_size(None, 16)
    check_size((224, 320), 16)

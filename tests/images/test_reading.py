"""Every mode and orientation that can be read, against Pillow or by hand."""

import io
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageOps

from blindsight.errors import ImageError, ParameterError
from blindsight.images import _decoding, read_image

FORMATS = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}, "BMP": {}, "GIF": {}, "TIFF": {}, "PPM": {}}
LOSSLESS = ["PNG", "WEBP", "BMP", "TIFF", "PPM"]


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_formats(kind, noise):
    image = Image.fromarray(noise)
    data = saved(image, kind, **FORMATS[kind])
    pixels = read_image(data)
    assert pixels.shape == noise.shape
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    if kind in LOSSLESS:
        assert np.array_equal(pixels, noise)
    else:
        assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert np.array_equal(read_image(data, channels=1)[:, :, 0], np.asarray(Image.fromarray(pixels).convert("L")))


def test_a_path_and_its_bytes_read_the_same(tmp_path, noise):
    path = tmp_path / "named.jpg"  # the content is what counts
    path.write_bytes(saved(Image.fromarray(noise)))
    assert np.array_equal(read_image(path), read_image(path.read_bytes()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientations(kind, orientation, noise):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(noise), kind, exif=exif, **FORMATS[kind])
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(read_image(data), expected)
    assert read_image(data).flags.c_contiguous


@pytest.mark.parametrize("orientation", [0, 9, 4711])
def test_orientations_that_do_not_exist_are_none(orientation, noise):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(read_image(saved(Image.fromarray(noise), exif=exif)), noise)


def test_broken_exif_is_no_reason_to_refuse(noise):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = saved(Image.fromarray(noise), exif=b"Exif\0\0" + b"nonsense" * 3)
        assert np.array_equal(read_image(data), noise)


def test_transparency_lies_over_the_background():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (10, 20, 30, 255)
    rgba[0, 1] = (10, 20, 30, 0)
    rgba[1, 0] = (100, 0, 200, 128)
    data = saved(Image.fromarray(rgba))
    pixels = read_image(data, background="#ff8000").astype(int)
    assert pixels[0, 0].tolist() == [10, 20, 30]
    assert pixels[0, 1].tolist() == [255, 128, 0]
    expected = (np.array([100, 0, 200]) * 128 + np.array([255, 128, 0]) * 127) / 255
    assert np.abs(pixels[1, 0] - expected).max() <= 1
    assert read_image(data)[0, 1].tolist() == [255, 255, 255]


def test_gray_with_alpha():
    la = np.array([[[40, 255], [40, 0]]], np.uint8)
    data = saved(Image.fromarray(la, "LA"))
    assert read_image(data, background="#000000")[0].tolist() == [[40, 40, 40], [0, 0, 0]]
    assert read_image(data, channels=1)[0].tolist() == [[40], [255]]


def test_palettes_and_their_transparency():
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    assert read_image(saved(image))[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    for data in (saved(image, transparency=1), saved(image, "GIF", transparency=1)):
        assert read_image(data, background="#010203")[0].tolist() == [[255, 0, 0], [1, 2, 3], [0, 0, 255]]


def test_one_transparent_colour():
    image = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8))
    data = saved(image, transparency=(1, 2, 3))
    assert read_image(data, background="#00ff00")[0].tolist() == [[0, 255, 0], [9, 9, 9]]


def test_one_bit():
    bits = np.array([[True, False, True]])
    assert read_image(saved(Image.fromarray(bits)))[0, :, 0].tolist() == [255, 0, 255]
    assert read_image(saved(Image.fromarray(bits)), channels=1).shape == (1, 3, 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_rounded_to_eight(kind):
    wide = np.array([[0, 128, 129, 257, 32767, 65406, 65407, 65535]], np.uint16)
    data = saved(Image.fromarray(wide), kind)
    expected = np.round(wide / 257)[0].astype(int).tolist()
    assert read_image(data, channels=1)[0, :, 0].tolist() == expected
    assert read_image(data)[0, :, 2].tolist() == expected


def test_sixteen_bits_with_a_transparent_level():
    data = saved(Image.fromarray(np.array([[7, 65535]], np.uint16)), transparency=7)
    assert read_image(data, background="#0a0b0c")[0].tolist() == [[10, 11, 12], [255, 255, 255]]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_samples_of_unknown_range_are_refused(dtype):
    data = saved(Image.fromarray(np.ones((4, 4), dtype)), "TIFF")
    with pytest.raises(ImageError, match="32 bits a sample, of unknown range; scale it"):
        read_image(data)


def test_cmyk():
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    assert np.abs(read_image(saved(image, "JPEG"))[0, 0].astype(int) - (0, 255, 255)).max() < 4


def test_animations_give_their_first_frame(noise):
    first, second = Image.fromarray(noise), Image.fromarray(255 - noise)
    for kind in ("PNG", "WEBP", "TIFF"):
        options = {**FORMATS[kind], "save_all": True, "append_images": [second]}
        assert np.array_equal(read_image(saved(first, kind, **options)), noise)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0", "4:2:2"])
@pytest.mark.parametrize("progressive", [False, True])
def test_both_jpeg_libraries_agree(photo, subsampling, progressive, monkeypatch):
    data = saved(Image.fromarray(photo), "JPEG", subsampling=subsampling, progressive=progressive)
    fast = read_image(data)
    monkeypatch.setattr(_decoding, "simplejpeg", None)
    assert np.abs(fast.astype(int) - read_image(data)).max() <= 2


def test_both_jpeg_libraries_agree_on_grayscale(photo, monkeypatch):
    data = saved(Image.fromarray(photo).convert("L"), "JPEG")
    fast, fast_rgb = read_image(data, channels=1), read_image(data)
    assert np.array_equal(fast_rgb, np.repeat(fast, 3, axis=2))
    monkeypatch.setattr(_decoding, "simplejpeg", None)
    assert np.abs(fast.astype(int) - read_image(data, channels=1)).max() <= 2


def test_bytes_after_the_end_of_a_jpeg_are_harmless(noise):
    data = saved(Image.fromarray(noise), "JPEG")
    assert np.array_equal(read_image(data + b"left over" * 50), read_image(data))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 4}, "channels is 4, expected 3"),
        ({"background": "white"}, "background is 'white', expected #rrggbb"),
        ({"max_pixels": 0}, "max_pixels is 0"),
    ],
)
def test_parameters_that_cannot_work(noise, options, message):
    with pytest.raises(ParameterError, match=message):
        read_image(saved(Image.fromarray(noise)), **options)


def test_threads_read_good_and_bad_files_side_by_side(noise):
    """Neither Pillow's process-wide limit nor the warning filters change, and no thread sees another's error."""
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    good, large = saved(Image.fromarray(noise), "JPEG"), saved(Image.new("1", (10_000, 9_900)))
    bomb, broken = saved(Image.new("1", (12_000, 12_000))), good[:-300]
    expected = read_image(good)
    start = threading.Barrier(4)

    def work(seed):
        start.wait()
        for step in range(24):
            kind = (seed + step) % 3
            if kind == 0:
                assert np.array_equal(read_image(good), expected)
                continue
            with pytest.raises(ImageError, match=("144,000,000 pixels", "cut off")[kind - 1]):
                read_image((bomb, broken)[kind - 1])

    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(pool.map(work, range(4)))
        with pytest.raises(ImageError):
            read_image(large, max_pixels=90_000_000)  # Pillow alone would warn from 89.5 million pixels on
    assert not caught
    assert limit == Image.MAX_IMAGE_PIXELS
    assert filters == list(warnings.filters)


def test_importing_images_is_light():
    code = "import sys, blindsight.images; print(*(m for m in ('torch', 'numba', 'scipy', 'cv2') if m in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""

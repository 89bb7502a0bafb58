"""What is written is read back, is the same each time and says nothing but pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from blindsight.errors import ImageError, MissingDependencyError, ParameterError
from blindsight.images import _decoding, check_codec, codec_versions, encode_image, read_image, read_protected
from blindsight.profile import Codec

PNG, WEBP = Codec(format="png"), Codec(format="webp")
JPEG_444 = Codec(format="jpeg", quality=90, subsampling="4:4:4")
JPEG_420 = Codec(format="jpeg", quality=90, subsampling="4:2:0")
JPEG = Codec(format="jpeg", quality=90)
ALL = [PNG, WEBP, JPEG, JPEG_444, JPEG_420]

shapes = st.tuples(st.integers(1, 33), st.integers(1, 33), st.sampled_from((1, 3)))
images = shapes.flatmap(lambda shape: hnp.arrays(np.uint8, shape))


def mean_difference(a, b):
    return np.abs(a.astype(int) - b.astype(int)).mean()


@pytest.fixture(params=["simplejpeg", "pillow"])
def jpeg_library(request, monkeypatch):
    if request.param == "pillow":
        monkeypatch.setattr(_decoding, "simplejpeg", None)
    return request.param


@given(images, st.sampled_from((PNG, WEBP)))
def test_lossless_codecs_give_back_every_pixel(pixels, codec):
    data = encode_image(pixels, codec)
    for back in (read_protected(data, channels=pixels.shape[2]), read_image(data, channels=pixels.shape[2])):
        assert np.array_equal(back, pixels)
        assert back.flags.c_contiguous
        assert back.flags.writeable


@given(images, st.sampled_from(ALL))
def test_encoding_is_deterministic(pixels, codec):
    data = encode_image(pixels, codec)
    assert data == encode_image(pixels.copy(), codec)
    assert data == encode_image(np.asfortranarray(pixels), codec)
    assert read_protected(data, channels=pixels.shape[2]).shape == pixels.shape


@pytest.mark.parametrize("codec", [JPEG, JPEG_444, JPEG_420])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.usefixtures("jpeg_library")
def test_jpeg_is_close(photo, codec, channels):
    pixels = np.ascontiguousarray(photo[:, :, :channels])
    data = encode_image(pixels, codec)
    assert mean_difference(read_protected(data, channels=channels), pixels) < 4
    assert data == encode_image(pixels, codec)


def test_jpeg_quality_and_subsampling_count(photo):
    small = encode_image(photo, Codec(format="jpeg", quality=50, subsampling="4:2:0"))
    assert len(small) < len(encode_image(photo, JPEG_420)) < len(encode_image(photo, JPEG_444))
    assert encode_image(photo, JPEG) == encode_image(photo, JPEG_444)


def test_box_upsampling_keeps_chroma_within_its_square():
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16], pixels[16:] = (200, 60, 60), (60, 60, 200)  # a border of blocks that another image's block may cross
    data = encode_image(pixels, JPEG_420)
    box = read_protected(data, channels=3, box_upsampling=True).astype(int)
    smooth = read_protected(data, channels=3).astype(int)
    assert np.abs(box - pixels).max() < 6
    assert np.abs(smooth - pixels).max() > 15


def test_box_upsampling_needs_simplejpeg(noise, monkeypatch):
    monkeypatch.setattr(_decoding, "simplejpeg", None)
    data = encode_image(noise, JPEG_420)
    with pytest.raises(MissingDependencyError, match="pip install simplejpeg"):
        read_protected(data, channels=3, box_upsampling=True)


def png_chunks(data):
    position, kinds = 8, []
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kinds.append(data[position + 4 : position + 8])
        position += 12 + length
    return kinds


def jpeg_segments(data):
    position, kinds = 2, []
    while data[position + 1] != 0xDA:
        kinds.append(data[position + 1])
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return kinds


def webp_chunks(data):
    position, kinds = 12, []
    while position < len(data):
        kinds.append(data[position : position + 4])
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
    return kinds


@pytest.mark.usefixtures("jpeg_library")
def test_files_hold_no_metadata(noise):
    assert set(png_chunks(encode_image(noise, PNG))) == {b"IHDR", b"IDAT", b"IEND"}
    assert webp_chunks(encode_image(noise, WEBP)) == [b"VP8L"]
    for codec in (JPEG_444, JPEG_420):  # APP0 (the JFIF version), tables, frame; no APP1 to 15, no comment
        assert set(jpeg_segments(encode_image(noise, codec))) == {0xE0, 0xDB, 0xC0, 0xC4}


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \(4, 4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((0, 4, 3), np.uint8), r"uint8 \(0, 4, 3\)"),
    ],
)
def test_arrays_that_are_no_images(pixels, message):
    with pytest.raises(ParameterError, match=message):
        encode_image(pixels, PNG)


@pytest.mark.parametrize(("codec", "side"), [(WEBP, 16_384), (JPEG_444, 65_501)])
def test_sides_too_long_for_the_format(codec, side):
    with pytest.raises(ParameterError, match=r"pixels a side, not 1x.*; use png"):
        encode_image(np.zeros((1, side, 3), np.uint8), codec)


def test_protected_images_are_not_converted(tmp_path, noise):
    def saved(image, name, **options):
        image.save(tmp_path / name, **options)
        return tmp_path / name

    rgb = Image.fromarray(noise)
    odd = [
        (saved(rgb.convert("RGBA"), "a.png"), 3, "has mode RGBA, expected RGB"),
        (saved(rgb.convert("P"), "p.png"), 3, "has mode P, expected RGB"),
        (saved(rgb.convert("L"), "l.png"), 3, "has mode L, expected RGB"),
        (saved(rgb, "rgb.png"), 1, "has mode RGB, expected L"),
        (saved(rgb, "t.png", transparency=(0, 0, 0)), 3, "has mode RGB with transparency"),
        (saved(rgb.convert("CMYK"), "c.jpg"), 3, "has mode CMYK, expected RGB"),
        (saved(rgb, "g.gif"), 3, "is a GIF file, expected PNG or JPEG or WebP"),
        (saved(rgb, "w.webp", lossless=True), 1, "is in colour, expected grayscale"),
        (saved(Image.fromarray(noise[:, :, 0].astype(np.uint16) * 257), "i.png"), 1, "at 16 bits, expected L"),
    ]
    for path, channels, message in odd:
        with pytest.raises(ImageError, match=message) as caught:
            read_protected(path, channels=channels)
        assert str(path) in str(caught.value)


def test_protected_images_are_not_turned(tmp_path, noise):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_protected(tmp_path / "turned.png", channels=3), noise)


def test_protected_jpeg_is_read_strictly(noise):
    data = encode_image(noise, JPEG_444)
    with pytest.raises(ImageError):
        read_protected(data[:-200], channels=3)


def test_codec_versions_name_what_determines_the_bytes(monkeypatch):
    assert {"pillow", "simplejpeg", "zlib"} <= set(codec_versions(PNG))
    assert "webp" in codec_versions(WEBP)
    assert all(isinstance(version, str) for version in codec_versions(JPEG_444).values())
    assert codec_versions(JPEG)["simplejpeg"] != "absent"
    monkeypatch.setattr(_decoding, "simplejpeg", None)
    assert codec_versions(JPEG)["simplejpeg"] == "absent"


@pytest.mark.parametrize(
    ("codec", "block_size", "channels"),
    [(JPEG_444, 8, 3), (JPEG_444, 16, 3), (JPEG_420, 16, 3), (JPEG_420, 32, 3), (JPEG_420, 8, 1), (JPEG, 8, 3)],
)
def test_jpeg_where_it_makes_sense(codec, block_size, channels):
    check_codec(codec, block_size=block_size, jpeg_safe=True, allow_lossy=False, channels=channels)


@pytest.mark.parametrize(
    ("codec", "block_size", "jpeg_safe", "channels", "message"),
    [
        (JPEG_420, 8, True, 3, "not a multiple of 16.*--block-size 16, --subsampling 4:4:4, --format png"),
        (JPEG_420, 4, True, 3, "not a multiple of 16.*use --block-size 16, --format png"),
        (JPEG_444, 4, True, 3, "not a multiple of 8.*use --block-size 8, --format png"),
        (JPEG_420, 4, True, 1, "not a multiple of 8"),
        (JPEG_444, 16, False, 3, "use --format png, a scheme .* or --allow-lossy"),
    ],
)
def test_jpeg_where_it_does_not(codec, block_size, jpeg_safe, channels, message):
    options = {"block_size": block_size, "jpeg_safe": jpeg_safe, "channels": channels}
    with pytest.raises(ParameterError, match=message):
        check_codec(codec, allow_lossy=False, **options)
    check_codec(codec, allow_lossy=True, **options)
    check_codec(PNG, allow_lossy=False, **options)

"""Image files in: any mode to RGB or grayscale, upright, over a stated background."""

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from blindsight.errors import ImageError, MissingDependencyError, ParameterError
from blindsight.images import _decoding
from blindsight.images._decoding import DEFAULT_MAX_PIXELS, FORMATS, contents, decode_jpeg, decoding, open_image

__all__ = ["read_image", "read_protected"]

_ORIENTATION_TAG = 0x0112
_PNG_END = b"IEND\xaeB`\x82"
_PROTECTED_FORMATS = ("PNG", "JPEG", "WebP")
# Padding to whole blocks may take an image somewhat over the limit for plain ones.
_PROTECTED_MAX_PIXELS = 2 * DEFAULT_MAX_PIXELS


def read_image(
    source: Path | bytes,
    *,
    channels: int = 3,
    background: str = "#ffffff",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    name: str | None = None,
) -> NDArray[np.uint8]:
    """Reads a picture as a person would see it.

    JPEG, PNG, WebP, BMP, GIF, TIFF and PPM, told apart by content; the first frame of animations and pages. EXIF
    orientation is applied, transparency laid over the background, 16 bits rounded to 8, CMYK and palettes converted.

    Args:
        source: a file, or its bytes.
        channels: 3 for RGB, 1 for grayscale.
        background: ``#rrggbb`` shown through transparent pixels.
        max_pixels: images whose header states more are refused before anything is decoded.
        name: what to call the image in an error message; by default its path.

    Returns:
        uint8 (H, W, channels), C-contiguous, writable.

    Raises:
        ImageError: missing, empty, damaged, too large, or of a format or mode not listed above.
        ParameterError: channels, background or max_pixels cannot work.
    """
    _check_channels(channels)
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", background):
        raise ParameterError(f"background is {background!r}, expected #rrggbb, e.g. '#ffffff' for white")
    if max_pixels < 1:
        raise ParameterError(f"max_pixels is {max_pixels}, expected a positive number")
    label = _label(source, name)
    data = contents(source, label)
    with decoding(label):
        image = open_image(data, label, formats=FORMATS, max_pixels=max_pixels)
        pixels = _pixels_of(data, image, background, label)
        if pixels.shape[2] != channels:
            pixels = _with_channels(pixels, channels)
        return _upright(pixels, _orientation(image))


def read_protected(
    source: Path | bytes, *, channels: int, box_upsampling: bool = False, name: str | None = None
) -> NDArray[np.uint8]:
    """Reads a protected image exactly as it was stored: nothing is converted, turned or repaired.

    Args:
        source: a file, or its bytes.
        channels: what the profile says; 3 for RGB, 1 for grayscale.
        box_upsampling: for the owner revealing 4:2:0 JPEG. Interpolated chroma would leak across block borders and cost
            2 to 4 dB once the blocks are put back.
        name: what to call the image in an error message; by default its path.

    Returns:
        uint8 (H, W, channels), C-contiguous, writable.

    Raises:
        ImageError: missing, damaged in any way, not PNG, JPEG or WebP, or not of that many channels at 8 bits.
        MissingDependencyError: box upsampling without simplejpeg.
    """
    _check_channels(channels)
    label = _label(source, name)
    data = contents(source, label)
    with decoding(label):
        image = open_image(data, label, formats=_PROTECTED_FORMATS, max_pixels=_PROTECTED_MAX_PIXELS)
        is_jpeg = image.format == "JPEG"
        if image.format == "PNG" and not data.endswith(_PNG_END):
            raise ImageError(f"{label} is cut off; copy it again or take it out")
        expected = "L" if channels == 1 and image.format != "WEBP" else "RGB"  # WebP's gray is three equal planes
        found = _stored_mode(data, image)
        if found != expected:
            raise ImageError(
                f"{label} has mode {found}, expected {expected}, as the profile says; protect the originals again"
            )
        if is_jpeg and box_upsampling and _decoding.simplejpeg is None:
            raise MissingDependencyError(
                "revealing 4:2:0 JPEG needs simplejpeg, which is not installed; run: pip install simplejpeg"
            )
        if is_jpeg and _decoding.simplejpeg is not None:
            return decode_jpeg(data, image, box_upsampling=box_upsampling)
        pixels = _array(image)
        if pixels.shape[2] == channels:
            return pixels
        if not (pixels == pixels[:, :, :1]).all():
            raise ImageError(f"{label} is in colour, expected grayscale, as the profile says")
        return np.ascontiguousarray(pixels[:, :, :1])


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise ParameterError(f"channels is {channels}, expected 3 (RGB) or 1 (grayscale)")


def _label(source: Path | bytes, name: str | None) -> str:
    if name is None:
        name = str(source) if isinstance(source, Path) else "the image"
    return _decoding.printable(name)


def _stored_mode(data: bytes, image: ImageFile.ImageFile) -> str:
    """Pillow's mode; with what it hides of PNG, namely 16-bit colour and a transparent colour."""
    if data.startswith(b"\x89PNG") and data[24] != 8:
        return f"{image.mode} at {data[24]} bits"
    return f"{image.mode} with transparency" if "transparency" in image.info else image.mode


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation. Called after decoding: Pillow decodes a PNG to find it, and those errors must count."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # a broken EXIF block does not make the picture unreadable
        return 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undoes an EXIF orientation: 1 to 8; anything else counts as 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _pixels_of(data: bytes, image: ImageFile.ImageFile, background: str, label: str) -> NDArray[np.uint8]:
    """Decodes to RGB, or to one channel where the file has no colour and no transparency."""
    if image.format == "JPEG" and image.mode in ("RGB", "L") and _decoding.simplejpeg is not None:
        # Trailing bytes and the like are harmless; Pillow decides then, and refuses files that are cut off.
        with suppress(ValueError):
            return decode_jpeg(data, image)
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise ImageError(f"{label} has 32 bits a sample, of unknown range; scale it to 8 or 16 bits first")
    image.load()
    if image.mode.startswith("I"):
        return _eight_bits(image, background)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, background)
        canvas.paste(rgba, mask=rgba)
        return _array(canvas)
    return _array(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _eight_bits(image: Image.Image, background: str) -> NDArray[np.uint8]:
    """16-bit grayscale, rounded: 65535 / 255 = 257."""
    wide = np.asarray(image).astype(np.int64, copy=False)
    pixels = ((wide.clip(0, 65535) + 128) // 257).astype(np.uint8)[:, :, None]
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        pixels = np.repeat(pixels, 3, axis=2)
        pixels[wide == transparent] = np.asarray(Image.new("RGB", (1, 1), background))[0, 0]
    return pixels


def _array(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.array(image, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _with_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return _array(Image.fromarray(pixels).convert("L"))

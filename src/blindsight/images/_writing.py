"""Image files out: the same pixels and codec give the same bytes, without metadata."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from blindsight.errors import ParameterError
from blindsight.images import _decoding
from blindsight.profile import Codec

__all__ = ["check_codec", "codec_versions", "encode_image"]

# CPU time on one core for an EtC-encrypted photograph of 0.4 MP, M = 16. PNG: level 1 25 ms, 629 kB; level 4 40 ms,
# 585 kB; level 6 (Pillow's default) 79 ms, 573 kB. Lossless WebP: least effort 14 ms, 498 kB; method 0 and quality 80
# 47 ms, 488 kB; method 4 221 ms, 416 kB.
_PNG_LEVEL = 1
_WEBP_EFFORT = {"method": 0, "quality": 0}
_MAX_SIDE = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383}


def encode_image(pixels: NDArray[np.uint8], codec: Codec) -> bytes:
    """Encodes an image.

    Args:
        pixels: uint8 (H, W, 3) RGB or (H, W, 1) grayscale.
        codec: format, quality and subsampling. JPEG without a stated subsampling keeps all chroma (4:4:4).

    Returns:
        A whole file. PNG and WebP give back the very pixels; WebP stores grayscale as three equal planes.

    Raises:
        ParameterError: not such an array, or larger than the format can hold.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not pixels.size:
        raise ParameterError(f"pixels are {pixels.dtype} {pixels.shape}, expected uint8 (H, W, 3) or (H, W, 1)")
    height, width, _ = pixels.shape
    if max(height, width) > _MAX_SIDE[codec.format]:
        raise ParameterError(
            f"{codec.format} holds at most {_MAX_SIDE[codec.format]} pixels a side, not {height}x{width}; use png"
        )
    if codec.format == "jpeg":
        return _encode_jpeg(np.ascontiguousarray(pixels), codec)
    image = _image(pixels)
    with io.BytesIO() as file:
        if codec.format == "png":
            image.save(file, "PNG", compress_level=_PNG_LEVEL)
        else:
            image.convert("RGB").save(file, "WEBP", lossless=True, exact=True, **_WEBP_EFFORT)
        return file.getvalue()


def _encode_jpeg(pixels: NDArray[np.uint8], codec: Codec) -> bytes:
    if _decoding.simplejpeg is not None:
        gray = pixels.shape[2] == 1
        encoded: bytes = _decoding.simplejpeg.encode_jpeg(
            pixels,
            quality=codec.quality,
            colorspace="GRAY" if gray else "RGB",
            colorsubsampling="Gray" if gray else (codec.subsampling or "4:4:4").replace(":", ""),
        )
        return encoded
    with io.BytesIO() as file:
        _image(pixels).save(file, "JPEG", quality=codec.quality, subsampling=codec.subsampling or "4:4:4")
        return file.getvalue()


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def codec_versions(codec: Codec) -> dict[str, str]:
    """Libraries whose versions determine the bytes of a protected data set, those that decode its inputs included."""
    simplejpeg = _decoding.simplejpeg
    versions = {
        "pillow": features.version("pil"),
        "libjpeg_turbo": features.version("libjpeg_turbo"),
        "simplejpeg": simplejpeg.__version__ if simplejpeg is not None else None,
    }
    if codec.format == "png":
        versions |= {"zlib": features.version("zlib"), "zlib_ng": features.version("zlib_ng")}
    if codec.format == "webp":
        versions |= {"webp": features.version("webp")}
    return {name: version or "absent" for name, version in versions.items()}


def check_codec(codec: Codec, *, block_size: int, jpeg_safe: bool, allow_lossy: bool, channels: int) -> None:
    """Refuses JPEG where it would spoil what the cipher gives back.

    JPEG works on squares of 8 x 8 pixels, and of 16 x 16 with 4:2:0 chroma. A cipher that moves whole blocks of such
    squares leaves it little to lose; anything else makes large files of noise.

    Args:
        codec: how images are to be stored.
        block_size: the cipher's block side in pixels.
        jpeg_safe: what the scheme says of itself.
        allow_lossy: the user accepts the loss.
        channels: 3 or 1; grayscale has no chroma.

    Raises:
        ParameterError: saying what to choose instead.
    """
    if codec.lossless or allow_lossy:
        return
    if not jpeg_safe:
        raise ParameterError(
            "jpeg would destroy detail that this scheme scatters within blocks; use --format png, a scheme that keeps "
            "blocks whole such as etc, or --allow-lossy"
        )
    subsampled = channels == 3 and codec.subsampling == "4:2:0"
    unit = 16 if subsampled else 8
    if block_size % unit:
        advice = f"--block-size {-(-block_size // unit) * unit}"
        if subsampled and block_size % 8 == 0:
            advice += ", --subsampling 4:4:4"
        raise ParameterError(
            f"block size {block_size} is not a multiple of {unit}, which jpeg {'4:2:0' if subsampled else 'without'} "
            f"{'needs' if subsampled else 'subsampling needs'}; use {advice}, --format png or --allow-lossy"
        )

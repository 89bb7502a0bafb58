"""From bytes to an opened, not yet decoded image: formats by content, limits before decoding, one kind of error.

Pillow's plugin classes are used directly rather than ``Image.open``, whose check against decompression bombs depends on
a process-wide setting and on warnings; neither can be changed safely while other threads read images.
"""

import io
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from blindsight.errors import BlindsightError, ImageError

try:
    import simplejpeg
except ImportError:  # pragma: no cover - a dependency, but without a wheel on some platforms
    simplejpeg = None

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "FORMATS",
    "MAX_FILE_BYTES",
    "MAX_SIDE",
    "contents",
    "decode_jpeg",
    "decoding",
    "open_image",
    "printable",
    "simplejpeg",
]

DEFAULT_MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 512 * 2**20
MAX_SIDE = 65_500  # what libjpeg can write
MAX_JPEG_SCANS = 50  # progressive files have about 10; each empty one costs 0.1 s at the limit of pixels

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # none of these occurs within compressed data

_PLUGINS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}
_SIGNATURES: dict[bytes, str] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"BM": "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    **{b"P%d" % kind + space: "PPM" for kind in range(1, 7) for space in (b" ", b"\t", b"\n", b"\r", b"#")},
}
FORMATS = tuple(_PLUGINS)


def printable(name: str) -> str:
    """A file name as it may stand on one line of a terminal: control characters and stray bytes are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def contents(source: Path | bytes, label: str) -> bytes:
    """The bytes of a regular file, or the bytes given.

    Raises:
        ImageError: missing, not a regular file (a FIFO or a device would hang), empty, too large or unreadable.
    """
    if not isinstance(source, Path):
        data = bytes(source)
    else:
        try:
            status = source.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(f"{label} is not a regular file; give the image file itself")
            if status.st_size > MAX_FILE_BYTES:
                _refuse_file_size(label, status.st_size)
            data = source.read_bytes()
        except (OSError, ValueError) as error:
            if isinstance(error, FileNotFoundError):
                raise ImageError(f"{label} does not exist (or is a link to nothing); check the path") from None
            reason = error.strerror if isinstance(error, OSError) else "impossible path"
            raise ImageError(f"{label} cannot be read ({reason}); check the path and its permissions") from None
    if not data:
        raise ImageError(f"{label} is empty; copy it again or take it out")
    if len(data) > MAX_FILE_BYTES:
        _refuse_file_size(label, len(data))
    return data


def _refuse_file_size(label: str, size: int) -> None:
    raise ImageError(f"{label} has {size:,} bytes, more than the limit of {MAX_FILE_BYTES:,}; store it smaller")


@contextmanager
def decoding(label: str) -> Iterator[None]:
    """Turns whatever a decoder throws into an ImageError of one line that quotes nothing from the file."""
    try:
        yield
    except BlindsightError:
        raise
    except Image.DecompressionBombError:  # from within a plugin, for the second of two sizes that a file states
        raise ImageError(f"{label} states a huge number of pixels; scale it down first or take it out") from None
    except MemoryError:
        raise ImageError(f"{label} does not fit into memory; scale it down first") from None
    except Exception as error:  # decoders raise nearly everything: OSError, SyntaxError, struct.error, zlib.error, ...
        if "truncated" in str(error).lower():
            raise ImageError(f"{label} is cut off; copy it again or take it out") from None
        raise ImageError(f"{label} is damaged or of an unusual kind; save it again as PNG or take it out") from None


def open_image(data: bytes, label: str, *, formats: tuple[str, ...], max_pixels: int) -> ImageFile.ImageFile:
    """Reads the header only, and checks it. To be called within :func:`decoding`.

    Args:
        data: the file.
        label: what to call it in an error message.
        formats: names of the formats allowed, of ``FORMATS``; what counts is the content, not the file's suffix.
        max_pixels: most pixels to accept.

    Raises:
        ImageError: another format, or more pixels than allowed.
    """
    found = _format_of(data)
    if found not in formats:
        what = f"a {found} file" if found else "not an image of a known format"
        raise ImageError(f"{label} is {what}, expected {' or '.join(formats)}; convert it or take it out")
    file = io.BytesIO(data)
    image = _PLUGINS[found](file)
    check_dimensions(*image.size, label, max_pixels)
    if found == "JPEG" and _has_too_many_scans(data, file.tell()):
        raise ImageError(f"{label} has more than {MAX_JPEG_SCANS} scans, as an attack would; save it again")
    return image


def check_dimensions(width: int, height: int, label: str, max_pixels: int) -> None:
    """Raises ImageError for an empty image and for one of too many pixels."""
    if width < 1 or height < 1:
        raise ImageError(f"{label} has no pixels ({width}x{height}); take it out")
    if width * height > max_pixels:
        raise ImageError(
            f"{label} has {width}x{height} = {width * height:,} pixels, more than the limit of {max_pixels:,}; "
            "scale it down first"
        )
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"{label} is {width}x{height}, and no side may exceed {MAX_SIDE} pixels; cut it up first")


def _has_too_many_scans(data: bytes, position: int) -> bool:
    """Whether a JPEG has more than ``MAX_JPEG_SCANS`` scans, from the end of the first one's header on."""
    if data.count(b"\xff\xda", position) < MAX_JPEG_SCANS:
        return False
    scans = 1  # so many may be chance where a camera appends a film: walk from marker to marker up to the end
    while scans <= MAX_JPEG_SCANS and (marker := _JPEG_MARKER.search(data, position)) and marker[0] != b"\xff\xd9":
        scans += marker[0] == b"\xff\xda"
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return scans > MAX_JPEG_SCANS


def _format_of(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((name for signature, name in _SIGNATURES.items() if data.startswith(signature)), None)


def decode_jpeg(data: bytes, image: ImageFile.ImageFile, *, box_upsampling: bool = False) -> NDArray[np.uint8]:
    """Decodes an RGB or grayscale JPEG with simplejpeg.

    Args:
        data: the file.
        image: the same, opened: it says mode and size.
        box_upsampling: repeat chroma samples rather than interpolate them across the borders of encrypted blocks.

    Returns:
        uint8 (H, W, C).

    Raises:
        ValueError: any irregularity, harmless ones included.
    """
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    if (width, height) != image.size:  # two parsers read two headers: the checked one must be the decoded one
        raise ValueError("contradictory headers")
    colorspace = "GRAY" if image.mode == "L" else "RGB"
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace=colorspace, fastupsample=box_upsampling)
    return pixels

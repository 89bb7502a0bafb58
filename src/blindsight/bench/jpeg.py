"""What JPEG makes of protected photographs: bits a pixel, and what is left when they are revealed."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.errors import MissingDependencyError, ParameterError
from blindsight.images import check_codec, encode_image, read_image, read_protected
from blindsight.owner.ciphers import Cipher, create_cipher, list_ciphers
from blindsight.owner.keys import SecretKey
from blindsight.profile import Codec

__all__ = ["BLOCKS", "QUALITIES", "SUBSAMPLINGS", "JpegRow", "Setting", "load_photographs", "measure", "settings"]

QUALITIES = (95, 90, 85, 80, 70, 60, 50)
SUBSAMPLINGS = ("4:4:4", "4:2:0")
BLOCKS = (8, 16, 32)
#: Fixed, so that the numbers are the same every time; the photographs are public, or not shown.
KEY = SecretKey(bytes(range(32)))


@dataclass(frozen=True)
class Setting:
    """A scheme (None: plain) with blocks of a side, and a codec.

    Attributes:
        scheme: registered name; None is plain.
        block: side in pixels; None where the scheme is None.
        codec: PNG, for comparison, or JPEG.
        allowed: False where ``protect`` asks for ``--allow-lossy``.
    """

    scheme: str | None
    block: int | None
    codec: Codec
    allowed: bool


@dataclass(frozen=True)
class JpegRow:
    """One setting on all photographs of a set.

    Attributes:
        photographs: name of the set.
        scheme: None is plain.
        block: side in pixels; None is plain.
        quality: of JPEG; None is PNG.
        subsampling: of JPEG; None is PNG.
        allowed: False where ``protect`` asks for ``--allow-lossy``.
        bits_per_pixel: of all photographs together.
        ratio: bits of the protected images / bits of the plain ones under the same codec.
        ratio_low: the least of that ratio over the photographs.
        ratio_high: the largest.
        psnr: in dB, mean over the photographs, of the revealed image against the original; None where all are exact.
    """

    photographs: str
    scheme: str | None
    block: int | None
    quality: int | None
    subsampling: str | None
    allowed: bool
    bits_per_pixel: float
    ratio: float
    ratio_low: float
    ratio_high: float
    psnr: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def settings(
    schemes: list[str] | None = None,
    *,
    blocks: tuple[int, ...] = BLOCKS,
    qualities: tuple[int, ...] = QUALITIES,
    allow_lossy: bool = False,
) -> Iterator[Setting]:
    """What is to be measured: plain first, then every scheme by block size, subsampling and falling quality.

    Args:
        schemes: names; None is all that are registered.
        blocks: sides in pixels.
        qualities: of JPEG.
        allow_lossy: also what ``protect`` refuses without ``--allow-lossy``.

    Raises:
        UnknownNameError: no such scheme.
        ParameterError: a quality or block size that cannot be.
    """
    lossless = Codec()
    codecs = [_codec(quality, sampling) for sampling in SUBSAMPLINGS for quality in qualities]
    yield from (Setting(None, None, codec, True) for codec in (lossless, *codecs))
    for scheme in list_ciphers() if schemes is None else schemes:
        for block in blocks:
            cipher = create_cipher(scheme, block)
            for codec in (lossless, *codecs):
                allowed = _allowed(cipher, block, codec)
                if allowed or allow_lossy:
                    yield Setting(scheme, block, codec, allowed)


def _codec(quality: int, subsampling: str) -> Codec:
    if not 1 <= quality <= 100:
        raise ParameterError(f"a JPEG quality is 1 to 100, got {quality}")
    return Codec.model_validate({"format": "jpeg", "quality": quality, "subsampling": subsampling})


def _allowed(cipher: Cipher, block: int, codec: Codec) -> bool:
    try:
        check_codec(codec, block_size=block, jpeg_safe=cipher.jpeg_safe, allow_lossy=False, channels=3)
    except ParameterError:
        return False
    return True


def load_photographs(source: str, count: int, unit: int) -> tuple[str, list[NDArray[np.uint8]]]:
    """Photographs, cut in the middle to whole blocks of the largest size, so that every setting has the same pixels.

    Args:
        source: ``scikit-learn``, for the two photographs that come with it, or a folder of image files.
        count: of a folder, at most so many, spread evenly over its sorted files.
        unit: side of the largest blocks.

    Returns:
        The name of the set, and the photographs, uint8 (H, W, 3).

    Raises:
        ParameterError: no photograph that holds a whole block.
        ImageError: a file cannot be read.
        MissingDependencyError: scikit-learn is not installed.
    """
    if source == "scikit-learn":
        try:
            from sklearn import datasets
        except ImportError:
            raise MissingDependencyError.of("scikit-learn", "audit", "its photographs") from None
        name, found = (
            "scikit-learn's photographs",
            [np.asarray(photo) for photo in datasets.load_sample_images().images],
        )
    else:
        folder = Path(source)
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if not folder.is_dir() or not files:
            raise ParameterError(f"{source} is no folder of photographs; give one, or scikit-learn for its two")
        chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int)]
        name, found = folder.resolve().name, [read_image(path, channels=3) for path in chosen]
    cut = [_middle(photo, unit) for photo in found if min(photo.shape[:2]) >= unit]
    if not cut:
        raise ParameterError(f"no photograph of {source} has {unit} pixels a side, the largest block; use smaller ones")
    return name, cut


def _middle(photo: NDArray[np.uint8], unit: int) -> NDArray[np.uint8]:
    height, width = (side - side % unit for side in photo.shape[:2])
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    return np.ascontiguousarray(photo[top : top + height, left : left + width])


def measure(
    name: str,
    photographs: list[NDArray[np.uint8]],
    chosen: list[Setting],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[JpegRow]:
    """Encrypts, encodes, decodes and decrypts every photograph in every setting.

    Args:
        name: of the set.
        photographs: uint8 (H, W, 3), sides multiples of every block size.
        chosen: settings, plain ones of every codec among them.
        progress: called with (done, all) settings.
    """
    pixels = sum(photo.shape[0] * photo.shape[1] for photo in photographs)
    plain: dict[Codec, list[int]] = {}
    rows = []
    for (scheme, block), group in groupby(chosen, key=lambda setting: (setting.scheme, setting.block)):
        tables = [_table(scheme, block, photo, str(number)) for number, photo in enumerate(photographs)]
        hidden = [photo if t is None else t.apply(photo) for t, photo in zip(tables, photographs, strict=True)]
        for setting in group:
            files = [encode_image(image, setting.codec) for image in hidden]
            sizes = [len(file) for file in files]
            if scheme is None:
                plain[setting.codec] = sizes
            against = plain[setting.codec]
            each = [size / reference for size, reference in zip(sizes, against, strict=True)]
            losses = [_psnr(*one) for one in zip(photographs, files, tables, strict=True)]
            finite = [loss for loss in losses if math.isfinite(loss)]
            rows.append(
                JpegRow(
                    photographs=name,
                    scheme=scheme,
                    block=block,
                    quality=setting.codec.quality,
                    subsampling=setting.codec.subsampling,
                    allowed=setting.allowed,
                    bits_per_pixel=round(8 * sum(sizes) / pixels, 4),
                    ratio=round(sum(sizes) / sum(against), 4),
                    ratio_low=round(min(each), 4),
                    ratio_high=round(max(each), 4),
                    psnr=round(sum(finite) / len(finite), 3) if finite else None,
                )
            )
            progress(len(rows), len(chosen))
    return rows


def _table(scheme: str | None, block: int | None, photo: NDArray[np.uint8], number: str) -> SignedPermutation | None:
    if scheme is None or block is None:
        return None
    return create_cipher(scheme, block).compile(KEY, photo.shape[0], photo.shape[1], number)


def _psnr(photo: NDArray[np.uint8], file: bytes, table: SignedPermutation | None) -> float:
    """PSNR in dB of what comes back, infinite where it is exact. Protected images are decoded as ``reveal`` does."""
    # Interpolated chroma would leak across the borders of encrypted blocks; lossless files have none.
    back = read_protected(file, channels=3, box_upsampling=table is not None)
    if table is not None:
        back = np.asarray(table.inverse().apply(back))
    error = float(np.mean((back.astype(np.float64) - photo) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf

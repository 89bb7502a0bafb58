"""How alike two images are: four measures from the literature, each between uint8 images (H, W, C) of one size.

They answer different questions. SSIM and PSNR compare pixels where they are, correlation compares light and dark over
the whole image, the perceptual hash compares the coarse picture as a person would glance at it. Low similarity in all
four is no proof of privacy: none of them knows what a face is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from blindsight.errors import ParameterError

__all__ = ["MEASURES", "PSNR_CEILING", "Measure", "correlation", "phash_distance", "psnr", "ssim"]

Pixels = NDArray[np.uint8]

#: What an equal pair counts as where PSNRs are averaged, in dB. A single sample off by one in 192 x 192 x 3 gives 98.6.
PSNR_CEILING = 100.0
SSIM_WINDOW = 7


def ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity, the mean over all windows and channels.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing 13(4), 2004; scikit-image's ``structural_similarity`` with a uniform window of
    7 x 7, or the largest odd window that fits where a side is shorter than 7.

    Args:
        a: uint8 (H, W, C), H and W at least 3.
        b: the same shape.

    Returns:
        -1 to 1; 1 for equal images. Two unrelated photographs are near 0, but two flat or like-framed ones (faces from
        one camera) are well above it: compare with the chance level of the same set.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    side = min(a.shape[:2])
    if side < 3:
        raise ParameterError(f"SSIM needs images of at least 3x3 pixels, got {a.shape[0]}x{a.shape[1]}")
    window = min(SSIM_WINDOW, side if side % 2 else side - 1)
    return float(structural_similarity(a, b, win_size=window, channel_axis=2, data_range=255))


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio: 10 log10(255² / mean squared error), in decibels.

    Args:
        a: uint8 (H, W, C).
        b: the same shape.

    Returns:
        0 (black against white) to infinity (equal). Unrelated photographs are at about 8 to 12 dB. In averages an equal
        pair counts as :data:`PSNR_CEILING`.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def correlation(a: Pixels, b: Pixels) -> float:
    """Pearson's correlation over all samples of all channels.

    Args:
        a: uint8 (H, W, C).
        b: the same shape.

    Returns:
        -1 to 1; unrelated images scatter about 0, like-framed ones above it. A constant image has no variance: with an
        equal image it counts as 1, with any other as 0.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    x, y = (image.astype(np.float64).ravel() - image.mean(dtype=np.float64) for image in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if scale == 0:
        return float(np.array_equal(a, b))
    return float(np.clip(x @ y / scale, -1, 1))


def phash_distance(a: Pixels, b: Pixels) -> float:
    """Hamming distance between 64-bit perceptual hashes: which of the lowest DCT frequencies are above their median.

    Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010; ImageHash's ``phash`` (grey,
    32 x 32, the 8 x 8 lowest frequencies).

    Args:
        a: uint8 (H, W, C).
        b: the same shape.

    Returns:
        0 to 64; 0 for images that look the same at a glance, about 32 for unrelated ones. Services that look for known
        pictures take distances up to about 10 for a match.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    return float(_phash(a) - _phash(b))


def _phash(pixels: Pixels) -> imagehash.ImageHash:
    return imagehash.phash(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def _check(a: Pixels, b: Pixels) -> None:
    for image in (a, b):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
            raise ParameterError(
                f"an image is {image.dtype} {image.shape}, expected uint8 (H, W, 3) or (H, W, 1); convert it first"
            )
    if a.shape != b.shape:
        raise ParameterError(f"images have shapes {a.shape} and {b.shape}; bring them to one size first")


@dataclass(frozen=True)
class Measure:
    """A measure as the report shows it.

    Attributes:
        name: key in report.json.
        title: for people, with the unit.
        of: the function.
        more_is_alike: larger values mean more alike.
        digits: decimals worth printing.
    """

    name: str
    title: str
    of: Callable[[Pixels, Pixels], float]
    more_is_alike: bool
    digits: int


MEASURES = (
    Measure("ssim", "SSIM", ssim, True, 3),
    Measure("psnr", "PSNR (dB)", psnr, True, 1),
    Measure("correlation", "correlation", correlation, True, 3),
    Measure("phash_distance", "perceptual-hash distance (bits)", phash_distance, False, 1),
)
